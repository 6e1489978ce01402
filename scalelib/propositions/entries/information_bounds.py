"""D-bounds: a finite data set tells no more than ln N, and no more than Gaussian data."""

from __future__ import annotations

import math

import sympy
import torch

from scalelib.information import Mixture, entropy_by_quadrature, gaussian_entropy
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import HD, LO, NOISY, OSMOSIS, STEPS, VE, process
from scalelib.propositions.laws import in_modes, information_on_points, per_mode
from scalelib.propositions.statement import (
    Check,
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-9
"""Nats; several times what the integrals of both entropies are refined to."""

MODES = (1, 7)
POINTS = torch.tensor(
    [[-0.8, 0.1], [0.2, -0.5], [0.9, 0.6], [-0.1, -0.3], [0.4, 0.2]], dtype=torch.float64
)
"""Five images that differ in two modes."""


def derivation() -> Derivation:
    """One mode: a Gaussian has the largest entropy, so that a law has at most its information."""
    u = sympy.Symbol("u", real=True)
    M, S, c = sympy.symbols("M S c", positive=True)
    v = M**2 * c + S**2
    log_density = -(u**2) / (2 * v) - sympy.log(2 * sympy.pi * v) / 2
    steps = Derivation()
    mean = -(log_density.coeff(u, 2) * v + log_density.coeff(u, 0))
    steps.equal(
        r"$H(U_i)$ is at most the mean of $-\ln q$ for every density q. For a Gaussian with the "
        "variance $v = M^2 c + S^2$ of $U_i$ that is",
        mean,
        sympy.log(2 * sympy.pi * sympy.E * v) / 2,
    )
    return steps.equal(
        "Less the entropy of the noise:",
        sympy.exp(2 * (mean - sympy.log(2 * sympy.pi * sympy.E * S**2) / 2)),
        1 + M**2 * c / S**2,
    )


def told(chain: LinearGaussianScaleSpace, i: int) -> float:
    """Mutual information of five equally likely images and a scale, in nats."""
    law = in_modes(chain, i, Mixture(POINTS, torch.zeros(2).double()), MODES)
    return entropy_by_quadrature(law) - gaussian_entropy(law.variances)


def bounds(chain: LinearGaussianScaleSpace, i: int) -> tuple[float, float]:
    """Logarithm of the number of images, and information of Gaussian data."""
    factor, variance = (x[list(MODES)] for x in per_mode(chain, i))
    c = POINTS.var(dim=0, correction=0)
    return math.log(len(POINTS)), 0.5 * float(torch.log1p(factor.square() * c / variance).sum())


def excess(name: str, count: float = 1.0, variance: float = 1.0) -> Check:
    """By how many nats the smaller bound is exceeded at any scale."""

    def check(trial: object) -> Outcome:
        del trial
        chain, worst = process(name), 0.0
        for i in (1, 3, 6, 9, STEPS):
            of_count, gaussian = bounds(chain, i)
            least = min(of_count + math.log(count), variance * gaussian)
            worst = max(worst, told(chain, i) - least)
        return Outcome(worst, TOLERANCE)

    return check


def attained(trial: object, share: float = 1.0) -> Outcome:
    """Distance from the bounds where they are attained: weak noise, and strong noise.

    The information of two images at -1 and 1 and that of Gaussian data agree up to the third power
    of the ratio; the fourth powers differ by 1/12.
    """
    del trial
    two = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    ratio = 1e-3
    strong, weak = (
        information_on_points(Mixture(two, torch.tensor([v], dtype=torch.float64)))
        for v in (1 / ratio, 1 / 400)
    )
    gaps = weak - share * math.log(2), strong - 0.5 * math.log1p(ratio)
    return Outcome(max(map(abs, gaps)), ratio**4)


PROPOSITIONS = (
    Proposition(
        label="D-bounds",
        title="Two bounds of the information of a data set",
        source="Our addition; the Gaussian bound is in Cover and Thomas, 2006",
        statement=(
            r"Let $S_i > 0$ in all modes, and let $c_k$ be the variances of the modes over N "
            r"images, each of which is drawn with probability $1/N$. Then $I(U_0; U_i) \le "
            r"\min(\ln N, \frac12 \sum_k \ln(1 + \mathrm{SNR}_i(k)))$."
        ),
        topic=Topic.COMPARISON,
        chapter="design-guidance",
        anchors=("prop-two-bounds",),
        claims=(
            *(
                Claim(
                    name,
                    Expectation.WEAKLY if name == LO else Expectation.HOLDS,
                    excess(name),
                    "nats beyond the smaller bound, five images in two modes"
                    + ("; for images of one mean grey value" if name == LO else ""),
                )
                for name in NOISY
            ),
            Claim(
                VE,
                Expectation.HOLDS,
                attained,
                "distance from ln 2 with weak noise, from the Gaussian bound with strong noise",
                "attained",
            ),
            Claim(HD, Expectation.NOT_APPLICABLE, remark="no noise: ln N at all scales"),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no noise of its own"),
        ),
        controls=(
            Control("one image fewer", VE, excess(VE, count=1 - 1 / len(POINTS))),
            Control("Gaussian bound 1% lower", VE, excess(VE, variance=0.99)),
            Control("limit 1% lower", VE, lambda trial: attained(trial, 0.99)),
        ),
        functions=(
            "scalelib.information.entropy_by_quadrature",
            "scalelib.information.gaussian_entropy",
        ),
        derivation=derivation,
    ),
)
