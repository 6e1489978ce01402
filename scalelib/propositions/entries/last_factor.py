"""E-3: the product of the semigroup property ends at the scale that is reached."""

from __future__ import annotations

import math
from typing import Any

import sympy
import torch
from torch import Tensor

from scalelib.information import marginal
from scalelib.propositions._feller import DATA
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import process
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

START, REACHED = 3, 6
TOLERANCE = 1e-12
"""The trapezoidal rule is exact up to rounding for Gaussians this much wider than the grid."""


def derivation() -> Derivation:
    """One step from a Gaussian start: with and without the last kernel."""
    x, y = sympy.symbols("u_0 u_1", real=True)
    beta = sympy.Rational(3, 4)

    def normal(at: Any, mean: Any, variance: Any) -> Any:
        return sympy.exp(-((at - mean) ** 2) / (2 * variance)) / sympy.sqrt(2 * sympy.pi * variance)

    start, step = normal(x, 0, sympy.Integer(4)), normal(y, x / 2, beta)
    real = (x, -sympy.oo, sympy.oo)
    steps = Derivation()
    steps.equal(
        r"$U_0 \sim N(0, 4)$, $\beta_1 = \tfrac34$, all factors: the density of $N(0, \tfrac74)$.",
        sympy.Integral(start * step, real),
        normal(y, 0, 1 + beta),
    )
    return steps.equal("Without the last factor.", sympy.Integral(start, real), 1)


def path_integral(last: int) -> Tensor:
    """Right-hand side of equation (8) on a grid, with the factors up to ``last``."""
    chain = process("variance preserving")
    u, width = grid()
    values = marginal(chain, DATA, START).log_density(u[:, None]).exp()
    for j in range(START + 1, last + 1):
        a, b2 = chain.coefficients(j)
        step = torch.exp(-(u[:, None] - a * u).square() / (2 * b2)) / (2 * math.pi * b2).sqrt()
        values = width * step @ values
    if last == REACHED:
        return values
    return values.sum().expand(len(u)) * width  # nothing is left that depends on u_i


def grid() -> tuple[Tensor, float]:
    """Grey values far beyond all modes, and their distance."""
    u = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    return u, float(u[1] - u[0])


def against_marginal(last: int) -> Check:
    """Largest gap between the path integral and the exact density."""

    def check(trial: Trial) -> Outcome:
        del trial
        exact = marginal(process("variance preserving"), DATA, REACHED)
        density = exact.log_density(grid()[0][:, None]).exp()
        return Outcome(float((path_integral(last) - density).abs().max()), TOLERANCE)

    return check


def printed_value(trial: Trial) -> Outcome:
    """Without the last factor the integral is 1 for every image."""
    del trial
    return Outcome(float(path_integral(REACHED - 1).max()), TOLERANCE, expected=1.0)


PROPOSITIONS = (
    Proposition(
        label="E-3",
        title="Last factor of the product",
        source="2023, equation (8)",
        statement=(
            r"The path from scale $i - \ell$ to scale $i$ has the factors $p(u_j | u_{j-1})$ of "
            r"$j = i - \ell + 1, \dots, i$: the product ends at $i$. Without the last one the "
            r"integral is $1$."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-3",),
        claims=(
            Claim(
                "variance preserving",
                Expectation.HOLDS,
                against_marginal(REACHED),
                "largest gap to the exact density",
            ),
            Claim(
                "variance preserving",
                Expectation.FAILS,
                printed_value,
                "value of the integral, wherever the density is taken",
                aspect="product up to i - 1",
            ),
        ),
        controls=(
            Control("product up to i - 1", "variance preserving", against_marginal(REACHED - 1)),
        ),
        functions=(
            "scalelib.LinearGaussianScaleSpace.coefficients",
            "scalelib.information.marginal",
        ),
        derivation=derivation,
    ),
)
