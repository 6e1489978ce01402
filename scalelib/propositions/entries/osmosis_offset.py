"""O-offset: the steady state depends on the offset unless the means agree."""

from __future__ import annotations

from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.grid import laplacian_matrix
from scalelib.propositions.patterns import SIZES, guidances, images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import matrix

__all__ = ["PROPOSITIONS"]

OFFSETS = (0.0, 50.0, 1e3, 1e5)

Filter = Callable[[Tensor, float], Osmosis]


def derivation() -> Derivation:
    """Limit of the steady state, its distance to the limit, and the case of equal means."""
    f, v, value, c = sympy.symbols("mu_f mu_v v c", positive=True)
    state = (f + c) / (v + c) * (value + c) - c
    limit = value + f - v
    steps = Derivation()
    steps.equal("Distance to the limit.", state - limit, (f - v) * (value - v) / (v + c))
    steps.equal("It vanishes for large offsets.", sympy.limit(state, c, sympy.oo), limit)
    return steps.equal("With equal means the offset does not matter.", state.subs(f, v), value)


def formula(make: Filter) -> Outcome:
    """Largest gap to the limit of large offsets plus its exact rest, in grey values of 255."""
    worst = 0.0
    for shape in SIZES:
        f = images(shape)
        mean_f = f.mean(dim=(-2, -1), keepdim=True)
        for v in guidances(shape).values():
            mean_v = v.mean()
            for c in OFFSETS:
                w = make(v, c).steady_state(f)
                rest = (mean_f - mean_v) * (v - mean_v) / (mean_v + c)
                gap = w - (v + mean_f - mean_v) - rest
                worst = max(worst, float(gap.abs().max()) / 255)
    return Outcome(worst, 1e-11)  # offsets of 1e5 cost a factor of 400 in rounding


def speed(make: Filter) -> Outcome:
    """Largest relative distance of the rate to that of diffusion, times the offset."""
    worst, c = 0.0, 1e6
    for shape in SIZES:
        slowest = float(torch.linalg.eigvalsh(laplacian_matrix(shape))[1])
        for v in guidances(shape).values():
            root = (v.flatten() + c).sqrt()
            walk = matrix(make(v, c)) * root / root[:, None]
            found = float(torch.linalg.eigvalsh(-(walk + walk.mT) / 2)[1])
            worst = max(worst, abs(found / slowest - 1))
    # The contrast (255 + c) / (1 + c) bounds it on both sides.
    return Outcome(worst, 254 / c)


PROPOSITIONS = (
    Proposition(
        label="O-offset",
        title="The role of the offset",
        source="Our addition; 2023, Section 4.2 takes a guidance image that is not positive",
        statement=(
            r"With the offset $c$ the steady state is "
            r"$w_c = (\mu_f+c)/(\mu_v+c)\,(v+c) - c$. It tends to $v + \mu_f - \mu_v$. It does not "
            r"depend on $c$ if the means agree. The rate $\nu_1$ tends to $\lambda_1$."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("prop-osmosis-offset",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: formula(lambda v, c: Osmosis(guidance=v, offset=c)),
                "largest gap as a share of 255 grey values",
                "steady state",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: speed(lambda v, c: Osmosis(guidance=v, offset=c)),
                "relative distance of the rate to that of diffusion, offset 1e6",
                "rate",
            ),
        ),
        controls=(
            Control(
                "the offset is left out",
                "osmosis",
                lambda trial: formula(lambda v, c: Osmosis(guidance=v)),
            ),
            Control(
                "the offset is added to the guidance alone",
                "osmosis",
                lambda trial: formula(lambda v, c: Osmosis(guidance=v + c)),
            ),
            Control(
                "the rate without offset",
                "osmosis",
                lambda trial: speed(lambda v, c: Osmosis(guidance=v)),
            ),
        ),
        functions=("scalelib.Osmosis.steady_state", "scalelib.Osmosis.operator"),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_filter.py"
            "::test_large_offset_makes_the_evolution_linear_at_first_order",
        ),
    ),
)
