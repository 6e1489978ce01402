"""Cell averages, deposits, histograms and errors on grids."""

import math
import re

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib.drift_diffusion import Grid
from scalelib.information import Mixture

D = torch.float64


def test_edges_centres_and_points():
    grid = Grid((-1, 0), (1, 1.5), (4, 3))
    assert grid.spacing == 0.5
    assert grid.cell == 0.25
    assert [x.tolist() for x in grid.edges] == [[-1, -0.5, 0, 0.5, 1], [0, 0.5, 1, 1.5]]
    assert [x.tolist() for x in grid.axes] == [[-0.75, -0.25, 0.25, 0.75], [0.25, 0.75, 1.25]]
    assert grid.points[:4].tolist() == [[-0.75, 0.25], [-0.75, 0.75], [-0.75, 1.25], [-0.25, 0.25]]
    assert grid.points.shape == (12, 2)
    assert repr(grid) == "Grid([-1, 1] x [0, 1.5], shape=(4, 3), spacing=0.5)"
    assert Grid(-1, 1, (4, 4)).shape == (4, 4)


@pytest.mark.parametrize("mean", [-0.3, 0.0, 2.0])
@pytest.mark.parametrize("variance", [0.01, 1.0, 4.0])
def test_averages_have_all_digits_in_both_tails(case, mean, variance):
    grid = Grid(-30, 30, 240)
    found = grid.log_averages(case.law([mean], [variance]))[::7]
    with mpmath.workdps(40):
        scale = mpmath.sqrt(2 * mpmath.mpf(variance))
        for value, i in zip(found.tolist(), range(0, 240, 7), strict=True):
            a, b = ((mpmath.mpf(float(x)) - mean) / scale for x in grid.edges[0][i : i + 2])
            a, b = (a, b) if a > 0 else (-b, -a)
            share = mpmath.log((mpmath.erfc(a) - mpmath.erfc(b)) / 2 / grid.spacing)
            assert abs(value - share) < 1e-13 * max(1, abs(share))


def test_averages_of_a_plane_against_quadrature(case):
    grid = Grid((-3, -4), (4, 3), (28, 28), tolerance=1e-3)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    offsets = torch.from_numpy(nodes) * grid.spacing / 2
    expected = torch.zeros(grid.shape, dtype=D)
    for y, wy in zip(offsets, weights, strict=True):
        for x, wx in zip(offsets, weights, strict=True):
            points = grid.points + torch.stack([y, x])
            density = case.plane.log_density(points).exp().view(grid.shape)
            expected += wy * wx / 4 * density
    assert torch.allclose(grid.averages(case.plane), expected, rtol=1e-9, atol=0)


def test_components_in_chunks(case, monkeypatch):
    grid = Grid(-8, 8, (8, 8))
    whole = grid.averages(case.plane)
    monkeypatch.setattr("scalelib.drift_diffusion.grid._CHUNK", 64)
    assert torch.allclose(grid.averages(case.plane), whole, rtol=1e-14, atol=0)


def test_mass_is_one(case):
    for grid, law in ((Grid(-9, 9, 90), case.bimodal), (Grid(-9, 9, (45, 45)), case.plane)):
        assert abs(grid.mass(grid.averages(law)) - 1) < 1e-13


def test_a_point_mass_is_the_limit_of_small_variances(case):
    grid = Grid(0, 4, 4)
    points = [0.25, 1.0, 2.5, 3.9]  # the second one lies on an edge
    found = grid.averages(case.law(points, [0.0]))
    expected = torch.tensor([0.375, 0.125, 0.25, 0.25], dtype=D)
    assert torch.allclose(found, expected, rtol=1e-15)
    assert torch.allclose(grid.averages(case.law(points, [1e-20])), found, rtol=1e-15)
    assert grid.log_averages(case.law([2.5], [0.0])).exp().tolist() == [0, 0, 1, 0]


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0.05, 0.95), st.integers(4, 40))
def test_a_deposit_keeps_mass_and_mean(a, b, weight, cells):
    grid = Grid(-2, 2, cells)
    law = _law([a, b], [weight, 1 - weight])
    p = grid.deposit(law) * grid.spacing
    centres = grid.axes[0]
    assert math.isclose(float(p.sum()), 1, rel_tol=1e-14)
    assert math.isclose(float(p @ centres), float(law.mean()), abs_tol=1e-14)
    excess = float(p @ (centres - law.mean()).square()) - law.covariance_trace()
    assert -1e-13 < excess <= grid.spacing**2 / 4 + 1e-13


def _law(points, weights):
    return Mixture(
        torch.tensor(points, dtype=D)[:, None], torch.zeros(1, dtype=D), torch.tensor(weights)
    )


def test_a_deposit_on_a_plane_is_a_product(case):
    grid = Grid((0, 0), (3, 4), (3, 4))
    found = grid.deposit(case.law([[1.0, 2.75]], [[0.0, 0.0]]))
    expected = torch.zeros(3, 4, dtype=D)
    expected[:2, 2:] = torch.outer(
        torch.tensor([0.5, 0.5], dtype=D), torch.tensor([0.75, 0.25], dtype=D)
    )
    assert torch.allclose(found, expected, rtol=1e-15)


def test_a_deposit_reaches_to_the_outermost_centres(case):
    grid = Grid(0, 4, 4)
    assert grid.deposit(case.law([0.5, 3.5], [0.0])).tolist() == [0.5, 0, 0, 0.5]
    with pytest.raises(ValueError, match=r"a mass of 0\.25 is lost; the tolerance is 1e-09$"):
        grid.deposit(case.law([3.6, 1.0], [0.0], [0.25, 0.75]))


