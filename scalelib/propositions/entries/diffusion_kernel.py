"""H-kernel: width and kurtosis of the discrete heat kernel."""

from __future__ import annotations

import sympy
import torch

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, continuous, diffuse, explicit
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)

__all__ = ["PROPOSITIONS"]

TIMES = (0.125, 0.5, 2.0, 8.0)

REACH = 64
"""The kernel of t = 8 is below 1e-60 there, so the row counts as unbounded."""


def derivation() -> Derivation:
    """Moments of the kernel from the heat equation on the unbounded row."""
    x = sympy.symbols("x", real=True)
    s, t = sympy.symbols("s t", positive=True)

    def growth(g: sympy.Expr) -> sympy.Expr:
        return sympy.expand(g.subs(x, x + 1) - 2 * g + g.subs(x, x - 1))

    second = sympy.integrate(growth(x**2), (s, 0, t))
    fourth = sympy.integrate(growth(x**4).subs(x**2, 2 * s), (s, 0, t))
    steps = Derivation()
    steps.equal("The second moment grows at this speed,", growth(x**2), 2)
    steps.equal("the fourth at this one.", growth(x**4), 12 * x**2 + 2)
    steps.equal("So the variance is twice the time,", second, 2 * t)
    steps.equal("the fourth moment this,", fourth, 12 * t**2 + 2 * t)
    return steps.equal("and the excess kurtosis this.", fourth / second**2 - 3, 1 / (2 * t))


def moments(evolve: Evolution) -> Outcome:
    """Largest relative gap of variance and excess kurtosis, over times and both axes."""
    gap = 0.0
    place = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    for shape in ((1, 2 * REACH + 1), (2 * REACH + 1, 1)):
        point = torch.zeros(1, *shape, dtype=torch.float64)
        point.view(-1)[REACH] = 1
        for t in TIMES:
            kernel = evolve(point, t).flatten()
            second, fourth = (float((kernel * place**p).sum()) for p in (2, 4))
            kurtosis = fourth / second**2 - 3
            gap = max(gap, abs(second / (2 * t) - 1), abs(kurtosis * 2 * t - 1))
    # Rounding of the kernel, 1e-16, counts 64^4 times in the fourth moment.
    return Outcome(gap, 1e-7)


PROPOSITIONS = (
    Proposition(
        label="H-kernel",
        title="Width and kurtosis of the discrete kernel",
        source="Lindeberg 1990; kurtosis: our addition",
        statement=(
            r"On the unbounded grid the kernel of homogeneous diffusion has the standard deviation "
            r"$\sqrt{2t}$ in each direction, exactly, and the excess kurtosis $1/(2t)$."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-hd-kernel",),
        claims=(
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: moments(diffuse),
                "relative gap of variance and kurtosis",
            ),
        ),
        controls=(
            Control(
                "published mean of heat dissipation",
                "inverse heat dissipation",
                lambda trial: moments(continuous),
            ),
            Control(
                "one explicit step of at least 0.12",
                "homogeneous diffusion",
                lambda trial: moments(lambda u, t: explicit(u, t, tau=0.12)),
            ),
        ),
        functions=("scalelib.HomogeneousDiffusion",),
        derivation=derivation,
        tests=(
            "tests/processes/test_homogeneous_diffusion.py"
            "::test_a_point_spreads_by_twice_the_time_along_each_axis",
        ),
    ),
)
