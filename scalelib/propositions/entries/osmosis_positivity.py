"""O-positive: osmosis keeps images positive; one implicit step is positive everywhere."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, images, units
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import Step, euler, filters, matrix, one_sided, resolvent

__all__ = ["PROPOSITIONS"]

TAUS = (1e-2, 1.0, 100.0, 1e6)

ALMOST_BLACK = 1e-300
"""The class takes positive images only; this is as good as 0."""


def derivation() -> Derivation:
    """Three pixels in a row with arbitrary rates: numerators of the inverse are positive."""
    a, b, c, d, tau = sympy.symbols("a b c d tau", positive=True)
    walk = sympy.Matrix([[-a, b, 0], [a, -b - c, d], [0, c, -d]])
    system = sympy.eye(3) - tau * walk
    steps = Derivation()
    steps.true("The determinant is positive for every step.", sympy.expand(system.det()) > 0)
    for row in range(3):
        for column in range(3):
            entry = sympy.expand(system.adjugate()[row, column])
            steps.true(f"So is the numerator of entry ({row + 1}, {column + 1}).", entry > 0)
    return steps


def not_positive(step: Step, f: Tensor, taus: tuple[float, ...] = TAUS) -> int:
    """Count pixels that are not positive after one step."""
    return sum(int((step(f, tau) <= 0).sum()) for tau in taus)


def steps_of_photographs() -> Outcome:
    """Pixels that are not positive after a step from four images."""
    found = [
        not_positive(osmosis.step, images(shape))
        for shape in SIZES
        for osmosis in filters(shape).values()
    ]
    return Outcome(sum(found), 0.0)


def entries_of_the_inverse() -> Outcome:
    """Entries of the matrix Q of one step that are not positive: each is the share of a pixel."""
    found = [
        not_positive(osmosis.step, units(shape) + ALMOST_BLACK)
        for shape in SIZES
        for osmosis in filters(shape).values()
    ]
    return Outcome(sum(found), 0.0)


def explicit(factor: float) -> Outcome:
    """Explicit steps, in units of the longest one that keeps signs; from single white pixels."""
    found = 0
    for shape in SIZES:
        for osmosis in filters(shape).values():
            walk = matrix(osmosis)
            longest = 1 / float(walk.diagonal().abs().max())
            found += int((euler(walk)(units(shape), factor * longest) < 0).sum())
    return Outcome(found, 0.0)


def too_strong() -> Outcome:
    """Implicit steps with a drift beyond 2."""
    v = torch.tensor([[[1.0, 200.0, 3.0, 90.0]]], dtype=torch.float64)
    return Outcome(not_positive(resolvent(one_sided(v)), units((1, 4)) + ALMOST_BLACK), 0.0)


PROPOSITIONS = (
    Proposition(
        label="O-positive",
        title="Osmosis keeps images positive",
        source="Weickert et al. 2013, Proposition 1; Vogel et al. 2013, Theorem 1",
        statement=(
            r"For $|d| < 2$ and every $\tau > 0$ the entries of $Q = (I - \tau A)^{-1}$ are "
            r"positive and its columns sum to 1. So $u^k > 0$ for $k \ge 1$."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("thm-osmosis", "lem-osmosis-implicit"),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: steps_of_photographs(),
                "pixels that are not positive",
                "images",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: entries_of_the_inverse(),
                "entries of Q that are not positive",
                "entries of the inverse",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: explicit(1.0),
                "negative pixels after the longest explicit step",
                "explicit steps up to their limit",
            ),
        ),
        controls=(
            Control(
                "explicit steps 1% beyond their limit", "osmosis", lambda trial: explicit(1.01)
            ),
            Control("a drift beyond 2", "osmosis", lambda trial: too_strong()),
        ),
        functions=("scalelib.Osmosis.step",),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_filter.py::test_direct_solver_keeps_positivity_at_every_contrast",
        ),
    ),
)
