"""Drift-diffusion with a fixed guidance: the operator of osmosis, exact laws, observed orders."""

import math

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import HomogeneousDiffusion, Osmosis, VarianceExploding, VariancePreserving
from scalelib.drift_diffusion import DriftDiffusion, Grid, duration
from scalelib.images import load
from scalelib.information import Mixture, marginal

D = torch.float64
INTEGRATORS = ("implicit-euler", "sdirk2", "exponential")
VP = VariancePreserving([0.02] * 30)
VE = VarianceExploding([0.3, 0.8])


def differs(A, B):
    return abs(A - B).max() / abs(B).max()


def vp(case, grid):
    normal = case.normal if grid.dimension == 1 else case.normal_plane
    return DriftDiffusion(grid, grid.log_averages(normal))


def photograph():
    """Grey values of a photograph as point masses."""
    grey = (127.5 * (load("camera", size=128).double() + 1)).round().long().flatten()
    counts = torch.bincount(grey, minlength=256)
    levels = counts.nonzero()[:, 0]
    points = (levels / 127.5 - 1).double()[:, None]
    return Mixture(points, torch.zeros(1, dtype=D), counts[levels].double())


@pytest.mark.parametrize("shape", [7, (5, 6)])
def test_the_matrix_is_that_of_osmosis(shape):
    grid = Grid(0, 1.5, shape) if isinstance(shape, int) else Grid((0, 0), (1.25, 1.5), shape)
    log_v = torch.randn(grid.shape, generator=torch.Generator().manual_seed(0), dtype=D)
    image = log_v.exp().view(-1, grid.shape[-1])
    expected = Osmosis(guidance=image, spacing=grid.spacing).operator()
    for offset in (0.0, -5000.0):  # v itself would underflow
        assert differs(DriftDiffusion(grid, log_v + offset).operator, expected) < 1e-12
    fields = tuple(
        2 / grid.spacing * (x := log_v.exp()).diff(dim=k) / (x.unfold(k, 2, 1).sum(dim=-1))
        for k in range(grid.dimension)
    )
    drift = fields[0] if grid.dimension == 1 else fields
    assert differs(DriftDiffusion(grid, drift=drift).operator, expected) < 1e-14


def test_the_guidance_is_stationary(case):
    grid = case.grid(160)
    evolution = vp(case, grid)
    v = grid.averages(case.normal)
    assert abs(evolution.operator @ v.numpy()).max() < 1e-13
    p = grid.averages(case.bimodal)
    assert torch.allclose(evolution.steady_state(2 * p), 2 * v, rtol=1e-12)
    late = evolution.evolve(p, 40.0, integrator="implicit-euler")
    assert grid.l1_error(evolution.evolve(p, 1e9, integrator="implicit-euler"), v) < 1e-9
    assert grid.l1_error(late, v) > 1e-3
    late = evolution.evolve(p, 20.0)  # exact in time, in one step
    assert grid.l1_error(late, v) < 1e-8


def test_without_guidance_it_is_homogeneous_diffusion():
    grid = Grid(0, 4, 40, tolerance=1.0)
    p = torch.rand(40, generator=torch.Generator().manual_seed(0), dtype=D)
    time = 0.3
    found = DriftDiffusion(grid).evolve(p, time, integrator="exponential")
    heat = HomogeneousDiffusion([time / grid.spacing**2], (1, 40)).mean(p[None], 1)[0]
    assert torch.allclose(found, heat, rtol=1e-12)
    flat = DriftDiffusion(grid).steady_state(p)
    assert torch.allclose(flat, p.mean().expand(40), rtol=1e-13)
    zero = DriftDiffusion(grid, drift=torch.zeros(39, dtype=D))
    assert differs(zero.operator, DriftDiffusion(grid).operator) == 0


def test_a_general_drift_has_a_steady_state(case):
    errors, cells = [], [80, 113, 160, 226]
    for n in cells:
        grid = case.grid(n)
        evolution = DriftDiffusion(grid, drift=-grid.edges[0][1:-1])
        w = evolution.steady_state(grid.averages(case.bimodal))
        assert abs(evolution.operator @ w.numpy()).max() < 1e-11
        assert math.isclose(grid.mass(w), 1, rel_tol=1e-12)
        errors.append(grid.l1_error(w, grid.averages(case.normal)))
    assert abs(case.slope([1 / n for n in cells], errors) - 2) < 0.15


# --- observed orders -------------------------------------------------------------------------


def grid_errors(case, law, build, process, scale, cells):
    errors = []
    for n in cells:
        grid = case.grid(n)
        point = bool((law.variances == 0).all())
        start = grid.deposit(law) if point else grid.averages(law)
        found = build(grid).evolve(start, duration(process, scale), integrator="exponential")
        errors.append(grid.l1_error(found, grid.averages(marginal(process, law, scale))))
        assert abs(grid.mass(found) - 1) < 1e-12
    return errors


