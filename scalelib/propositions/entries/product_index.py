"""E-1: the product of the direct transition starts at the first step."""

from __future__ import annotations

from typing import Any

import sympy
import torch

from scalelib.processes import VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import fold, process, relative_gap
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
"""Relative, for 12 steps in float64."""


def derivation() -> Derivation:
    """Compare the printed product with the first step: they agree where beta_0 vanishes."""
    j = sympy.Symbol("j", integer=True)
    beta = sympy.IndexedBase("beta")

    def variance(first: int, i: int) -> Any:
        return 1 - sympy.Product(1 - beta[j], (j, first, i))

    steps = Derivation()
    steps.equal("From $1$: the variance at $i = 1$ is that of (3).", variance(1, 1), beta[1])
    excess = beta[0] * (1 - beta[1])
    steps.equal("From $0$: there is more.", variance(0, 1), beta[1] + excess)
    return steps.equal("Even at scale $0$ there is noise.", variance(0, 0), beta[0])


def closed_form(extra: float) -> Check:
    r"""Check of single steps against :math:`\prod_j (1 - \beta_j)` with a further factor."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain = process("variance preserving")
        assert isinstance(chain, VariancePreserving)
        power = torch.cumprod(1 - chain.betas, dim=0) * (1 - extra)
        gap = 0.0
        for i in range(1, chain.steps + 1):
            factor, variance = fold(chain, i)
            gap = max(gap, relative_gap(factor, power[i - 1].sqrt()))
            gap = max(gap, relative_gap(variance, 1 - power[i - 1]))
        return Outcome(gap, TOLERANCE)

    return check


PROPOSITIONS = (
    Proposition(
        label="E-1",
        title="First factor of the product",
        source="2023, equations (5) and (22)",
        statement=(
            r"The direct transition multiplies the factors $1 - \beta_j$ of the steps "
            r"$j = 1, \dots, i$: the product starts at $1$."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-1",),
        claims=(
            Claim(
                "variance preserving",
                Expectation.HOLDS,
                closed_form(0.0),
                "largest relative gap to single steps",
            ),
        ),
        controls=(
            Control("product from 0 with beta_0 = 0.02", "variance preserving", closed_form(0.02)),
        ),
        functions=("scalelib.VariancePreserving",),
        derivation=derivation,
    ),
)