def test_a_histogram_counts(generator):
    points = torch.randn(1000, 2, generator=generator, dtype=D)
    grid = Grid((-6, -5), (6, 5), (24, 20))
    counts, _ = np.histogramdd(points.numpy(), bins=[x.numpy() for x in grid.edges])
    assert torch.equal(grid.histogram(points), torch.from_numpy(counts) / (1000 * 0.25))
    assert abs(grid.mass(grid.histogram(points.float())) - 1) < 1e-14


def test_errors_of_densities():
    grid = Grid(0, 1, 4)
    p, q = torch.tensor([0, 1, 1, 2.0]), torch.tensor([1, 1, 1, 1.0])
    assert grid.l1_error(p, q) == 0.5
    assert math.isclose(grid.relative_entropy(p, q), math.log(2) / 2, rel_tol=1e-15)
    assert grid.relative_entropy(p, p) == 0
    assert math.isclose(grid.relative_entropy(2 * q, q), 2 * math.log(2) - 1, rel_tol=1e-15)
    with pytest.raises(ValueError, match=r"^q must be positive where p is, found 0: .*infinite$"):
        grid.relative_entropy(q, p)


def test_relative_entropy_of_nearly_equal_densities():
    grid = Grid(0, 1, 2)
    p, q = torch.tensor([1 + 1e-9, 1 - 1e-9], dtype=D), torch.ones(2, dtype=D)
    # The gap itself is rounded to 2e-16 / 1e-9.
    assert math.isclose(grid.relative_entropy(p, q), 0.5e-18, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "lost"), [(-2.0, 2.0, 0.0455), (-8.0, 0.0, 0.5), (-5, 8, 2.87e-7)]
)
def test_a_narrow_grid_says_what_is_lost(case, low, high, lost):
    grid = Grid(low, high, 10)
    with pytest.raises(ValueError, match="grid must be wide enough") as caught:
        grid.averages(case.normal)
    found = re.search(r"a mass of (\S+) is lost; the tolerance is 1e-09$", str(caught.value))
    assert math.isclose(float(found[1]), lost, rel_tol=2e-3)
    wide = Grid(low, high, 10, tolerance=1.0)
    assert math.isclose(1 - wide.mass(wide.averages(case.normal)), lost, rel_tol=2e-3)


def test_a_narrow_plane_says_what_is_lost(case):
    with pytest.raises(ValueError, match=r"a mass of 0\.0672 is lost"):
        # Phi(2)-quantile on one axis, half of that on the other: 1 - 0.97725 * 0.9545
        Grid((-8, -2), (2, 2), (10, 4)).averages(case.normal_plane)
    with pytest.raises(ValueError, match=r"a mass of 0\.5 is lost"):
        Grid(0, 1, 10).histogram(torch.tensor([[0.5], [1.5]]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1, 0, 4), ValueError, "low must be less than high, found 1 and 0"),
        (("a", 1, 4), TypeError, r"low\[0\] must be a real number, found 'a'"),
        ((0, math.inf, 4), ValueError, r"high\[0\] must be finite"),
        (((0, 0), 1, 4), ValueError, r"low must be one number or 1, found \(0, 0\)"),
        ((0, 1, 1), ValueError, r"shape\[0\] must be at least 2, found 1"),
        ((0, 1, 2.5), TypeError, r"shape\[0\] must be an integer, found 2\.5"),
        ((0, 1, (2, 2, 2)), ValueError, r"shape must be n or \(ny, nx\), found \(2, 2, 2\)"),
        ((0, 1, (2, 3)), ValueError, r"cells must be squares, found widths 0\.5 and 0\.333"),
        ((0, 1, 4, 0.0), ValueError, "tolerance must be finite and in"),
        ((0, 1, 4, 1.1), ValueError, "tolerance must be finite and in"),
    ],
)
def test_bad_grids(arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        Grid(*arguments)


@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        ([1.0, -2.0, 3.0], ValueError, "p must not be negative, found minimum -2"),
        ([0.0, 0.0, 0.0], ValueError, "p must have a positive mass, found 0 in every cell"),
        ([1.0, math.nan, 0.0], ValueError, "p must be finite, found 1 NaN or infinite values"),
        ([1.0, 2.0], ValueError, r"p must have the shape \(3,\) of the grid, found \(2,\)"),
        ([1, 2, 3], TypeError, "p must be float32 or float64, found torch.int64"),
    ],
)
def test_bad_densities(p, error, message):
    grid = Grid(0, 1, 3)
    with pytest.raises(error, match=f"^{message}$"):
        grid.mass(torch.tensor(p))
    with pytest.raises(TypeError, match=r"^p must be a torch\.Tensor, found list$"):
        grid.l1_error(p, torch.ones(3))


def test_bad_laws(case):
    grid = Grid(-8, 8, 16)
    for method in (grid.averages, grid.log_averages, grid.deposit):
        with pytest.raises(TypeError, match=r"^law must be a Mixture, found float$"):
            method(1.0)
        with pytest.raises(
            ValueError, match=r"^law must have the dimension 1 of the grid, found 2"
        ):
            method(case.plane)
    with pytest.raises(ValueError, match=r"^law must consist of point masses, found a variance of"):
        grid.deposit(case.bimodal)
    with pytest.raises(ValueError, match=r"^points must have shape \(n, 1\), found \(3,\)$"):
        grid.histogram(torch.ones(3))
