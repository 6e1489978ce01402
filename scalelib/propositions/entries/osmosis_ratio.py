"""O-ratio: the ratio of image and steady state obeys a maximum-minimum principle."""

from __future__ import annotations

from collections.abc import Iterator

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions._osmosis_cases import Case, explicit, implicit
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import filters

__all__ = ["PROPOSITIONS"]

TAUS = (1e-2, 1.0, 10.0)


def derivation() -> Derivation:
    """Two pixels: the new ratios are averages of the old ones, and how much closer they are."""
    vp, vq, tau, y, z = sympy.symbols("v_p v_q tau y_p y_q", positive=True)
    out, back = 2 * vq / (vp + vq), 2 * vp / (vp + vq)
    walk = sympy.Matrix([[-out, back], [out, -back]])
    v = sympy.diag(vp, vq)
    weights = (v.inv() * (sympy.eye(2) - tau * walk).inv() * v).applyfunc(sympy.simplify)
    steps = Derivation()
    steps.equal("The weights of a new ratio sum to 1,", weights[0, 0] + weights[0, 1], 1)
    steps.true("and the one of the neighbour is positive.", weights[0, 1] > 0)
    new = weights * sympy.Matrix([y, z])
    return steps.equal(
        "Both ratios come closer by this factor, whatever the guidance.",
        new[0] - new[1],
        (y - z) / (1 + 2 * tau),
    )


def spread(y: Tensor) -> Tensor:
    """Largest minus smallest ratio of each image."""
    return y.amax(dim=(1, 2, 3)) - y.amin(dim=(1, 2, 3))


def excess(cases: Iterator[Case]) -> Outcome:
    """By how much the ratio leaves its range, or fails to contract, relative to the range."""
    worst = -1.0
    for step, f, w in cases:
        first = f / w
        size = spread(first)
        moving = size > 1e-12
        for tau in TAUS:
            y = step(f, tau) / w
            over = (y.amax(dim=(1, 2, 3)) - first.amax(dim=(1, 2, 3))) / size
            under = (first.amin(dim=(1, 2, 3)) - y.amin(dim=(1, 2, 3))) / size
            worst = max(worst, float(over[moving].max()), float(under[moving].max()))
    return Outcome(max(worst, 0.0), 1e-12)


def exact() -> Iterator[Case]:
    """Evolutions that are exact in time."""
    for shape in SIZES:
        f = images(shape)[1:3]
        for osmosis in filters(shape).values():
            yield osmosis.exact, f, osmosis.steady_state(f)


def two_pixels(tau: float = 0.7) -> Outcome:
    """Factor by which the difference of two ratios shrinks in one step, at strong contrast."""
    v = torch.tensor([[[1.0, 255.0]]], dtype=torch.float64)
    f = torch.tensor([[[[200.0, 3.0]]]], dtype=torch.float64)
    osmosis = Osmosis(guidance=v, solver="direct")
    w = osmosis.steady_state(f)
    found = float(spread(osmosis.step(f, tau) / w) / spread(f / w))
    return Outcome(found, 1e-12, 1 / (1 + 2 * tau))


def grey_values() -> Iterator[Case]:
    """Break: grey values themselves in place of the ratio."""
    return ((step, f, torch.ones_like(f)) for step, f, _ in implicit())


PROPOSITIONS = (
    Proposition(
        label="O-ratio",
        title="Maximum-minimum principle for the ratio",
        source="Our addition; from the proof of the steady state",
        statement=(
            r"$\min(f/w) \le u^k/w \le \max(f/w)$ at every pixel and in every step, strictly "
            r"unless $f = w$."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("prop-osmosis-ratio",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: excess(implicit()),
                "share of the range of the ratio by which it is left",
                "implicit steps",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: excess(exact()),
                "share of the range of the ratio by which it is left",
                "exact in time",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: two_pixels(),
                "factor of one step",
                "contraction of two pixels",
            ),
        ),
        controls=(
            Control(
                "grey values in place of the ratio", "osmosis", lambda trial: excess(grey_values())
            ),
            Control("explicit steps of any length", "osmosis", lambda trial: excess(explicit())),
        ),
        functions=("scalelib.Osmosis.step", "scalelib.Osmosis.exact"),
        derivation=derivation,
    ),
)
