"""Gaussian mixtures against SciPy, and their way through the processes."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearisedOsmosis,
    VariancePreserving,
)
from scalelib.information import Mixture, densities, marginal, standard_normal_test

from .conftest import double, mixtures

SHAPE = (3, 2)
PROCESSES = [
    VariancePreserving([0.3, 0.75]),
    HeatDissipation([0.5, 2.0], 0.1, SHAPE),
    BlurringDiffusion([0.5, 2.0], [0.9, 0.5], [0.4, 0.8], SHAPE),
    LinearisedOsmosis([0.5, 2.0], 0.5, SHAPE),
    HomogeneousDiffusion([0.5, 2.0], SHAPE),
]


def reference(mixture, u):
    """Log-density by SciPy, one component after the other."""
    deviations = mixture.variances.expand_as(mixture.means).sqrt().numpy()
    parts = [
        scipy.stats.norm(mean, deviation).logpdf(u).sum(axis=1) + float(weight)
        for mean, deviation, weight in zip(
            mixture.means.numpy(), deviations, mixture.log_weights, strict=True
        )
    ]
    return scipy.special.logsumexp(parts, axis=0)


# Mixture


@given(st.data(), st.integers(1, 3))
def test_log_density_is_that_of_scipy(data, dimension):
    mixture = data.draw(mixtures(dimension))
    u = np.random.default_rng(0).normal(0, 3, (7, dimension))
    found, expected = mixture.log_density(double(u)), reference(mixture, u)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_log_density_stays_in_log_space_far_from_all_means(bimodal):
    far = bimodal.log_density(double([[1e4]]))
    expected = math.log(0.75) - 0.5 * math.log(2 * math.pi * 0.25) - (1e4 - 0.5) ** 2 / 0.5
    assert float(far) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("shared", [True, False])
def test_points_are_worked_on_in_chunks(monkeypatch, generator, shared):
    variances = torch.rand(2 if shared else (5, 2), generator=generator).double() + 0.1
    mixture = Mixture(torch.randn(5, 2, generator=generator).double(), variances)
    u = torch.randn(33, 2, generator=generator).double()
    whole = mixture.log_density(u)
    monkeypatch.setattr(densities, "_CHUNK", 11)
    torch.testing.assert_close(mixture.log_density(u), whole, rtol=1e-14, atol=0)


def test_moments_are_those_of_the_components(bimodal):
    assert bimodal.mean().tolist() == pytest.approx([0.25 * -1 + 0.75 * 0.5])
    within, between = 0.25 * 0.09 + 0.75 * 0.25, 0.25 * 0.75 * 1.5**2
    assert bimodal.covariance_trace() == pytest.approx(within + between, rel=1e-14)


def test_the_covariance_trace_adds_up_over_coordinates():
    data = Mixture(double([[1.0, 0.0], [-1.0, 0.0]]), double([0.25, 0.5]))
    assert data.covariance_trace() == pytest.approx(1 + 0.25 + 0.5, rel=1e-14)


def test_samples_have_the_means_and_variances_of_their_component(generator):
    """n = 460000, alpha = 1e-4: a mean or deviation wrong by 1% is seen with 99% power."""
    means, variances = double([[-30.0, 40.0], [20.0, -10.0]]), double([[4.0, 0.25], [0.01, 9.0]])
    u = Mixture(means, variances, double([1.0, 1.0])).sample(930_000, generator=generator)
    component = (u[:, 0] > 0).long()
    for j in (0, 1):
        members = u[component == j][:460_000]
        z = (members - means[j]) / variances[j].sqrt()
        assert not standard_normal_test(z, alpha=1e-4 / 2, defect=0.01).rejected
        wrong = (members - means[j]) / variances[j]  # a variance taken for a deviation
        assert standard_normal_test(wrong, alpha=1e-4 / 2).rejected


def test_components_are_drawn_by_their_weights(generator):
    """Exact binomial test, n = 2e6, alpha = 1e-4: 0.198 and 0.202 are seen with 99% power."""
    n, mixture = 2_000_000, Mixture(double([[-9.0], [9.0]]), double([1.0]), double([8.0, 2.0]))
    hits = int((mixture.sample(n, generator=generator) > 0).sum())
    low, high = scipy.stats.binom.ppf([5e-5, 1 - 5e-5], n, 0.2)
    assert low <= hits <= high
    assert scipy.stats.binom.cdf(low, n, 0.198) > 0.99
    assert scipy.stats.binom.sf(high, n, 0.202) > 0.99


def test_samples_repeat_with_the_seed(bimodal):
    first, again = (bimodal.sample(5, generator=torch.Generator().manual_seed(3)) for _ in "ab")
    assert torch.equal(first, again)
    assert first.shape == (5, 1)


def test_a_data_set_is_a_mixture_without_a_density(generator):
    data = Mixture(double([[1.0], [2.0]]), double([0.0]))
    assert set(data.sample(20, generator=generator).flatten().tolist()) == {1.0, 2.0}
    with pytest.raises(ValueError, match="variances must be positive for a density, found 0"):
        data.log_density(double([[1.0]]))


def test_the_representation_tells_the_size(bimodal):
    assert repr(bimodal) == "Mixture(components=2, dimension=1)"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[0.0]], torch.ones(1)), TypeError, "means must be a torch.Tensor, found list"),
        ((torch.ones(1), torch.ones(1)), ValueError, r"means must have 2 axes, found shape \(1,\)"),
        ((torch.ones(2, 1), torch.ones(2)), ValueError, r"shape \(1,\) or \(2, 1\), found \(2,\)"),
        ((torch.ones(2, 1), torch.ones(3, 1)), ValueError, r"variances must have shape"),
        ((torch.ones(2, 1), 1.0), TypeError, "variances must be a torch.Tensor, found float"),
        ((torch.ones(2, 1), -torch.ones(1)), ValueError, "variances must not be negative"),
        ((torch.ones(2, 1) / 0, torch.ones(1)), ValueError, "means must be finite"),
        ((torch.ones(2, 1), torch.ones(1), torch.ones(1)), ValueError, "2 positive numbers"),
        ((torch.ones(2, 1), torch.ones(1), torch.zeros(2)), ValueError, "minimum 0"),
    ],
)
def test_bad_components_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        Mixture(*arguments)


@pytest.mark.parametrize(
    ("u", "message"),
    [
        (torch.ones(3), "u must have 2 axes"),
        (torch.ones(3, 2), r"u must have shape \(n, 1\), found \(3, 2\)"),
        (torch.full((1, 1), torch.nan), "u must be finite"),
        (double([[1e200]]), "log-density must be finite, found u too far from all means"),
    ],
)
def test_bad_points_are_named(bimodal, u, message):
    with pytest.raises(ValueError, match=message):
        bimodal.log_density(u)


def test_bad_samples_are_named(bimodal, generator):
    with pytest.raises(ValueError, match="count must be at least 1, found 0"):
        bimodal.sample(0, generator=generator)
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator, found NoneType"):
        bimodal.sample(1, generator=None)


# marginal


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_coordinates_are_the_modes_of_the_process(process, generator):
    """Two channels: means and variances stand where ``to_modes`` puts them."""
    u0 = torch.rand(4, 2, *SHAPE, generator=generator, dtype=torch.float64)
    c = torch.rand(2, *SHAPE, generator=generator, dtype=torch.float64)
    data = Mixture(process.to_modes(u0).view(4, -1), c.flatten())
    found = marginal(process, data, 2)
    expected = process.to_modes(process.mean(u0, 2)).view(4, -1)
    torch.testing.assert_close(found.means, expected, rtol=0, atol=1e-14)
    factor, variance = process.direct(2)
    expected = (factor**2 * c + variance).flatten()
    torch.testing.assert_close(found.variances, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("process", PROCESSES[:3], ids=repr)
def test_images_sampled_by_the_process_follow_the_marginal(process, generator):
    """n = 20000 x 12 residuals, alpha = 1e-4: a deviation wrong by 1.5% is seen with 99% power."""
    u0 = torch.rand(1, 2, *SHAPE, generator=generator, dtype=torch.float64)
    data = Mixture(process.to_modes(u0).view(1, -1), double([0.0] * 12))
    law = marginal(process, data, 2)
    u = process.sample(u0.expand(20_000, -1, -1, -1), 2, generator=generator)
    z = (process.to_modes(u).view(20_000, -1) - law.means) / law.variances.sqrt()
    assert not standard_normal_test(z, alpha=1e-4, defect=0.015, pooled=True).rejected
    assert standard_normal_test(1.015 * z, alpha=1e-4, pooled=True).rejected


@given(mixtures(2))
def test_marginals_compose(data):
    """Two steps at once are one step after the other."""
    betas = [0.2, 0.6]
    at_once = marginal(VariancePreserving(betas), data, 2)
    in_turn = data
    for beta in betas:
        in_turn = marginal(VariancePreserving([beta]), in_turn, 1)
    torch.testing.assert_close(at_once.means, in_turn.means, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(at_once.variances, in_turn.variances, rtol=1e-13, atol=0)


def test_weights_stay(bimodal):
    found = marginal(VariancePreserving([0.5]), bimodal, 1)
    torch.testing.assert_close(found.log_weights, bimodal.log_weights, rtol=0, atol=1e-15)


def test_scale_zero_is_the_data(bimodal):
    found = marginal(VariancePreserving([0.5]), bimodal, 0)
    assert torch.equal(found.means, bimodal.means)
    assert torch.equal(found.variances, bimodal.variances)


@pytest.mark.parametrize("process", PROCESSES[1:], ids=repr)
def test_without_the_mean_mode_0_of_each_channel_is_missing(process, generator):
    data = Mixture(torch.randn(3, 12, generator=generator).double(), double([0.5] * 12))
    kept = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    whole, found = (marginal(process, data, 1, without_mean=w) for w in (False, True))
    assert torch.equal(found.means, whole.means[:, kept])
    assert torch.equal(found.variances, whole.variances[kept])


def test_linearised_osmosis_has_a_density_off_the_constants_only():
    data = Mixture(torch.zeros(1, 6).double(), torch.zeros(6).double())
    with pytest.raises(ValueError, match="variances must be positive for a density"):
        marginal(PROCESSES[3], data, 1).log_density(torch.zeros(1, 6))
    law = marginal(PROCESSES[3], data, 1, without_mean=True)
    assert law.log_density(torch.zeros(1, 5)).isfinite().all()


def test_homogeneous_diffusion_of_a_data_set_has_no_density():
    data = Mixture(torch.zeros(1, 6).double(), torch.zeros(6).double())
    with pytest.raises(ValueError, match="variances must be positive for a density"):
        marginal(PROCESSES[4], data, 1, without_mean=True).log_density(torch.zeros(1, 5))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("VP", 1), {}, TypeError, "process must be a LinearGaussianScaleSpace, found str"),
        ((PROCESSES[1], 1), {}, ValueError, "dimension must be a multiple of the 6 modes"),
        ((PROCESSES[0], 3), {}, ValueError, "i must be between 0 and 2, found 3"),
        ((PROCESSES[0], 1), {"without_mean": True}, ValueError, "needs a process with modes"),
    ],
)
def test_bad_marginals_are_named(bimodal, arguments, options, error, message):
    process, i = arguments
    with pytest.raises(error, match=message):
        marginal(process, bimodal, i, **options)


def test_a_single_pixel_has_nothing_but_its_mean(bimodal):
    with pytest.raises(ValueError, match="without_mean needs a process with modes beside 0"):
        marginal(HeatDissipation([1.0], 0.1, (1, 1)), bimodal, 1, without_mean=True)


def test_data_must_be_a_mixture():
    with pytest.raises(TypeError, match="data must be a Mixture, found Tensor"):
        marginal(PROCESSES[0], torch.zeros(1, 1), 1)
