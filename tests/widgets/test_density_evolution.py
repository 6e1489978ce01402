"""The densities of the widget, against the package and SciPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import scipy.stats
import torch
from javascript import call

from scalelib.drift_diffusion import DriftDiffusion, Grid
from scalelib.widgets import DensityEvolution, density_evolution

MODULE = "numerics/density.js"
GRID = Grid(-5, 5, 100, tolerance=1)
X = GRID.axes[0]
NORMAL = (-X.square() / 2).exp()


@pytest.fixture
def density():
    """Two boxes of unequal height, with empty cells around them."""
    levels = [200 if 18 <= i < 30 else 90 if 55 <= i < 80 else 0 for i in range(100)]
    return call(MODULE, "normalised", (levels,))[0]


@pytest.fixture
def forward(density):
    """Osmosis at the steps 0 to 60."""
    return call(MODULE, "forwards", (density,))[0]["states"]


def test_error_function():
    x = [-7.0, -3.3, -1e-9, 0.0, 0.4, 1.0, 2.5, 5.9, 6.1]
    expected = scipy.special.erf(x)
    assert call(MODULE, "erf", *((t,) for t in x)) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("process", ["preserving", "exploding"])
@pytest.mark.parametrize("k", [1, 20, 60])
def test_transitions_are_exact(density, process, k):
    s = 0.05 * k
    M, S = (math.exp(-s), math.sqrt(1 - math.exp(-2 * s)))
    M, S = (M, S) if process == "preserving" else (1.0, math.sqrt(2 * s))
    assert call(MODULE, "transition", (process, k))[0] == pytest.approx([M, S], rel=1e-14)
    points = [-2.05, 0.0, 3.35]
    rows = call(MODULE, "kernel", (M, S, points))[0]
    found = call(MODULE, "applied", (rows, density))[0]
    # Gauss-Legendre quadrature of each cell
    nodes, weights = np.polynomial.legendre.leggauss(12)
    start = (X[:, None].numpy() + 0.05 * nodes).ravel()
    mass = (np.array(density)[:, None] * 0.05 * weights).ravel()
    expected = [(mass * scipy.stats.norm.pdf(x, M * start, S)).sum() for x in points]
    assert found == pytest.approx(expected, abs=1e-9)


def test_osmosis_is_that_of_the_package(density, forward):
    evolution = DriftDiffusion(GRID, -X.square() / 2)
    start = torch.tensor(density, dtype=torch.float64)
    for k in (1, 10, 60):
        expected = evolution.evolve(start, time=0.05 * k)
        assert forward[k] == pytest.approx(expected.tolist(), abs=1e-6)


def test_mass_positivity_and_relative_entropy(density, forward):
    distances = call(MODULE, "forwards", (density,))[0]["distances"]
    p, q = torch.tensor(forward[20], dtype=torch.float64), NORMAL / NORMAL.sum() / 0.1
    assert distances[20] == pytest.approx(GRID.relative_entropy(p, q), abs=1e-12)
    assert all(abs(sum(p) * 0.1 - 1) < 1e-12 for p in forward)
    assert all(min(p) > 0 for p in forward[1:])
    assert all(b < a for a, b in itertools.pairwise(distances))
    assert distances[0] > 1
    assert 0 < distances[-1] < 0.01


def test_variance_preserving_is_osmosis(density, forward):
    """Two routes to one density; they differ by the grid, whose error is of the order of h^2."""
    M, S = call(MODULE, "transition", ("preserving", 10))[0]
    rows = call(MODULE, "kernel", (M, S, X.tolist()))[0]
    exact = call(MODULE, "applied", (rows, density))[0]
    assert np.abs(np.subtract(exact, forward[10])).sum() * 0.1 < GRID.spacing**2
    assert np.abs(np.subtract(exact, forward[8])).sum() * 0.1 > 0.03


def test_way_back_is_the_rule_of_bayes(forward):
    v = call(MODULE, "guidance", ())[0]
    operator = DriftDiffusion(GRID, -X.square() / 2).operator.toarray()
    K = scipy.linalg.expm(0.05 * operator)
    q = (NORMAL / NORMAL.sum() / 0.1).numpy()
    found = call(MODULE, "back", (forward[19], forward[20], q.tolist(), v))[0]
    expected = np.array(forward[19]) * (K.T @ (q / np.array(forward[20])))
    assert found == pytest.approx(expected, abs=1e-9)
    assert sum(found) * 0.1 == pytest.approx(1, abs=1e-12)


def test_way_back_from_its_own_density_is_exact(forward):
    v = call(MODULE, "guidance", ())[0]
    found = call(MODULE, "back", (forward[0], forward[1], forward[1], v))[0]
    assert found == pytest.approx(forward[0], abs=1e-12)


def spike(cell):
    return [10.0 if i == cell else 0.0 for i in range(100)]


DRAWN = {name: DensityEvolution(shape=name).density().tolist() for name in density_evolution.SHAPES}
DRAWN |= {f"spike in cell {cell}": spike(cell) for cell in (10, 50, 89)}


@pytest.mark.parametrize("name", DRAWN)
def test_way_back_from_the_normal_density(name):
    """It comes nearer to the way forth at each step, and the nearer, the later it starts."""
    forth = call(MODULE, "forwards", (DRAWN[name],))[0]["states"]
    assert all(min(p) > 0 for p in forth[1:])
    found = call(MODULE, "backwards", (forth, 10), (forth, 40))
    for way in found:
        assert sum(way["states"][0]) * 0.1 == pytest.approx(1, abs=1e-12)
        # Rounding leaves about 1e-15; a spike is met by Bayes' rule from wherever one comes.
        assert all(a <= b + 1e-13 for a, b in itertools.pairwise(way["distances"]))
    ends = [way["distances"][0] for way in found]
    if name in density_evolution.SHAPES:
        assert ends[0] > 0.03
        assert ends[1] < 1e-3


def test_levels_without_mass_are_no_density():
    assert call(MODULE, "normalised", ([0] * 100,)) == [None]
    with pytest.raises(ValueError, match="mass"):
        DensityEvolution(own=bytes(100), shape="own")


def test_odd_densities_are_refused():
    with pytest.raises(ValueError, match="0 or 100 bytes, found 3"):
        DensityEvolution(own=b"abc")
    with pytest.raises(ValueError, match="without the levels"):
        DensityEvolution(shape="own")
    with pytest.raises(ValueError, match="step"):
        DensityEvolution(step=61)


def test_shapes_have_mass_and_are_different():
    shapes = [DensityEvolution(shape=name).density() for name in ("two", "box", "three", "skew")]
    for one, other in itertools.combinations(shapes, 2):
        assert GRID.l1_error(one, other) > 0.2
    assert all(GRID.mass(p) == pytest.approx(1) for p in shapes)


def test_a_line_is_drawn():
    """Through the centres -3.95 to -3.65 of four cells, whose width is 0.1; nothing beyond -4."""
    found = call(MODULE, "drawn", ([9.0] * 100, [-3.65, 0.4], [-3.95, 1.0]))[0]
    assert found == pytest.approx([*[9.0] * 10, 1.0, 0.8, 0.6, 0.4, *[9.0] * 86])
    assert call(MODULE, "drawn", ([9.0] * 100, [-4.5, 1.0], [-4.2, 1.0]))[0] == [9.0] * 100
    dot = call(MODULE, "drawn", ([9.0] * 100, [0.02, -1], [0.02, -1]))[0]
    assert [(i, y) for i, y in enumerate(dot) if y != 9] == [(50, 0)]


def test_a_bump_goes_where_mass_lacks():
    heights = [0.0 if 60 <= i < 80 else 0.25 for i in range(100)]
    added = np.subtract(call(MODULE, "bumped", (heights,))[0], heights)
    assert added.sum() * 0.1 == pytest.approx(1)
    assert 65 < added.argmax() < 75


def test_levels_of_heights():
    assert call(MODULE, "levelled", ([0.0, 0.5, 2.0],), ([0.0, 0.0],)) == [[0, 64, 255], [0, 0]]
