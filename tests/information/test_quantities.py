"""Closed forms against SciPy, mpmath and each other."""

import math

import mpmath
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

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
    conditional_entropy,
    conditional_relative_entropy,
    entropy_by_quadrature,
    entropy_power,
    gaussian_entropy,
    gaussian_mutual_information,
    gaussian_relative_entropy,
    gaussian_wasserstein,
    marginal,
    relative_entropy_by_quadrature,
)

from .conftest import double, mixtures, positive

SHAPE = (3, 2)
VP = VariancePreserving([0.3, 0.75])
VE = VarianceExploding([0.2, 1.5])
IHD = HeatDissipation([0.5, 2.0], 0.1, SHAPE)
BLURRING = BlurringDiffusion([0.5, 2.0], [0.9, 0.5], [0.4, 0.8], SHAPE)
OSMOSIS = LinearisedOsmosis([0.5, 2.0], 0.5, SHAPE)
DIFFUSION = HomogeneousDiffusion([0.5, 2.0], SHAPE)

variances = st.lists(positive(-8, 8), min_size=1, max_size=5)
pairs = st.lists(
    st.tuples(st.floats(-9, 9), positive(-3, 3), st.floats(-9, 9), positive(-3, 3)),
    min_size=1,
    max_size=4,
)


def columns(rows):
    return double(rows).T.contiguous().unbind()


def osmosis_deviations(t):
    """S of linearised osmosis per mode, by NumPy: rows of 3, columns of 2 pixels."""
    rows, cols = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in SHAPE)
    return 0.5 * (1 - np.exp(-t * np.add.outer(rows, cols)))


# gaussian_entropy


@given(variances)
def test_entropy_is_that_of_scipy(c):
    expected = sum(scipy.stats.norm(scale=math.sqrt(x)).entropy() for x in c)
    assert gaussian_entropy(double(c)) == pytest.approx(expected, rel=1e-13, abs=1e-12)


@given(variances, positive(-3, 3))
def test_entropy_grows_by_n_log_a_under_scaling(c, a):
    shift = gaussian_entropy(a**2 * double(c)) - gaussian_entropy(double(c))
    assert shift == pytest.approx(len(c) * math.log(a), rel=1e-12, abs=1e-11)


def test_entropy_without_noise_is_minus_infinity():
    assert gaussian_entropy(double([1.0, 0.0])) == -math.inf


# conditional_entropy


def test_conditional_entropy_of_vp_is_the_papers_formula_with_the_factor_one_half():
    expected = 5 / 2 * math.log(2 * math.pi * math.e * (1 - 0.7 * 0.25))
    assert conditional_entropy(VP, 2, 5) == pytest.approx(expected, rel=1e-14)


def test_conditional_entropy_of_ve_and_blurring_follows_sigma():
    for process, s in ((VE, 1.5), (BLURRING, 0.8)):
        expected = 12 * scipy.stats.norm(scale=s).entropy()
        assert conditional_entropy(process, 2, 12) == pytest.approx(expected, rel=1e-13)


def test_conditional_entropy_of_heat_dissipation_is_constant():
    expected = 6 * scipy.stats.norm(scale=0.1).entropy()
    for i in (1, 2):
        assert conditional_entropy(IHD, i, 6) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("channels", [1, 3])
def test_linearised_osmosis_has_entropy_off_the_constants_only(channels):
    assert conditional_entropy(OSMOSIS, 2, 6 * channels) == -math.inf
    noise = osmosis_deviations(2.0).flatten()[1:]
    expected = channels * scipy.stats.norm(scale=noise).entropy().sum()
    found = conditional_entropy(OSMOSIS, 2, 6 * channels, without_mean=True)
    assert found == pytest.approx(expected, rel=1e-12)


