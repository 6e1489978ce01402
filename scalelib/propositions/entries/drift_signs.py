"""E-5: two signs in the forward and the backward equation."""

from __future__ import annotations

from typing import Any

import sympy
import torch
from torch import Tensor

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
"""Relative residual; Chebyshev interpolation in time has converged to rounding."""
OTHER_END = torch.tensor(0.3, dtype=torch.float64)
"""Where the transition starts, or where it ends: only the other end varies."""


def derivation() -> Derivation:
    """Insert the exact transition density of the Ornstein-Uhlenbeck process."""
    x, u = sympy.symbols("u_tau u_t", real=True)
    h, tau, t, beta = sympy.symbols("h tau t beta", positive=True)
    p = transition_density(x, tau, u, t)
    m1, m2 = -beta * u / 2, beta
    shrunk = sympy.exp(-beta * h / 2)
    second = (1 - shrunk**2) + (shrunk - 1) ** 2 * u**2
    steps = Derivation()
    steps.equal("First moment, by (23).", sympy.Limit((shrunk - 1) * u / h, h, 0), m1)
    steps.equal("Second moment.", sympy.Limit(second / h, h, 0), m2)
    spread = sympy.Derivative(p, (u, 2)) * m2 / 2
    flux = sympy.Derivative(m1 * p, u)
    late = sympy.Derivative(p, t)
    steps.equal("Forward equation, with a minus before the drift term.", late, spread - flux)
    steps.equal("With a plus it leaves", late - (spread + flux), -2 * flux)
    early = sympy.Derivative(p, tau)
    terms = m2 / 2 * sympy.Derivative(p, (x, 2)) + m1.subs(u, x) * sympy.Derivative(p, x)
    steps.equal("Backward equation, with a minus.", -early, terms)
    return steps.equal("With a plus it leaves", early - terms, 2 * early)


class transition_density(sympy.Function):  # type: ignore[misc]  # noqa: N801  (printed by name)
    """Density p(u_t, t | u_tau, tau), shown by its letter until it is inserted."""

    name = "p"

    def doit(self, **hints: Any) -> Any:
        """Insert the Gaussian with beta constant."""
        del hints
        x, tau, u, t = self.args
        factor = sympy.exp(-sympy.Symbol("beta", positive=True) * (t - tau) / 2)
        variance = 1 - factor**2
        square = (u - factor * x) ** 2
        return sympy.exp(-square / (2 * variance)) / sympy.sqrt(2 * sympy.pi * variance)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        del printer, exp
        return "p"


def forward(sign: int) -> Check:
    """Transition density in the later variable; the drift term has the given sign."""

    def terms(u: Tensor, t: float, p: Tensor) -> Tensor:
        spread = feller.along(feller.along(feller.rate(t) * p, u), u) / 2
        return spread + sign * feller.along(feller.drift(u, t) * p, u)

    def check(trial: Trial) -> Outcome:
        del trial
        found = feller.residual(lambda u, t: feller.kernel(u, t, OTHER_END, 0.0), terms)
        return Outcome(found, TOLERANCE)

    return check


def backward(sign: int) -> Check:
    """Transition density in the earlier variable; the time derivative has the given sign."""

    def terms(u: Tensor, t: float, p: Tensor) -> Tensor:
        slope = feller.along(p, u)
        spread = feller.rate(t) / 2 * feller.along(slope, u)
        return sign * (spread + feller.drift(u, t) * slope)

    def check(trial: Trial) -> Outcome:
        del trial
        found = feller.residual(lambda u, t: feller.kernel(OTHER_END, feller.END, u, t), terms)
        return Outcome(found, TOLERANCE)

    return check


PROPOSITIONS = (
    Proposition(
        label="E-5",
        title="Signs of Feller's equations",
        source="2023, equations (24) and (25)",
        statement=(
            r"With $m_1$ as in (23), the transition density $p$ solves "
            r"$\partial_t p = \tfrac12 \partial^2 (m_2 p) - \partial (m_1 p)$ in the later "
            r"variable and $-\partial_\tau p = \tfrac12 m_2 \partial^2 p + m_1 \partial p$ in the "
            r"earlier one."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-5",),
        claims=(
            Claim(VP, Expectation.HOLDS, forward(-1), "relative residual", aspect="forward"),
            Claim(VP, Expectation.HOLDS, backward(-1), "relative residual", aspect="backward"),
        ),
        controls=(
            Control("plus before the drift term of (24)", VP, forward(1)),
            Control("plus before the time derivative of (25)", VP, backward(1)),
        ),
        functions=("scalelib.LinearGaussianScaleSpace.direct",),
        derivation=derivation,
    ),
)
