"""Reverse kernels written out: densities, their broken versions, and the map to white noise."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from scalelib.information import Mixture, marginal
from scalelib.processes import VariancePreserving
from scalelib.propositions import _feller as feller
from scalelib.propositions.instances import NOISY, process
from scalelib.propositions.reversal import (
    IMAGES,
    LINE,
    SET,
    WEIGHTS,
    Reversal,
    denoised,
    entropy_to_match,
    exact,
    exact_posterior,
    grid,
    image_of,
    in_full,
    matched,
    normal,
    on_line,
    on_pairs,
    whitened,
)

KERNELS = (exact, denoised, matched)
X = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
WIDTH = float(X[1] - X[0])
U = torch.tensor([[-2.0], [0.1], [1.3]], dtype=torch.float64)


@pytest.fixture(scope="module")
def unequal():
    """Two steps; the components of the data have different variances."""
    return Reversal(VariancePreserving([0.3, 0.4]), feller.DATA, (0,))


@pytest.mark.parametrize("name", NOISY)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_are_densities(name, kernel):
    back = on_line(process(name), LINE)
    (v, width), u = grid(back.law(3)), back.law(8).means
    density = on_pairs(kernel, back, v, u, 3, 8).exp()
    torch.testing.assert_close(
        width * density.sum(dim=0), torch.ones(4).double(), rtol=1e-10, atol=0
    )


@pytest.mark.parametrize("k", [0, 1])
def test_the_kernel_is_that_of_bayes(unequal, k):
    early, late = (marginal(unequal.chain, feller.DATA, i).log_density for i in (k, 2))
    a, b2 = unequal.chain.direct(2, k)
    forward = torch.distributions.Normal(a * X, b2.sqrt()).log_prob(U.T)
    bayes = (forward + early(X)[:, None] - late(U)).exp()
    torch.testing.assert_close(
        on_pairs(exact, unequal, X, U, k, 2).exp(), bayes, rtol=1e-10, atol=1e-14
    )


def test_matched_has_the_moments_of_the_exact_kernel(unequal):
    expected = [moment[:, 0] for moment in unequal.moments(U, 1, 2)]
    for kernel in (exact, matched):
        p = WIDTH * on_pairs(kernel, unequal, X, U, 1, 2).exp()
        mean = X[:, 0] @ p
        variance = (p * (X - mean).square()).sum(dim=0)
        torch.testing.assert_close([mean, variance], expected, rtol=1e-10, atol=1e-12)


def test_the_relative_entropy_is_the_integral(unequal):
    logs, others = (on_pairs(kernel, unequal, X, U, 1, 2) for kernel in (exact, matched))
    expected = WIDTH * (logs.exp() * (logs - others)).sum(dim=0)
    torch.testing.assert_close(entropy_to_match(unequal, U, 1, 2), expected, rtol=1e-6, atol=1e-12)


def test_one_component_is_its_own_match():
    one = Mixture(LINE.means[:1], LINE.variances)
    back = on_line(process("blurring diffusion"), one)
    v, u = torch.randn(2, 20, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for kernel in (denoised, matched):
        torch.testing.assert_close(kernel(back, v, u, 2, 5), exact(back, v, u, 2, 5))


@pytest.mark.parametrize("name", NOISY)
def test_weights_are_those_of_the_package(name):
    back, posterior = in_full(process(name)), exact_posterior(process(name))
    u = process(name).sample(IMAGES, 6, generator=torch.Generator().manual_seed(1))
    modes = process(name).to_modes(u).flatten(1)[:, list(back.modes)]
    torch.testing.assert_close(back.weights(modes, 6), posterior.log_weights(u, 6))


def test_images_of_a_line_vary_in_one_mode():
    back = on_line(process("blurring diffusion"), SET)
    found = back.chain.to_modes(image_of(back, SET.means)).flatten(1)
    torch.testing.assert_close(found[:, 1:2], SET.means)
    assert found[:, [0, *range(2, 30)]].abs().max() < 1e-15


def test_silent_modes_are_left_out_of_a_density():
    gap = torch.tensor([[3.0, 1.0]]).double()
    variance = torch.tensor([0.0, 4.0]).double()
    expected = stats.norm(0, 2).logpdf(1)
    assert float(normal(gap, variance)) == pytest.approx(expected, rel=1e-14)


def test_points_of_the_law_become_white_and_others_do_not():
    law = Mixture(torch.tensor([[-2.0, 0.0], [2.0, 1.0]]).double(), torch.ones(2).double())
    u = law.sample(20_000, generator=torch.Generator().manual_seed(2))
    z = whitened(law, u)
    assert stats.kstest(z.square().sum(dim=1).numpy(), stats.chi2(2).cdf).pvalue > 1e-3
    assert abs(float(torch.corrcoef(z.T)[0, 1])) < 4 / math.sqrt(20_000)
    wider = whitened(law, 1.1 * u)
    assert stats.kstest(wider.square().sum(dim=1).numpy(), stats.chi2(2).cdf).pvalue < 1e-6


def test_far_tails_stay_finite():
    law = Mixture(torch.zeros(1, 1).double(), torch.ones(1).double())
    far = torch.tensor([[-30.0], [30.0]]).double()
    torch.testing.assert_close(whitened(law, far), far, rtol=1e-10, atol=0)


def test_a_grid_holds_the_mass_of_its_law():
    law = on_line(process("variance exploding"), LINE).law(4)
    u, width = grid(law)
    assert float(law.log_density(u).exp().sum() * width) == pytest.approx(1, abs=1e-13)


def test_images_are_similar_and_weights_differ():
    assert float(torch.pdist(IMAGES.flatten(1)).max()) < 0.6
    assert len(set(WEIGHTS.tolist())) == len(IMAGES)
