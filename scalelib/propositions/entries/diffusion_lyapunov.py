"""H-lyapunov: sums of convex functions of the grey values decrease."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, continuous, diffuse, explicit
from scalelib.propositions.patterns import SIZES, images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)

__all__ = ["PROPOSITIONS"]

Convex = Callable[[Tensor], Tensor]

TIMES = (0.0, 0.01, 0.26, 1.3, 5.2, 26.0)

FUNCTIONS: dict[str, Convex] = {
    "square": lambda z: (z - 1).square(),
    "fourth power": lambda z: (z - 1) ** 4,
    "entropy": lambda z: torch.where(z > 0, z * z.log(), torch.where(z < 0, 1e3, 0.0)),
    "absolute value": lambda z: (z - 1).abs(),
}
"""Of grey values divided by their mean; negative ones have no entropy and get a large value."""


def derivation() -> Derivation:
    """Jensen's inequality for two grey values, as a square that is not negative."""
    p, a, b = sympy.symbols("p a b", real=True)
    left = p * a**2 + (1 - p) * b**2 - (p * a + (1 - p) * b) ** 2
    steps = Derivation()
    steps.equal(
        "What a square loses when two values are averaged.", left, p * (1 - p) * (a - b) ** 2
    )
    t = sympy.symbols("t", positive=True)
    u = [(a + b) / 2 + s * (a - b) / 2 * sympy.exp(-2 * t) for s in (1, -1)]
    total = sum(z**2 for z in u)
    return steps.equal(
        "For two pixels the sum of squares falls at this speed.",
        sympy.diff(total, t),
        -2 * (a - b) ** 2 * sympy.exp(-4 * t),
    )


def rise(evolve: Evolution, functions: dict[str, Convex]) -> Outcome:
    """Largest rise of a functional from one time to the next, relative to its first value."""
    worst = -1.0
    for shape in SIZES:
        f = images(shape)
        f = f / f.mean(dim=(1, 2, 3), keepdim=True)
        path = torch.stack([evolve(f, t) if t else f for t in TIMES])
        for convex in functions.values():
            total = convex(path).sum(dim=(2, 3, 4)) - convex(torch.ones(1)).sum()
            for before, after in itertools.pairwise(total):
                worst = max(worst, float(((after - before) / total[0].abs()).max()))
    return Outcome(max(worst, 0.0), 1e-13)


PROPOSITIONS = (
    Proposition(
        label="H-lyapunov",
        title="Lyapunov functionals of homogeneous diffusion",
        source="Weickert 1998",
        statement=(
            r"For every convex $r$ the sum $\sum_p r(u_p(t))$ does not increase in $t$; it "
            r"decreases if $r$ is strictly convex and $f$ not constant."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-hd-lyapunov",),
        claims=(
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: rise(diffuse, FUNCTIONS),
                "largest relative rise of four functionals",
            ),
        ),
        controls=(
            Control(
                "a function that is not convex",
                "homogeneous diffusion",
                lambda trial: rise(diffuse, {"cosine": lambda z: -torch.cos(3 * (z - 1))}),
            ),
            Control(
                "explicit steps beyond 1/4",
                "homogeneous diffusion",
                lambda trial: rise(explicit, FUNCTIONS),
            ),
            Control(
                "published mean of heat dissipation",
                "inverse heat dissipation",
                lambda trial: rise(continuous, FUNCTIONS),
            ),
        ),
        functions=("scalelib.HomogeneousDiffusion",),
        derivation=derivation,
    ),
)