def test_homogeneous_diffusion_is_deterministic():
    assert conditional_entropy(DIFFUSION, 2, 6) == -math.inf
    assert conditional_entropy(DIFFUSION, 2, 6, without_mean=True) == -math.inf


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((VP, 0, 5), {}, ValueError, "i must be at least 1, found 0"),
        ((VP, 3, 5), {}, ValueError, "i must be between 0 and 2, found 3"),
        ((VP, 1, 0), {}, ValueError, "dimension must be at least 1, found 0"),
        ((VP, 1, 2.5), {}, TypeError, "dimension must be an integer, found 2.5"),
        ((IHD, 1, 8), {}, ValueError, "dimension must be a multiple of the 6 modes"),
        ((None, 1, 8), {}, TypeError, "process must be a LinearGaussianScaleSpace"),
        ((VP, 1, 5), {"without_mean": True}, ValueError, "without_mean needs a process with modes"),
    ],
)
def test_bad_conditional_entropies_are_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        conditional_entropy(*arguments, **options)


# gaussian_relative_entropy


@given(pairs)
def test_relative_entropy_is_that_of_torch(rows):
    m, c, k, b = columns(rows)
    p, q = torch.distributions.Normal(m, c.sqrt()), torch.distributions.Normal(k, b.sqrt())
    expected = float(torch.distributions.kl_divergence(p, q).sum())
    found = gaussian_relative_entropy(m, c, k, b)
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-11)
    assert found >= 0


def test_relative_entropy_is_the_integral():
    p, q = scipy.stats.norm(0.3, 0.5), scipy.stats.norm(-1, 2)
    expected, _ = scipy.integrate.quad(
        lambda u: p.pdf(u) * (p.logpdf(u) - q.logpdf(u)), -6, 6, epsabs=1e-12
    )
    found = gaussian_relative_entropy(*map(double, ([0.3], [0.25], [-1.0], [4.0])))
    assert found == pytest.approx(expected, rel=1e-11)


@given(positive(-300, 290))
def test_relative_entropy_keeps_small_and_large_ratios(ratio):
    exact = mpmath.mp.clone()
    exact.dps = 60
    expected = (exact.mpf(ratio) - 1 - exact.log(exact.mpf(ratio))) / 2
    zero = double([0.0])
    found = gaussian_relative_entropy(zero, double([ratio]), zero, double([1.0]))
    assert found == pytest.approx(float(expected), rel=1e-11, abs=1e-16)


def test_relative_entropy_of_nearly_equal_variances_does_not_cancel():
    zero = double([0.0])
    found = gaussian_relative_entropy(zero, double([1 + 2**-20]), zero, double([1.0]))
    assert found == pytest.approx(2**-42 - 2**-61 / 3, rel=1e-8)


@given(pairs)
def test_relative_entropy_to_itself_vanishes(rows):
    m, c, _, _ = columns(rows)
    assert gaussian_relative_entropy(m, c, m, c) == 0


# gaussian_mutual_information


@given(st.lists(positive(-6, 6), min_size=6, max_size=6), st.integers(1, 2))
def test_information_is_entropy_minus_conditional_entropy(c, i):
    for process in (VP, VE, IHD, BLURRING):
        factor, noise = (x.broadcast_to(SHAPE).flatten() for x in process.direct(i))
        whole = gaussian_entropy(factor**2 * double(c) + noise)
        expected = whole - conditional_entropy(process, i, 6)
        found = gaussian_mutual_information(process, i, double(c))
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-11)


def test_information_of_vp_by_hand():
    expected = 0.5 * (math.log1p(0.175 * 2 / 0.825) + math.log1p(0.175 * 0.5 / 0.825))
    found = gaussian_mutual_information(VP, 2, double([2.0, 0.5]))
    assert found == pytest.approx(expected, rel=1e-14)


def test_linearised_osmosis_tells_the_mean_exactly():
    c = double([0.5] * 6)
    assert gaussian_mutual_information(OSMOSIS, 1, c) == math.inf
    known = torch.cat([double([0.0]), c[1:]])
    off = gaussian_mutual_information(OSMOSIS, 1, c, without_mean=True)
    assert off == pytest.approx(gaussian_mutual_information(OSMOSIS, 1, known), rel=1e-14)
    noise = osmosis_deviations(0.5).flatten()[1:]
    signal = 1 - noise / 0.5
    assert off == pytest.approx(0.5 * np.log1p(signal**2 * 0.5 / noise**2).sum(), rel=1e-12)


