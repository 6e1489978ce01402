"""D-bias: the Frechet distance of two samples of one Gaussian law, to leading order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import sympy
import torch
from scipy.special import poch
from torch import Tensor

from scalelib.frechet import Moments, frechet_distance
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import PROCESSES, STEPS, process
from scalelib.propositions.laws import SPECTRUM, per_mode
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

CHOSEN = [0, 1, 5, 12, 20, 29]
"""Modes of the law that is sampled, from coarse to fine."""

CHANGE = 3e-3
"""Of an entry of the covariance, relative to the deviations; what is even in it is taken."""

CURVATURE = 1e-6
"""Relative. The distance is exact to 1e-7, of which the extrapolation to no change makes 5/3."""

NODES, WEIGHTS = torch.tensor([-1.0, 0.0, 1.0]).double() * 3**0.5, (1 / 6, 2 / 3, 1 / 6)
"""Rule of Gauss and Hermite: exact for polynomials up to degree 5 in each variable."""

EXACT = 1e-12

Double = Callable[[Tensor], Tensor]


def derivation() -> Derivation:
    """Expand the distance of two covariances, in one dimension and off the diagonal."""
    a, b, n = sympy.symbols("c_a c_b N", positive=True)
    e, x = sympy.symbols("e x", real=True)
    steps = Derivation()
    steps.equal(
        "One mode: the distance of the variances $c_a$ and $c_a + e$ begins with",
        sympy.series((sympy.sqrt(a + e) - sympy.sqrt(a)) ** 2, e, 0, 3).removeO(),
        e**2 / (2 * (a + a)),
    )
    steps.equal(
        "Two modes, and $e$ in both entries off the diagonal. The eigenvalues of $C (C + E)$ have "
        r"the sum $c_a^2 + c_b^2$ and the product $c_a c_b (c_a c_b - x)$, $x = e^2$. The root of "
        "the product begins with",
        sympy.series(a * b * sympy.sqrt(1 - x / (a * b)), x, 0, 2).removeO(),
        a * b - x / 2,
    )
    whole = a + b
    steps.equal(
        "So the square of the sum of their roots begins with",
        a**2 + b**2 + 2 * (a * b - x / 2),
        whole**2 - x,
    )
    steps.equal(
        r"and the distance, $2 \mathrm{tr}\, C$ less twice that sum, with",
        2 * whole - 2 * sympy.series(whole * sympy.sqrt(1 - x / whole**2), x, 0, 2).removeO(),
        2 * x / (2 * whole),
    )
    return steps.equal(
        "Means, and differences of sample variances, whose variance is $4 c_a^2 / N$:",
        2 * a / n + (4 * a**2 / n) / (4 * a),
        (sympy.Rational(5, 2) * a + a**2 / (a + a)) / n,
    )


def double_sum(c: Tensor) -> Tensor:
    r"""Entries :math:`c_a c_b / (c_a + c_b)` of the double sum."""
    return c[:, None] * c / (c[:, None] + c)


def law(name: str) -> Tensor:
    """Variances of a few modes in the middle of a process, for Gaussian data."""
    factor, variance = per_mode(process(name), STEPS // 2)
    return (factor.square() * SPECTRUM + variance)[CHOSEN]


def with_covariance(C: Tensor) -> Moments:
    """Vectors that have this covariance exactly, to rounding, and the mean 0."""
    root = torch.linalg.cholesky(C).T
    rows = torch.cat([root, -root]) * math.sqrt((2 * len(C) - 1) / 2)
    found = Moments(len(C))
    found.update(rows)
    return found


def curvature(c: Tensor, a: int, b: int) -> float:
    """Half the second derivative of the distance in an entry of the covariance and its mirror.

    The mean over both signs is even in the change; two changes remove the fourth power.
    """
    C, found = c.diag(), []
    for change in (CHANGE, 2 * CHANGE):
        size = change * float((c[a] * c[b]).sqrt())
        total = 0.0
        for sign in (1, -1):
            E = torch.zeros_like(C)
            E[a, b] = E[b, a] = sign * size
            total += frechet_distance(with_covariance(C), with_covariance(C + E)).value / 2
        found.append(total / size**2)
    return (4 * found[0] - found[1]) / 3


def leading(name: str, double: Double = double_sum) -> Check:
    """Relative gap of N E d^2, from curvatures of the distance, to the formula."""

    def check(trial: object) -> Outcome:
        del trial
        c = law(name)
        found = 2 * float(c.sum())  # of the means
        for a, b in itertools.combinations_with_replacement(range(len(c)), 2):
            # The difference of two sample covariances; see the check of their variances.
            variance = 2 * float(c[a] * c[b]) * (2 if a == b else 1)
            found += variance * curvature(c, a, b)
        said = 2.5 * float(c.sum()) + float(double(c).sum())
        return Outcome(found / said - 1, CURVATURE)

    return check


def of_covariances(name: str, gain: float = 2.0) -> Check:
    """Gap of the moments of a sample covariance of three vectors, by an exact rule.

    Its entries have variances c_a c_b (1 + [a = b]) / (N - 1), and are uncorrelated.
    """

    def check(trial: object) -> Outcome:
        del trial
        c = law(name)[[0, -1]]
        z = torch.cartesian_prod(*[NODES] * 6).view(-1, 3, 2) * c.sqrt()
        weights = torch.cartesian_prod(*[torch.tensor(WEIGHTS, dtype=torch.float64)] * 6).prod(
            dim=1
        )
        z = z - z.mean(dim=1, keepdim=True)
        S = torch.einsum("nka,nkb->nab", z, z) / 2
        entries = torch.stack([S[:, 0, 0], S[:, 1, 1], S[:, 0, 1]], dim=1)
        mean = weights @ entries
        scale = torch.stack([c[0], c[1], (c[0] * c[1]).sqrt()])
        covariance = torch.einsum("n,na,nb->ab", weights, entries - mean, entries - mean)
        expected = torch.tensor([gain, gain, 1.0]).double().diag() / 2
        return Outcome(float((covariance / scale[:, None] / scale - expected).abs().max()), EXACT)

    return check


def exact_share(n: int) -> float:
    """N E d^2 / c of one mode, exactly: the deviation of n draws has the mean c_4 sqrt(c)."""
    c4 = math.sqrt(2 / (n - 1)) * float(poch((n - 1) / 2, 0.5))
    return 2 + 2 * n * (1 - c4**2)


def one_mode(trial: object, expected: float = 3.0) -> Outcome:
    """N E d^2 / c of one mode as N grows, extrapolated from N = 1000, 2000 and 4000."""
    del trial
    first, second, third = (exact_share(n) for n in (1000, 2000, 4000))
    found = (8 * third - 6 * second + first) / 3
    # The third power of 1 / 1000 is left, and rounding of 1 - c_4^2, times 2 N 8 / 3.
    return Outcome(found, 1e-8, expected)


def without_last(c: Tensor) -> Tensor:
    """Break: the double sum without its diagonal."""
    return double_sum(c) - (c / 2).diag()


def by_geometric_mean(c: Tensor) -> Tensor:
    """Break: half the geometric in place of half the harmonic mean."""
    return (c[:, None] * c).sqrt() / 2


PROPOSITIONS = (
    Proposition(
        label="D-bias",
        title="Bias of the Fréchet distance",
        source="Our addition",
        statement=(
            r"Two independent samples of N vectors each from $N(\mu, C)$, where C has the "
            r"eigenvalues $c_1, \dots, c_d > 0$, have $E\, d^2 = \frac1N \big(\frac52 "
            r"\mathrm{tr}\, C + \sum_{a, b} \frac{c_a c_b}{c_a + c_b}\big) + o(1/N)$; with one of "
            r"them infinite, half of it."
        ),
        topic=Topic.COMPARISON,
        chapter="distances",
        anchors=("prop-frechet-bias",),
        claims=(
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    leading(name),
                    "relative gap of N E d^2 from curvatures of the distance, six modes",
                    "leading order",
                )
                for name in PROCESSES
            ),
            Claim(
                "variance preserving",
                Expectation.HOLDS,
                of_covariances("variance preserving"),
                "gap of the moments of a sample covariance, relative to the deviations",
                "sample covariances",
            ),
            Claim(
                "variance preserving",
                Expectation.HOLDS,
                one_mode,
                "N E d^2 over the variance of one mode, as N grows",
                "one mode",
            ),
        ),
        controls=(
            Control(
                "double sum without its diagonal",
                "variance preserving",
                leading("variance preserving", without_last),
            ),
            Control(
                "geometric means",
                "homogeneous diffusion",
                leading("homogeneous diffusion", by_geometric_mean),
            ),
            Control(
                "variances without the factor 2 on the diagonal",
                "variance preserving",
                of_covariances("variance preserving", gain=1.0),
            ),
            Control(
                "one mode without the term of the diagonal",
                "variance preserving",
                lambda trial: one_mode(trial, 2.5),
            ),
        ),
        functions=("scalelib.frechet.frechet_distance", "scalelib.frechet.Moments"),
        derivation=derivation,
    ),
)
