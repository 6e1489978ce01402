"""The energy distance against SciPy, and what its permutation test promises."""

import itertools
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib.information import energy_distance, energy_test, two_sample

from .conftest import double

OPTIONS = {"permutations": 199, "alpha": 0.01}
values = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def by_definition(x, y):
    """Squared energy distance by three double loops."""

    def mean(a, b):
        return np.mean([math.dist(p, q) for p in a.tolist() for q in b.tolist()])

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


def of_shifted_normals(shift):
    """Energy distance of N(0, 1) and N(shift, 1): the difference of two points is N(shift, 2)."""
    between = 2 / math.sqrt(math.pi) * math.exp(-(shift**2) / 4) + shift * math.erf(shift / 2)
    return math.sqrt(2 * between - 4 / math.sqrt(math.pi))


# energy_distance


@given(values, values)
def test_on_the_line_it_is_that_of_scipy(x, y):
    found = energy_distance(double(x)[:, None], double(y)[:, None])
    # The root of a difference of distances: half of the digits are lost near 0.
    expected = scipy.stats.energy_distance(x, y)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-5)
    assert found**2 == pytest.approx(expected**2, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("dimension", [2, 8])
def test_in_space_it_is_its_definition(generator, dimension):
    x, y = normal(generator, 9, dimension), 0.3 + normal(generator, 14, dimension)
    assert energy_distance(x, y) ** 2 == pytest.approx(by_definition(x, y), rel=1e-12)


def test_it_is_a_distance(generator):
    x, y, z = (k + normal(generator, 10, 3) for k in range(3))
    assert energy_distance(x, x) == pytest.approx(0, abs=1e-7)
    assert energy_distance(x, y) == pytest.approx(energy_distance(y, x), rel=1e-12)
    assert energy_distance(x, z) <= energy_distance(x, y) + energy_distance(y, z)


def test_it_does_not_depend_on_the_coordinates(generator):
    x, y = normal(generator, 20, 4), 1 + normal(generator, 15, 4)
    rotation = torch.linalg.qr(normal(generator, 4, 4))[0]
    moved = energy_distance(9 * x @ rotation + 5, 9 * y @ rotation + 5)
    assert moved == pytest.approx(3 * energy_distance(x, y), rel=1e-11)


# energy_test


def test_the_statistic_is_the_distance(generator):
    x, y = normal(generator, 30, 3), 0.5 + normal(generator, 20, 3)
    found = energy_test(x, y, generator=generator, **OPTIONS)
    assert found.statistic == pytest.approx(energy_distance(x, y), rel=1e-12)
    assert (found.counts, found.permutations, found.alpha) == ((30, 20), 199, 0.01)


def test_the_p_value_is_that_of_all_permutations(generator):
    """Exact p = 6 / 126; B = 9999, alpha = 1e-6: an error of 0.015 is seen with 99% power."""
    x, y = normal(generator, 4, 2), 0.8 + normal(generator, 5, 2)
    pooled = torch.cat([x, y])
    splits = [
        by_definition(pooled[list(first)], pooled[[j for j in range(9) if j not in first]])
        for first in itertools.combinations(range(9), 4)
    ]
    exact = np.mean(np.array(splits) >= by_definition(x, y) - 1e-12)
    assert 0.02 < exact < 0.5
    found = energy_test(x, y, permutations=9999, generator=generator, alpha=0.05)
    deviation = math.sqrt(exact * (1 - exact) / 9999)
    assert abs(found.p_value - exact) < scipy.stats.norm.isf(5e-7) * deviation + 1e-4


@pytest.mark.parametrize("chunk", [2**22, 500])
def test_the_level_is_kept(generator, monkeypatch, chunk):
    """200 tests of equal laws at alpha = 0.1; the count itself is tested with alpha = 1e-6."""
    monkeypatch.setattr(two_sample, "_CHUNK", chunk)
    options = {"permutations": 19, "generator": generator, "alpha": 0.1}
    tests = [
        energy_test(normal(generator, 12, 2), normal(generator, 8, 2), **options)
        for _ in range(200)
    ]
    rejected = sum(test.rejected for test in tests)
    low, high = scipy.stats.binom.ppf([5e-7, 1 - 5e-7], 200, 0.1)
    assert low <= rejected <= high


def test_a_rejection_is_a_distance_above_the_critical_one(generator):
    for shift in torch.linspace(0, 1, 40).tolist():
        x, y = normal(generator, 25, 1), shift + normal(generator, 25, 1)
        found = energy_test(x, y, generator=generator, **OPTIONS)
        assert found.rejected == (found.statistic > found.critical)


def test_the_smallest_distance_is_the_critical_one_and_the_sampling_error(generator):
    x, y = normal(generator, 12, 2), 2 * normal(generator, 9, 2)
    found = energy_test(x, y, generator=generator, power=0.95, **OPTIONS)

    def spread(z):
        return np.mean([math.dist(p, q) for p, q in itertools.combinations(z.tolist(), 2)])

    mean_square = spread(x) / 12 + spread(y) / 9
    error = scipy.stats.norm.isf(0.025) * math.sqrt(mean_square)
    assert found.smallest_distance - found.critical == pytest.approx(error, rel=1e-10)


def test_the_smallest_distance_is_detected(generator):
    """n = m = 100 on the line, 60 repetitions: with power 99%, 8 misses have probability 1e-6."""
    found = energy_test(
        normal(generator, 100, 1), normal(generator, 100, 1), generator=generator, **OPTIONS
    )
    shift = scipy.optimize.brentq(lambda s: of_shifted_normals(s) - found.smallest_distance, 0, 9)
    missed = 0
    for _ in range(60):
        x, y = normal(generator, 100, 1), shift + normal(generator, 100, 1)
        missed += not energy_test(x, y, generator=generator, **OPTIONS).rejected
    assert missed <= scipy.stats.binom.isf(1e-6, 60, 0.01)
    assert shift < 1.5  # the bound is not an empty one


@pytest.mark.parametrize("dimension", [1, 2, 8])
def test_means_variances_and_dependence_are_seen(generator, dimension):
    """Gross controls at n = m = 300: shift by 0.5, deviation by 1.5, equal coordinates."""
    x, y = normal(generator, 300, dimension), normal(generator, 300, dimension)
    wrong = [y + 0.5, 1.5 * y] + ([y[:, :1].expand_as(y)] if dimension > 1 else [])
    assert not energy_test(x, y, generator=generator, **OPTIONS).rejected
    for z in wrong:
        assert energy_test(x, z, generator=generator, **OPTIONS).rejected


def test_equal_points_are_no_evidence(generator):
    same = torch.ones(10, 2)
    found = energy_test(same, same, generator=generator, **OPTIONS)
    assert (found.statistic, found.p_value, found.rejected) == (0, 1, False)


def test_ties_count_as_extreme(generator):
    """Two values only: every permutation with the same counts has the same distance."""
    x, y = double([[0.0]] * 6 + [[0.1]] * 4), double([[0.0]] * 4 + [[0.1]] * 6)
    found = energy_test(x, y, permutations=999, generator=generator, alpha=0.01)
    exact = 2 * scipy.stats.hypergeom(20, 10, 10).sf(5)
    assert found.p_value == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 999))