@pytest.mark.parametrize("name", ["bimodal", "photograph"])
@pytest.mark.parametrize("process", [VP, VE], ids=["VP", "VE"])
def test_order_two_in_the_grid_width(case, name, process):
    law = case.bimodal if name == "bimodal" else photograph()
    build = DriftDiffusion if process is VE else lambda grid: vp(case, grid)
    cells = [160, 226, 320, 452, 640]
    errors = grid_errors(case, law, build, process, process.steps, cells)
    assert abs(case.slope([1 / n for n in cells], errors) - 2) < 0.15


def test_order_two_in_the_grid_width_on_a_plane(case):
    errors, cells = [], [40, 57, 80]
    for n in cells:
        grid = Grid(-7, 7, (n, n))
        p = vp(case, grid).evolve(
            grid.averages(case.plane), duration(VP, 30), integrator="exponential"
        )
        errors.append(grid.l1_error(p, grid.averages(marginal(VP, case.plane, 30))))
    assert abs(case.slope([1 / n for n in cells], errors) - 2) < 0.15


def test_a_point_mass_moved_to_the_centre_of_its_cell_costs_an_order(case):
    # Its position in the cell is the same on every grid.
    errors = {"averages": [], "deposit": []}
    cells = [101, 201, 401, 801]
    for n in cells:
        grid = case.grid(n)
        law = case.law([float(grid.axes[0][5 * n // 8]) + 0.3 * grid.spacing], [0.0])
        exact = grid.averages(marginal(VP, law, 30))
        for start, found in errors.items():
            p = vp(case, grid).evolve(
                getattr(grid, start)(law), duration(VP, 30), integrator="exponential"
            )
            found.append(grid.l1_error(p, exact))
    widths = [1 / n for n in cells]
    assert abs(case.slope(widths, errors["averages"]) - 1) < 0.15
    assert abs(case.slope(widths, errors["deposit"]) - 2) < 0.15


@pytest.mark.parametrize(("integrator", "order"), [("implicit-euler", 1), ("sdirk2", 2)])
def test_order_in_the_step(case, integrator, order):
    grid = case.grid(128)
    evolution, time = vp(case, grid), duration(VP, 30)
    p = grid.averages(case.bimodal)
    exact = evolution.evolve(p, time, integrator="exponential")
    steps = [32, 64, 128, 256]
    errors = [
        grid.l1_error(evolution.evolve(p, time, m, integrator=integrator), exact) for m in steps
    ]
    assert abs(case.slope([1 / m for m in steps], errors) - order) < 0.15


def test_the_exponential_is_exact_in_time(case):
    grid = case.grid(128)
    evolution = vp(case, grid)
    p = grid.averages(case.bimodal)
    once, often = (evolution.evolve(p, 0.5, m, integrator="exponential") for m in (1, 20))
    assert grid.l1_error(once, often) < 1e-12


# --- what is kept ----------------------------------------------------------------------------


@pytest.mark.parametrize("integrator", INTEGRATORS)
@given(seed=st.integers(0, 10**6), share=st.floats(0.01, 1.0))
def test_what_every_integrator_keeps(integrator, seed, share):
    generator = torch.Generator().manual_seed(seed)
    grid = Grid(0, 3, 15, tolerance=1.0)
    log_v = 2 * torch.randn(15, generator=generator, dtype=D)
    p, q = torch.rand(2, 15, generator=generator, dtype=D)
    q = q * (p.sum() / q.sum())
    evolution = DriftDiffusion(grid, log_v)
    tau = share * evolution.positivity_bound * (1 if integrator == "sdirk2" else 5)
    after = [evolution.evolve(x, tau, integrator=integrator) for x in (p, q, p + 3 * q)]
    assert torch.allclose(after[2], after[0] + 3 * after[1], rtol=1e-11)  # linear
    for x, y in zip((p, q), after, strict=False):
        assert y.min() > 0
        assert math.isclose(grid.mass(x), grid.mass(y), rel_tol=1e-13)
        before, ratio = x / log_v.exp(), y / log_v.exp()
        assert ratio.max() <= before.max() * (1 + 1e-12)
        assert ratio.min() >= before.min() * (1 - 1e-12)
    assert grid.l1_error(*after[:2]) <= grid.l1_error(p, q) * (1 + 1e-12)
    assert grid.relative_entropy(*after[:2]) <= grid.relative_entropy(p, q) * (1 + 1e-12)
    w = evolution.steady_state(p)
    assert grid.relative_entropy(after[0], w) <= grid.relative_entropy(p, w) * (1 + 1e-12)


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_mass_over_many_steps(case, integrator):
    grid = case.grid(100)
    evolution = vp(case, grid)
    p = evolution.evolve(grid.averages(case.bimodal), 3.0, 300, integrator=integrator)
    assert abs(grid.mass(p) - 1) < 1e-12
    assert p.min() >= 0


def test_empty_cells_and_float32_are_welcome(case):
    grid = case.grid(64)
    p = torch.zeros(64)
    p[30] = 1
    found = vp(case, grid).evolve(p, 0.1)
    assert found.dtype == D
    assert grid.mass(found) == pytest.approx(0.25, rel=1e-14)
    assert p[30] == p.sum() == 1  # the argument is left alone


# --- bad input -------------------------------------------------------------------------------


def test_a_coarse_grid_says_how_fine_it_must_be():
    grid = Grid(-8, 8, 40)
    with pytest.raises(
        ValueError,
        match=r"^grid must have a spacing of at most 2 / max \|d\| = 0\.263158 for positivity, "
        r"found 0\.4$",
    ):
        DriftDiffusion(grid, drift=-grid.edges[0][1:-1])
    fine = Grid(-8, 8, 64)
    assert isinstance(
        DriftDiffusion(fine, drift=-fine.edges[0][1:-1]).operator, scipy.sparse.csr_array
    )


def test_a_border_that_holds_mass_back_raises(case):
    grid = Grid(-4, 4, 80)
    p = grid.averages(case.bimodal)
    with pytest.raises(
        ValueError, match=r"border has come to hold the share \S+ of the mass; the tolerance"
    ):
        DriftDiffusion(grid).evolve(p, 1.0)
    loose = Grid(-4, 4, 80, tolerance=1e-2)
    assert abs(loose.mass(DriftDiffusion(loose).evolve(p, 1.0)) - 1) < 1e-12
    plane = Grid((-9, -4), (9, 4), (90, 40))
    with pytest.raises(ValueError, match="border has come to hold"):
        DriftDiffusion(plane).evolve(plane.averages(case.plane), 1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"time": 0.0}, ValueError, r"time must be finite and in \(0, inf\), found 0\.0"),
        ({"time": -1.0}, ValueError, r"time must be finite and in \(0, inf\), found -1\.0"),
        ({"time": math.nan}, ValueError, r"time must be finite and in \(0, inf\), found nan"),
        ({"time": "1"}, TypeError, "time must be a real number, found '1'"),
        ({"steps": 0}, ValueError, "steps must be at least 1, found 0"),
        ({"steps": 1.5}, TypeError, r"steps must be an integer, found 1\.5"),
        (
            {"integrator": "euler"},
            ValueError,
            r"integrator must be one of \('implicit-euler', 'sdirk2', 'exponential'\), "
            "found 'euler'",
        ),
        (
            {"time": 1e13, "integrator": "implicit-euler"},
            ValueError,
            r"tau / spacing\^2 must be finite and in \(0, 1e\+12\)",
        ),
        (
            {"time": 2e6},
            ValueError,
            r"tau / spacing\^2 must be finite and in \(0, 1e\+06\)",
        ),
        ({"p": -torch.ones(4)}, ValueError, "p must not be negative, found minimum -1"),
        ({"p": torch.zeros(4)}, ValueError, "p must have a positive mass, found 0 in every cell"),
        ({"p": torch.ones(5)}, ValueError, r"p must have the shape \(4,\) of the grid, found"),
        ({"p": torch.full((4,), math.inf)}, ValueError, "p must be finite, found 4 NaN or inf"),
    ],
)
def test_bad_steps(arguments, error, message):
    evolution = DriftDiffusion(Grid(0, 4, 4, tolerance=1.0))
    with pytest.raises(error, match=f"^{message}"):
        evolution.evolve(**({"p": torch.ones(4), "time": 1.0} | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"log_guidance": torch.zeros(4), "drift": torch.zeros(3)},
            ValueError,
            "at most one of log_guidance and drift must be given, found both",
        ),
        (
            {"log_guidance": torch.zeros(3)},
            ValueError,
            r"log_guidance must have the shape \(4,\) of the grid, found \(3,\)",
        ),
        (
            {"log_guidance": torch.full((4,), -math.inf)},
            ValueError,
            "log_guidance must be finite, found 4 NaN or infinite values",
        ),
        (
            {"drift": torch.zeros(4)},
            ValueError,
            r"drift\[0\] must have shape \(3,\), found \(4,\)",
        ),
        (
            {"drift": (torch.zeros(3), torch.zeros(3))},
            ValueError,
            r"drift must be one field per axis of Grid\(\[0, 4\].*, found 2",
        ),
        ({"drift": [0.0]}, TypeError, r"drift\[0\] must be a torch\.Tensor, found float"),
        ({"grid": 4}, TypeError, "grid must be a Grid, found int"),
    ],
)
def test_bad_evolutions(arguments, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        DriftDiffusion(**({"grid": Grid(0, 4, 4)} | arguments))


def test_a_drift_that_separates_has_no_steady_state():
    grid = Grid(0, 4, 4, tolerance=1.0)
    evolution = DriftDiffusion(grid, drift=torch.full((3,), 2.0, dtype=D))
    with pytest.raises(ValueError, match="separate the image into 4 parts"):
        evolution.steady_state(torch.ones(4))
    assert np.isclose(float(evolution.evolve(torch.ones(4), 1e3)[-1]), 4)