def test_homogeneous_diffusion_keeps_all_information():
    assert gaussian_mutual_information(DIFFUSION, 2, double([0.5] * 6)) == math.inf
    assert gaussian_mutual_information(DIFFUSION, 2, double([0.0] * 6)) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((VP, 0, torch.ones(2)), ValueError, "i must be at least 1"),
        ((VP, 1, torch.ones(2, 2)), ValueError, "variances must have 1 axes"),
        ((VP, 1, -torch.ones(2)), ValueError, "variances must not be negative"),
        ((IHD, 1, torch.ones(2)), ValueError, "dimension must be a multiple of the 6 modes"),
        ((VP, 1, [1.0]), TypeError, "variances must be a torch.Tensor"),
    ],
)
def test_bad_information_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        gaussian_mutual_information(*arguments)


# conditional_relative_entropy


def test_the_bound_of_the_steady_state():
    """VP and N(0, I): 1/2 (alpha_bar E|U_0|^2 - n alpha_bar - n ln(1 - alpha_bar))."""
    mean, c, zero, one = map(double, ([1.0, -2.0], [0.5, 3.0], [0.0, 0.0], [1.0, 1.0]))
    alpha_bar = 0.7 * 0.25
    second_moment = 1 + 4 + 0.5 + 3
    expected = 0.5 * (alpha_bar * second_moment - 2 * alpha_bar - 2 * math.log1p(-alpha_bar))
    found = conditional_relative_entropy(VP, 2, mean, c, zero, one)
    assert found == pytest.approx(expected, rel=1e-13)


def test_the_bound_of_the_exploding_process():
    """VE and N(E U_0, s^2 I): tr Cov / (2 s^2)."""
    mean, c = double([1.0, -2.0]), double([0.5, 3.0])
    found = conditional_relative_entropy(VE, 2, mean, c, mean, double([2.25, 2.25]))
    assert found == pytest.approx(3.5 / (2 * 2.25), rel=1e-13)


@given(mixtures(1, exponents=(-2, 1)))
def test_the_gap_of_the_bound_is_the_mutual_information(data):
    law, target = marginal(VP, data, 1), Mixture(double([[0.4]]), double([1.7]))
    spread = double([data.covariance_trace()])
    bound = conditional_relative_entropy(VP, 1, data.mean(), spread, double([0.4]), double([1.7]))
    divergence = relative_entropy_by_quadrature(law, target)
    information = entropy_by_quadrature(law) - conditional_entropy(VP, 1, 1)
    assert bound - divergence == pytest.approx(information, abs=1e-9)


@pytest.mark.parametrize(
    ("process", "other", "message"),
    [
        (OSMOSIS, double([1.0] * 6), "variances must be positive, found 0"),
        (VP, double([0.0] * 6), "variances must be positive, found 0"),
        (VP, double([1.0] * 5), "means and variances must have the same shape"),
    ],
)
def test_bad_bounds_are_named(process, other, message):
    ones = double([1.0] * 6)
    with pytest.raises(ValueError, match=message):
        conditional_relative_entropy(process, 1, ones, ones, ones, other)


# gaussian_wasserstein


@given(pairs)
def test_wasserstein_is_the_distance_of_the_quantile_functions(rows):
    m, c, k, b = columns(rows)
    z, weights = np.polynomial.hermite_e.hermegauss(5)
    gap = (m - k)[:, None] + (c.sqrt() - b.sqrt())[:, None] * double(z)
    expected = math.sqrt(float((gap**2 @ double(weights)).sum()) / math.sqrt(2 * math.pi))
    assert gaussian_wasserstein(m, c, k, b) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_wasserstein_is_the_formula_with_the_matrix_root():
    m, c, k, b = map(double, ([1.0, 2.0], [0.5, 4.0], [0.0, 1.0], [2.0, 3.0]))
    root = scipy.linalg.sqrtm(np.diag(c) @ np.diag(b)).real
    expected = float((m - k).square().sum() + c.sum() + b.sum()) - 2 * np.trace(root)
    assert gaussian_wasserstein(m, c, k, b) ** 2 == pytest.approx(expected, rel=1e-12)


