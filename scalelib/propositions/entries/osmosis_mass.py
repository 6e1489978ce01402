"""O-mass: osmosis keeps the mean grey value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy
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
from scalelib.propositions.walks import Step, euler, filters, leaky, matrix, resolvent

__all__ = ["PROPOSITIONS"]

Family = Callable[[tuple[int, int]], Iterator[Step]]

SHORT = (1e-3, 1.0, 10.0)
LONG = (*SHORT, 1e6)


def derivation() -> Derivation:
    """Three pixels in a row with arbitrary rates: nothing is lost in an implicit step."""
    rates = sympy.symbols("a b c d", positive=True)
    tau = sympy.symbols("tau", positive=True)
    a, b, c, d = rates
    walk = sympy.Matrix([[-a, b, 0], [a, -b - c, d], [0, c, -d]])
    ones = sympy.ones(1, 3)
    system = sympy.eye(3) - tau * walk
    old = sympy.Matrix(sympy.symbols("u_1:4", positive=True))
    steps = Derivation()
    steps.equal("What leaves a pixel enters its neighbour.", sum(ones * walk), 0)
    new = system.LUsolve(old)
    return steps.equal("An implicit step keeps the sum.", sympy.factor(sum(new)), sum(old))


def change(family: Family, taus: tuple[float, ...]) -> Outcome:
    """Largest relative change of the mean grey value in one step."""
    worst = 0.0
    for shape in SIZES:
        f = images(shape)[1:]
        before = f.mean(dim=(1, 2, 3))
        for step in family(shape):
            for tau in taus:
                after = step(f, tau).mean(dim=(1, 2, 3))
                worst = max(worst, float((after / before - 1).abs().max()))
    return Outcome(worst, 1e-12)


def implicit(shape: tuple[int, int]) -> Iterator[Step]:
    """Implicit steps by a factorisation."""
    return (osmosis.step for osmosis in filters(shape).values())


def conjugate(shape: tuple[int, int]) -> Iterator[Step]:
    """Implicit steps by conjugate gradients, which stop at a residual of 1e-8."""
    for v in guidances(shape).values():
        yield Osmosis(guidance=v, solver="cg").step
        yield Osmosis(guidance=v, solver="dct-cg").step


def exact(shape: tuple[int, int]) -> Iterator[Step]:
    """Evolutions that are exact in time."""
    return (osmosis.exact for osmosis in filters(shape).values())


def leaking(shape: tuple[int, int]) -> Iterator[Step]:
    """Break: grey value flows across the border."""
    return (resolvent(leaky(v)) for v in guidances(shape).values())


def clipped(shape: tuple[int, int]) -> Iterator[Step]:
    """Break: explicit steps whose negative values are set to 0."""

    def clip(step: Step) -> Step:
        def clipping(u: Tensor, tau: float) -> Tensor:
            return step(u, tau).clamp(min=0)

        return clipping

    return (clip(euler(matrix(osmosis))) for osmosis in filters(shape).values())


PROPOSITIONS = (
    Proposition(
        label="O-mass",
        title="Osmosis keeps the mean grey value",
        source="Weickert et al. 2013, Proposition 1; Vogel et al. 2013, Theorem 1",
        statement=(
            r"All images $u^k$ of implicit osmosis have the mean $\mu_f$ of the initial image, "
            r"for every drift with $|d| < 2$ and every step."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("thm-osmosis",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: change(implicit, LONG),
                "relative change of the mean",
                "implicit steps",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: change(conjugate, LONG),
                "relative change of the mean, whatever the residual",
                "conjugate gradients",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: change(exact, SHORT),
                "relative change of the mean",
                "exact in time",
            ),
        ),
        controls=(
            Control("flux across the border", "osmosis", lambda trial: change(leaking, SHORT)),
            Control("clipped explicit steps", "osmosis", lambda trial: change(clipped, SHORT)),
        ),
        functions=("scalelib.Osmosis.step", "scalelib.Osmosis.exact"),
        derivation=derivation,
        tests=("tests/osmosis/test_filter.py::test_mass_is_kept_to_rounding",),
    ),
)
