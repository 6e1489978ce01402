"""H-semi: homogeneous diffusion is a semigroup in time, differentiable with generator L."""

from __future__ import annotations

import sympy

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, continuous, diffuse, width_as_scale
from scalelib.propositions.grid import laplacian_matrix
from scalelib.propositions.instances import process
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

PAIRS = ((0.01, 0.3), (1.3, 2.6), (0.01, 1e4))


def derivation() -> Derivation:
    """Exponentials multiply; at time 0 they are 1; the derivative there is the eigenvalue."""
    s, t, rate = sympy.symbols("s t lambda", nonnegative=True)
    factor = sympy.exp(-rate * t)
    steps = Derivation()
    steps.equal("Times add.", factor * sympy.exp(-rate * s), sympy.exp(-rate * (s + t)))
    steps.equal("Nothing happens in no time.", factor.subs(t, 0), 1)
    return steps.equal("The generator is L.", sympy.diff(factor, t).subs(t, 0), -rate)


def composition(evolve: Evolution) -> Outcome:
    """Largest relative gap between two evolutions in a row and one for the sum of both times."""
    gap = 0.0
    for shape in SIZES:
        u = images(shape)
        for s, t in PAIRS:
            defect = evolve(evolve(u, s), t) - evolve(u, s + t)
            gap = max(gap, float(defect.abs().max()) / 255)
    return Outcome(gap, 1e-12)


def generator(evolve: Evolution, t: float = 1e-6) -> Outcome:
    """Largest gap between the initial speed and L f, in units of the largest of L f."""
    gap = 0.0
    for shape in SIZES:
        f = images(shape)
        speed = (f.flatten(1) @ -laplacian_matrix(shape)).view_as(f)
        defect = (evolve(f, t) - f) / t - speed
        gap = max(gap, float(defect.abs().max() / speed.abs().max()))
    # Taylor: at most half the largest eigenvalue, 4, times t; rounding of f over t is 1e-9.
    return Outcome(gap, 4 * t + 2e-9)


def identity() -> Outcome:
    """Largest change of an image from scale 0 to scale 0."""
    chain = process("homogeneous diffusion")
    u = images((6, 5))
    return Outcome(float((chain.mean(u, 0) - u).abs().max()) / 255, 1e-14)


PROPOSITIONS = (
    Proposition(
        label="H-semi",
        title="Semigroup property of homogeneous diffusion",
        source="Iijima 1962; Weickert 1998",
        statement=(
            r"$P_0 = I$ and $P_{s+t} = P_t P_s$ for $P_t = e^{tL}$; the map $t \mapsto P_t f$ is "
            r"continuous, even infinitely often differentiable."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-hd-semigroup",),
        claims=(
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: composition(diffuse),
                "largest gap as a share of the largest grey value",
                "times add",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: generator(diffuse),
                "relative gap between initial speed and Laplacian",
                "generator",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: identity(),
                "largest change as a share of the largest grey value",
                "time 0",
            ),
        ),
        controls=(
            Control(
                "width in place of time",
                "homogeneous diffusion",
                lambda trial: composition(width_as_scale),
            ),
            Control(
                "published mean of heat dissipation",
                "inverse heat dissipation",
                lambda trial: generator(continuous),
            ),
            Control(
                "time that runs 1% faster",
                "homogeneous diffusion",
                lambda trial: generator(lambda u, t: diffuse(u, 1.01 * t)),
            ),
        ),
        functions=("scalelib.HomogeneousDiffusion",),
        derivation=derivation,
    ),
)
