"""E-6: the diffusivity is half of the second moment."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from scalelib.processes import VariancePreserving
from scalelib.propositions import _feller as feller
from scalelib.propositions.derivation import Derivation
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
    u, m1, m2 = sympy.symbols("u m_1 m_2", real=True)
    beta = sympy.Symbol("beta", positive=True)
    p = sympy.Function("p")(u)
    vp = {m1: -beta * u / 2, m2: beta}
    feller_side = (sympy.diff(m2 * p, u, 2) / 2).subs(vp).doit() - sympy.diff((m1 * p).subs(vp), u)
    osmosis = sympy.diff(p, u, 2) - sympy.diff(-u * p, u)
    steps = Derivation()
    steps.equal(
        r"In the time $s = \tfrac12 \int \beta$ the right-hand side of (24) is that of (27) with "
        "drift $d = -u$.",
        feller_side / (beta / 2),
        osmosis,
    )
    normal = sympy.exp(-(u**2) / 2)
    steps.equal("Its guidance is the standard normal density.", sympy.diff(sympy.log(normal)), -u)
    wide = sympy.exp(-(u**2) / 4)
    taken = (m1 / m2).subs(vp)
    steps.equal(
        "With $d = m_1 / m_2$ the guidance has variance 2.", sympy.diff(sympy.log(wide)), taken
    )
    return _pixels(steps)


def _pixels(steps: Derivation) -> Derivation:
    """Two dependent pixels obey the equation in two dimensions."""
    x, y = sympy.symbols("x y", real=True)
    s, c = sympy.symbols("s c", positive=True)
    rest = sympy.exp(-2 * s)
    covariance = sympy.Matrix([[1, rest * c], [rest * c, 1]])
    exponent = (sympy.Matrix([[x, y]]) * covariance.inv() * sympy.Matrix([x, y]))[0]
    p = sympy.exp(-exponent / 2) / sympy.sqrt(covariance.det())
    right = sum(sympy.diff(p, z, 2) + sympy.diff(z * p, z) for z in (x, y))
    text = r"Two pixels of covariance $c$: residual of $\Delta p - \operatorname{div}(d p)$."
    return steps.equal(text, (sympy.diff(p, s) - right) / p, 0)


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


VP = "variance preserving"
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
        functions=("scalelib.VariancePreserving.direct",),
        derivation=derivation,
    ),
)
