"""E-10: moments and backward equation belong to the transition density, not to the joint one."""

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
OTHER_END = torch.tensor(0.3, dtype=torch.float64)


def derivation() -> Derivation:
    """Put the product of a density and a transition density into the backward equation."""
    u, beta = sympy.symbols("u beta", real=True)
    p, k = (sympy.Function(name)(u) for name in "pk")

    def backward(y: Any) -> Any:
        return beta / 2 * sympy.Derivative(y, (u, 2)) - beta * u / 2 * sympy.Derivative(y, u)

    forward = beta / 2 * sympy.Derivative(p, (u, 2)) + sympy.Derivative(beta * u / 2 * p, u)
    rest = sympy.Derivative(p, (u, 2)) * k + sympy.Derivative(p, u) * sympy.Derivative(k, u)
    return Derivation().equal(
        r"The density $p$ solves (24), the transition density $k$ solves (25), so "
        r"$\partial_\tau (p k)$ is the first two terms. With the others, from (25), remains",
        k * forward - p * backward(k) + backward(p * k),
        beta * (rest + p * k / 2),
    )


def moments(weight: float) -> Check:
    """One short step: first moment of (23), with the density to a power as a factor."""

    def check(trial: Trial) -> Outcome:
        del trial
        u, t, h = feller.POSITIONS, 0.5, 1e-4
        factor, _ = feller.process(t, t + h).direct(1)
        found = feller.density(u, t) ** weight * (factor - 1) * u / h
        expected = feller.drift(u, t + h / 2)
        # Taylor: (e^{-x} - 1) / x = -1 + x / 2 with x = h beta / 2
        tolerance = h * feller.rate(t + h) ** 2 / 8 * float(u.abs().max())
        return Outcome(float((found - expected).abs().max()), tolerance)

    return check


def generator(u: Tensor, t: float, p: Tensor) -> Tensor:
    """Right-hand side of the backward equation, on the side of the time derivative."""
    slope = feller.along(p, u)
    return -(feller.rate(t) / 2 * feller.along(slope, u) + feller.drift(u, t) * slope)


def fokker_planck(u: Tensor, t: float, p: Tensor) -> Tensor:
    """Right-hand side of the forward equation."""
    spread = feller.along(feller.along(feller.rate(t) * p, u), u) / 2
    return spread - feller.along(feller.drift(u, t) * p, u)


def early(u: Tensor, t: float) -> Tensor:
    """Transition density from the varying place and time to a fixed end."""
    return feller.kernel(OTHER_END, feller.END, u, t)


def backward(field: feller.Field) -> Check:
    """Residual of the backward equation."""
    return lambda trial: Outcome(feller.residual(field, generator), TOLERANCE)


def forward(trial: Trial) -> Outcome:
    """In the later variable the density of the fixed start is a constant factor."""
    del trial
    start = feller.density(OTHER_END[None], 0.1)

    def joint(u: Tensor, t: float) -> Tensor:
        return start * feller.kernel(u, t, OTHER_END, 0.1)

    return Outcome(feller.residual(joint, fokker_planck, low=0.3), TOLERANCE)


PROPOSITIONS = (
    Proposition(
        label="E-10",
        title="Transition density or joint density",
        source="2023, equations (16) and (23) to (25)",
        statement=(
            r"The moments (23) and the backward equation (25) are those of the transition density "
            r"$p(u_t | u_\tau)$. The joint density $p(u_\tau, u_t)$ of (16) solves (24), but not "
            r"(25)."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-10",),
        claims=(
            Claim(VP, Expectation.HOLDS, moments(0), "gap of the first moment", aspect="moments"),
            Claim(VP, Expectation.HOLDS, backward(early), "relative residual", aspect="backward"),
            Claim(
                VP,
                Expectation.HOLDS,
                forward,
                "relative residual of the joint density",
                aspect="forward",
            ),
        ),
        controls=(
            Control("moments of the joint density", VP, moments(1)),
            Control(
                "joint density in the backward equation",
                VP,
                backward(lambda u, t: feller.density(u, t) * early(u, t)),
            ),
        ),
        functions=("scalelib.LinearGaussianScaleSpace.direct", "scalelib.information.marginal"),
        derivation=derivation,
    ),
)
