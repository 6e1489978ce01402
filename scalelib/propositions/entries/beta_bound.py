"""E-2: the printed bound on beta does not make the differential entropy increase."""

from __future__ import annotations

import math

import sympy
import torch

from scalelib.information import Mixture, entropy_by_quadrature, gaussian_entropy, marginal
from scalelib.processes import VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import VP
from scalelib.propositions.statement import (
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
"""In nats; each of up to three entropies is found within 1e-10 by quadrature."""


def derivation() -> Derivation:
    """Follow (13) to (10), its limit, the counterexample, and the bound with n ln a."""
    beta, n, q = sympy.symbols("beta n q", positive=True)
    unit, loss = n * sympy.log(2 * sympy.pi * sympy.E) / 2, sympy.log(beta * (1 - beta)) / 2
    base, half = 2 * sympy.pi * sympy.E, sympy.Rational(1, 2)
    steps = Derivation()
    printed = sympy.exp(2 * (unit + loss), evaluate=False)
    steps.equal(
        "The paper's (13) asks that this be at least 1.", printed, base**n * beta * (1 - beta)
    )
    low, high = half - sympy.sqrt(half**2 - q), half + sympy.sqrt(half**2 - q)
    steps.equal(
        "The paper's (15) with q = (2 pi e)^-n, factorised.",
        (beta - low) * (beta - high),
        beta**2 - beta + q,
    )
    steps.equal("The constant for many pixels.", sympy.Limit(base**-n, n, sympy.oo), 0)
    steps.equal("Lower end of the printed bound.", sympy.Limit(low, q, 0), 0)
    steps.equal("Upper end of the printed bound.", sympy.Limit(high, q, 0), 1)
    steps.true(
        "1/2 lies inside: q < 1/4, here for n = 1.", sympy.Lt(1 / base, half**2, evaluate=False)
    )
    change = gauss(half * 4 + half) - gauss(4)
    steps.equal("Counterexample: change of the entropy.", change, sympy.log(half * 5 / 4) / 2)
    right = sympy.exp((unit + n * loss) * 2 / n, evaluate=False)
    steps.equal("With n ln a, this must be at least 1.", right, base * beta * (1 - beta))
    s, t = sympy.symbols("s t", positive=True)
    missing = gauss(s + t) - gauss(s) - gauss(t)
    left_over = gauss(s * t / (s + t))
    return steps.equal("H(X + Y) - H(X) - H(Y), variances s and t.", missing, -left_over)


def gauss(variance: sympy.Expr | int) -> sympy.Expr:
    """Entropy of a Gaussian."""
    return sympy.log(2 * sympy.pi * sympy.E * variance) / 2


def normal(variance: float, dimension: int = 1) -> Mixture:
    """Centred Gaussian with equal variances."""
    return Mixture(
        torch.zeros(1, dimension, dtype=torch.float64),
        torch.full((dimension,), variance, dtype=torch.float64),
    )


def change(variance: float, beta: float, expected: float) -> Outcome:
    """Change of the entropy of N(0, variance) in one step, by quadrature, in nats."""
    data = normal(variance)
    after = entropy_by_quadrature(marginal(VariancePreserving([beta]), data, 1))
    return Outcome(after - entropy_by_quadrature(data), TOLERANCE, expected=expected)


def counterexample(trial: Trial) -> Outcome:
    """U_0 ~ N(0, 4) and beta = 1/2."""
    del trial
    return change(4.0, 0.5, expected=0.5 * math.log(5 / 8))


def sum_of_entropies(trial: Trial) -> Outcome:
    """H(X + Y) - H(X) - H(Y) for the two parts of a step that preserves N(0, 1)."""
    del trial
    part, total = (entropy_by_quadrature(normal(c)) for c in (0.5, 1.0))
    # X given X + Y has the variance 1/2 * 1/2 / 1.
    missing = gaussian_entropy(torch.tensor([0.25], dtype=torch.float64))
    return Outcome(total - 2 * part, TOLERANCE, expected=-missing)


def scaling(power: float) -> Outcome:
    """H(U / 2) - H(U) in two dimensions; expected is ``power`` times ln(1/2)."""
    wide, narrow = (entropy_by_quadrature(normal(c, 2)) for c in (1.0, 0.25))
    return Outcome(narrow - wide, TOLERANCE, expected=power * math.log(0.5))


def usual_schedule(trial: Trial) -> Outcome:
    """Share of the usual linear schedule inside the bound with n ln a."""
    del trial
    reach = math.sqrt(0.25 - 1 / (2 * math.pi * math.e))
    inside = (linear_beta() - 0.5).abs() <= reach
    return Outcome(float(inside.double().mean()), 0.0)


PROPOSITIONS = (
    Proposition(
        label="E-2",
        title="The bound on beta",
        source="2023, Proposition 1, equations (10) to (15)",
        statement=(
            r"Printed: $H(U_i)$ increases if $\beta_i$ lies between "
            r"$\tfrac12 \mp \sqrt{\tfrac14 - (2 \pi e)^{-n}}$. The step from (13) to the bound "
            r"is right. The premise (12) is not: entropies of independent summands do not add, "
            r"$H(X + Y) = H(X) + H(Y) - H(X \mid X + Y)$, and $H(a U) = H(U) + n \ln a$. For "
            r"$U_0 \sim \Normal(0, 4)$ and $\beta = \tfrac12$ the entropy falls by 0.2350 nats. "
            r"Proposition P-H takes its place."
        ),
        topic=Topic.READING,
        chapter="entropy",
        anchors=("e-2", "ex-beta-bound"),
        claims=(
            Claim(
                VP,
                Expectation.FAILS,
                counterexample,
                "change of the entropy in a step inside the bound, in nats",
            ),
            Claim(
                VP,
                Expectation.FAILS,
                sum_of_entropies,
                "H(X + Y) - H(X) - H(Y) in nats, expected -H(X | X + Y)",
                aspect="sum of entropies",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                lambda trial: scaling(2),
                "H(U / 2) - H(U) for n = 2, expected n ln(1/2)",
                aspect="n ln a",
            ),
            Claim(
                VP,
                Expectation.FAILS,
                usual_schedule,
                "share of the usual linear schedule inside the bound with n ln a",
                aspect="usual schedule",
            ),
        ),
        controls=(
            Control(
                "data N(0, 1), whose entropy stays",
                VP,
                lambda trial: change(1.0, 0.5, expected=0.5 * math.log(5 / 8)),
            ),
            Control("ln a in place of n ln a", VP, lambda trial: scaling(1)),
        ),
        functions=("scalelib.information.entropy_by_quadrature", "scalelib.VariancePreserving"),
        derivation=derivation,
    ),
)
