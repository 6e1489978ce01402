"""P-semi: transition kernels compose."""

from __future__ import annotations

import sympy

from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    OSMOSIS,
    PROCESSES,
    Tampered,
    pairs,
    process,
    relative_gap,
)
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

TOLERANCE = 1e-12
"""Relative; the composition of three closed forms loses a few units in the last place."""


def derivation() -> Derivation:
    """Two transitions in a row have the mean factor and the variance of one."""
    a, b, u = sympy.symbols("M_kj M_ji u", real=True)
    s, t = sympy.symbols("S_kj S_ji", positive=True)
    g, h = sympy.symbols("G_1 G_2", real=True)
    after = sympy.expand(b * (a * u + s * g) + t * h)
    steps = Derivation()
    steps.equal("The mean factors multiply.", after.coeff(u), a * b)
    variance = after.coeff(g) ** 2 + after.coeff(h) ** 2
    return steps.equal("Independent noises add their variances.", variance, b**2 * s**2 + t**2)


def composition(chain: LinearGaussianScaleSpace) -> Outcome:
    """Largest relative gap between K_{k,i} and K_{j,i} after K_{k,j}, over all k < j < i."""
    gap = 0.0
    for k, i in pairs(chain.steps):
        factor, variance = chain.direct(i, k)
        for j in range(k + 1, i):
            first, early = chain.direct(j, k)
            second, late = chain.direct(i, j)
            gap = max(gap, relative_gap(second * first, factor))
            gap = max(gap, relative_gap(second.square() * early + late, variance))
    return Outcome(gap, TOLERANCE)


def checked(name: str) -> Check:
    """Check of a standard instance."""
    return lambda trial: composition(process(name))


def squared_beta(trial: Trial) -> Outcome:
    """Single steps that draw noise of variance beta^2 instead of beta."""
    del trial
    return composition(Tampered(process("variance preserving"), lambda a, b2: (a, b2.square())))


PROPOSITIONS = (
    Proposition(
        label="P-semi",
        title="Semigroup property",
        source="2024, Proposition 2; 2023, Property 2",
        statement=(
            r"Transition kernels compose: $K_{k,i} = K_{j,i} \circ K_{k,j}$ for all "
            r"$k \le j \le i$. Scale $i$ is reached from scale $0$ in $i$ steps, or from scale "
            r"$i - l$ in $l$ steps."
        ),
        topic=Topic.TRANSITION,
        chapter="semigroup",
        anchors=("prop-semi",),
        claims=(
            *(
                Claim(name, Expectation.HOLDS, checked(name), "largest relative gap")
                for name in PROCESSES
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no transition kernel"),
        ),
        controls=(Control("noise of variance beta^2", "variance preserving", squared_beta),),
        functions=("scalelib.LinearGaussianScaleSpace.direct",),
        derivation=derivation,
    ),
)
