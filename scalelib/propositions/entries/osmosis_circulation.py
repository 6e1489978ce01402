"""O-circulation: a drift field has a guidance image iff it does not circulate."""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis, canonical_drift
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, drift_field, guidances
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import matrix, null_image

__all__ = ["PROPOSITIONS"]

Field = tuple[Tensor, Tensor]


def derivation() -> Derivation:
    """Log-rates of the canonical drift are differences, so they cancel around a square."""
    v = sympy.symbols("v_1:5", positive=True)

    def log_rate(p: int, q: int) -> sympy.Expr:
        d = 2 * (v[q] - v[p]) / (v[q] + v[p])
        return sympy.log(sympy.simplify((1 + d / 2) / (1 - d / 2)))

    steps = Derivation()
    steps.equal("The canonical drift has these log-rates.", sympy.exp(log_rate(0, 1)), v[1] / v[0])
    around = sum(log_rate(p, q) for p, q in ((0, 1), (1, 2), (2, 3), (3, 0)))
    steps.equal("Around a square they sum to 0.", sympy.expand_log(around, force=True), 0)
    d = sympy.symbols("d", real=True)
    return steps.equal(
        "The area tangent is this logarithm.",
        (2 * sympy.atanh(d / 2)).rewrite(sympy.log),
        sympy.log(1 + d / 2) - sympy.log(1 - d / 2),
    )


def circulation(dy: Tensor, dx: Tensor) -> Tensor:
    """Sum of log-rates around each square of 2 x 2 pixels, clockwise."""
    down, right = 2 * torch.atanh(dy / 2), 2 * torch.atanh(dx / 2)
    return right[..., :-1, :] + down[..., 1:] - right[..., 1:, :] - down[..., :-1]


def recovered(dy: Tensor, dx: Tensor) -> Tensor:
    """Image from log-rates: down the first column, then along each row."""
    down, right = 2 * torch.atanh(dy / 2), 2 * torch.atanh(dx / 2)
    column = torch.nn.functional.pad(down[..., :1].cumsum(dim=-2), (0, 0, 1, 0))
    return (column + torch.nn.functional.pad(right.cumsum(dim=-1), (1, 0))).exp()


def asymmetry(field: Field) -> float:
    """Largest relative asymmetry of A diag(w), with the steady state w."""
    walk = matrix(Osmosis(drift=field))
    w = null_image(walk, torch.ones(1, field[1].shape[-2], field[0].shape[-1])).flatten()
    flow = walk * w
    return float((flow - flow.mT).abs().max() / flow.abs().max())


def canonical(fields: list[Field]) -> Outcome:
    """Circulation, asymmetry and defect of the recovered guidance: all 0 for canonical drifts."""
    worst = 0.0
    for dy, dx in fields:
        turning = circulation(dy, dx).abs()
        image = recovered(dy, dx)
        again = canonical_drift(image)
        gaps = [(a - b).abs() for a, b in zip(again, (dy, dx), strict=True)]
        found = [float(x.max()) for x in (turning, *gaps) if x.numel()]
        worst = max(worst, asymmetry((dy, dx)), *found)
    return Outcome(worst, 1e-11)  # differences of logarithms up to ln 255 along a path


def of_guidances() -> list[Field]:
    """Canonical drifts of all sizes."""
    return [canonical_drift(v) for shape in SIZES for v in guidances(shape).values()]


def means_of_two() -> list[Field]:
    """Break: means of two canonical drifts each, which circulate."""
    pairs = [guidances(shape) for shape in SIZES[2:]]
    drifts = [(canonical_drift(g["mild"]), canonical_drift(g["strong"])) for g in pairs]
    return [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in drifts]


def ring(total: float, power: float = 1.0) -> Outcome:
    """Flow around four pixels of mean 1 for a given circulation; it is 2 tanh(total / 8)."""
    d = 2 * math.tanh(power * total / 8)
    dy = torch.tensor([[[-d, d]]], dtype=torch.float64)
    dx = torch.tensor([[[d], [-d]]], dtype=torch.float64)
    walk = matrix(Osmosis(drift=(dy, dx)))
    w = null_image(walk, torch.ones(1, 2, 2, dtype=torch.float64)).flatten()
    return Outcome(float(walk[1, 0] * w[0] - walk[0, 1] * w[1]), 1e-13, 2 * math.tanh(total / 8))


PROPOSITIONS = (
    Proposition(
        label="O-circulation",
        title="Kolmogorov's criterion on the pixel grid",
        source="Kolmogoroff 1936; on the pixel grid: our addition",
        statement=(
            r"For $|d| < 2$ the following are equivalent: $d$ is the canonical drift of a positive "
            r"image; around each square of $2\times2$ pixels the sum of "
            r"$\ln(r_{pq}/r_{qp})$ is 0; $A\,\mathrm{diag}(v)$ is symmetric for a positive $v$."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis-applications",
        anchors=("prop-osmosis-circulation",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: canonical(of_guidances()),
                "largest of circulation, asymmetry and gap to the drift of the recovered image",
                "canonical drifts",
            ),
            Claim(
                "osmosis",
                Expectation.FAILS,
                lambda trial: ring(1.0),
                "flow around four pixels for circulation 1",
                "a drift that circulates",
            ),
        ),
        controls=(
            Control(
                "the mean of two canonical drifts",
                "osmosis",
                lambda trial: canonical(means_of_two()),
            ),
            Control(
                "a random drift field",
                "osmosis",
                lambda trial: canonical([drift_field(shape) for shape in SIZES[2:]]),
            ),
            Control("1% more circulation", "osmosis", lambda trial: ring(1.0, power=1.01)),
        ),
        functions=("scalelib.canonical_drift", "scalelib.Osmosis.operator"),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_filter.py"
            "::test_canonical_drift_has_the_steady_state_of_its_guidance",
        ),
    ),
)
