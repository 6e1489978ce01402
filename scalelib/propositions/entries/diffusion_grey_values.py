"""H-mean: homogeneous diffusion keeps the mean grey value and commutes with affine changes."""

from __future__ import annotations

import sympy

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, dark_frame, diffuse
from scalelib.propositions.grid import laplacian_matrix
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

TIMES = (0.125, 5.2, 1e4)


def derivation() -> Derivation:
    """On 2 x 3 pixels the stencil sends constants to 0 and sums to 0, exactly."""
    stencil = sympy.Matrix((-laplacian_matrix((2, 3))).int().tolist())
    a, b = sympy.symbols("a b", real=True)
    f = sympy.Matrix(sympy.symbols("f_1:7", real=True))
    ones = sympy.ones(6, 1)
    steps = Derivation()
    steps.equal("The sum of all grey values does not change.", (ones.T * stencil * f)[0], 0)
    rest = stencil * (a * f + b * ones) - a * stencil * f
    return steps.equal("Constants do not matter.", (rest.T * rest).expand()[0], 0)


def means(evolve: Evolution) -> Outcome:
    """Largest relative change of the mean grey value."""
    gap = 0.0
    for shape in SIZES:
        f = images(shape)
        for t in TIMES:
            change = (evolve(f, t) - f).mean(dim=(1, 2, 3)) / f.mean(dim=(1, 2, 3))
            gap = max(gap, float(change.abs().max()))
    return Outcome(gap, 1e-13)


def affine(evolve: Evolution, slope: float = 3.0, shift: float = -70.0) -> Outcome:
    """Largest gap when grey values are changed before or after, relative to the largest one."""
    gap = 0.0
    for shape in SIZES:
        f = images(shape)
        for t in TIMES:
            defect = evolve(slope * f + shift, t) - (slope * evolve(f, t) + shift)
            gap = max(gap, float(defect.abs().max()) / (255 * slope))
    return Outcome(gap, 1e-13)


def sums(evolve: Evolution) -> Outcome:
    """Largest gap when images are added before or after, relative to the largest grey value."""
    gap = 0.0
    for shape in SIZES:
        f = images(shape)
        g = f.roll(1, dims=0)
        for t in TIMES:
            defect = evolve(f + g, t) - (evolve(f, t) + evolve(g, t))
            gap = max(gap, float(defect.abs().max()) / 510)
    return Outcome(gap, 1e-13)


PROPOSITIONS = (
    Proposition(
        label="H-mean",
        title="Grey values",
        source="Weickert 1998",
        statement=(
            r"$P_t$ is linear, keeps the mean grey value, and "
            r"$P_t(a f + b\,1) = a\,P_t f + b\,1$."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-hd-mean",),
        claims=(
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: means(diffuse),
                "relative change of the mean",
                "mean",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: affine(diffuse),
                "gap as a share of the largest grey value",
                "affine changes",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: sums(diffuse),
                "gap as a share of the largest grey value",
                "sums",
            ),
        ),
        controls=(
            Control("a dark frame", "homogeneous diffusion", lambda trial: means(dark_frame)),
            Control(
                "a dark frame, affine changes",
                "homogeneous diffusion",
                lambda trial: affine(dark_frame),
            ),
            Control(
                "logarithmic grey values",
                "homogeneous diffusion",
                lambda trial: means(lambda u, t: diffuse(u.log(), t).exp()),
            ),
            Control(
                "logarithmic grey values, sums",
                "homogeneous diffusion",
                lambda trial: sums(lambda u, t: diffuse(u.log(), t).exp()),
            ),
        ),
        functions=("scalelib.LinearGaussianScaleSpace.mean",),
        derivation=derivation,
        tests=(
            "tests/processes/test_homogeneous_diffusion.py"
            "::test_grey_values_keep_their_mean_and_their_range",
        ),
    ),
)
