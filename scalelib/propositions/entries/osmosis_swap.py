"""T-swap: osmosis from f to v and osmosis from v to f add up to f + v in the linear limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, diffuse
from scalelib.propositions.linear_limit import first_order
from scalelib.propositions.patterns import SIZES, guidances, images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)

__all__ = ["PROPOSITIONS"]

SHAPES = SIZES[0], SIZES[3]
"""A row of pixels and a grid."""

TIMES = (0.3, 2.0)
OFFSETS = np.geomspace(4e3, 2.56e5, 4)
"""From where on the defect is of first order: grey values reach 255."""

Pair = Callable[[Tensor, Tensor, float], Tensor]


def derivation() -> Derivation:
    """Sum in one mode; first order at the start; what is left of it in the steady states."""
    t, lam, c = sympy.symbols("t lambda c", positive=True)
    f, v = sympy.symbols("f v", real=True)
    fade = sympy.exp(-lam * t)
    steps = Derivation()
    text = "In every mode of the limit, for equal and for unequal means."
    steps.equal(text, (v + fade * (f - v)) + (f + fade * (v - f)), f + v)
    vp, vr, qp, qr = sympy.symbols("v_p v_r q_p q_r", real=True)
    there = (vr - vp) * (qp + qr) / 2
    back = (vr + qr - vp - qp) * (-qp - qr) / 2
    text = "First order at one interface, $q = f - v$: what leaves p at the start, both ways added."
    steps.equal(text, there + back, (qp**2 - qr**2) / 2)
    mu_f, mu_v = sympy.symbols("mu_f mu_v", positive=True)
    w = (mu_f + c) / (mu_v + c) * (v + c) - c
    swapped = w.subs({mu_f: mu_v, mu_v: mu_f, v: f}, simultaneous=True)
    rest = (mu_f - mu_v) * ((v - mu_v) / (mu_v + c) - (f - mu_f) / (mu_f + c))
    steps.equal("The steady states, offset c.", w + swapped - f - v, rest)
    return steps.equal("With equal means they add up exactly.", rest.subs(mu_f, mu_v), 0)


def cases() -> Iterator[tuple[Tensor, Tensor, float]]:
    """Image, guidance and time; with unequal and with equal means."""
    for shape in SHAPES:
        for v in (guidances(shape)[name] for name in ("mild", "strong")):
            for f in images(shape)[1::2]:
                yield f, v, TIMES[0]
                yield f - f.mean() + v.mean(), v, TIMES[1]


def limits(diffusion: Evolution, image: Pair = lambda f, v, t: f) -> Outcome:
    """Largest defect of the linear limits, share of 255; ``image`` is where the way back ends."""
    worst = 0.0
    for f, v, t in cases():
        there = v + diffusion(f - v, t)
        back = image(f, v, t) + diffusion(v - f, t)
        worst = max(worst, float((there + back - f - v).abs().max()) / 255)
    return Outcome(worst, 1e-13)


def defect(f: Tensor, v: Tensor, t: float, c: float) -> Tensor:
    """Sum of both ways at the offset c, less image and guidance."""
    there = Osmosis(guidance=v, offset=c).exact(f, t)
    return there + Osmosis(guidance=f, offset=c).exact(v, t) - f - v


def order(first: Pair, expected: float) -> Outcome:
    """Order in 1/c of the defect less ``first`` / c, the one farthest from the expected."""
    found = []
    for f, v, t in cases():
        coefficient = first(f, v, t)
        gaps = [float((defect(f, v, t, c) - coefficient / c).norm()) for c in OFFSETS.tolist()]
        found.append(-float(np.polyfit(np.log(OFFSETS), np.log(gaps), 1)[0]))
    return Outcome(max(found, key=lambda x: abs(x - expected)), 0.15, expected)


def nothing(f: Tensor, v: Tensor, t: float) -> Tensor:
    """No first order."""
    del v, t
    return torch.zeros_like(f)


def both(f: Tensor, v: Tensor, t: float) -> Tensor:
    """First order of both ways."""
    return first_order(f, v, t) + first_order(v, f, t)


def quadratic(sign: int) -> Outcome:
    """Gap of the first order to that of f - v towards itself, in units of 255 squared."""
    worst = 0.0
    for f, v, t in cases():
        q = f - v
        gap = both(f, v, t) - sign * first_order(2 * q, q, t)
        worst = max(worst, float(gap.abs().max()) / 255**2)
    return Outcome(worst, 1e-12)


def steady(rest: Callable[[Tensor, Tensor, float], Tensor]) -> Outcome:
    """Gap of the defect of the steady states to what unequal means leave, share of 255."""
    worst = 0.0
    for f, v, _ in cases():
        for c in (64.0, 1e3, 1e5):
            there = Osmosis(guidance=v, offset=c).steady_state(f)
            back = Osmosis(guidance=f, offset=c).steady_state(v)
            gap = there + back - f - v - rest(f, v, c)
            worst = max(worst, float(gap.abs().max()) / 255)
    return Outcome(worst, 1e-11)  # offsets of 1e5 cost a factor of 400 in rounding


def of_means(f: Tensor, v: Tensor, c: float) -> Tensor:
    """Contrast of v and of f, times the difference of the means over mean and offset."""
    mu_f, mu_v = f.mean(), v.mean()
    return (mu_f - mu_v) * ((v - mu_v) / (mu_v + c) - (f - mu_f) / (mu_f + c))


PROPOSITIONS = (
    Proposition(
        label="T-swap",
        title="Swapping image and guidance",
        source="Our addition; 2023, Section 4.3 swaps image and guidance",
        statement=(
            r"Let $u$ evolve from $f$ towards $v$ and $\tilde u$ from $v$ towards $f$. In the "
            r"linear limit $u(t) + \tilde u(t) = f + v$ for all $t$. With the offset $c$ the "
            r"defect is of first order in $1/c$ and quadratic in $f - v$. It vanishes again for "
            r"$t \to \infty$ if the means agree."
        ),
        topic=Topic.OSMOSIS,
        chapter="blurring-resembles-osmosis",
        anchors=("thm-swap",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: limits(diffuse),
                "defect of the linear limits, share of 255",
                "limit",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: order(nothing, 1.0),
                "order of the defect in 1/c, the one farthest from 1",
                "rate",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: order(both, 2.0),
                "order of what the first-order term leaves, the one farthest from 2",
                "coefficient",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: quadratic(-1),
                "gap of the first order to a form quadratic in f - v, in units of 255 squared",
                "quadratic",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: steady(of_means),
                "gap of the defect of the steady states, share of 255",
                "steady states",
            ),
        ),
        controls=(
            Control(
                "the way back keeps the mean of v",
                "osmosis",
                lambda trial: limits(diffuse, lambda f, v, t: f - f.mean() + v.mean()),
            ),
            Control("defect of second order", "osmosis", lambda trial: order(nothing, 2.0)),
            Control(
                "first-order term larger by 1%",
                "osmosis",
                lambda trial: order(lambda f, v, t: 1.01 * both(f, v, t), 2.0),
            ),
            Control("first-order term of the other sign", "osmosis", lambda trial: quadratic(1)),
            Control(
                "unequal means leave nothing",
                "osmosis",
                lambda trial: steady(lambda f, v, c: torch.zeros_like(f)),
            ),
        ),
        functions=("scalelib.Osmosis.exact", "scalelib.Osmosis.steady_state"),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_filter.py"
            "::test_swapping_image_and_guidance_adds_up_in_the_linear_limit",
        ),
    ),
)
