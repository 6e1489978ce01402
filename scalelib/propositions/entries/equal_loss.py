"""D-equal: the one variance preserving schedule that forgets the same in each step."""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from scalelib.information import equal_loss_beta, gaussian_mutual_information
from scalelib.processes import VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import STEPS, VP
from scalelib.propositions.laws import SPECTRUM
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-11
"""Relative to the information of the first scale; beta and the ratio lose a few digits."""

FIRST, LAST = 400.0, 1e-3
"""Signal-to-noise ratios of white data at both ends."""

WEIGHTS = torch.linspace(0, 1, len(SPECTRUM), dtype=torch.float64)
ONE = torch.ones_like(SPECTRUM)


def derivation() -> Derivation:
    """Show that the weighted information rises with the ratio, and from ratios to noise."""
    c, w, gamma, x = sympy.symbols("c w gamma x", positive=True)
    steps = Derivation()
    steps.equal(
        r"In $x = \ln \gamma$ one mode contributes",
        sympy.Derivative(w * sympy.log(1 + sympy.exp(x) * c) / 2, x).doit(),
        w * (sympy.exp(x) * c / (1 + sympy.exp(x) * c)) / 2,
    )
    steps.true("which is positive:", sympy.Gt(w * gamma * c / (1 + gamma * c) / 2, 0))
    late = sympy.Symbol(r"\gamma_i", positive=True)
    fall = sympy.Symbol("delta", positive=True)
    early = late + fall
    return steps.equal(
        "The ratio is that of signal and noise, so that a falling one needs a noise of",
        1 - (late / (1 + late)) / (early / (1 + early)),
        fall / ((late + fall) * (1 + late)),
    )


def ratios(betas: Tensor) -> Tensor:
    """Signal-to-noise ratios of white data at the scales 1..m."""
    powers = (1 - betas).cumprod(0)
    return powers / (1 - powers)


def losses(betas: Tensor, w: Tensor) -> tuple[Tensor, float]:
    """Losses of the steps 2..m, and the information of scale 1, both with weights."""
    told = 0.5 * torch.log1p(ratios(betas)[:, None] * SPECTRUM) @ w
    return told.diff().neg(), float(told[0])


def even(betas: Tensor, w: Tensor) -> Outcome:
    """Largest gap of a loss to the mean loss, or of an end; or steps without noise in (0, 1)."""
    found, whole = losses(betas, w)
    ends = ratios(betas)[[0, -1]] / torch.tensor([FIRST, LAST], dtype=torch.float64) - 1
    wrong = int(((betas <= 0) | (betas >= 1)).sum())
    gap = float((found - found.mean()).abs().max()) / whole
    return Outcome(max(gap, float(ends.abs().max()), wrong), TOLERANCE)


def schedule(w: Tensor) -> Tensor:
    """Return the schedule of the package for the ends above."""
    return equal_loss_beta(SPECTRUM, STEPS, FIRST, LAST, weights=w)


def nats() -> Outcome:
    """Gap of the losses of the process itself, by its mutual information."""
    chain = VariancePreserving(schedule(ONE))
    listed = [gaussian_mutual_information(chain, i, SPECTRUM) for i in range(1, STEPS + 1)]
    told = torch.tensor(listed, dtype=torch.float64)
    found = told.diff().neg()
    return Outcome(float((found - found.mean()).abs().max() / told[0]), TOLERANCE)


def unique(betas: Tensor) -> Outcome:
    """Relative gap to the ratios of the statement, each by bisection of its own."""
    low, high = (0.5 * float(torch.log1p(g * SPECTRUM).sum()) for g in (LAST, FIRST))
    worst = 0.0
    for i, found in enumerate(ratios(betas).tolist()):
        goal = high - i / (STEPS - 1) * (high - low)
        below, above = math.log(LAST) - 1, math.log(FIRST) + 1
        for _ in range(80):
            middle = (below + above) / 2
            told = 0.5 * float(torch.log1p(math.exp(middle) * SPECTRUM).sum())
            below, above = (middle, above) if told < goal else (below, middle)
        worst = max(worst, abs(found / math.exp(below) - 1))
    return Outcome(worst, TOLERANCE)


def noise(gamma: Tensor) -> Tensor:
    """Return the schedule with these ratios."""
    powers = gamma / (1 + gamma)
    return 1 - powers / torch.cat([torch.ones(1), powers[:-1]])


def geometric() -> Tensor:
    """Break: the ratio falls by one factor in each step."""
    ends = math.log(FIRST), math.log(LAST)
    return noise(torch.linspace(*ends, STEPS, dtype=torch.float64).exp())


def arithmetic() -> Tensor:
    """Break: the ratio falls by one amount in each step."""
    return noise(torch.linspace(FIRST, LAST, STEPS, dtype=torch.float64))


PROPOSITIONS = (
    Proposition(
        label="D-equal",
        title="Equal losses",
        source="Our addition",
        statement=(
            r"Let $w_k \ge 0$ and $I_w(\gamma) = \frac12 \sum_k w_k \ln(1 + \gamma c_k)$, with "
            r"$w_k c_k > 0$ for some mode. For $\gamma_1 > \gamma_m > 0$ exactly one variance "
            r"preserving schedule has these signal-to-noise ratios $\gamma_i = \bar\alpha_i / "
            r"(1 - \bar\alpha_i)$ at both ends and equal losses $I_w(\gamma_{i-1}) - "
            r"I_w(\gamma_i)$, $2 \le i \le m$."
        ),
        topic=Topic.COMPARISON,
        chapter="design-guidance",
        anchors=("prop-equal-loss",),
        claims=(
            Claim(
                VP,
                Expectation.HOLDS,
                lambda trial: nats(),
                "gap of a loss in nats to the mean loss, over the first information",
                "nats",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                lambda trial: even(schedule(WEIGHTS), WEIGHTS),
                "gap of a weighted loss to the mean loss, over the first information",
                "weights",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                lambda trial: unique(schedule(ONE)),
                "relative gap of the ratios to the inverse of the information",
                "ratios",
            ),
        ),
        controls=(
            Control("ratios in equal steps", VP, lambda trial: even(arithmetic(), ONE)),
            Control("ratios by equal factors", VP, lambda trial: even(geometric(), ONE)),
            Control("weights left out", VP, lambda trial: even(schedule(ONE), WEIGHTS)),
            Control("ratios of other weights", VP, lambda trial: unique(schedule(WEIGHTS))),
        ),
        functions=(
            "scalelib.information.equal_loss_beta",
            "scalelib.information.gaussian_mutual_information",
        ),
        derivation=derivation,
        tests=("tests/information/test_equal_loss.py::test_every_step_forgets_the_same",),
    ),
)
