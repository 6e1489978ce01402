"""E-9: the printed recursion of the entropy grows without bound; it shall carry beta_{i+1}."""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from scalelib.information import gaussian_entropy
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
from scalelib.schedules import constant_beta, linear_beta

__all__ = ["PROPOSITIONS"]


TOLERANCE = 1e-12
"""In nats, for closed forms of one variable."""

STEPS = 400
"""Long enough for the limit N(0, 1): alpha_bar = 2^-400."""


def derivation() -> Derivation:
    """Sum up (12) for a constant beta and compare with the limit distribution."""
    start, n, m, gain, c = sympy.symbols("H_0 n m delta c", positive=True)
    j, power = sympy.Symbol("j", integer=True), sympy.Symbol(r"\bar\alpha", positive=True)
    total = start + m * gain
    half, base = sympy.Rational(1, 2), 2 * sympy.pi * sympy.E
    steps = Derivation()
    steps.equal("Sum of equal gains.", start + sympy.Sum(gain, (j, 1, m)), total)
    steps.equal("It grows linearly.", sympy.Limit(total / m, m, sympy.oo), gain)
    step = sympy.log(base) / 2 + sympy.log(half * half) / 2
    steps.true("Gain for beta = 1/2, n = 1.", sympy.Gt(step, 0, evaluate=False))
    entropy = n * sympy.log(base * (1 + power * (c - 1))) / 2
    limit = sympy.Limit(entropy, power, 0)
    return steps.equal("Entropy of N(0, c I) at the limit.", limit, n * sympy.log(base) / 2)


def entropies(chain: VariancePreserving, variance: float) -> Tensor:
    """Entropy of N(0, variance) at the scales 0..m, in nats."""
    pairs = [chain.direct(i) for i in range(chain.steps + 1)]
    variances = torch.stack([a.square() * variance + s2 for a, s2 in pairs])
    return torch.tensor([gaussian_entropy(c) for c in variances], dtype=torch.float64)


def printed_gain(beta: float) -> float:
    """Gain of a step by (12) for one pixel, in nats."""
    noise = gaussian_entropy(torch.ones(1, dtype=torch.float64))
    return noise + 0.5 * math.log(beta * (1 - beta))


def growth(variance: float, gain: float) -> Outcome:
    """Gain per step that the entropy really has, on average over the steps; printed: ``gain``."""
    found = entropies(VariancePreserving(constant_beta(STEPS, 0.5)), variance)
    total = 0.5 * math.log(1 / variance)  # from N(0, variance) to N(0, 1)
    excess = gain - float(found[-1] - found[0]) / STEPS
    return Outcome(excess, TOLERANCE, expected=printed_gain(0.5) - total / STEPS)


def shifted(shift: int) -> Outcome:
    """Largest gap to the chain's entropies if step i + 1 takes the beta of index i + shift."""
    betas = linear_beta(12, 1e-3, 0.6)  # beta_i is betas[i - 1]
    found, gap = entropies(VariancePreserving(betas), 0.25), 0.0
    variance = float(0.25 + 0.75 * betas[0])  # scale 1: there is no beta_0 to confuse beta_1 with
    for i in range(1, 12):
        beta = float(betas[i - 1 + shift])
        variance = (1 - beta) * variance + beta
        entropy = gaussian_entropy(torch.tensor([variance], dtype=torch.float64))
        gap = max(gap, abs(entropy - float(found[i + 1])))
    return Outcome(gap, TOLERANCE)


def with_limit(trial: Trial) -> Outcome:
    """Distance of the last entropy from that of N(0, 1), data N(0, 1/4)."""
    del trial
    found = entropies(VariancePreserving(constant_beta(STEPS, 0.5)), 0.25)
    return Outcome(float(found[-1]) - 0.5 * math.log(2 * math.pi * math.e), TOLERANCE)


PROPOSITIONS = (
    Proposition(
        label="E-9",
        title="Growth of the printed entropy",
        source="2023, equations (11) and (12), Proposition 4",
        statement=(
            r"For constant $\beta$, equation (12) adds the same amount in every step, so that "
            r"$H(U_i)$ grows linearly and without bound. By Proposition 4 of the same paper it "
            r"tends to $H(\Normal(0, I)) = \tfrac n2 \ln(2 \pi e)$. In (11) the step from $i$ to "
            r"$i + 1$ carries $\beta_{i+1}$."
        ),
        topic=Topic.READING,
        chapter="entropy",
        anchors=("e-9",),
        claims=(
            Claim(
                VP,
                Expectation.FAILS,
                lambda trial: growth(0.25, printed_gain(0.5)),
                "gain of a step by (12) minus the true mean gain over 400 steps, in nats",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                with_limit,
                "distance from the entropy of N(0, 1) after 400 steps, in nats",
                aspect="limit",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                lambda trial: shifted(1),
                "largest gap of the entropies with beta_{i+1} in step i + 1, in nats",
                aspect="index",
            ),
        ),
        controls=(
            Control("beta_i in step i + 1", VP, lambda trial: shifted(0)),
            Control("no gain in place of the printed one", VP, lambda trial: growth(0.25, 0.0)),
        ),
        functions=("scalelib.VariancePreserving",),
        derivation=derivation,
    ),
)
