"""Numerical integration against closed forms, SciPy and the laws that entropies obey."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scalelib import VariancePreserving
from scalelib.information import (
    Mixture,
    entropy_by_quadrature,
    gaussian_entropy,
    gaussian_relative_entropy,
    marginal,
    quadrature,
    relative_entropy_by_quadrature,
)

from .conftest import double, mixtures, positive


def gaussian(mean, variances):
    return Mixture(double([mean]), double(variances))


# Entropy


@given(st.lists(positive(-12, 12), min_size=1, max_size=2))
def test_a_gaussian_has_its_closed_form(c):
    found = entropy_by_quadrature(gaussian([0.5] * len(c), c))
    assert found == pytest.approx(gaussian_entropy(double(c)), abs=1e-11)


def test_a_mixture_on_the_line_is_integrated_as_by_scipy(bimodal):
    def integrand(u):
        p = 0.25 * scipy.stats.norm(-1, 0.3).pdf(u) + 0.75 * scipy.stats.norm(0.5, 0.5).pdf(u)
        return -p * np.log(p)

    expected, _ = scipy.integrate.quad(integrand, -4, 5, epsabs=1e-13, limit=200)
    assert entropy_by_quadrature(bimodal) == pytest.approx(expected, abs=1e-11)


def test_a_mixture_in_the_plane_is_integrated_as_by_scipy():
    mixture = Mixture(
        double([[-0.5, 0.0], [0.5, 0.3], [0.0, 1.0]]),
        double([[0.2, 0.3], [0.1, 0.2], [0.4, 0.1]]),
        double([1.0, 2.0, 3.0]),
    )

    def integrand(u):
        log = mixture.log_density(torch.from_numpy(np.ascontiguousarray(u)))
        return (-log.exp() * log).numpy()

    expected = scipy.integrate.cubature(integrand, [-7, -7], [7, 7], atol=1e-11, rtol=0).estimate
    assert entropy_by_quadrature(mixture) == pytest.approx(float(expected), abs=1e-10)


@given(mixtures(1), mixtures(1))
@settings(max_examples=15)
def test_entropies_of_independent_coordinates_add_up(x, y):
    pairs = list(itertools.product(range(len(x.means)), range(len(y.means))))
    parts = [
        (z.means[j], z.variances.expand_as(z.means)[j], z.log_weights[j].exp())
        for z, side in ((x, 0), (y, 1))
        for j in (pair[side] for pair in pairs)
    ]
    first, second = parts[: len(pairs)], parts[len(pairs) :]
    both = Mixture(
        torch.stack([torch.cat([a[0], b[0]]) for a, b in zip(first, second, strict=True)]),
        torch.stack([torch.cat([a[1], b[1]]) for a, b in zip(first, second, strict=True)]),
        torch.stack([a[2] * b[2] for a, b in zip(first, second, strict=True)]),
    )
    expected = entropy_by_quadrature(x) + entropy_by_quadrature(y)
    assert entropy_by_quadrature(both, tolerance=1e-8) == pytest.approx(expected, abs=1e-8)


@given(mixtures(1), positive(-6, 6))
def test_entropy_shifts_by_log_a_under_scaling(mixture, a):
    weights = mixture.log_weights.exp()
    scaled = Mixture(a * mixture.means, a**2 * mixture.variances, weights)
    shift = entropy_by_quadrature(scaled) - entropy_by_quadrature(mixture)
    assert shift == pytest.approx(math.log(a), abs=1e-10)


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("ratio", [1e-3, 1e-8, 1e-14])
def test_variances_of_any_ratio_are_resolved(dimension, ratio):
    """Components far apart: entropies average, and the weights add theirs."""
    means = double([[0.0] * dimension, [40.0] * dimension])
    c = double([[1.0] * dimension, [ratio] * dimension])
    found = entropy_by_quadrature(Mixture(means, c, double([0.3, 0.7])))
    expected = 0.3 * gaussian_entropy(c[0]) + 0.7 * gaussian_entropy(c[1])
    expected -= 0.3 * math.log(0.3) + 0.7 * math.log(0.7)
    assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("gap", [1e3, 1e9])
def test_empty_space_between_components_costs_nothing(gap):
    found = entropy_by_quadrature(Mixture(double([[0.0], [gap], [gap / 3]]), double([1.0])))
    expected = gaussian_entropy(double([1.0])) + math.log(3)
    assert found == pytest.approx(expected, abs=1e-10)


def test_a_narrow_component_inside_a_wide_one_is_not_overlooked():
    """Mixed entropy: the wide density near the narrow component is known up to its square."""
    eps = 1e-7
    found = entropy_by_quadrature(
        Mixture(double([[0.0], [0.5]]), double([[1.0], [eps**2]]), double([0.5, 0.5]))
    )
    parts = (gaussian_entropy(double([1.0])) + gaussian_entropy(double([eps**2]))) / 2
    assert found == pytest.approx(parts + math.log(2), abs=30 * eps)


@pytest.mark.parametrize("dimension", [1, 2])
def test_grids_are_worked_on_in_chunks(monkeypatch, generator, dimension):
    means = torch.randn(5, dimension, generator=generator).double()
    p, q = Mixture(means, double([0.3] * dimension)), Mixture(-means, double([0.2] * dimension))
    whole = entropy_by_quadrature(p), relative_entropy_by_quadrature(p, q)
    monkeypatch.setattr(quadrature, "_CHUNK", 3000)
    parts = entropy_by_quadrature(p), relative_entropy_by_quadrature(p, q)
    assert parts == pytest.approx(whole, abs=1e-13)


# Relative entropy


@given(st.lists(st.tuples(*[st.floats(-9, 9), positive(-2, 2)] * 2), min_size=1, max_size=2))
def test_two_gaussians_have_their_closed_form(rows):
    m, c, k, b = double(rows).T.contiguous().unbind()
    expected = gaussian_relative_entropy(m, c, k, b)
    found = relative_entropy_by_quadrature(Mixture(m[None], c), Mixture(k[None], b))
    assert found == pytest.approx(expected, abs=1e-10, rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2])
def test_densities_that_underflow_are_compared_in_log_space(dimension):
    far = gaussian([60.0] * dimension, [1.0] * dimension)
    near = gaussian([0.0] * dimension, [1.0] * dimension)
    found = relative_entropy_by_quadrature(far, near)
    assert found == pytest.approx(dimension * 1800, rel=1e-12)


@pytest.mark.parametrize("c", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("gap", [2.0, 5.0])
def test_a_kink_of_the_second_density_is_resolved(c, gap):
    """At 0, where p is largest, ln q has a kink whose width k = c / (2 gap) no component shares.

    For u > 0, ln q is the logarithm of the nearer component plus ln(1 + exp(-u / k)). The mean of
    the latter is 2 phi(0) (pi^2 k / 12 - 7 pi^4 k^3 / 720) with an error below 4 k^5.
    """
    p, q = gaussian([0.0], [1.0]), Mixture(double([[-gap], [gap]]), double([c]))
    k, phi = c / (2 * gap), 1 / math.sqrt(2 * math.pi)
    kink = 2 * phi * (math.pi**2 / 12 * k - 7 * math.pi**4 / 720 * k**3)
    nearer = (1 - 4 * gap * phi + gap**2) / (2 * c) + 0.5 * math.log(2 * math.pi * c)
    expected = nearer + math.log(2) - kink - gaussian_entropy(double([1.0]))
    found = relative_entropy_by_quadrature(p, q)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-10)


@given(mixtures(1), mixtures(1))
def test_relative_entropy_is_not_negative(p, q):
    assert relative_entropy_by_quadrature(p, p) == pytest.approx(0, abs=1e-12)
    assert relative_entropy_by_quadrature(p, q, tolerance=1e-8) > -1e-12


@pytest.mark.parametrize("dimension", [1, 2])
@given(data=st.data())
@settings(max_examples=6)
def test_scales_process_data(dimension, data):
    """The relative entropy of two laws falls along the process, strictly unless they agree."""
    p, q = (data.draw(mixtures(dimension, exponents=(-1, 1))) for _ in "pq")
    process = VariancePreserving([0.05, 0.3, 0.9])
    laws = [[marginal(process, law, i) for law in (p, q)] for i in range(4)]
    values = [relative_entropy_by_quadrature(*pair, tolerance=1e-8) for pair in laws]
    for earlier, later in itertools.pairwise(values):
        assert later < earlier or earlier < 1e-9


# Bad input


def test_the_dimension_is_checked():
    space, line = gaussian([0.0] * 3, [1.0] * 3), gaussian([0.0], [1.0])
    with pytest.raises(ValueError, match="dimension 1 or 2, found 3"):
        entropy_by_quadrature(space)
    with pytest.raises(ValueError, match="same dimension, found 1 and 3"):
        relative_entropy_by_quadrature(line, space)


def test_densities_must_exist():
    points, line = Mixture(double([[0.0], [1.0]]), double([0.0])), gaussian([0.0], [1.0])
    for call in (
        lambda: entropy_by_quadrature(points),
        lambda: relative_entropy_by_quadrature(points, line),
        lambda: relative_entropy_by_quadrature(line, points),
    ):
        with pytest.raises(
            ValueError, match=r"variances must be positive for a density .* found 0"
        ):
            call()


def test_densities_must_be_mixtures():
    with pytest.raises(TypeError, match="density must be a Mixture, found Normal"):
        entropy_by_quadrature(torch.distributions.Normal(0.0, 1.0))
    with pytest.raises(TypeError, match="q must be a Mixture, found str"):
        relative_entropy_by_quadrature(gaussian([0.0], [1.0]), "q")


@pytest.mark.parametrize("tolerance", [0.0, -1e-3, math.nan])
def test_the_tolerance_is_checked(tolerance):
    with pytest.raises(ValueError, match="tolerance must be finite and in"):
        entropy_by_quadrature(gaussian([0.0], [1.0]), tolerance=tolerance)


def test_a_tolerance_out_of_reach_raises(monkeypatch):
    monkeypatch.setattr(quadrature, "_WORK", 2**21)
    p = gaussian([0.0, 0.0], [1.0, 1.0])
    q = Mixture(double([[-5.0, 0.0], [5.0, 1.0]]), double([1e-8] * 2))
    with pytest.raises(ValueError, match=r"tolerance must be attainable, found .* 3 components"):
        relative_entropy_by_quadrature(p, q)


def test_too_many_narrow_components_raise(generator):
    means = torch.rand(3000, 1, generator=generator, dtype=torch.float64)
    with pytest.raises(ValueError, match="fewer boxes, found 3000 components"):
        entropy_by_quadrature(Mixture(means, double([1e-16])))


def test_deviations_below_the_spacing_of_doubles_raise():
    with pytest.raises(ValueError, match="above the spacing of the doubles at the means, found 1e"):
        entropy_by_quadrature(gaussian([1.0], [1e-36]))


def test_a_density_that_does_not_integrate_to_one_is_refused(monkeypatch, bimodal):
    """The mass is a check of its own: boxes that end too early are not accepted."""
    monkeypatch.setattr(quadrature, "_REACH", 4)
    with pytest.raises(RuntimeError, match=r"the density integrates to 0\.9999"):
        entropy_by_quadrature(bimodal)
