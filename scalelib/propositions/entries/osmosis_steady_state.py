"""O-steady: osmosis converges to the rescaled guidance image."""

from __future__ import annotations

from collections.abc import Iterator

import sympy
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, drift_field, guidances, images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import (
    Step,
    leaky,
    null_image,
    of_drift,
    one_sided,
    resolvent,
)

__all__ = ["PROPOSITIONS"]

TAUS = {1e4: 40, 1e6: 8}
"""Step and number of steps, after which the slowest mode is below rounding."""

Case = tuple[Step, Tensor, Tensor]
"""Step, initial images, expected limit."""


def derivation() -> Derivation:
    """Two pixels: the state at rest, and the limit of one long step."""
    vp, vq, up, uq, tau = sympy.symbols("v_p v_q u_p u_q tau", positive=True)
    out, back = 2 * vq / (vp + vq), 2 * vp / (vp + vq)
    walk = sympy.Matrix([[-out, back], [out, -back]])
    steps = Derivation()
    rest = walk * sympy.Matrix([vp, vq])
    steps.equal("The guidance is at rest.", sympy.simplify(rest[0]), 0)
    new = (sympy.eye(2) - tau * walk).LUsolve(sympy.Matrix([up, uq]))
    limit = sympy.limit(sympy.simplify(new[0]), tau, sympy.oo)
    return steps.equal(
        "One long step ends in the guidance with the mean of the image.",
        limit,
        (up + uq) / (vp + vq) * vp,
    )


def gap(cases: Iterator[Case]) -> Outcome:
    """Largest distance to the expected limit, relative to its largest grey value."""
    worst = 0.0
    for step, f, w in cases:
        for tau, count in TAUS.items():
            u = f
            for _ in range(count):
                u = step(u, tau)
            worst = max(worst, float(((u - w).abs() / w.amax(dim=(1, 2, 3), keepdim=True)).max()))
            worst = max(worst, float(((step(w, tau) - w).abs() / w.max()).max()))
    # Rounding of u is multiplied by tau times A in the system, and divided by it in the solution.
    return Outcome(worst, 1e-10)


def rescaled(v: Tensor, f: Tensor) -> Tensor:
    """Guidance image with the mean of f."""
    return v * f.mean(dim=(-2, -1), keepdim=True) / v.mean(dim=(-2, -1), keepdim=True)


def guided() -> Iterator[Case]:
    """Cases with a guidance image."""
    for shape in SIZES:
        f = images(shape)
        for v in guidances(shape).values():
            yield Osmosis(guidance=v, solver="direct").step, f, rescaled(v, f)


def driven() -> Iterator[Case]:
    """Cases with a drift field; the limit is the null vector of the rebuilt matrix."""
    for shape in SIZES:
        f, field = images(shape), drift_field(shape)
        limit = null_image(of_drift(*field), f)
        yield Osmosis(drift=field, solver="direct").step, f, limit


def formula() -> Outcome:
    """Largest relative gap of the steady state that the class names."""
    worst = 0.0
    for shape in SIZES:
        f, field = images(shape), drift_field(shape)
        pairs = [(Osmosis(guidance=v), rescaled(v, f)) for v in guidances(shape).values()]
        pairs.append((Osmosis(drift=field), null_image(of_drift(*field), f)))
        gaps = [float((osmosis.steady_state(f) / w - 1).abs().max()) for osmosis, w in pairs]
        worst = max(worst, *gaps)
    return Outcome(worst, 1e-10)


def one_step() -> Outcome:
    """Distance to the limit after a single step of length 1e12, times that length."""
    worst = 0.0
    for shape in SIZES:
        f = images(shape)
        for v in guidances(shape).values():
            u = Osmosis(guidance=v).step(f, 1e12)
            worst = max(worst, float((u / rescaled(v, f) - 1).abs().max()))
    # The slowest rate is above 1e-3 here, the largest ratio below 255.
    return Outcome(worst, 255 / (1e-3 * 1e12))


def broken(kind: str) -> Iterator[Case]:
    """Break the matrix, or forget the factor of the limit."""
    make = {"one-sided": one_sided, "leaky": leaky}
    for shape in SIZES[:3]:
        f, v = images(shape), guidances(shape)["mild"]
        if kind == "no factor":
            yield Osmosis(guidance=v, solver="direct").step, f, v.expand_as(f)
        else:
            yield resolvent(make[kind](v)), f, rescaled(v, f)


PROPOSITIONS = (
    Proposition(
        label="O-steady",
        title="Steady state of osmosis",
        source="Weickert et al. 2013, Proposition 1; Vogel et al. 2013, Theorem 1; 2023, 4.2",
        statement=(
            r"There is exactly one positive image $w$ with $A w = 0$ and mean $\mu_f$, and "
            r"$u^k \to w$ for every step. For the canonical drift of $v$ it is "
            r"$w = (\mu_f/\mu_v)\,v$."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("thm-osmosis",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: gap(guided()),
                "distance to the limit, relative to its largest grey value",
                "guidance images",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: gap(driven()),
                "distance to the limit, relative to its largest grey value",
                "drift fields",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: formula(),
                "largest relative gap",
                "formula",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: one_step(),
                "largest relative gap",
                "one step of length 1e12",
            ),
        ),
        controls=(
            Control("drift (v_q - v_p) / v_p", "osmosis", lambda trial: gap(broken("one-sided"))),
            Control("flux across the border", "osmosis", lambda trial: gap(broken("leaky"))),
            Control("the mean is forgotten", "osmosis", lambda trial: gap(broken("no factor"))),
        ),
        functions=("scalelib.Osmosis.step", "scalelib.Osmosis.steady_state"),
        derivation=derivation,
        tests=("tests/osmosis/test_filter.py::test_long_steps_reach_the_steady_state",),
    ),
)
