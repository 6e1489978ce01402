"""O-explicit: explicit osmosis is stable below its limit, and need not converge at it."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, guidances, images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import euler, filters, matrix, null_image

__all__ = ["PROPOSITIONS"]


def derivation() -> Derivation:
    """Follow a checkerboard on 2 x 2 pixels of a constant guidance, in steps of the limit 1/2."""
    a, b = sympy.symbols("a b", positive=True)
    walk = sympy.Matrix([[-2, 1, 1, 0], [1, -2, 0, 1], [1, 0, -2, 1], [0, 1, 1, -2]])
    new = (sympy.eye(4) + sympy.Rational(1, 2) * walk) * sympy.Matrix([a, b, b, a])
    steps = Derivation()
    steps.equal("White becomes black,", new[0], b)
    steps.equal("and black white, for ever.", new[1], a)
    p, q = sympy.symbols("v_p v_q", positive=True)
    return steps.true(
        "Each of at most four rates is below 2.", sympy.simplify(2 - 2 * q / (p + q)) > 0
    )


def limit(walk: Tensor) -> float:
    """Longest step that keeps signs."""
    return 1 / float(walk.diagonal().abs().max())


def below(factor: float, doublings: int = 17) -> Outcome:
    """Largest of negative part, change of mean, and final distance to w; relative to the image."""
    worst = 0.0
    for shape in SIZES:
        f = images(shape)
        for osmosis in filters(shape).values():
            walk = matrix(osmosis)
            # Many steps at once, by powers of the matrix of one.
            once = euler(walk)(
                torch.eye(len(walk), dtype=torch.float64).view(-1, *shape), factor * limit(walk)
            )
            power = once.flatten(1)
            for _ in range(doublings):
                u = torch.matmul(f.flatten(1), power).view_as(f)
                worst = max(worst, float((-u).max()) / 255, float(_mean_gap(u, f)))
                power = power @ power
            worst = max(worst, float((u / null_image(walk, f) - 1).abs().max()))
    return Outcome(worst, 1e-9)


def _mean_gap(u: Tensor, f: Tensor) -> Tensor:
    return (u.mean(dim=(1, 2, 3)) / f.mean(dim=(1, 2, 3)) - 1).abs().max()


def amplitude(factor: float, count: int = 1001) -> Outcome:
    """Amplitude of a checkerboard on 2 x 2 pixels, which is expected to stay for ever."""
    walk = matrix(Osmosis(guidance=torch.ones(1, 2, 2, dtype=torch.float64)))
    board = torch.tensor([[[1.0, -1.0], [-1.0, 1.0]]], dtype=torch.float64)
    u, step = board, euler(walk)
    for _ in range(count):
        u = step(u, factor * limit(walk))
    return Outcome(float(u[0, 0, 0]), 1e-12, (-1.0) ** count)


def largest_rate(dark: float = 1.0) -> Outcome:
    """Largest diagonal entry of a dark pixel among white ones; it is below 8 for every guidance."""
    v = torch.full((1, 5, 5), 255.0, dtype=torch.float64)
    v[0, 2, 2] = dark
    found = float(matrix(Osmosis(guidance=v)).diagonal().abs().max())
    return Outcome(found, 1e-12, 8 * 255 / (255 + dark))


def beyond_eight() -> Outcome:
    """By how much the largest diagonal entry exceeds 8, over all guidance images."""
    found = max(
        float(matrix(Osmosis(guidance=v)).diagonal().abs().max()) - 8
        for shape in SIZES
        for v in guidances(shape).values()
    )
    return Outcome(max(found, 0.0), 0.0)


PROPOSITIONS = (
    Proposition(
        label="O-explicit",
        title="Explicit steps of osmosis",
        source="Vogel et al. 2013, Theorem 1; the case of equality: our addition",
        statement=(
            r"For $\tau < 1/\max_p |A_{pp}|$ the explicit scheme keeps the mean, keeps $u \ge 0$ "
            r"and converges to $w$. At equality convergence may fail. For a guidance image "
            r"$|A_{pp}| < 8$."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("prop-osmosis-explicit",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: below(0.95),
                "largest of negative part, change of mean and final distance",
                "below the limit",
            ),
            Claim(
                "osmosis",
                Expectation.FAILS,
                lambda trial: amplitude(1.0),
                "amplitude of a checkerboard after 1001 steps, of 1 at first",
                "convergence at the limit",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: largest_rate(),
                "largest diagonal entry",
                "a dark pixel",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: beyond_eight(),
                "excess over 8",
                "diagonal",
            ),
        ),
        controls=(
            Control("steps 5% beyond the limit", "osmosis", lambda trial: below(1.05, doublings=2)),
            Control("1% below the limit", "osmosis", lambda trial: amplitude(0.99)),
        ),
        functions=("scalelib.Osmosis.operator",),
        derivation=derivation,
    ),
)
