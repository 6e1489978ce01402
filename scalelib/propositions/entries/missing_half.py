"""E-4: the printed conditional entropy is twice the entropy of the Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable

import sympy
import torch

from scalelib.information import Mixture, conditional_entropy, entropy_by_quadrature, marginal
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import STEPS, VP, process
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
from scalelib.schedules import linear_beta

__all__ = ["PROPOSITIONS"]


TOLERANCE = 1e-9
"""In nats; quadrature finds the entropy within 1e-10."""

SCALE = 6


def derivation() -> Derivation:
    """Split the printed logarithm."""
    n, s = sympy.symbols("n S", positive=True)
    printed = sympy.log((2 * sympy.pi * sympy.E) ** n * (s**2) ** n)
    entropy = n * sympy.log(2 * sympy.pi * sympy.E * s**2) / 2
    determinant = sympy.log((2 * sympy.pi * sympy.E) ** n * s ** (2 * n)) / 2
    steps = Derivation()
    steps.equal("Printed: twice the entropy.", sympy.expand_log(printed, force=True), 2 * entropy)
    half = sympy.expand_log(determinant, force=True)
    return steps.equal("With the root of the determinant.", half, entropy)


def printed(i: int, n: int) -> float:
    """Equation (18) of the 2023 paper, from the schedule alone."""
    power = float((1 - linear_beta(STEPS, 1e-3, 0.6))[:i].prod())
    return n * math.log(2 * math.pi * math.e) + n * math.log(1 - power)


def by_quadrature(i: int, n: int) -> float:
    """Entropy of U_i given U_0 = 0, by quadrature."""
    image = Mixture(torch.zeros(1, n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64))
    return entropy_by_quadrature(marginal(process(VP), image, i))


def compared(factor: float, expected: Callable[[], float]) -> Check:
    """Check ``factor`` times the printed value minus the entropy, two pixels."""

    def check(trial: Trial) -> Outcome:
        del trial
        gap = factor * printed(SCALE, 2) - by_quadrature(SCALE, 2)
        return Outcome(gap, TOLERANCE, expected=expected())

    return check


def same_order(trial: Trial) -> Outcome:
    """Count the steps in which the printed value and the entropy do not both increase."""
    del trial
    scales = range(1, STEPS + 1)
    found = torch.tensor(
        [[printed(i, 2), conditional_entropy(process(VP), i, 2)] for i in scales],
        dtype=torch.float64,
    )
    return Outcome(float((found.diff(dim=0) <= 0).any(dim=1).sum()), 0.0)


PROPOSITIONS = (
    Proposition(
        label="E-4",
        title="A factor 1/2 in the conditional entropy",
        source="2023, equations (18) and (19)",
        statement=(
            r"The entropy of $\Normal(\mu, C)$ is $\tfrac12 \ln\big((2 \pi e)^n \det C\big)$. "
            r"Equations (18) and (19) print it without the factor $\tfrac12$, which doubles all "
            r"values. Proposition 2 does not depend on it."
        ),
        topic=Topic.READING,
        chapter="conditional-entropy",
        anchors=("e-4",),
        claims=(
            Claim(
                VP,
                Expectation.FAILS,
                compared(1.0, lambda: conditional_entropy(process(VP), SCALE, 2)),
                "printed value minus entropy by quadrature, in nats: the entropy once more",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                compared(0.5, lambda: 0.0),
                "half of the printed value minus entropy by quadrature, in nats",
                aspect="with the factor",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                same_order,
                "steps in which the printed value or the entropy does not increase",
                aspect="monotonicity",
            ),
        ),
        controls=(Control("the printed value without the factor", VP, compared(1.0, lambda: 0.0)),),
        functions=("scalelib.information.conditional_entropy",),
        derivation=derivation,
    ),
)