@given(pairs)
def test_wasserstein_is_symmetric_and_sees_points(rows):
    m, c, k, b = columns(rows)
    assert gaussian_wasserstein(m, c, k, b) == gaussian_wasserstein(k, b, m, c)
    assert gaussian_wasserstein(m, 0 * c, m, 0 * c) == 0
    expected = float((m - k).norm())
    assert gaussian_wasserstein(m, 0 * c, k, 0 * c) == pytest.approx(expected)


def test_wasserstein_of_nearly_equal_variances_does_not_cancel():
    zero = double([0.0])
    found = gaussian_wasserstein(zero, double([1 + 2**-40]), zero, double([1.0]))
    assert found == pytest.approx(2**-41, rel=1e-11)


@given(pairs)
def test_wasserstein_contracts_by_the_mean_factor(rows):
    m, c, k, b = columns(rows)
    factor, noise = VP.direct(2)
    later = gaussian_wasserstein(
        factor * m, factor**2 * c + noise, factor * k, factor**2 * b + noise
    )
    assert later <= float(factor) * gaussian_wasserstein(m, c, k, b) * (1 + 1e-12) + 1e-15


@pytest.mark.parametrize("measure", [gaussian_relative_entropy, gaussian_wasserstein])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0.0], [1.0], [0.0], [1.0, 1.0]), ValueError, "must have the same shape"),
        (([0.0], [-1.0], [0.0], [1.0]), ValueError, "variances must not be negative, found -1"),
        (([0.0], [1.0], [0.0], [-1.0]), ValueError, "other_variances must not be negative"),
        (([math.nan], [1.0], [0.0], [1.0]), ValueError, "mean must be finite"),
        (([0.0], [1.0], [math.inf], [1.0]), ValueError, "other_mean must be finite"),
    ],
)
def test_bad_gaussians_are_named(measure, arguments, error, message):
    with pytest.raises(error, match=message):
        measure(*map(double, arguments))


def test_relative_entropy_needs_noise():
    for c, b in (([0.0], [1.0]), ([1.0], [0.0])):
        with pytest.raises(ValueError, match="variances must be positive, found 0"):
            gaussian_relative_entropy(double([0.0]), double(c), double([0.0]), double(b))


# entropy_power


@given(positive(-6, 6), st.integers(1, 50))
def test_entropy_power_of_white_noise_is_its_variance(c, n):
    found = entropy_power(gaussian_entropy(double([c] * n)), n)
    assert found == pytest.approx(c, rel=1e-12)


@given(variances)
def test_entropy_power_is_the_geometric_mean_of_the_variances(c):
    expected = math.exp(sum(map(math.log, c)) / len(c))
    found = entropy_power(gaussian_entropy(double(c)), len(c))
    assert found == pytest.approx(expected, rel=1e-12)


@given(variances, positive(-3, 3))
def test_entropy_power_inequality_is_an_equality_for_proportional_gaussians(c, a):
    n = len(c)
    both, one, other = (entropy_power(gaussian_entropy(s * double(c)), n) for s in (1 + a, 1.0, a))
    assert both == pytest.approx(one + other, rel=1e-12)


@given(st.lists(st.tuples(positive(-4, 4), positive(-4, 4)), min_size=1, max_size=5))
def test_entropy_power_inequality(rows):
    c, b = columns(rows)
    both, one, other = (entropy_power(gaussian_entropy(x), len(c)) for x in (c + b, c, b))
    assert both >= (one + other) * (1 - 1e-12)


def test_entropy_power_of_a_degenerate_law_is_zero():
    assert entropy_power(-math.inf, 3) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((math.inf, 1), ValueError, "entropy must be finite"),
        ((math.nan, 1), ValueError, "entropy must be finite"),
        (("1", 1), TypeError, "entropy must be a real number"),
        ((1.0, 0), ValueError, "dimension must be at least 1"),
    ],
)
def test_bad_entropy_powers_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        entropy_power(*arguments)
