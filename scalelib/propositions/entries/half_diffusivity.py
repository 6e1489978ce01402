"""E-6: the diffusivity is half of the second moment."""

from __future__ import annotations

from typing import Any

import sympy
import torch
from torch import Tensor

from scalelib.processes import VariancePreserving
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


def derivation() -> Derivation:
    """Change of time, steady states, and several pixels at once."""
    u = sympy.Symbol("u", real=True)
    beta = sympy.Symbol("beta", positive=True)
    p = sympy.Function("p")(u)
    m1, m2 = -beta * u / 2, beta
    right = sympy.Derivative(m2 * p, (u, 2)) / 2 - sympy.Derivative(m1 * p, u)
    osmosis = sympy.Derivative(p, (u, 2)) - sympy.Derivative(-u * p, u)
    steps = Derivation()
    text = r"(24) over $\tfrac12 \beta$, its clock, is (27) with drift $d = -u$."
    steps.equal(text, 2 / beta * right, osmosis)
    guidance = sympy.log(sympy.exp(-(u**2) / 2))
    text = "This is the canonical drift of the standard normal density."
    steps.equal(text, sympy.Derivative(guidance, u, evaluate=False), -u)
    wide = sympy.log(sympy.exp(-(u**2) / 4))
    text = "$d = m_1 / m_2$ would be that of a normal density of variance 2."
    steps.equal(text, sympy.Derivative(wide, u, evaluate=False), m1 / m2)
    return _pixels(steps)


def _pixels(steps: Derivation) -> Derivation:
    """Two dependent pixels obey the equation in two dimensions."""
    x, y, s, c = sympy.symbols("x y s c", real=True)
    p = joint_law(x, y, s, c)
    right = sum(sympy.Derivative(p, (z, 2)) + sympy.Derivative(z * p, z) for z in (x, y))
    text = "Two pixels, at the start with unit variance and covariance $c$, together."
    return steps.equal(text, sympy.Derivative(p, s) / p, right / p)


class joint_law(sympy.Function):  # type: ignore[misc]  # noqa: N801  (printed by name)
    """Density of two pixels at the time s, shown by its letter until it is inserted."""

    def doit(self, **hints: Any) -> Any:
        """Insert the Gaussian; its constant factor plays no role."""
        del hints
        x, y, s, c = self.args
        rest = sympy.exp(-2 * s) * c
        square = (x**2 - 2 * rest * x * y + y**2) / (1 - rest**2)
        return sympy.exp(-square / 2) / sympy.sqrt(1 - rest**2)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        del printer
        return "p" if exp is None else f"p^{{{exp}}}"


def equation(diffusivity: float, advection: float) -> Check:
    r"""Density of U_t in :math:`\partial_t p = \partial(D \partial p) - \partial (m_1 p)`."""

    def terms(u: Tensor, t: float, p: Tensor) -> Tensor:
        spread = diffusivity * feller.rate(t) * feller.along(feller.along(p, u), u)
        return spread - advection * feller.along(feller.drift(u, t) * p, u)

    def check(trial: Trial) -> Outcome:
        del trial
        return Outcome(feller.residual(feller.density, terms), TOLERANCE)

    return check


def steady_variance(ratio: float) -> Check:
    """Variance at the end against that of a guidance with drift ``ratio`` m_1 / m_2."""

    def check(trial: Trial) -> Outcome:
        del trial
        factor, variance = VariancePreserving([0.5] * 60).direct(60)
        u = torch.linspace(-12, 12, 2401, dtype=torch.float64)
        # grad ln v = ratio * m_1 / m_2 = -ratio u / 2
        v = torch.exp(-ratio * u.square() / 4)
        guided = float((v * u.square()).sum() / v.sum())
        return Outcome(float(variance + factor.square()) - guided, TOLERANCE)

    return check


PROPOSITIONS = (
    Proposition(
        label="E-6",
        title="Diffusivity and change of time",
        source="2023, equations (24) and (27)",
        statement=(
            r"Equation (24) is the osmosis equation (27) with diffusivity $\tfrac12 m_2$. In the "
            r"time $s = \tfrac12 \int m_2 \, \mathrm dt$ the diffusivity is $1$ and the drift "
            r"$d = 2 m_1 / m_2 = -u$, in $n$ dimensions for the joint law of all pixels."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-6",),
        claims=(
            Claim(VP, Expectation.HOLDS, equation(0.5, 1.0), "relative residual"),
            Claim(
                VP,
                Expectation.HOLDS,
                steady_variance(2.0),
                "variance of the steady state, gap",
                aspect="steady state",
            ),
        ),
        controls=(
            Control("diffusivity m_2", VP, equation(1.0, 1.0)),
            Control("drift 1% too large", VP, equation(0.5, 1.01)),
            Control("drift m_1 / m_2 at diffusivity 1", VP, steady_variance(1.0)),
        ),
        functions=("scalelib.LinearGaussianScaleSpace.direct",),
        derivation=derivation,
    ),
)
