"""D-nuclear: the Frechet distance by the nuclear norm of a product of factors."""

from __future__ import annotations

import math
from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.frechet import Moments, frechet_distance
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import PROCESSES, SHAPE, process
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
    Trial,
)

__all__ = ["PROPOSITIONS"]

SCALE = 4
"""Late enough for a distance; early enough that no covariance is singular to rounding."""

FEW, MANY = 12, 200
"""Images: fewer and more than pixels."""

TOLERANCE = 1e-10
"""Relative to both traces: roots of eigenvalues of 1e-8 are exact to 1e-12; there are 30."""

Distance = Callable[[Tensor, Tensor], float]


def derivation() -> Derivation:
    """Both sides of the trace identity in two dimensions; and the best contraction."""
    p, q, r, u, v, w = sympy.symbols("p q r u v w", real=True)
    one, other = sympy.Matrix([[p, q], [0, r]]), sympy.Matrix([[u, v], [0, w]])
    product, covariances = one * other.T, (one.T * one) * (other.T * other)
    steps = Derivation()
    steps.equal(
        r"Two dimensions. $(\sigma_1 + \sigma_2)^2 = \mathrm{tr} A A^\top + 2 |\det A|$ for "
        r"$A = F_1 F_2^\top$, and $(\mathrm{tr} \sqrt B)^2 = \mathrm{tr} B + 2 \sqrt{\det B}$ for "
        r"$B = C_1 C_2$. The traces agree,",
        (product * product.T).trace(),
        covariances.trace(),
    )
    steps.equal("and so do the determinants.", product.det() ** 2, covariances.det())
    a, b = sympy.symbols("sigma_1 sigma_2", positive=True)
    x, y = sympy.symbols("x y", real=True)
    return steps.equal(
        r"With diagonal entries $1 - x^2$ and $1 - y^2$ of $U^\top O^\top V$ the trace lacks",
        a + b - (a * (1 - x**2) + b * (1 - y**2)),
        a * x**2 + b * y**2,
    )


def samples(name: str, count: int) -> tuple[Tensor, Tensor]:
    """Images with correlated pixels, and the same at a later scale of a process."""
    generator = torch.Generator().manual_seed(count)
    white = torch.randn(count, 1, *SHAPE, generator=generator, dtype=torch.float64)
    u = 0.5 * white + 0.5 * white.roll(1, -1) + 0.1
    later = process(name).sample(u, SCALE, generator=generator)
    return u.flatten(1), later.flatten(1)


def centred(x: Tensor) -> Tensor:
    """Return a factor F of the covariance F^T F."""
    return (x - x.mean(dim=0)) / math.sqrt(len(x) - 1)


def shipped(x: Tensor, y: Tensor) -> float:
    """Squared distance by the package."""
    found = []
    for sample in (x, y):
        found.append(Moments(sample.shape[1]))
        found[-1].update(sample)
    return frechet_distance(*found).value


def by_coupling(x: Tensor, y: Tensor) -> float:
    """Cost of the coupling in the proof, from its joint covariance: never below the distance."""
    one, other = centred(x), centred(y)
    u, _, vt = torch.linalg.svd(other @ one.T)
    joint = one.T @ (vt.T @ u.T) @ other
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    return float(means + one.square().sum() + other.square().sum() - 2 * joint.trace())


def by_duality(x: Tensor, y: Tensor) -> float:
    r"""Evaluate :math:`\mathrm{tr}(C_1 (I - T) + C_2 (I - T^{-1}))`: never above the distance.

    Kantorovich duality with quadratic functions; T is the map between the Gaussians.
    """
    C, D = (z.T @ z for z in (centred(x), centred(y)))
    values, V = torch.linalg.eigh(C)
    root, inverse = ((V * values.pow(p)) @ V.T for p in (0.5, -0.5))
    inner, W = torch.linalg.eigh(root @ D @ root)
    T = inverse @ (W * inner.sqrt()) @ W.T @ inverse
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    return float(means + (C - C @ T).trace() + (D - torch.linalg.solve(T, D)).trace())


def by_roots(x: Tensor, y: Tensor) -> float:
    """Compute the usual form, by roots of the eigenvalues of the product of the covariances."""
    C, D = (z.T @ z for z in (centred(x), centred(y)))
    roots = torch.linalg.eigvals(C @ D).sqrt().real.sum()
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    return float(means + C.trace() + D.trace() - 2 * roots)


def frobenius(x: Tensor, y: Tensor) -> float:
    """Break: another norm of the same product."""
    one, other = centred(x), centred(y)
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    norm = torch.linalg.matrix_norm(one @ other.T)
    return float(means + one.square().sum() + other.square().sum() - 2 * norm)


def same_draws(x: Tensor, y: Tensor) -> float:
    """Break: the coupling O = I, in which both images keep their number."""
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    return float(means + (centred(x) - centred(y)).square().sum())


def agreement(name: str, distance: Distance = shipped) -> Outcome:
    """Largest gap of a distance to its bounds and other forms, relative to both traces."""
    worst = 0.0
    for count, others in ((FEW, [by_coupling]), (MANY, [by_coupling, by_duality, by_roots])):
        x, y = samples(name, count)
        size = sum(float(centred(z).square().sum()) for z in (x, y))
        found = distance(x, y)
        worst = max(worst, *(abs(found - other(x, y)) / size for other in others))
    return Outcome(worst, TOLERANCE)


def checked(name: str) -> Claim:
    """Claim of one process."""

    def check(trial: Trial) -> Outcome:
        del trial
        return agreement(name)

    remark = "gap to the coupling, to its dual and to the roots of eigenvalues, over the traces"
    return Claim(name, Expectation.HOLDS, check, remark)


PROPOSITIONS = (
    Proposition(
        label="D-nuclear",
        title="Nuclear norm",
        source="Our addition; the closed form is that of Dowson and Landau, 1982",
        statement=(
            r"Let $C_k = F_k^\top F_k$ with any factors. The squared Fréchet distance is "
            r"$|\mu_1 - \mu_2|^2 + \mathrm{tr}\, C_1 + \mathrm{tr}\, C_2 - 2 \|F_1 F_2^\top\|_*$ "
            r"with the sum of the singular values, and $\|F_1 F_2^\top\|_* = \mathrm{tr}\, "
            r"(C_1 C_2)^{1/2}$."
        ),
        topic=Topic.COMPARISON,
        chapter="distances",
        anchors=("prop-nuclear",),
        claims=tuple(checked(name) for name in PROCESSES),
        controls=(
            Control(
                "Frobenius norm",
                "variance preserving",
                lambda trial: agreement("variance preserving", frobenius),
            ),
            Control(
                "images coupled by their number",
                "variance exploding",
                lambda trial: agreement("variance exploding", same_draws),
            ),
        ),
        functions=("scalelib.frechet.frechet_distance", "scalelib.frechet.Moments"),
        derivation=derivation,
    ),
)
