"""A guidance that moves: exact Gaussians, the way back of a density, observed orders."""

import math
from contextlib import nullcontext

import pytest
import torch

from scalelib import VariancePreserving
from scalelib.drift_diffusion import DriftDiffusion, Grid, duration, evolve_moving
from scalelib.information import Mixture, marginal

D = torch.float64
INTEGRATORS = ("implicit-euler", "sdirk2", "exponential")
ORDER = {"implicit-euler": 1, "sdirk2": 2, "exponential": 2}
MEAN, VARIANCE, END = -1.0, 0.3, 1.5


def moving(grid):
    """Guidance N(s, 1)."""
    return lambda s: -((grid.axes[0] - s) ** 2) / 2


def exact(case, grid):
    """N(m, c) with m' = s - m and c' = 2 - 2 c."""
    decay = math.exp(-END)
    mean = END - 1 + (MEAN + 1) * decay
    return grid.averages(case.law([mean], [1 + (VARIANCE - 1) * decay**2]))


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_a_guidance_that_stands_still(case, integrator):
    grid = Grid(-8, 8, 64)
    log_v = grid.log_averages(case.normal)
    p = grid.averages(case.bimodal)
    fixed = DriftDiffusion(grid, log_v).evolve(p, 0.2, 5, integrator=integrator)
    found = evolve_moving(
        grid, lambda s: log_v, p, start=1.0, end=1.2, steps=5, integrator=integrator
    )
    assert grid.l1_error(found, fixed) < 1e-13


def test_by_default_each_step_is_exact_for_its_guidance(case):
    grid = Grid(-8, 8, 64)
    log_v, p = grid.log_averages(case.normal), grid.averages(case.bimodal)
    exact_in_time = DriftDiffusion(grid, log_v).evolve(p, 0.7)
    found = evolve_moving(grid, lambda s: log_v, p, end=0.7, steps=3)
    assert grid.l1_error(found, exact_in_time) < 1e-12


@pytest.mark.parametrize("mean", [MEAN, 1.2])
def test_by_default_the_mean_lags_and_the_variance_is_exact(case, mean):
    grid = Grid(-8, 8, 160)
    start = grid.averages(case.law([mean], [VARIANCE]))

    def moments(steps):
        p = evolve_moving(grid, moving(grid), start, end=END, steps=steps)
        u, weights = grid.axes[0], p / p.sum()
        first = weights @ u
        return first, weights @ (u - first).square()

    tau = END / 6
    # Sum of the lags 1 - tau / 2 - exp(-tau) (1 + tau / 2) of single steps, each forgotten later.
    lag = 1 - tau / 2 - math.exp(-tau) * (1 + tau / 2)
    lag *= math.expm1(-END) / math.expm1(-tau)
    assert lag == pytest.approx(-(tau**2) / 12 * -math.expm1(-END), rel=0.01)
    (coarse, wide), (fine, narrow) = moments(6), moments(192)
    share = (6 / 192) ** 2  # of the lag is left with the fine steps
    # Space discretisation: relative order h^2.
    assert float(coarse - fine) == pytest.approx(lag * (1 - share), rel=2 * grid.spacing**2)
    assert abs(float(wide - narrow)) < 2 * grid.spacing**2 * abs(lag)


def test_order_two_in_the_grid_width(case):
    errors, cells = [], [64, 90, 128]
    for n in cells:
        grid = Grid(-8, 8, n)
        start = grid.averages(case.law([MEAN], [VARIANCE]))
        p = evolve_moving(grid, moving(grid), start, end=END, steps=200, integrator="exponential")
        errors.append(grid.l1_error(p, exact(case, grid)))
    assert abs(case.slope([1 / n for n in cells], errors) - 2) < 0.15


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_order_in_the_step(case, integrator):
    grid = Grid(-8, 8, 64)
    start = grid.averages(case.law([MEAN], [VARIANCE]))

    def evolve(steps, name=integrator):
        return evolve_moving(grid, moving(grid), start, end=END, steps=steps, integrator=name)

    reference = evolve(1024, "exponential")
    steps = [32, 64, 128]
    errors = [grid.l1_error(evolve(m), reference) for m in steps]
    assert abs(case.slope([1 / m for m in steps], errors) - ORDER[integrator]) < 0.15
    assert abs(grid.mass(evolve(32)) - 1) < 1e-12


