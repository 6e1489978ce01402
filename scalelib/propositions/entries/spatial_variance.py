"""D-variance: the expected spatial variance of a scale, and how much it varies."""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    IHD,
    NOISY,
    OSMOSIS,
    PROCESSES,
    SHAPE,
    STEPS,
    VP,
    process,
)
from scalelib.propositions.laws import per_mode
from scalelib.propositions.patterns import images, units
from scalelib.propositions.statement import (
    Check,
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.transforms import dct2

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-12
"""Relative; sums of squares of 30 pixels, each exact to a few units in the last place."""

N = math.prod(SHAPE)
IMAGES = images(SHAPE)[1:] / 127.5 - 1
"""An edge, a checkerboard and a random image, in [-1, 1]."""

Moments = tuple[Tensor, Tensor]


def derivation() -> Derivation:
    """One coefficient; and what a constant does to the spatial variance."""
    mean, c = sympy.symbols("mu c", real=True)
    S, z = sympy.symbols("S z", positive=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)

    def expected(value: sympy.Expr) -> sympy.Expr:
        """Mean over a standard normal variable, of a polynomial in it."""
        parts = sympy.Poly(value, z).all_coeffs()[::-1]
        whole = [2 * sympy.integrate(density * z**k, (z, 0, sympy.oo)) for k in (0, 2, 4)]
        return sympy.expand(sum(parts[k] * whole[k // 2] for k in range(0, len(parts), 2)))

    square = (mean + S * z) ** 2
    first = expected(square)
    steps = Derivation()
    steps.equal(r"A coefficient $\mu + S z$ has the mean square", first, mean**2 + S**2)
    steps.equal("whose variance is", expected(square**2) - first**2, 4 * mean**2 * S**2 + 2 * S**4)
    u, v = sympy.symbols("u v", real=True)
    middle = (u + v) / 2
    return steps.equal(
        "Two pixels: the sum of the squared deviations is the square of the coefficient that is "
        "not the mean, and a constant changes nothing,",
        (u + c - (middle + c)) ** 2 + (v + c - (middle + c)) ** 2,
        ((u - v) / sympy.sqrt(2)) ** 2,
    )


def in_pixels(mean: Tensor, noise: Tensor) -> Moments:
    """Mean and variance of the spatial variance of mean + noise z, both exact.

    Parameters
    ----------
    mean : Tensor, shape (N, n)
        Images.
    noise : Tensor, shape (n, n)
        Row j: what unit noise in pixel j adds to an image.
    """
    mean = mean - mean.mean(dim=1, keepdim=True)
    noise = noise - noise.mean(dim=1, keepdim=True)
    covariance = noise.T @ noise
    value = mean.square().sum(dim=1) + covariance.trace()
    crossed = torch.einsum("np,pq,nq->n", mean, covariance, mean)
    return value / (N - 1), (4 * crossed + 2 * covariance.square().sum()) / (N - 1) ** 2


def in_modes(factor: Tensor, variance: Tensor, first: int = 1) -> Moments:
    """Mean and variance by the formula, without the modes before ``first``."""
    signal = (factor.square() * dct2(IMAGES).flatten(1).square())[:, first:]
    S2 = variance[first:]
    value = signal.sum(dim=1) + S2.sum()
    spread = (4 * signal * S2).sum(dim=1) + 2 * S2.square().sum()
    return value / (N - 1), spread / (N - 1) ** 2


def evolved(chain: LinearGaussianScaleSpace, i: int) -> Moments:
    """Exact moments from images that the process has made: of no noise, and of unit noise."""
    mean = chain.mean(IMAGES, i)
    unit = units(SHAPE)
    noise = chain.sample(0 * unit, i, noise=unit)
    return in_pixels(mean.flatten(1), noise.flatten(1))


def gap(found: Moments, expected: Moments) -> float:
    """Largest relative gap of the means, and of the variances in the unit of the squared mean."""
    (value, spread), (mean, variance) = found, expected
    gaps = (value / mean - 1).abs().max(), ((spread - variance) / mean.square()).abs().max()
    return float(max(gaps))


def formula(name: str, *, gain: float = 1.0, first: int = 1) -> Check:
    """Compare both sides at every scale; ``gain`` and ``first`` break the formula."""

    def check(trial: object) -> Outcome:
        del trial
        chain, worst = process(name), 0.0
        for i in range(1, STEPS + 1):
            factor, variance = per_mode(chain, i)
            worst = max(worst, gap(evolved(chain, i), in_modes(factor, gain * variance, first)))
        return Outcome(worst, TOLERANCE)

    return check


def unequal(trial: object) -> Outcome:
    """Break: noise of its own size in each pixel, in the formula by its mean."""
    del trial
    deviations = torch.linspace(0.1, 1.0, N, dtype=torch.float64)
    found = in_pixels(IMAGES.flatten(1), deviations.diag())
    one = torch.ones(N, dtype=torch.float64)
    return Outcome(gap(found, in_modes(one, deviations.square().mean() * one)), TOLERANCE)


PROPOSITIONS = (
    Proposition(
        label="D-variance",
        title="Expected spatial variance",
        source="Our addition",
        statement=(
            r"For a linear-Gaussian scale-space in the cosine basis, or in the pixel basis with "
            r"equal factors and equal noise variances, $E[\mathrm{Var}(U_i) \mid U_0 = u] = "
            r"\frac{1}{n-1} \sum_{k \ne 0} (M_i(k)^2 \hat u_k^2 + S_i(k)^2)$, and "
            r"$\mathrm{Var}(U_i)$ has, given $u$, the variance "
            r"$\frac{1}{(n-1)^2} \sum_{k \ne 0} (4 M_i(k)^2 \hat u_k^2 S_i(k)^2 + "
            r"2 S_i(k)^4)$."
        ),
        topic=Topic.COMPARISON,
        chapter="distances",
        anchors=("prop-spatial-variance",),
        claims=(
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    formula(name),
                    "relative gap of mean and variance to those of the images themselves",
                )
                for name in PROCESSES
            ),
            Claim(
                OSMOSIS,
                Expectation.NOT_APPLICABLE,
                remark="its noise is that of the guidance, and neither additive nor Gaussian",
            ),
        ),
        controls=(
            *(
                Control(f"noise variance off by 1%, {name}", name, formula(name, gain=1.01))
                for name in NOISY
            ),
            Control("the mean grey value counted", IHD, formula(IHD, first=0)),
            Control("unequal noise of the pixels", VP, unequal),
        ),
        functions=(
            "scalelib.LinearGaussianScaleSpace.direct",
            "scalelib.LinearGaussianScaleSpace.sample",
            "scalelib.transforms.dct2",
        ),
        derivation=derivation,
    ),
)
