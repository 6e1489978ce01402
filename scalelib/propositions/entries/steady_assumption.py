"""E-8: which noise variances reach the standard normal distribution, and which the bound names."""

from __future__ import annotations

import math

import sympy
from torch import Tensor

from scalelib.processes import VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.entries.steady_state import STEPS, distance_left, halving, harmonic
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
from scalelib.schedules import constant_beta

__all__ = ["PROPOSITIONS"]


def lower_bound(n: int) -> float:
    """Lower end of the interval of equation (10) for n pixels."""
    return 0.5 - math.sqrt(0.25 - (2 * math.pi * math.e) ** -n)


def admitted(betas: Tensor, expected: int) -> Check:
    """Count the variances that equation (10) admits for one pixel."""

    def check(trial: Trial) -> Outcome:
        del trial
        found = VariancePreserving(betas).betas
        low = lower_bound(1)
        inside = (found >= low) & (found <= 1 - low)
        return Outcome(float(inside.sum()), 0.0, expected=expected)

    return check


def geometric_decay(trial: Trial) -> Outcome:
    """Signal power for the smallest admitted variance, against its power of 1 - beta."""
    del trial
    low = lower_bound(1)
    factor, _ = VariancePreserving(constant_beta(400, low)).direct(400)
    return Outcome(2 * math.log(float(factor)), 1e-10, expected=400 * math.log1p(-low))


def smallest_admitted(trial: Trial) -> Outcome:
    """Distance left after 400 steps of the smallest admitted variance."""
    return distance_left(constant_beta(400, lower_bound(1)))(trial)


def derivation() -> Derivation:
    """Derive that the bound keeps beta away from 0, and that 1 / (i + 1) leaves it."""
    x = sympy.Symbol("x", positive=True)  # (2 pi e)^-n
    low = sympy.Rational(1, 2) - sympy.sqrt(sympy.Rational(1, 4) - x)
    steps = Derivation()
    text = r"With $x = (2 \pi e)^{-n}$, the ends of (10) are the roots of $\beta (1 - \beta) = x$."
    steps.equal(text, low * (1 - low), x)
    text = "The lower end is positive, and close to x for many pixels."
    steps.equal(text, sympy.Limit(low / x, x, 0), 1)
    i = sympy.Symbol("i", positive=True)
    text = "1 / (i + 1) falls below every positive bound."
    return steps.equal(text, sympy.Limit(1 / (i + 1), i, sympy.oo), 0)


PROPOSITIONS = (
    Proposition(
        label="E-8",
        title="Which variances reach the steady state",
        source="2023, Proposition 4 and equation (22)",
        statement=(
            r"The assumption (10) on $\beta_i$ is sufficient for convergence to "
            r"$\mathcal N(0, I)$, not necessary: $\beta_i = 1/(i+1)$ leaves it and converges. "
            r"Needed is $\sum \beta_i = \infty$; $\beta_i \in (0, 1)$ alone is not enough."
        ),
        topic=Topic.READING,
        chapter="steady-states",
        anchors=("sec-steady-assumption",),
        claims=(
            Claim(
                VP,
                Expectation.HOLDS,
                geometric_decay,
                "logarithm of the signal power after 400 steps of the smallest admitted variance",
                "sufficient",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                smallest_admitted,
                "relative entropy left by the smallest admitted variance, in nats",
                "sufficient, distance",
            ),
            Claim(
                VP,
                Expectation.FAILS,
                admitted(harmonic(), expected=15),
                "variances 1/(i+1), of 10^6, that (10) admits for one pixel",
                "necessary",
            ),
            Claim(
                VP,
                Expectation.FAILS,
                distance_left(harmonic()),
                "relative entropy that 1/(i+1) leaves, in nats: it converges all the same",
                "necessary, distance",
            ),
        ),
        controls=(
            Control("variances 2^-(i+1), in (0, 1)", VP, distance_left(halving())),
            Control("all variances admitted", VP, admitted(harmonic(), expected=STEPS)),
        ),
        functions=("scalelib.VariancePreserving",),
        derivation=derivation,
    ),
)
