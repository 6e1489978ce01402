"""O-matrix: columns of the osmosis matrix sum to 0, rates are not negative, A v = 0."""

from __future__ import annotations

from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis, canonical_drift
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.grid import osmosis_matrix
from scalelib.propositions.patterns import SIZES, drift_field, guidances
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import (
    arithmetic,
    leaky,
    matrix,
    of_drift,
    one_sided,
)

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-13
"""Of rates below 2, in units of the grid; grey values are divided by their maximum."""


def derivation() -> Derivation:
    """Write the exchange at one interface in rates, and as a flux of the ratio."""
    vp, vq, up, uq = sympy.symbols("v_p v_q u_p u_q", positive=True)
    d = 2 * (vq - vp) / (vq + vp)
    leaves = d * (up + uq) / 2 - (uq - up)
    kappa = 2 * vp * vq / (vp + vq)
    steps = Derivation()
    steps.equal(
        "The exchange has the rates 1 + d/2 and 1 - d/2,",
        leaves,
        (1 + d / 2) * up - (1 - d / 2) * uq,
    )
    steps.equal("for the canonical drift this one from p to q.", 1 + d / 2, 2 * vq / (vp + vq))
    steps.equal("Detailed balance: the harmonic mean from p to q,", vp * (1 + d / 2), kappa)
    steps.equal("and the same from q to p.", vq * (1 - d / 2), kappa)
    steps.equal("So the exchange is a flux of the ratio,", leaves, kappa * (up / vp - uq / vq))
    return steps.equal("and the guidance exchanges nothing.", leaves.subs({up: vp, uq: vq}), 0)


def structure(operator: Callable[[Tensor], Tensor]) -> Outcome:
    """Largest defect of all statements for guidance images, and the gap to the rebuilt matrix."""
    worst = 0.0
    for shape in SIZES:
        for v in guidances(shape).values():
            walk, grey = operator(v), v.flatten() / v.max()
            flow = walk * grey
            defects = [flow - flow.mT, walk @ grey, walk - osmosis_matrix(v[0])]
            worst = max(worst, _generator(walk), *(float(x.abs().max()) for x in defects))
    return Outcome(worst, TOLERANCE)


def drifts(operator: Callable[[Tensor, Tensor], Tensor]) -> Outcome:
    """Defect for drift fields, and the gap to the rebuilt matrix."""
    worst = 0.0
    for shape in SIZES:
        field = drift_field(shape)
        walk = operator(*field)
        worst = max(worst, _generator(walk), float((walk - of_drift(*field)).abs().max()))
    return Outcome(worst, TOLERANCE)


def routes(spacing: float = 0.5) -> Outcome:
    """Gap between a guidance image and its canonical drift on a grid of another width."""
    worst = 0.0
    for shape in SIZES:
        for v in guidances(shape).values():
            one = matrix(Osmosis(guidance=v, spacing=spacing))
            two = matrix(Osmosis(drift=canonical_drift(v, spacing), spacing=spacing))
            expected = osmosis_matrix(v[0]) / spacing**2
            worst = max(worst, *(float((x - expected).abs().max()) for x in (one, two)))
    return Outcome(worst, TOLERANCE / spacing**2)


def _generator(walk: Tensor) -> float:
    """Largest sum of a column, or most negative rate."""
    rates = walk - torch.diag(walk.diagonal())
    return max(float(walk.sum(dim=0).abs().max()), -float(rates.min()))


PROPOSITIONS = (
    Proposition(
        label="O-matrix",
        title="The osmosis matrix",
        source="Vogel et al. 2013, Section 3",
        statement=(
            r"For $|d| < 2$ the columns of $A$ sum to 0 and its off-diagonal entries are not "
            r"negative. For the canonical drift of $v$ also $A v = 0$, and "
            r"$-A\,\mathrm{diag}(v)$ is symmetric with the harmonic means "
            r"$2 v_p v_q/(v_p+v_q)$ as weights."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("lem-osmosis-generator",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: structure(lambda v: matrix(Osmosis(guidance=v))),
                "largest defect; grey values relative to the largest",
                "guidance images",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: drifts(lambda dy, dx: matrix(Osmosis(drift=(dy, dx)))),
                "largest defect",
                "drift fields",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: routes(),
                "gap between guidance and canonical drift, grid width 1/2",
                "canonical drift",
            ),
        ),
        controls=(
            Control("drift (v_q - v_p) / v_p", "osmosis", lambda trial: structure(one_sided)),
            Control("flux across the border", "osmosis", lambda trial: structure(leaky)),
            Control("arithmetic means", "osmosis", lambda trial: structure(arithmetic)),
            Control(
                "drift that is 1% too strong",
                "osmosis",
                lambda trial: drifts(lambda dy, dx: of_drift(1.01 * dy, 1.01 * dx)),
            ),
        ),
        functions=("scalelib.Osmosis.operator", "scalelib.canonical_drift"),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_stencil.py::test_columns_sum_to_zero_and_exchange_rates_are_not_negative",
            "tests/osmosis/test_stencil.py::test_guidance_image_is_a_null_vector",
        ),
    ),
)
