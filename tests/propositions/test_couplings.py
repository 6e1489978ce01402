"""Exact joint laws against closed forms that one can write down, and against samples."""

import math

import pytest
import torch

from scalelib import HeatDissipation, VarianceExploding, VariancePreserving
from scalelib.propositions.couplings import (
    in_modes,
    independent,
    markov,
    measure,
    one_jump_each,
    one_noise,
)

PIXEL = (1, 1)
SIGMAS = torch.tensor([3.0, 5.0, 13.0], dtype=torch.float64)
EXPLODING = VarianceExploding(SIGMAS)
ONE = torch.ones(1, 1, dtype=torch.float64)


def between(coupling, k, i, initial=None):
    return float(measure(coupling(EXPLODING), 3, PIXEL).covariance(k, i, initial))


@pytest.mark.parametrize(
    ("coupling", "expected"),
    [(markov, 9.0), (independent, 0.0), (one_jump_each, 15.0), (one_noise, 3.0 * (3.0 + 4.0))],
)
def test_each_coupling_has_its_covariance_of_two_scales(coupling, expected):
    """One noise in all steps adds the deviations 3 and 4 of the steps."""
    assert between(coupling, 1, 2) == pytest.approx(expected, rel=1e-14)
    assert between(coupling, 1, 2, ONE) == pytest.approx(expected + 1, rel=1e-14)


@pytest.mark.parametrize("coupling", [markov, independent, one_jump_each])
def test_marginals_agree_whatever_the_coupling(coupling):
    assert [between(coupling, i, i) for i in range(4)] == pytest.approx([0, 9, 25, 169], rel=1e-14)


def test_only_the_markov_chain_forgets():
    """In one pixel: image of variance 1, noise 9 and 25, so that memory is known by hand."""
    memory = {
        name: float(measure(coupling(EXPLODING), 3, PIXEL).memory(1, 2, ONE))
        for name, coupling in {"markov": markov, "independent": independent}.items()
    }
    assert abs(memory["markov"]) < 1e-15
    assert memory["independent"] == pytest.approx((1 - 1 / 10) / math.sqrt(26), rel=1e-14)


def test_the_map_of_the_image_is_the_mean():
    process = HeatDissipation([0.5, 2.0], sigma=0.1, shape=(3, 4))
    u = torch.rand(1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = measure(markov(process), 2, (3, 4)).from_image
    for i in (0, 1, 2):
        expected = process.mean(u, i).flatten()
        torch.testing.assert_close(found[i] @ u.flatten(), expected, rtol=0, atol=1e-14)


def test_modes_of_a_blurring_process_do_not_mix():
    process = HeatDissipation([0.5, 2.0], sigma=0.1, shape=(3, 4))
    found = measure(in_modes(process, markov(process)), 2, (3, 4))
    for i in (1, 2):
        for matrix, diagonal in zip(
            (found.from_image[i], found.covariance(i, i)), process.direct(i), strict=True
        ):
            torch.testing.assert_close(matrix, diagonal.flatten().diag(), rtol=0, atol=1e-15)
    pixels = measure(markov(process), 2, (3, 4)).from_image[1]
    assert float((pixels - pixels.diag().diag()).abs().max()) > 0.1


def test_covariances_are_those_of_samples():
    """n = 40 000, four standard errors for 16 entries: alpha = 1e-3; power 99% at 0.04."""
    n, betas = 40_000, [0.2, 0.5]
    process = VariancePreserving(betas)
    generator = torch.Generator().manual_seed(1)
    u = torch.zeros(n, 1, 1, 2, dtype=torch.float64)
    drawn = process.trajectory(u, [1, 2], generator=generator).movedim(0, 1).flatten(1)
    found = measure(markov(process), 2, (1, 2))
    blocks = [torch.cat([found.covariance(k, i) for i in (1, 2)], dim=1) for k in (1, 2)]
    expected = torch.cat(blocks)
    assert float((torch.cov(drawn.T) - expected).abs().max()) < 4 * math.sqrt(2 / n)
    reused = measure(one_noise(process), 2, (1, 2)).covariance(1, 2)
    assert float((torch.cov(drawn.T)[:2, 2:] - reused).abs().max()) > 0.1
