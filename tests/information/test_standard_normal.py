"""The test for residuals against SciPy, and its power."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib.information import required_count, smallest_defect, standard_normal_test

from .conftest import double

alphas = st.floats(-9, -0.5).map(lambda x: 10.0**x)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_p_values_are_those_of_scipy(generator):
    z = normal(generator, 50, 3) * 1.3 + 0.1
    found = standard_normal_test(z, alpha=0.01)
    for k in range(3):
        column = z[:, k].numpy()
        mean = 2 * scipy.stats.norm(0, 1 / math.sqrt(50)).sf(abs(column.mean()))
        law, square = scipy.stats.chi2(49), 49 * column.var(ddof=1)
        variance = 2 * min(law.cdf(square), law.sf(square))
        assert float(found.mean_p_values[k]) == pytest.approx(mean, rel=1e-10)
        assert float(found.variance_p_values[k]) == pytest.approx(variance, rel=1e-10)
    parts = torch.cat([found.mean_p_values, found.variance_p_values])
    assert found.p_value == pytest.approx(6 * float(parts.min()), rel=1e-14)
    assert found.p_value < 1
    assert standard_normal_test(normal(generator, 9, 9), alpha=0.01).p_value <= 1
    assert found.count == 50


def test_p_values_are_uniform(generator):
    """3000 samples of n = 7, alpha = 1e-6: exact for small n, not in the limit only."""
    found = standard_normal_test(normal(generator, 7, 3000), alpha=0.01)
    for p_values in (found.mean_p_values, found.variance_p_values):
        assert scipy.stats.kstest(p_values, "uniform").pvalue > 1e-6


def test_pooled_residuals_are_one_sample(generator):
    z = normal(generator, 40, 5)
    pooled = standard_normal_test(z, alpha=0.01, pooled=True)
    assert pooled == standard_normal_test(z.reshape(-1, 1), alpha=0.01)
    assert pooled.count == 200


@pytest.mark.parametrize("pooled", [False, True])
def test_defects_are_rejected(generator, pooled):
    z = normal(generator, 30_000, 4)
    options = {"alpha": 1e-3, "pooled": pooled}
    small = standard_normal_test(z, **options).smallest_defect
    assert not standard_normal_test(z, **options).rejected
    for wrong in (z + 1.5 * small, (1 + 1.5 * small) * z, (1 - 1.5 * small) * z):
        assert standard_normal_test(wrong, **options).rejected


def test_a_single_coordinate_is_seen(generator):
    z = normal(generator, 10_000, 16)
    z[:, 5] *= 1 + 1.5 * smallest_defect(10_000, alpha=1e-3, dimension=16)
    found = standard_normal_test(z, alpha=1e-3)
    assert found.rejected
    assert int(found.variance_p_values.argmin()) == 5


def test_defects_are_detected_with_the_stated_power(generator):
    """20000 samples of n = 60, alpha = 1e-6: power wrong by 0.02 is seen with 99% power."""
    count, samples, alpha, power = 60, 20_000, 0.01, 0.9
    z, share = normal(generator, count, samples), alpha / 2
    shift = (scipy.stats.norm.isf(share / 2) + scipy.stats.norm.isf(1 - power)) / math.sqrt(count)
    law = scipy.stats.chi2(count - 1)
    wider = math.sqrt(law.isf(share / 2) / law.ppf(1 - power)) - 1
    assert smallest_defect(count, alpha=alpha, power=power) == pytest.approx(max(shift, wider))
    spread = standard_normal_test((1 + wider) * z, alpha=alpha).variance_p_values
    moved = standard_normal_test(z + shift, alpha=alpha).mean_p_values
    for p_values in (spread, moved):
        hits = int((p_values <= share).sum())
        assert scipy.stats.binomtest(hits, samples, power).pvalue > 1e-6


@given(st.integers(2, 10**6), alphas, st.floats(0.51, 0.9999), st.integers(1, 100))
def test_the_smallest_defect_has_its_power_exactly(count, alpha, power, dimension):
    """By the distributions themselves: least power over mean, wider and narrower deviation."""
    defect = smallest_defect(count, alpha=alpha, power=power, dimension=dimension)
    share, free = alpha / (2 * dimension), count - 1
    z, law = scipy.stats.norm.isf(share / 2), scipy.stats.chi2(free)
    mean = scipy.stats.norm.sf(z - math.sqrt(count) * defect)
    wider = law.sf(law.isf(share / 2) / (1 + defect) ** 2)
    narrower = law.cdf(law.ppf(share / 2) / (1 - defect) ** 2) if defect < 1 else 1.0
    assert min(mean, wider, narrower) == pytest.approx(power, rel=1e-6)


@given(st.floats(-4, 0).map(lambda x: 10.0**x), alphas, st.integers(1, 50))
def test_the_required_count_is_the_smallest(defect, alpha, dimension):
    count = required_count(defect, alpha=alpha, dimension=dimension)
    options = {"alpha": alpha, "dimension": dimension}
    assert smallest_defect(count, **options) <= defect
    assert count == 2 or smallest_defect(count - 1, **options) > defect


def test_the_required_count_grows_like_the_inverse_square():
    few, many = (required_count(defect, alpha=1e-3) for defect in (0.1, 0.01))
    assert many == pytest.approx(100 * few, rel=0.1)
    expected = (scipy.stats.norm.isf(1e-3 / 4) + scipy.stats.norm.isf(0.01)) ** 2 / 0.01**2
    assert many == pytest.approx(expected, rel=0.01)


def test_samples_too_small_for_a_defect_raise(generator):
    needed = required_count(0.1, alpha=0.01, dimension=2)
    z = normal(generator, needed, 2)
    assert standard_normal_test(z, alpha=0.01, defect=0.1).smallest_defect <= 0.1
    with pytest.raises(ValueError, match=f"at least {needed} per sample .* found {needed - 1}"):
        standard_normal_test(z[1:], alpha=0.01, defect=0.1)


@pytest.mark.parametrize(
    ("residuals", "options", "error", "message"),
    [
        (torch.ones(5), {}, ValueError, "residuals must have 2 axes"),
        ([[1.0]], {}, TypeError, r"residuals must be a torch\.Tensor"),
        (torch.full((5, 1), torch.inf), {}, ValueError, "residuals must be finite"),
        (torch.ones(1, 5), {}, ValueError, "count must be at least 2, found 1"),
        (torch.ones(5, 1), {"alpha": 1.0}, ValueError, "alpha must be finite and in"),
        (torch.ones(5, 1), {"power": 0.4}, ValueError, "power must be finite and in"),
        (torch.ones(5, 1), {"defect": 0.0}, ValueError, "defect must be finite and in"),
    ],
)
def test_bad_residuals_are_named(residuals, options, error, message):
    with pytest.raises(error, match=message):
        standard_normal_test(residuals, **{"alpha": 0.01, **options})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: smallest_defect(1, alpha=0.1), "count must be at least 2"),
        (lambda: smallest_defect(9, alpha=0.1, dimension=0), "dimension must be at least 1"),
        (lambda: required_count(1e-6, alpha=0.1), "defect must be finite and in"),
        (lambda: required_count(0.1, alpha=0.0), "alpha must be finite and in"),
        (lambda: required_count(0.1, alpha=0.1, power=1.0), "power must be finite and in"),
    ],
)
def test_bad_designs_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_constant_residuals_have_no_variance():
    found = standard_normal_test(double(np.zeros((10, 1))), alpha=0.01)
    assert float(found.variance_p_values) == 0
    assert found.rejected
