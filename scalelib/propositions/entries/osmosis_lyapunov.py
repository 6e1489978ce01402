"""P-osm-L: relative entropy and its relatives are Lyapunov functionals of osmosis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions._osmosis_cases import Case, explicit, implicit
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, guidances, images, neighbours
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

Convex = Callable[[Tensor], Tensor]

FUNCTIONS: dict[str, Convex] = {
    "relative entropy": lambda y: torch.special.xlogy(y, y.clamp(min=1e-300)),
    "reverse relative entropy": lambda y: -torch.log(y.clamp(min=1e-300)),
    "square": lambda y: (y - 1).square(),
    "absolute value": lambda y: (y - 1).abs(),
}
"""Of the ratio y = u / w; a negative ratio has no entropy and gets a large value."""

STEPS = ((1e-2, 3), (1.0, 3), (30.0, 3))
"""Step and number of steps."""


def derivation() -> Derivation:
    """Two pixels: relative entropy falls at a rate that is a product of two equal signs."""
    y, z, kappa, v, w = sympy.symbols("y_p y_q kappa w_p w_q", positive=True)
    phi = sympy.Function("phi")
    flux = kappa * (y - z)  # from p to q
    speed = v * sympy.diff(phi(y), y) * (-flux / v) + w * sympy.diff(phi(z), z) * (flux / w)
    steps = Derivation()
    steps.equal(
        r"A convex $\varphi$ has a growing slope, so this is not positive.",
        speed,
        -kappa * (y - z) * (sympy.diff(phi(y), y) - sympy.diff(phi(z), z)),
    )
    entropy = speed.subs(phi, sympy.Lambda(y, y * sympy.log(y))).doit()
    return steps.equal(
        "For relative entropy the slopes differ by a logarithm.",
        entropy,
        -kappa * (y - z) * (sympy.log(y) - sympy.log(z)),
    )


def rise(
    cases: Iterator[Case],
    functions: dict[str, Convex],
    steps: tuple[tuple[float, int], ...] = STEPS,
) -> Outcome:
    """Largest rise of a functional in one step, relative to its first value."""
    worst = -1.0
    for step, f, w in cases:
        u, total = f, _totals(f, w, functions)
        first = total.abs().clamp(min=1e-6 * float(w.sum()))
        for tau, count in steps:
            for _ in range(count):
                u = step(u, tau)
                new = _totals(u, w, functions)
                worst = max(worst, float(((new - total) / first).max()))
                total = new
    return Outcome(max(worst, 0.0), 1e-12)


def _totals(u: Tensor, w: Tensor, functions: dict[str, Convex]) -> Tensor:
    """Functionals of each image, shape (functions, images)."""
    found = [(w * convex(u / w)).sum(dim=(1, 2, 3)) for convex in functions.values()]
    return torch.stack(found)


def dissipation(evolve: str = "right") -> Outcome:
    """Largest relative gap of the initial speed of relative entropy to the formula."""
    worst, t = 0.0, 1e-7
    for shape in SIZES:
        f = images(shape)[3:]
        for v in guidances(shape).values():
            osmosis = Osmosis(guidance=v)
            w = osmosis.steady_state(f)
            change = _entropy(osmosis.exact(f, t), w) - _entropy(f, w)
            if evolve == "arithmetic mean":
                expected = _speed(f, w, lambda p, q: (p + q) / 2)
            else:
                expected = _speed(f, w, lambda p, q: 2 * p * q / (p + q))
            worst = max(worst, abs(change / t / expected - 1))
    # Second order in t: t times rates up to 8 and a ratio up to 255; rounding of the entropy.
    return Outcome(worst, 1e-4)


def _entropy(u: Tensor, w: Tensor) -> float:
    return float((u * torch.log(u / w)).sum())


def _speed(u: Tensor, w: Tensor, mean: Callable[[float, float], float]) -> float:
    ratio, rest = (u / w).flatten(), w.flatten().tolist()
    logs, ratio_list = ratio.log().tolist(), ratio.tolist()
    shape = (u.shape[-2], u.shape[-1])
    return -math.fsum(
        mean(rest[p], rest[q]) * (ratio_list[p] - ratio_list[q]) * (logs[p] - logs[q])
        for p, q in neighbours(shape)
    )


def exact() -> Iterator[Case]:
    """Evolutions that are exact in time."""
    for shape in SIZES[:4]:
        f = images(shape)[1:3]
        for name in ("strong", "drift field"):
            osmosis = filters(shape)[name]
            yield osmosis.exact, f, osmosis.steady_state(f)


def flat() -> Iterator[Case]:
    """Break: the ratio to a flat image."""
    return ((step, f, torch.full_like(f, float(f.mean()))) for step, f, _ in implicit())


PROPOSITIONS = (
    Proposition(
        label="P-osm-L",
        title="Lyapunov functionals of osmosis",
        source="2023, Section 4.3, equation (28); Schmidt 2018; convex functions: our addition",
        statement=(
            r"For every convex $\varphi$ the sum $\sum_p w_p\,\varphi(u_p/w_p)$ does not increase "
            r"in any step. With $\varphi(y) = y \ln y$ it is the relative entropy "
            r"$\sum_p u_p \ln(u_p/w_p)$, the negative of the functional (28)."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("prop-osm-l",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: rise(implicit(), FUNCTIONS),
                "largest relative rise of four functionals",
                "implicit steps",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: rise(exact(), FUNCTIONS),
                "largest relative rise of four functionals",
                "exact in time",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: dissipation(),
                "relative gap of the initial speed of relative entropy",
                "dissipation",
            ),
        ),
        controls=(
            Control(
                "a function that is not convex",
                "osmosis",
                lambda trial: rise(implicit(), {"cosine": lambda y: -torch.cos(3 * (y - 1))}),
            ),
            Control("the ratio to a flat image", "osmosis", lambda trial: rise(flat(), FUNCTIONS)),
            Control(
                "explicit steps of any length",
                "osmosis",
                lambda trial: rise(explicit(), FUNCTIONS, ((1.0, 1),)),
            ),
            Control(
                "dissipation with arithmetic means",
                "osmosis",
                lambda trial: dissipation("arithmetic mean"),
            ),
        ),
        functions=("scalelib.Osmosis.step", "scalelib.Osmosis.exact"),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_filter.py::test_relative_entropy_decreases",
            "tests/osmosis/test_filter.py::test_relative_entropy_decreases_without_a_potential",
        ),
    ),
)
