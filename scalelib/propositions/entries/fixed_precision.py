"""D-precision: what diffusion and osmosis lose at a fixed, fine precision."""

from __future__ import annotations

import math
from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.processes import HeatDissipation, HomogeneousDiffusion
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import HD, IHD, OSMOSIS, SHAPE
from scalelib.propositions.patterns import SIZES, guidances, neighbours
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import matrix
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["PROPOSITIONS"]

TIME = 0.3
TOLERANCE = 1e-10
"""Nats; a determinant of up to 64 pixels, of factors down to exp(-8 TIME)."""

PRECISION = 1e-6
"""Deviation of the noise."""

Flow = Callable[[Tensor], Tensor]


def derivation() -> Derivation:
    """Rates of a pair of neighbours, and the information in one mode."""
    vp, vr = sympy.symbols("v_p v_r", positive=True)
    out, back = 2 * vr / (vp + vr), 2 * vp / (vp + vr)
    steps = Derivation()
    steps.equal("A pair of neighbours adds to the trace", -out - back, -2)
    walk = sympy.Matrix([[-out, back], [out, -back]])
    steps.equal("Two pixels alone: the eigenvalues of the matrix are 0,", walk.det(), 0)
    steps.equal("and -2, so that the determinant of the flow is $e^{-2t}$:", walk.trace(), -2)
    c, sigma, g = sympy.symbols("c sigma g", positive=True)
    limit = sympy.log(g**2 * c / sigma**2) / 2
    return steps.equal(
        r"One Gaussian mode with the factor $g$: the information, less its limit, is half of the "
        "logarithm of",
        sympy.exp(2 * (sympy.log(1 + g**2 * c / sigma**2) / 2 - limit)),
        1 + sigma**2 / (g**2 * c),
    )


def exact(A: Tensor) -> Tensor:
    """Matrix of the exact flow."""
    flow: Tensor = torch.linalg.matrix_exp(TIME * A)
    return flow


def implicit(A: Tensor) -> Tensor:
    """Break: matrix of one implicit step, whose determinant knows the guidance image."""
    flow: Tensor = torch.linalg.inv(torch.eye(len(A), dtype=A.dtype) - TIME * A)
    return flow


def pairs(shape: tuple[int, int]) -> int:
    """Count the pairs of neighbouring pixels."""
    return len(list(neighbours(shape)))


def determinant(flow: Flow = exact, per_pair: float = 2.0) -> Outcome:
    """Largest gap of the logarithm of the determinant to -2 nu t, in nats."""
    worst = 0.0
    for shape in SIZES:
        for v in guidances(shape).values():
            A = matrix(Osmosis(guidance=v))
            found = float(torch.linalg.slogdet(flow(A)).logabsdet)
            worst = max(worst, abs(found + per_pair * pairs(shape) * TIME))
    return Outcome(worst, TOLERANCE)


def diffusion(per_pair: float = 2.0) -> Outcome:
    """Largest gap for the factors of homogeneous diffusion, in nats."""
    worst = 0.0
    for shape in SIZES:
        factor, _ = HomogeneousDiffusion([TIME], shape).direct(1)
        worst = max(worst, abs(float(factor.log().sum()) + per_pair * pairs(shape) * TIME))
    return Outcome(worst, TOLERANCE)


def information(flow: Flow = exact) -> Outcome:
    """Gap of the information of Gaussian data with correlated pixels to the expansion, in nats.

    Expected is the next term, half of a trace; the term after it is far below rounding.
    """
    v, n = guidances(SHAPE)["strong"], math.prod(SHAPE)
    G = flow(matrix(Osmosis(guidance=v)))
    place = torch.arange(n, dtype=torch.float64)
    C = torch.exp(-(place[:, None] - place).abs() / 3)
    late = G @ C @ G.T
    told = 0.5 * float(torch.linalg.slogdet(torch.eye(n) + late / PRECISION**2).logabsdet)
    entropy = 0.5 * float(torch.linalg.slogdet(2 * math.pi * math.e * C).logabsdet)
    said = n * math.log(1 / PRECISION) - n / 2 * math.log(2 * math.pi * math.e)
    said += entropy - 2 * pairs(SHAPE) * TIME
    rest = 0.5 * PRECISION**2 * float(torch.linalg.inv(late).trace())
    return Outcome(told - said, TOLERANCE, rest)


def dissipation(per_pair: float = 2.0) -> Outcome:
    """Fall of the information of heat dissipation with faint noise between two times, in nats."""
    chain = HeatDissipation([TIME, 2 * TIME], PRECISION, SHAPE)
    c = 1 / (1 + laplacian_eigenvalues(SHAPE))
    told, rest = [], []
    for i in (1, 2):
        factor, variance = chain.direct(i)
        ratio = factor.square() * c / variance
        told.append(0.5 * float(torch.log1p(ratio).sum()))
        rest.append(0.5 * float(ratio.reciprocal().sum()))
    expected = per_pair * pairs(SHAPE) * TIME + rest[0] - rest[1]
    return Outcome(told[0] - told[1], TOLERANCE, expected)


PROPOSITIONS = (
    Proposition(
        label="D-precision",
        title="Loss at fixed precision",
        source="Our addition",
        statement=(
            r"Let $\nu$ be the number of pairs of neighbouring pixels, and $A_v$ the osmosis "
            r"matrix of a positive guidance image with canonical drift. Then $\ln \det e^{t A_v} "
            r"= -2 \nu t$ for every $v$. For $E |U_0|^2 < \infty$, finite $H(U_0)$ and independent "
            r"$G \sim N(0, I)$, $I(U_0; e^{t A_v} U_0 + \sigma G) = n \ln \frac1\sigma - \frac n2 "
            r"\ln(2 \pi e) + H(U_0) - 2 \nu t + o(1)$ as $\sigma \to 0$."
        ),
        topic=Topic.COMPARISON,
        chapter="design-guidance",
        anchors=("prop-fixed-precision",),
        claims=(
            Claim(
                OSMOSIS,
                Expectation.HOLDS,
                lambda trial: determinant(),
                "gap of the logarithm of the determinant, in nats",
                "determinant",
            ),
            Claim(
                OSMOSIS,
                Expectation.HOLDS,
                lambda trial: information(),
                "gap of the information of Gaussian data, in nats",
                "information",
            ),
            Claim(
                HD,
                Expectation.HOLDS,
                lambda trial: diffusion(),
                "gap of the logarithm of the determinant, in nats",
                "determinant",
            ),
            Claim(
                IHD,
                Expectation.HOLDS,
                lambda trial: dissipation(),
                "nats lost between two times, with faint noise",
                "faint noise",
            ),
        ),
        controls=(
            Control("one implicit step", OSMOSIS, lambda trial: determinant(implicit)),
            Control("pairs counted once", OSMOSIS, lambda trial: determinant(per_pair=1.0)),
            Control(
                "information after an implicit step", OSMOSIS, lambda trial: information(implicit)
            ),
            Control("1% less per pair", HD, lambda trial: diffusion(1.98)),
            Control("1% less per pair, faint noise", IHD, lambda trial: dissipation(1.98)),
        ),
        functions=(
            "scalelib.Osmosis.operator",
            "scalelib.HomogeneousDiffusion",
            "scalelib.HeatDissipation",
        ),
        derivation=derivation,
    ),
)
