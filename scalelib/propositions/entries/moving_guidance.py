"""T-rev: the reverse process is osmosis with a moving guidance, the squared density over v."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor

from scalelib.drift_diffusion import Grid, evolve_moving
from scalelib.drift_diffusion.integrators import Integrator
from scalelib.information import Mixture, marginal
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.propositions import _feller as feller
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import VP
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
PLANE = Mixture(
    torch.tensor([[-0.8, -0.5], [0.7, -0.6], [0.1, 0.9]], dtype=torch.float64),
    torch.tensor([[0.4, 0.5], [0.45, 0.35], [0.5, 0.4]], dtype=torch.float64),
    torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64),
)
"""Initial law in the plane, three unequal modes."""
SMOOTH = Mixture(
    torch.tensor([[-1.2], [0.9]], dtype=torch.float64),
    torch.tensor([[0.3], [0.4]], dtype=torch.float64),
    torch.tensor([0.4, 0.6], dtype=torch.float64),
)
"""Initial law with two modes that a coarse grid resolves."""
CORNERS = torch.linspace(-2, 2, 7, dtype=torch.float64)
MESH = torch.cartesian_prod(CORNERS, CORNERS)
Powers = tuple[float, float]
"""Powers a and b of a guidance p^a v^b."""
MOVING: Powers = (2.0, -1.0)


def derivation() -> Derivation:
    """Turn osmosis round: on the line, for other guidances, with less noise."""
    u = sympy.Symbol("u", real=True)
    a, b, eta = sympy.symbols("a b eta", positive=True)
    p, k, v = (sympy.Function(name, positive=True)(u) for name in "pkv")
    steps = Derivation()
    text = (
        r"Osmosis with a guidance $v$ is $\partial_s p = A_v p$ with "
        r"$A_v p = \partial^2 p - \partial (p\, \partial \ln v)$. The guidance $p^2 / v$ changes "
        "its sign."
    )
    steps.equal(text, osmosis(p**2 / v, p), -osmosis(v, p))
    text = r"Another guidance $p^a v^b$ leaves a residual: only $a = 2$, $b = -1$ serve every $p$."
    rest = (1 + b) * osmosis(v, p) + (1 - a - b) * sympy.Derivative(p, (u, 2))
    steps.equal(text, osmosis(p**a * v**b, p) + osmosis(v, p), rest)
    text = r"The ratio $k$ of two densities that go back together obeys the backward equation."
    backward = sympy.Derivative(k, (u, 2)) + sympy.Derivative(k, u) * sympy.Derivative(v, u) / v
    steps.equal(text, osmosis(p**2 / v, p * k) + k * osmosis(v, p), p * backward)
    text = r"With a share $\eta$ of the noise the guidance is $p\, (p / v)^{1/\eta}$."
    return steps.equal(text, eta * osmosis(p * (p / v) ** (1 / eta), p), -osmosis(v, p))


class osmosis(sympy.Function):  # type: ignore[misc]  # noqa: N801  (printed by name)
    """Right-hand side A_v p of the osmosis equation, shown by its letter until it is inserted."""

    def doit(self, **hints: Any) -> Any:
        """Differentiate."""
        del hints
        guidance, p = self.args
        (u,) = p.free_symbols
        drift = sympy.diff(sympy.log(guidance), u)
        return sympy.diff(p, u, 2) - sympy.diff(p * drift, u)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        del exp
        guidance, p = (printer.doprint(x.replace(_is_named, _bare)) for x in self.args)
        return rf"A_{{{guidance}}}\, {p}"


def _is_named(x: Any) -> bool:
    return isinstance(x, sympy.core.function.AppliedUndef)


def _bare(x: Any) -> Any:
    """Leave the argument out: p for p(u)."""
    return sympy.Symbol(x.func.__name__)


# Densities: the equation in the reverse time


def turned(data: Mixture, drift: Powers, share: float = 1.0) -> feller.Terms:
    r"""Drift-diffusion against the time, with :math:`D = a \nabla \ln p + b \nabla \ln v`."""
    a, b = drift

    def terms(u: Tensor, t: float, q: Tensor) -> Tensor:
        score = feller.along(evolved(data)(u, t).log(), u)
        field = a * score - b * u
        flux = share * feller.along(q, u) - q.reshape(-1, *[1] * (u.ndim - 1)) * field
        return -feller.rate(t) / 2 * feller.divergence(flux, u)

    return terms


def evolved(data: Mixture) -> feller.Field:
    """Density of U_t for a law of the data."""

    def field(u: Tensor, t: float) -> Tensor:
        return feller.mixture_density(marginal(feller.process(0.0, t), data, 1), u)

    return field


def joint(u: Tensor, t: float) -> Tensor:
    """Joint density of U_t and of a fixed value at the end."""
    end = torch.tensor(0.3, dtype=torch.float64)
    return feller.density(u, t) * feller.kernel(end, feller.END, u, t)


def density(drift: Powers, share: float = 1.0, data: Mixture = feller.DATA) -> Check:
    """Relative residual of the density in a reverse equation."""
    positions = feller.POSITIONS if data.dimension == 1 else MESH

    def check(trial: Trial) -> Outcome:
        del trial
        terms = turned(data, drift, share)
        return Outcome(feller.residual(evolved(data), terms, positions=positions), TOLERANCE)

    return check


def transitions(drift: Powers) -> Check:
    """Relative residual of the joint density with a later value: the transitions are right too."""
    terms = turned(feller.DATA, drift)
    return lambda trial: Outcome(feller.residual(joint, terms), TOLERANCE)


# One mode of every process that has a density

CURVES: dict[str, Callable[[float], LinearGaussianScaleSpace]] = {
    "variance preserving": lambda t: feller.process(0.0, t),
    "variance exploding": lambda t: VarianceExploding([t]),
    "inverse heat dissipation": lambda t: HeatDissipation([t], 0.6, (1, 2)),
    "blurring diffusion": lambda t: BlurringDiffusion([t], [np.cos(t)], [np.sin(t)], (1, 2)),
    "linearised osmosis": lambda t: LinearisedOsmosis([t], 0.8, (1, 2)),
}
"""Process of one step that ends at the time t; its last mode is looked at."""


def one_mode(name: str, powers: Powers = MOVING) -> Check:
    r"""Relative residual of :math:`dU = f U dt + g dW` on its way back, in one mode.

    The forward equation is osmosis with diffusivity g^2 / 2 and :math:`\partial \ln v = 2 f u /
    g^2`: a guidance that may move by itself.
    """

    def check(trial: Trial) -> Outcome:
        del trial
        found = [CURVES[name](t).direct(1) for t in feller.times().tolist()]
        factors, variances = (
            torch.stack([x.flatten()[-1] for x in y]) for y in zip(*found, strict=True)
        )
        f = feller.slopes(factors.log())
        g2 = feller.slopes(variances) - 2 * f * variances
        values, expected = [], []
        for m, s2, decay, noise in zip(factors, variances, f, g2, strict=True):
            u = feller.POSITIONS.clone().requires_grad_()
            data = feller.DATA
            law = Mixture(m * data.means, m**2 * data.variances + s2, data.log_weights.exp())
            p = feller.mixture_density(law, u)
            field = powers[0] * feller.along(p.log(), u) + powers[1] * 2 * decay * u / noise
            back = noise / 2 * feller.divergence(feller.along(p, u) - p * field, u)
            values.append(p.detach())
            expected.append(-back.detach())
        slope = feller.slopes(torch.stack(values))
        gap = (slope - torch.stack(expected)).abs().max()
        return Outcome(float(gap / slope.abs().max()), TOLERANCE)

    return check


# Evolution of densities by the matrix of osmosis

DURATION = math.log(2) / 2
"""Time s of the evolutions: half of the signal power is left."""


def arrival(
    grid: Grid, steps: int, integrator: Integrator, powers: Powers, data: Mixture
) -> Tensor:
    """Density that goes back from that of U_S with the guidance p^a v^b, when it arrives at 0."""
    a, b = powers
    normal = Mixture(torch.zeros(1, grid.dimension).double(), torch.ones(grid.dimension).double())
    log_v = grid.log_averages(normal)

    def law(s: float) -> Mixture:
        return marginal(VariancePreserving([-math.expm1(-2 * s)]), data, 1) if s > 0 else data

    def log_guidance(r: float) -> Tensor:
        return a * grid.log_averages(law(DURATION - r)) + b * log_v

    start = grid.averages(law(DURATION))
    return evolve_moving(
        grid, log_guidance, start, end=DURATION, steps=steps, integrator=integrator
    )


def order_in_grid(powers: Powers = MOVING, data: Mixture = SMOOTH) -> Check:
    """Observed order in the grid width; the step falls with its square."""
    line = data.dimension == 1

    def check(trial: Trial) -> Outcome:
        del trial
        widths, errors = [], []
        for n in (40, 64, 104) if line else (40, 56, 72):
            grid = Grid(-7, 7, n, tolerance=1) if line else Grid(-6, 6, (n, n), tolerance=1)
            steps = math.ceil(2 * data.dimension * DURATION / grid.spacing**2)
            found = arrival(grid, steps, "sdirk2", powers, data)
            widths.append(grid.spacing)
            errors.append(grid.l1_error(found, grid.averages(data)))
        return Outcome(_slope(widths, errors), 0.15, expected=2.0)

    return check


def order_in_time(
    integrator: Integrator, order: float, steps: Sequence[int], powers: Powers = MOVING
) -> Check:
    """Observed order in the step, against many steps on the same grid."""

    def check(trial: Trial) -> Outcome:
        del trial
        grid, exact = refined()
        found = [arrival(grid, n, integrator, powers, SMOOTH) for n in steps]
        errors = [grid.l1_error(p, exact) for p in found]
        return Outcome(-_slope(steps, errors), 0.15, expected=order)

    return check


@cache
def refined() -> tuple[Grid, Tensor]:
    """Grid, and the evolution there with very many steps."""
    grid = Grid(-7, 7, 48)
    return grid, arrival(grid, 128, "exponential", MOVING, SMOOTH)


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the regression line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


WRONG: dict[str, Powers] = {
    "p": (1.0, 0.0),
    "p^2": (2.0, 0.0),
    "v / p^2": (-2.0, 1.0),
    "99% of the score": (1.98, -1.0),
}

CLAIMS = (
    Claim(VP, Expectation.HOLDS, density(MOVING), "relative residual", aspect="density"),
    Claim(VP, Expectation.HOLDS, density(MOVING, data=PLANE), "relative residual", aspect="plane"),
    Claim(
        VP,
        Expectation.HOLDS,
        transitions(MOVING),
        "relative residual of the joint density with a later value",
        aspect="transitions",
    ),
    *(
        Claim(
            VP,
            Expectation.HOLDS,
            density((1 + share, -1.0), share),
            "relative residual",
            aspect=f"share {share:g} of the noise",
        )
        for share in (0.0, 0.5, 2.0)
    ),
    *(
        Claim(name, Expectation.HOLDS, one_mode(name), "relative residual", aspect="one mode")
        for name in CURVES
    ),
    Claim(
        VP,
        Expectation.HOLDS,
        order_in_grid(),
        "observed order in the grid width",
        aspect="evolution, grid",
    ),
    Claim(
        VP,
        Expectation.HOLDS,
        order_in_grid(data=PLANE),
        "observed order in the grid width",
        aspect="evolution, plane",
    ),
    Claim(
        VP,
        Expectation.HOLDS,
        order_in_time("implicit-euler", 1.0, (20, 40, 80)),
        "observed order in the step",
        aspect="evolution, implicit Euler",
    ),
    Claim(
        VP,
        Expectation.HOLDS,
        order_in_time("exponential", 2.0, (8, 16, 32)),
        "observed order in the step",
        aspect="evolution, exponential",
    ),
)

CONTROLS = (
    *(Control(f"guidance {name}", VP, density(powers)) for name, powers in WRONG.items()),
    *(
        Control(f"guidance {name} in the plane", VP, density(powers, data=PLANE))
        for name, powers in WRONG.items()
    ),
    Control("probability flow with all of the score", VP, density((2.0, -1.0), 0.0)),
    *(Control(f"99% of the score, {name}", name, one_mode(name, (1.98, -1.0))) for name in CURVES),
    Control("guidance p^2 / v of constant v", VP, one_mode(VP, (2.0, 0.0))),
    Control("evolution with 99% of the score", VP, order_in_grid(WRONG["99% of the score"])),
    Control(
        "99% of the score, implicit Euler",
        VP,
        order_in_time("implicit-euler", 1.0, (20, 40, 80), WRONG["99% of the score"]),
    ),
)

PROPOSITIONS = (
    Proposition(
        label="T-rev",
        title="The reverse process is osmosis with a moving guidance",
        source="Our addition.",
        statement=(
            r"If a density $p$ follows osmosis with guidance $v$, then in reversed "
            r"time it follows osmosis with the moving guidance $p^2 / v$; so do the transitions. "
            r"With a share $\eta$ of the noise the guidance is $p\,(p/v)^{1/\eta}$, and for "
            r"$\eta = 0$ the probability flow remains."
        ),
        topic=Topic.REVERSE,
        chapter="reverse-osmosis",
        anchors=("thm-rev",),
        claims=CLAIMS,
        controls=CONTROLS,
        functions=(
            "scalelib.drift_diffusion.evolve_moving",
            "scalelib.drift_diffusion.Grid",
        ),
        derivation=derivation,
    ),
)
