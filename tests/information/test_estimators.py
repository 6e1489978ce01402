"""Estimators against closed forms, in dimension 1, 2 and 8."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.information import (
    Mixture,
    entropy_by_neighbours,
    entropy_by_quadrature,
    entropy_by_sampling,
    gaussian_entropy,
    gaussian_mutual_information,
    gaussian_relative_entropy,
    mutual_information_by_neighbours,
    mutual_information_by_sampling,
    relative_entropy_by_quadrature,
    relative_entropy_by_sampling,
)

from .conftest import double

DIMENSIONS = [1, 2, 8]
COUNT = 20_000
# Sampled estimates are unbiased and nearly normal: with alpha = 1e-6 a bias of 7.2 standard errors
# is seen with 99% power. Each test states that bias.
LIMIT = scipy.stats.norm.isf(5e-7)
DETECTED = LIMIT + scipy.stats.norm.isf(0.01)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def gaussian(generator, dimension):
    """A mean and variances at random, as a mixture of one component."""
    variances = 10 ** torch.rand(dimension, generator=generator, dtype=torch.float64)
    return Mixture(normal(generator, 1, dimension), variances)


def deviates(found, expected):
    return abs(found.value - expected) > LIMIT * found.standard_error


# Monte Carlo with exact densities


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_sampled_entropy_is_the_closed_form(generator, dimension):
    """-ln p has the variance d / 2: a bias of 0.036 sqrt(d) nats is seen."""
    law = gaussian(generator, dimension)
    found = entropy_by_sampling(law, COUNT, generator=generator)
    assert not deviates(found, gaussian_entropy(law.variances))
    assert found.standard_error == pytest.approx(math.sqrt(dimension / 2 / COUNT), rel=0.05)
    assert found.count == COUNT
    assert DETECTED * found.standard_error < 0.038 * math.sqrt(dimension)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_sampled_relative_entropy_is_the_closed_form(generator, dimension):
    """A bias of a quarter of the value is seen."""
    p, q = gaussian(generator, dimension), gaussian(generator, dimension)
    found = relative_entropy_by_sampling(p, q, COUNT, generator=generator)
    expected = gaussian_relative_entropy(p.means[0], p.variances, q.means[0], q.variances)
    assert not deviates(found, expected)
    assert DETECTED * found.standard_error < 0.25 * expected


@pytest.mark.parametrize("dimension", [1, 2])
def test_sampling_agrees_with_quadrature_on_mixtures(generator, dimension):
    """A bias of 0.06 nats is seen."""
    means, c = 2 * normal(generator, 3, dimension), double([0.3, 0.6, 1.0])
    p = Mixture(means, c[:, None].expand(-1, dimension), c)
    q = Mixture(-means, double([1.0] * dimension))
    entropy = entropy_by_sampling(p, COUNT, generator=generator)
    assert not deviates(entropy, entropy_by_quadrature(p))
    divergence = relative_entropy_by_sampling(p, q, COUNT, generator=generator)
    assert not deviates(divergence, relative_entropy_by_quadrature(p, q))
    assert DETECTED * entropy.standard_error < 0.06


@pytest.mark.parametrize("count", [50, 1000])
def test_the_standard_error_is_the_scatter_of_the_estimates(generator, count):
    """400 estimates; alpha = 1e-6: a standard error wrong by a quarter is seen with 99% power."""
    law = Mixture(torch.zeros(1, 2).double(), torch.ones(2).double())
    found = [entropy_by_sampling(law, count, generator=generator) for _ in range(400)]
    scatter = np.var([f.value for f in found], ddof=1)
    stated = np.mean([f.standard_error**2 for f in found])
    low, high = scipy.stats.chi2(399).ppf([5e-7, 1 - 5e-7]) / 399
    assert low < scatter / stated < high


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("process", [VariancePreserving([0.1, 0.4]), VarianceExploding([0.5, 2])])
def test_sampled_information_is_the_closed_form(generator, process, dimension):
    """A bias of a tenth of the value is seen."""
    law = gaussian(generator, dimension)
    found = mutual_information_by_sampling(process, law, 2, COUNT, generator=generator)
    expected = gaussian_mutual_information(process, 2, law.variances)
    assert not deviates(found, expected)
    assert DETECTED * found.standard_error < 0.1 * expected


@pytest.mark.parametrize(
    ("process", "without_mean"),
    [
        (HeatDissipation([0.5, 1.0], 0.4, (2, 2)), False),
        (BlurringDiffusion([0.5, 1.0], [0.9, 0.7], [0.3, 0.6], (2, 2)), False),
        (LinearisedOsmosis([0.2, 0.4], 0.8, (2, 2)), True),
        (HeatDissipation([0.5, 1.0], 0.4, (2, 2)), True),
    ],
)
def test_sampled_information_of_modes_is_the_closed_form(generator, process, without_mean):
    """Two channels, with and without their means; a bias of a tenth of the value is seen."""
    law, options = gaussian(generator, 8), {"without_mean": without_mean}
    found = mutual_information_by_sampling(process, law, 2, COUNT, generator=generator, **options)
    expected = gaussian_mutual_information(process, 2, law.variances, **options)
    assert not deviates(found, expected)
    assert DETECTED * found.standard_error < 0.1 * expected


def test_information_about_a_data_set_is_at_most_the_logarithm_of_its_size(generator):
    """Hardly any noise tells which of N images it was; much noise tells nothing."""
    data = Mixture(normal(generator, 16, 8), torch.zeros(8).double())
    process = VarianceExploding([1e-3, 1e4])
    known, lost = (
        mutual_information_by_sampling(process, data, i, COUNT, generator=generator) for i in (1, 2)
    )
    assert known.value == pytest.approx(math.log(16), abs=1e-12)
    assert lost.value == pytest.approx(0, abs=1e-3)


def test_information_about_a_data_set_is_entropy_minus_noise(generator):
    """A bias of 0.04 nats is seen."""
    data = Mixture(double([[-1.0], [0.2], [1.0]]), double([0.0]), double([1.0, 2.0, 1.0]))
    process = VarianceExploding([0.5])
    found = mutual_information_by_sampling(process, data, 1, COUNT, generator=generator)
    noisy = Mixture(data.means, double([0.25]), data.log_weights.exp())
    assert not deviates(found, entropy_by_quadrature(noisy) - gaussian_entropy(double([0.25])))
    assert DETECTED * found.standard_error < 0.04


def test_processes_without_noise_are_named(generator):
    data = Mixture(normal(generator, 3, 4), torch.ones(4).double())
    osmosis, diffusion = LinearisedOsmosis([1.0], 0.5, (2, 2)), HomogeneousDiffusion([1.0], (2, 2))
    with pytest.raises(ValueError, match="noise in every mode at scale 1, found none in 1 of 4"):
        mutual_information_by_sampling(osmosis, data, 1, 10, generator=generator)
    with pytest.raises(ValueError, match=r"found none in 3 of 3 \(without_mean=True\)"):
        mutual_information_by_sampling(
            diffusion, data, 1, 10, generator=generator, without_mean=True
        )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p, g: entropy_by_sampling(p, 1, generator=g), ValueError, "count must be at least"),
        (lambda p, g: entropy_by_sampling(p, 9, generator=None), TypeError, "generator must be"),
        (lambda p, g: entropy_by_sampling("p", 9, generator=g), TypeError, "density must be a Mix"),
        (
            lambda p, g: relative_entropy_by_sampling(p, p, 1, generator=g),
            ValueError,
            "count must be at least 2, found 1",
        ),
        (
            lambda p, g: relative_entropy_by_sampling(p, gaussian(g, 3), 9, generator=g),
            ValueError,
            "p and q must have the same dimension, found 1 and 3",
        ),
        (
            lambda p, g: relative_entropy_by_sampling(p, None, 9, generator=g),
            TypeError,
            "q must be a Mixture, found NoneType",
        ),
        (
            lambda p, g: mutual_information_by_sampling(VP, p, 0, 9, generator=g),
            ValueError,
            "i must be at least 1, found 0",
        ),
        (
            lambda p, g: mutual_information_by_sampling(VP, p, 1, 1, generator=g),
            ValueError,
            "count must be at least 2",
        ),
        (
            lambda p, g: mutual_information_by_sampling(VP, "p", 1, 9, generator=g),
            TypeError,
            "data must be a Mixture",
        ),
    ],
)
def test_bad_samplings_are_named(generator, call, error, message):
    with pytest.raises(error, match=message):
        call(gaussian(generator, 1), generator)


VP = VariancePreserving([0.5])


# Nearest neighbours: biased, so the bias itself is bounded.
#
# Mean error of 40 estimates at n = 4000, k = 3, with its standard error, and the deviation of one
# estimate, measured once with another seed. The bound is the bias plus six deviations; 4000 points
# detect with 99% power an error of 8.4 deviations.
ENTROPY = {1: (0.0005, 0.018), 2: (-0.010, 0.018), 8: (-0.052, 0.042)}
INFORMATION = {
    # dimension of x and of y, correlation of each pair: n = 2000, 20 estimates
    (1, 0.0): (-0.004, 0.021),
    (1, 0.9): (0.005, 0.026),
    (2, 0.6): (-0.002, 0.028),
    (8, 0.0): (0.004, 0.023),
    (8, 0.6): (-0.820, 0.034),
}


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_entropy_by_neighbours_has_the_stated_bias(generator, dimension):
    law = gaussian(generator, dimension)
    same = Mixture(law.means, law.variances.mean().expand(dimension))  # isotropic as measured
    found = entropy_by_neighbours(same.sample(4000, generator=generator))
    bias, deviation = ENTROPY[dimension]
    error = found - gaussian_entropy(same.variances)
    assert abs(error - bias) < 6 * deviation


@pytest.mark.parametrize(("dimension", "correlation"), list(INFORMATION))
def test_information_by_neighbours_has_the_stated_bias(generator, dimension, correlation):
    """In high dimension strong dependence is underestimated: 0.96 for 1.79 nats."""
    x, noise = normal(generator, 2000, dimension), normal(generator, 2000, dimension)
    y = correlation * x + math.sqrt(1 - correlation**2) * noise
    found = mutual_information_by_neighbours(x, y)
    bias, deviation = INFORMATION[dimension, correlation]
    error = found + dimension / 2 * math.log1p(-(correlation**2))
    assert abs(error - bias) < 6 * deviation


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("neighbours", [1, 5])
def test_any_neighbour_serves(generator, dimension, neighbours):
    """Uniform points, whose entropy is 0; n = 4000: six deviations are below 0.15 nats."""
    u = torch.rand(4000, dimension, generator=generator, dtype=torch.float64)
    assert entropy_by_neighbours(u, neighbours) == pytest.approx(0, abs=0.15)
    x, y = u, torch.rand(4000, dimension, generator=generator, dtype=torch.float64)
    assert mutual_information_by_neighbours(x, y, neighbours) == pytest.approx(0, abs=0.15)


def test_entropy_by_neighbours_by_hand():
    """Three points on a line, first neighbour: distances 1, 1, 2; psi(3) - psi(1) = 3/2."""
    found = entropy_by_neighbours(double([[0.0], [1.0], [3.0]]), 1)
    assert found == pytest.approx(1.5 + math.log(2) + math.log(2) / 3, rel=1e-14)


def test_information_by_neighbours_by_hand():
    """Four pairs, k = 1: psi(1) + psi(4) - mean(psi(n_x + 1) + psi(n_y + 1)).

    The neighbours are at 3, 3, 40 and 40. Closer in x are 2, 2, 3 and 3 points, in y none.
    """
    x, y = double([[0.0], [1.0], [2.0], [9.0]]), double([[0.0], [3.0], [50.0], [90.0]])
    psi = [0.0, 1.0, 1.5, 11 / 6]  # psi(j + 1) - psi(1)
    counted = [psi[2], psi[2], psi[3], psi[3]]
    expected = 11 / 6 - sum(counted) / 4
    assert mutual_information_by_neighbours(x, y, 1) == pytest.approx(expected, rel=1e-13)


def test_neighbours_follow_scaling_and_order(generator):
    u, order = normal(generator, 200, 2), torch.randperm(200, generator=generator)
    shift = entropy_by_neighbours(7 * u + 1) - entropy_by_neighbours(u)
    assert shift == pytest.approx(2 * math.log(7), rel=1e-10)
    assert entropy_by_neighbours(u[order]) == pytest.approx(entropy_by_neighbours(u), rel=1e-12)
    x, y = u[:, :1], u[:, 1:] + 0.5 * u[:, :1]
    told = mutual_information_by_neighbours(x, y)
    assert mutual_information_by_neighbours(y, x) == pytest.approx(told, rel=1e-12)
    assert mutual_information_by_neighbours(3 * x[order], 3 * y[order]) == pytest.approx(told)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda u: entropy_by_neighbours(u[0]), ValueError, "samples must have 2 axes"),
        (lambda u: entropy_by_neighbours(u / 0), ValueError, "samples must be finite"),
        (lambda u: entropy_by_neighbours(u.tolist()), TypeError, "samples must be a torch"),
        (lambda u: entropy_by_neighbours(u, 0), ValueError, "neighbours must be between 1 and 4"),
        (lambda u: entropy_by_neighbours(u, 5), ValueError, "between 1 and 4, found 5"),
        (lambda u: entropy_by_neighbours(u[:1], 1), ValueError, "samples must hold at least 2"),
        (lambda u: entropy_by_neighbours(0 * u), ValueError, "samples must not coincide"),
        (lambda u: mutual_information_by_neighbours(u, u[1:]), ValueError, "found 5 and 4"),
        (lambda u: mutual_information_by_neighbours(u, u[0]), ValueError, "y must have 2 axes"),
        (lambda u: mutual_information_by_neighbours(0 * u, 0 * u), ValueError, "not coincide"),
        (lambda u: mutual_information_by_neighbours(u, u, 9), ValueError, "neighbours must be"),
    ],
)
def test_bad_samples_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.arange(1.0, 11.0).view(5, 2))