def test_the_same_seed_gives_the_same_p_value(generator):
    x, y = normal(generator, 20, 2), normal(generator, 20, 2)
    pair = [energy_test(x, y, generator=torch.Generator().manual_seed(5), **OPTIONS) for _ in "ab"]
    assert pair[0] == pair[1]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"y": torch.ones(5, 3)}, ValueError, "same dimension, found 2 and 3"),
        ({"x": torch.ones(5)}, ValueError, "x must have 2 axes"),
        ({"y": [[1.0]]}, TypeError, r"y must be a torch\.Tensor"),
        ({"x": torch.full((5, 2), torch.nan)}, ValueError, "x must be finite"),
        ({"permutations": 0}, ValueError, "permutations must be at least 1"),
        ({"permutations": 98}, ValueError, r"at least 99 for alpha 0\.01, found 98"),
        ({"alpha": 0.0}, ValueError, "alpha must be finite and in"),
        ({"alpha": 1e-3}, ValueError, "permutations must be at least 999"),
        ({"power": 0.5}, ValueError, "power must be finite and in"),
        ({"generator": None}, TypeError, r"generator must be a torch\.Generator"),
        ({"x": torch.ones(2, 2)}, ValueError, "2 and 8 points can be split in 45 different ways"),
        ({"x": torch.ones(4, 2), "y": torch.ones(4, 2)}, ValueError, "in 35 .* needed are 100"),
        ({"distance": 0.0}, ValueError, "distance must be finite and in"),
        ({"distance": 0.1}, ValueError, r"distance 0\.1 must be detected with the stated power"),
    ],
)
def test_bad_input_is_named(generator, changes, error, message):
    arguments = {"x": normal(generator, 8, 2), "y": normal(generator, 8, 2), **OPTIONS}
    with pytest.raises(error, match=message):
        energy_test(**{**arguments, "generator": generator, **changes})


def test_the_number_of_points_that_is_named_is_about_right(generator):
    x, y = normal(generator, 50, 2), normal(generator, 50, 2)
    with pytest.raises(ValueError, match="about 5 times as many are needed"):
        energy_test(x, y, generator=generator, distance=0.5, **OPTIONS)
    x, y = normal(generator, 250, 2), normal(generator, 250, 2)
    found = energy_test(x, y, generator=generator, distance=0.55, **OPTIONS)
    assert found.smallest_distance == pytest.approx(0.5, rel=0.1)


def test_a_distance_is_demanded_exactly(generator):
    x, y = normal(generator, 40, 2), normal(generator, 40, 2)

    def test(distance=None):
        source = torch.Generator().manual_seed(1)
        return energy_test(x, y, generator=source, distance=distance, **OPTIONS)

    smallest = test().smallest_distance
    assert test(1.001 * smallest) == test()
    with pytest.raises(ValueError, match="must be detected with the stated power"):
        test(0.999 * smallest)