def test_the_way_back_of_a_density(case):
    grid = Grid(-8, 8, 160)
    process, law = VariancePreserving([0.02] * 50), case.law([-1.2, 0.9], [0.1, 0.2], [0.4, 0.6])
    total = duration(process, 50)
    log_v = grid.log_averages(case.normal)

    def density(s):
        decay = math.exp(-2 * s)
        return Mixture(
            math.sqrt(decay) * law.means, decay * law.variances + 1 - decay, law.log_weights.exp()
        )

    late = grid.averages(marginal(process, law, 50))
    found = {}
    for name, power in {"p^2 / v": 2, "p / v": 1}.items():
        found[name] = evolve_moving(
            grid,
            lambda s, power=power: power * grid.log_averages(density(total - s)) - log_v,
            late,
            end=total,
            steps=100,
            integrator="exponential",
        )
    errors = {name: grid.l1_error(p, grid.averages(law)) for name, p in found.items()}
    assert errors["p^2 / v"] < 0.02
    assert errors["p / v"] > 10 * errors["p^2 / v"]


def test_the_times_at_which_the_guidance_is_asked_for():
    grid = Grid(0, 1, 4, tolerance=1.0)
    for integrator, expected in {
        "implicit-euler": [1.5, 2.0],
        "sdirk2": [1.25, 1.75],
        "exponential": [1.25, 1.75],
    }.items():
        asked = []

        def log_guidance(s, asked=asked):
            asked.append(s)
            return torch.zeros(4)

        # Steps of 0.5 are too long for SDIRK2: it asks once, then raises.
        refused = pytest.raises(ValueError, match="for positivity")
        with refused if integrator == "sdirk2" else nullcontext():
            evolve_moving(
                grid,
                log_guidance,
                torch.ones(4),
                start=1.0,
                end=2.0,
                steps=2,
                integrator=integrator,
            )
        assert asked == expected[: len(asked)]
        assert len(asked) == (1 if integrator == "sdirk2" else 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"end": 0.0}, ValueError, "end must be later than start, found 0 and 0"),
        ({"end": -1.0}, ValueError, "end must be later than start, found 0 and -1"),
        ({"end": math.inf}, ValueError, "end must be finite"),
        ({"start": "0"}, TypeError, "start must be a real number, found '0'"),
        ({"steps": 0}, ValueError, "steps must be at least 1, found 0"),
        ({"integrator": "bdf"}, ValueError, "integrator must be one of"),
        ({"p": -torch.ones(4)}, ValueError, "p must not be negative, found minimum -1"),
        ({"grid": None}, TypeError, "grid must be a Grid, found NoneType"),
        (
            {"log_guidance": lambda s: torch.zeros(5)},
            ValueError,
            r"log_guidance must have the shape \(4,\) of the grid, found \(5,\)",
        ),
        (
            {"log_guidance": lambda s: torch.full((4,), math.nan)},
            ValueError,
            "log_guidance must be finite, found 4 NaN",
        ),
        (
            {"log_guidance": lambda s: None},
            TypeError,
            r"log_guidance must be a torch\.Tensor, found NoneType",
        ),
        (
            {"log_guidance": torch.zeros(4)},
            TypeError,
            "log_guidance must be callable, found Tensor",
        ),
    ],
)
def test_bad_input(arguments, error, message):
    valid = {
        "grid": Grid(0, 4, 4, tolerance=1.0),
        "log_guidance": lambda s: torch.zeros(4),
        "p": torch.ones(4),
        "end": 1.0,
        "steps": 2,
    }
    with pytest.raises(error, match=f"^{message}"):
        evolve_moving(**(valid | arguments))


def test_a_border_that_holds_mass_back_raises(case):
    grid = Grid(-4, 4, 80)
    with pytest.raises(ValueError, match="border has come to hold the share"):
        evolve_moving(
            grid, lambda s: torch.zeros(80), grid.averages(case.bimodal), end=1.0, steps=5
        )
