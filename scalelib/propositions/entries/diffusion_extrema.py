"""H-max: homogeneous diffusion averages, so grey values stay in their range."""

from __future__ import annotations

import sympy

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, continuous, diffuse, explicit, matrix_of
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

TIMES = (0.01, 0.26, 5.2, 1e3)

ROUNDING = 1e-13
"""Of weights up to 1 and of sums of at most 64 of them."""


def derivation() -> Derivation:
    """Two pixels: the weights of the average, positive for every time and summing to 1."""
    t = sympy.symbols("t", positive=True)
    kernel = (t * sympy.Matrix([[-1, 1], [1, -1]])).exp().applyfunc(sympy.simplify)
    steps = Derivation()
    steps.equal("A pixel keeps this share,", kernel[0, 0], (1 + sympy.exp(-2 * t)) / 2)
    steps.equal("and hands on this one.", kernel[0, 1], (1 - sympy.exp(-2 * t)) / 2)
    steps.equal("The shares sum to 1.", kernel[0, 0] + kernel[0, 1], 1)
    z = sympy.symbols("z", positive=True)
    share = sympy.simplify(kernel[0, 1].subs(t, sympy.log(1 + z) / 2))
    return steps.true("Both are positive; here with $z = e^{2t} - 1 > 0$.", share > 0)


def averaging(evolve: Evolution) -> Outcome:
    """Most negative weight, or by how much rows or columns fail to sum to 1."""
    worst = 0.0
    for shape in SIZES:
        for t in TIMES:
            weights = matrix_of(evolve, shape, t)
            sums = max(float((weights.sum(dim=d) - 1).abs().max()) for d in (0, 1))
            worst = max(worst, -float(weights.min()), sums)
    return Outcome(worst, ROUNDING)


def excess(evolve: Evolution) -> Outcome:
    """By how much grey values leave their initial range, as a share of it."""
    worst = 0.0
    for shape in SIZES:
        f = images(shape)
        low, high = f.amin(dim=(1, 2, 3)), f.amax(dim=(1, 2, 3))
        for t in TIMES:
            u = evolve(f, t)
            over = (u.amax(dim=(1, 2, 3)) - high) / (high - low)
            under = (low - u.amin(dim=(1, 2, 3))) / (high - low)
            worst = max(worst, float(over.max()), float(under.max()))
    return Outcome(worst, ROUNDING)


PROPOSITIONS = (
    Proposition(
        label="H-max",
        title="Maximum-minimum principle",
        source="Weickert 1998",
        statement=(
            r"$\min_q f_q \le u_p(t) \le \max_q f_q$ for all pixels and times: $P_t$ is symmetric, "
            r"has no negative entry, and its rows sum to 1."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-hd-extremum", "lem-doubly-stochastic"),
        claims=(
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: averaging(diffuse),
                "most negative weight, or defect of a sum of weights",
                "weights",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: excess(diffuse),
                "share of the range by which it is left",
                "grey values",
            ),
        ),
        controls=(
            Control(
                "published mean of heat dissipation",
                "inverse heat dissipation",
                lambda trial: excess(continuous),
            ),
            Control(
                "negative weights of the published mean",
                "inverse heat dissipation",
                lambda trial: averaging(continuous),
            ),
            Control(
                "explicit steps beyond 1/4",
                "homogeneous diffusion",
                lambda trial: excess(explicit),
            ),
        ),
        functions=("scalelib.HomogeneousDiffusion",),
        derivation=derivation,
        tests=(
            "tests/processes/test_homogeneous_diffusion.py"
            "::test_grey_values_keep_their_mean_and_their_range",
        ),
    ),
)
