"""T-osm: the density of the variance preserving process is filtered by osmosis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import scipy.sparse
import sympy
import torch
from torch import Tensor

from scalelib.drift_diffusion import DriftDiffusion, Grid, duration
from scalelib.drift_diffusion.integrators import Integrator, Propagator
from scalelib.information import Mixture, marginal
from scalelib.processes import (
    LinearGaussianScaleSpace,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.propositions import _feller as feller
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import OSMOSIS, VE, VP
from scalelib.propositions.statement import (
    Check,
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
    Trial,
)

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-10
"""Relative residual of an equation; interpolation in time has converged to rounding."""
SLOPE = 0.15
"""Of an observed order."""
KEPT = 1e-12

NORMAL = Mixture(torch.zeros(1, 1).double(), torch.ones(1).double())
LEVELS = torch.arange(64, dtype=torch.float64)
GREYS = Mixture(
    (LEVELS / 31.5 - 1)[:, None],
    torch.zeros(1, dtype=torch.float64),
    1.1 + torch.sin(LEVELS / 8) + 0.05 * (LEVELS**2 % 7),
)
"""Histogram of 64 grey values, two hills with ragged slopes: point masses."""
PLANE = Mixture(
    torch.tensor([[-0.8, -0.5], [0.7, -0.6]], dtype=torch.float64),
    torch.tensor([[0.2, 0.3], [0.3, 0.2]], dtype=torch.float64),
    torch.tensor([0.4, 0.6], dtype=torch.float64),
)
"""Joint law of two dependent pixels."""
MESH = torch.cartesian_prod(*[torch.linspace(-2, 2, 7, dtype=torch.float64)] * 2)
CHAIN = VariancePreserving([0.02] * 30)
EXPLODING = VarianceExploding([0.4, 0.8])


def derivation() -> Derivation:
    """Change the clock, find the guidance, follow the ratio, and look at one step."""
    u, x = sympy.symbols("u x", real=True)
    beta, s = sympy.symbols("beta s", positive=True)
    p, y, v = sympy.Function("p")(u), sympy.Function("y")(u), guidance_density(u)
    m1, m2 = -beta * u / 2, beta
    forward = sympy.Derivative(m2 * p, (u, 2)) / 2 - sympy.Derivative(m1 * p, u)
    drift = sympy.Derivative(sympy.log(v), u)
    steps = Derivation()
    steps.equal(r"The canonical drift of $v = \mathcal N(0, 1)$.", drift, -u)
    text = (
        r"The forward equation (24) has the clock $\mathrm ds = \tfrac12 m_2\, \mathrm dt$, and in "
        "it, by the first line, this drift."
    )
    steps.equal(text, forward, m2 / 2 * (sympy.Derivative(p, (u, 2)) + sympy.Derivative(u * p, u)))
    text = r"For the ratio $y = p / v$ the same equation is the backward equation."
    flux = sympy.Derivative(v * y, (u, 2)) - sympy.Derivative(drift * v * y, u)
    ratio = sympy.Derivative(y, (u, 2)) - u * sympy.Derivative(y, u)
    steps.equal(text, flux, v * ratio)
    kernel = ornstein_uhlenbeck(x, u, s)
    text = r"This Gaussian solves the equation and starts at the point $x$."
    spread = sympy.Derivative(kernel, (u, 2)) + sympy.Derivative(u * kernel, u)
    steps.equal(text, sympy.Derivative(kernel, s), spread)
    step = -sympy.log(1 - beta) / 2
    text = r"At $s = -\tfrac12 \ln(1 - \beta)$ its mean factor is that of one step,"
    steps.equal(text, sympy.exp(-step), sympy.sqrt(1 - beta))
    return steps.equal("and so is its variance.", 1 - sympy.exp(-2 * step), beta)


class guidance_density(sympy.Function):  # type: ignore[misc]  # noqa: N801  (printed by name)
    """Standard normal density, shown as v until it is inserted."""

    def doit(self, **hints: object) -> object:
        """Insert the Gaussian; its constant factor plays no role."""
        del hints
        return sympy.exp(-(self.args[0] ** 2) / 2)

    def _latex(self, printer: object, exp: object = None) -> str:
        del printer
        return "v" if exp is None else f"v^{{{exp}}}"


class ornstein_uhlenbeck(sympy.Function):  # type: ignore[misc]  # noqa: N801  (printed by name)
    """Transition density of dU = -U ds + sqrt(2) dW, shown by its letter until it is inserted."""

    def doit(self, **hints: object) -> object:
        """Insert the Gaussian."""
        del hints
        x, u, s = self.args
        variance = 1 - sympy.exp(-2 * s)
        square = (u - sympy.exp(-s) * x) ** 2
        return sympy.exp(-square / (2 * variance)) / sympy.sqrt(2 * sympy.pi * variance)

    def _latex(self, printer: object, exp: object = None) -> str:
        del printer, exp
        return r"\mathcal N\big(u;\, e^{-s} x,\, 1 - e^{-2 s}\big)"


# The equation, for exact densities


def osmosis(guidance: float, clock: float = 0.5) -> feller.Terms:
    """Osmosis with the guidance N(0, guidance) in the time clock * integral of beta."""

    def terms(u: Tensor, t: float, p: Tensor) -> Tensor:
        log_v = -u.square() / (2 * guidance)
        field = feller.along(log_v if u.ndim == 1 else log_v.sum(dim=1), u)
        flux = feller.along(p, u) - p.reshape(-1, *[1] * (u.ndim - 1)) * field
        return clock * feller.rate(t) * feller.divergence(flux, u)

    return terms


def equation(terms: feller.Terms, data: Mixture = feller.DATA) -> Check:
    """Relative residual of the density of U_t."""
    positions = feller.POSITIONS if data.dimension == 1 else MESH

    def field(u: Tensor, t: float) -> Tensor:
        return feller.mixture_density(marginal(feller.process(0.0, t), data, 1), u)

    def check(trial: Trial) -> Outcome:
        del trial
        return Outcome(feller.residual(field, terms, positions=positions), TOLERANCE)

    return check


def ratio_equation(guidance: float) -> Check:
    """Relative residual of p/v in the backward equation."""

    def field(u: Tensor, t: float) -> Tensor:
        return feller.density(u, t) / torch.exp(-u.square() / (2 * guidance))

    def terms(u: Tensor, t: float, y: Tensor) -> Tensor:
        slope = feller.along(y, u)
        return feller.rate(t) / 2 * (feller.along(slope, u) - u * slope)

    def check(trial: Trial) -> Outcome:
        del trial
        return Outcome(feller.residual(field, terms), TOLERANCE)

    return check


def exploding(diffusivity: float) -> Check:
    """Relative residual of the exploding density in the heat equation; sigma^2 = 2 s."""

    def field(u: Tensor, s: float) -> Tensor:
        process = VarianceExploding([math.sqrt(2 * s)])
        return feller.mixture_density(marginal(process, feller.DATA, 1), u)

    def heat(u: Tensor, s: float, p: Tensor) -> Tensor:
        del s
        return diffusivity * feller.along(feller.along(p, u), u)

    def check(trial: Trial) -> Outcome:
        del trial
        return Outcome(feller.residual(field, heat), TOLERANCE)

    return check


def one_step(length: Callable[[float], float] | None = None) -> Check:
    """Mean factor and variance of a step against osmosis of its duration, relative gap."""

    def check(trial: Trial) -> Outcome:
        del trial
        worst = 0.0
        for beta in (1e-4, 0.02, 0.5, 0.999):
            # From the step itself: direct() and duration() share a formula.
            factor, variance = math.sqrt(1 - beta), beta
            s = duration(VariancePreserving([beta]), 1) if length is None else length(beta)
            gaps = math.exp(-s) / factor - 1, -math.expm1(-2 * s) / variance - 1
            worst = max(worst, *map(abs, gaps))
        return Outcome(worst, 1e-13)

    return check


# Densities on grids, evolved by the matrix of osmosis

Guidance = Callable[[Tensor], Tensor] | None
CELLS = (120, 170, 240, 340)


def standard(u: Tensor) -> Tensor:
    """Logarithm of the standard normal density."""
    return -u.square() / 2


def on_grid(grid: Grid, guidance: Guidance) -> DriftDiffusion:
    """Osmosis of densities with a guidance, or with none."""
    return DriftDiffusion(grid, None if guidance is None else guidance(grid.axes[0]))


def started(grid: Grid, data: Mixture) -> Tensor:
    """Density of the data on a grid."""
    return grid.deposit(data) if bool((data.variances == 0).all()) else grid.averages(data)


def order_in_grid(process: LinearGaussianScaleSpace, data: Mixture, guidance: Guidance) -> Check:
    """Observed order in the grid width, against the exact law at the last scale."""

    def check(trial: Trial) -> Outcome:
        del trial
        widths, errors, last = [], [], process.steps
        for n in CELLS:
            grid = Grid(-7, 7, n, tolerance=1e-6)
            evolution = on_grid(grid, guidance)
            p = evolution.evolve(
                started(grid, data), duration(process, last), integrator="exponential"
            )
            widths.append(grid.spacing)
            errors.append(grid.l1_error(p, grid.averages(marginal(process, data, last))))
        return Outcome(slope(widths, errors), SLOPE, expected=2.0)

    return check


def order_in_time(integrator: Integrator, order: float, ahead: float = 1.0) -> Check:
    """Observed order in the step, against the exponential on the same grid."""

    def check(trial: Trial) -> Outcome:
        del trial
        grid = Grid(-7, 7, 112)
        evolution, time = on_grid(grid, standard), duration(CHAIN, 30)
        p = grid.averages(feller.DATA)
        exact = evolution.evolve(p, ahead * time, integrator="exponential")
        steps = (32, 64, 128)
        errors = [
            grid.l1_error(evolution.evolve(p, time, m, integrator=integrator), exact) for m in steps
        ]
        return Outcome(-slope(steps, errors), SLOPE, expected=order)

    return check


def steady(guidance: Guidance) -> Check:
    """Largest change of N(0, 1) per unit of time, relative to what passes through a cell."""

    def check(trial: Trial) -> Outcome:
        del trial
        grid = Grid(-7, 7, 112)
        v = grid.averages(NORMAL).numpy()
        A = on_grid(grid, guidance).operator
        return Outcome(float((abs(A @ v) / (abs(A) @ v)).max()), KEPT)

    return check


def cell_normal(u: Tensor) -> Tensor:
    """Logarithm of the averages of N(0, 1) over cells with these centres."""
    return Grid(-7, 7, len(u)).log_averages(NORMAL)


# What the evolution keeps

Step = Callable[[np.ndarray, scipy.sparse.csr_array, float], np.ndarray]


def stepped(integrator: Integrator) -> Step:
    """Step of an integrator of the package."""
    return lambda b, A, tau: Propagator(A).step(b, tau, integrator)


def explicit(b: np.ndarray, A: scipy.sparse.csr_array, tau: float) -> np.ndarray:
    """Explicit Euler step."""
    return np.asarray(b + tau * (A @ b))


def adjoint(b: np.ndarray, A: scipy.sparse.csr_array, tau: float) -> np.ndarray:
    """Explicit step of the backward equation, which keeps no mass."""
    return explicit(b, A.T.tocsr(), tau)


def trapezoidal(b: np.ndarray, A: scipy.sparse.csr_array, tau: float) -> np.ndarray:
    """Crank-Nicolson step: of second order, A-stable, not positive."""
    return Propagator(A).step(explicit(b, A, tau / 2), tau / 2, "implicit-euler")


def unbounded(b: np.ndarray, A: scipy.sparse.csr_array, tau: float) -> np.ndarray:
    """SDIRK2 without its bound, composed of implicit Euler steps."""
    part = (1 - math.sqrt(0.5)) * tau
    once = Propagator(A).step(b, part, "implicit-euler")
    twice = Propagator(A).step(once, part, "implicit-euler")
    return (1 + math.sqrt(2)) * twice - math.sqrt(2) * once


def columns(turn: bool = False) -> Check:
    """Largest column sum of the matrix relative to its largest entry: rounding is not held."""

    def check(trial: Trial) -> Outcome:
        del trial
        A = on_grid(Grid(-7, 7, 112), standard).operator
        sums = abs((A.T if turn else A).sum(axis=0))
        return Outcome(float(sums.max() / abs(A).max()), KEPT)

    return check


def sharp(drift: float) -> Check:
    """Share that the first cell keeps in a step 1% beyond the bound of SDIRK2: it is negative."""

    def check(trial: Trial) -> Outcome:
        del trial
        drifts = torch.full((4,), drift, dtype=torch.float64)
        A = DriftDiffusion(Grid(0, 5, 5, tolerance=1.0), drift=drifts).operator
        found = unbounded(np.eye(5)[0], A, 1.01 * Propagator(A).positivity_bound)
        w = 1 / (1 + (1 - math.sqrt(0.5)) * 1.01 * (1 + math.sqrt(2)))
        predicted = w * ((1 + math.sqrt(2)) * w - math.sqrt(2))  # is negative
        return Outcome(float(found[0]), 1e-14, expected=predicted)

    return check


Run = tuple[list[np.ndarray], np.ndarray]


def runs(step: Step, lengths: Sequence[float]) -> list[Run]:
    """Densities of a few steps, for each start and length in units of the bound; the guidance."""
    grid = Grid(-7, 7, 56)
    A = on_grid(grid, standard).operator
    v = standard(grid.axes[0]).exp().numpy()
    found = []
    for start in (np.eye(56)[20], np.ones(56)):
        for length in lengths:
            states = [start]
            for _ in range(5):
                states.append(step(states[-1], A, length * Propagator(A).positivity_bound))
            found.append((states, v))
    return found


def defect(
    step: Step,
    lengths: Sequence[float],
    measure: Callable[[list[np.ndarray], np.ndarray], float],
    tolerance: float,
) -> Check:
    """Largest defect over the runs."""

    def check(trial: Trial) -> Outcome:
        del trial
        worst = max(measure(*run) for run in runs(step, lengths))
        return Outcome(abs(max(worst, 0.0)), tolerance)  # no minus before a 0

    return check


def mass(states: list[np.ndarray], v: np.ndarray) -> float:
    """Largest relative change of the mass."""
    del v
    return float(max(abs(p.sum() / states[0].sum() - 1) for p in states))


def negative(states: list[np.ndarray], v: np.ndarray) -> float:
    """Most negative value, relative to the largest one at the start."""
    del v
    return float(max(-p.min() for p in states) / states[0].max())


def excess(states: list[np.ndarray], v: np.ndarray) -> float:
    """By how much p/v leaves its range in a step, relative to its maximum."""
    worst = 0.0
    for old, new in pairwise(p / v for p in states):
        beyond = max(new.max() - old.max(), old.min() - new.min())
        worst = max(worst, float(beyond / old.max()))
    return worst


def density_excess(states: list[np.ndarray], v: np.ndarray) -> float:
    """Break: the density itself in place of the ratio."""
    return excess(states, np.ones_like(v))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the regression line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


UP_TO_THE_BOUND, ANY = (0.1, 0.5, 1.0), (0.1, 1.0, 10.0, 1e3)
INTEGRATORS: dict[str, tuple[Integrator, Sequence[float]]] = {
    "implicit Euler": ("implicit-euler", (*ANY, 1e6)),
    "exponential": ("exponential", (0.1, 1.0, 10.0)),
    "SDIRK2": ("sdirk2", UP_TO_THE_BOUND),
}


def narrow(u: Tensor) -> Tensor:
    """Guidance with 99% of the variance."""
    return standard(u) / 0.99


def kept(name: str) -> tuple[Claim, ...]:
    """Mass, positivity and the ratio, for one integrator."""
    integrator, lengths = INTEGRATORS[name]
    step = stepped(integrator)
    parts = {
        "mass": (mass, KEPT, "relative change of the mass"),
        "positivity": (negative, 0.0, "most negative value"),
        "ratio": (excess, KEPT, "share of the range of p/v by which a step leaves it"),
    }
    return tuple(
        Claim(
            OSMOSIS,
            Expectation.HOLDS,
            defect(step, lengths, measure, tolerance),
            remark,
            f"{aspect}, {name}",
        )
        for aspect, (measure, tolerance, remark) in parts.items()
    )


RESIDUAL, ORDER = "relative residual", "observed order in the grid width"
HOLDS = Expectation.HOLDS
CLAIMS = (
    Claim(VP, HOLDS, equation(osmosis(1.0)), RESIDUAL, "density"),
    Claim(VP, HOLDS, equation(osmosis(1.0), PLANE), RESIDUAL, "two pixels"),
    Claim(VP, HOLDS, ratio_equation(1.0), RESIDUAL, "ratio p/v"),
    Claim(VP, HOLDS, one_step(), "relative gap of mean factor and variance", "one step"),
    Claim(VP, HOLDS, order_in_grid(CHAIN, feller.DATA, standard), ORDER, "grid, bimodal"),
    Claim(VP, HOLDS, order_in_grid(CHAIN, GREYS, standard), ORDER, "grid, histogram"),
    Claim(VP, HOLDS, steady(cell_normal), "relative change of N(0, 1)", "steady state"),
    Claim(VE, HOLDS, exploding(1.0), RESIDUAL, "density"),
    Claim(VE, HOLDS, order_in_grid(EXPLODING, feller.DATA, None), ORDER, "grid, bimodal"),
    *(
        Claim(
            OSMOSIS,
            HOLDS,
            order_in_time(INTEGRATORS[name][0], order),
            "observed order in the step",
            f"order, {name}",
        )
        for name, order in (("implicit Euler", 1.0), ("SDIRK2", 2.0))
    ),
    *(claim for name in INTEGRATORS for claim in kept(name)),
    Claim(OSMOSIS, HOLDS, columns(), "largest column sum, relative", "mass, matrix"),
    Claim(OSMOSIS, HOLDS, sharp(2.0), "share kept 1% beyond it", "bound is sharp, SDIRK2"),
)

CONTROLS = (
    Control("guidance with 99% of the variance", VP, equation(osmosis(0.99))),
    Control("guidance with 99% of the variance, plane", VP, equation(osmosis(0.99), PLANE)),
    Control("clock without the factor 1/2", VP, equation(osmosis(1.0, clock=1.0))),
    Control("ratio to N(0, 0.99)", VP, ratio_equation(0.99)),
    Control("one step, duration beta / 2", VP, one_step(lambda beta: beta / 2)),
    Control("evolution without guidance", VP, order_in_grid(CHAIN, feller.DATA, None)),
    Control("evolution with 99% of the variance", VP, order_in_grid(CHAIN, GREYS, narrow)),
    Control("N(0, 1) under 99% of the variance", VP, steady(narrow)),
    Control("diffusivity 1.01", VE, exploding(1.01)),
    Control("evolution with guidance", VE, order_in_grid(EXPLODING, feller.DATA, standard)),
    Control("exponential of another time", OSMOSIS, order_in_time("sdirk2", 2.0, 1.001)),
    Control("matrix of the backward equation", OSMOSIS, defect(adjoint, (0.1,), mass, KEPT)),
    Control("rows in place of columns", OSMOSIS, columns(turn=True)),
    Control("explicit steps", OSMOSIS, defect(explicit, (1.0,), negative, 0.0)),
    Control("trapezoidal rule", OSMOSIS, defect(trapezoidal, ANY, negative, 0.0)),
    Control("pure diffusion at the bound", OSMOSIS, sharp(0.0)),
    Control("SDIRK2 beyond its bound", OSMOSIS, defect(unbounded, ANY, negative, 0.0)),
    Control(
        "density in place of the ratio",
        OSMOSIS,
        defect(stepped("implicit-euler"), ANY, density_excess, KEPT),
    ),
)

PROPOSITIONS = (
    Proposition(
        label="T-osm",
        title="The density of the variance preserving process is filtered by osmosis",
        source="Our addition; 2023, equations (24), (26) and (27)",
        statement=(
            r"In the time $s = \tfrac12 \int \beta\, \mathrm dt$ the density of the variance "
            r"preserving process follows linear osmosis, $\partial_s p = \Delta p - \mathrm{div}"
            r"(p\, \nabla \ln v)$, with the standard normal density $v$ as guidance. One step is "
            r"osmosis of duration $-\tfrac12 \ln(1 - \beta)$, exactly. The density of the variance "
            r"exploding process follows homogeneous diffusion."
        ),
        topic=Topic.OSMOSIS,
        chapter="vp-is-osmosis",
        anchors=("thm-osm", "prop-codomain-grid"),
        claims=CLAIMS,
        controls=CONTROLS,
        functions=(
            "scalelib.drift_diffusion.DriftDiffusion",
            "scalelib.drift_diffusion.Grid",
            "scalelib.drift_diffusion.duration",
            "scalelib.Osmosis.operator",
        ),
        derivation=derivation,
        tests=(
            "tests/drift_diffusion/test_evolution.py::test_order_two_in_the_grid_width",
            "tests/drift_diffusion/test_evolution.py::test_order_in_the_step",
            "tests/drift_diffusion/test_integrators.py::test_positivity_and_mass_for_every_step",
        ),
    ),
)
