"""H-dct: the cosine transform diagonalises the Laplacian, and so solves the heat equation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy
import torch
from torch import Tensor

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, continuous, diffuse, matrix_of
from scalelib.propositions.grid import laplacian_matrix
from scalelib.propositions.patterns import SIZES, units
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.transforms import (
    continuous_laplacian_eigenvalues,
    idct2,
    laplacian_eigenvalues,
)

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-12
"""Of numbers up to 8; sums over at most 64 pixels lose a few units in the last place."""

TIMES = (0.05, 1.0, 40.0)


def derivation() -> Derivation:
    """Insert a cosine into the stencil, inside and at both ends."""
    theta, x = sympy.symbols("theta x", real=True)
    k, width = sympy.symbols("k W", integer=True, positive=True)

    def v(place: sympy.Expr) -> sympy.Expr:
        return sympy.cos(theta * (place + sympy.Rational(1, 2)))

    inside = sympy.expand_trig(v(x - 1) - 2 * v(x) + v(x + 1) + (2 - 2 * sympy.cos(theta)) * v(x))
    right = sympy.expand_trig(v(width) - v(width - 1))
    steps = Derivation()
    steps.equal("Inside, the cosine is an eigenvector.", inside, 0)
    steps.equal("At the left end it is even.", v(-1), v(0))
    steps.equal(
        "At the right end the missing difference would be this,",
        right,
        -2 * sympy.expand_trig(sympy.sin(theta * (width - 1) + theta)) * sympy.sin(theta / 2),
    )
    steps.equal("which is 0 for these frequencies.", sympy.sin(sympy.pi * k / width * width), 0)
    return steps.equal(
        "The eigenvalue without cancellation.",
        2 - 2 * sympy.cos(theta),
        4 * sympy.sin(theta / 2) ** 2,
    )


def reflecting(shape: tuple[int, int]) -> Tensor:
    """Matrix L of the stencil, built from the grid alone."""
    return -laplacian_matrix(shape)


def diagonalisation(
    stencil: Callable[[tuple[int, int]], Tensor] = reflecting,
    eigenvalues: Callable[[Sequence[int]], Tensor] = laplacian_eigenvalues,
) -> Outcome:
    """Largest entry of L V + V diag(lambda) and of V^T V - I, over all sizes."""
    gap = 0.0
    for shape in SIZES:
        basis = idct2(units(shape)).flatten(1).mT
        rest = stencil(shape) @ basis + basis * eigenvalues(shape).flatten()
        identity = torch.eye(len(basis), dtype=torch.float64)
        gap = max(gap, float(rest.abs().max()), float((basis.mT @ basis - identity).abs().max()))
    return Outcome(gap, TOLERANCE)


def exponential(evolve: Evolution) -> Outcome:
    """Largest gap between an evolution and the matrix exponential of the stencil."""
    gap = 0.0
    for shape in SIZES:
        for t in TIMES:
            expected = torch.linalg.matrix_exp(t * reflecting(shape))
            gap = max(gap, float((matrix_of(evolve, shape, t) - expected).abs().max()))
    return Outcome(gap, TOLERANCE)


def dark(shape: tuple[int, int]) -> Tensor:
    """Stencil whose missing neighbours are black instead of reflected."""
    matrix = reflecting(shape)
    return matrix - torch.diag(matrix.diagonal() + 4)


PROPOSITIONS = (
    Proposition(
        label="H-dct",
        title="The cosine transform solves the heat equation",
        source="Strang 1999; on the grid",
        statement=(
            r"$L = -V\,\mathrm{diag}(\lambda)\,V^\top$ with the DCT-II basis $V$ and "
            r"$\lambda_k = 4 - 2\cos(\pi k_1/H) - 2\cos(\pi k_2/W)$, so homogeneous diffusion is "
            r"$e^{tL} = V\,\mathrm{diag}(e^{-\lambda t})\,V^\top$, exact in time."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-dct",),
        claims=(
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: diagonalisation(),
                "largest entry of the difference",
                "eigenvectors",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: exponential(diffuse),
                "largest entry of the difference",
                "matrix exponential",
            ),
        ),
        controls=(
            Control(
                "eigenvalues of the continuous Laplacian",
                "homogeneous diffusion",
                lambda trial: diagonalisation(eigenvalues=continuous_laplacian_eigenvalues),
            ),
            Control(
                "missing neighbours are black",
                "homogeneous diffusion",
                lambda trial: diagonalisation(stencil=dark),
            ),
            Control(
                "published mean of heat dissipation",
                "inverse heat dissipation",
                lambda trial: exponential(continuous),
            ),
        ),
        functions=(
            "scalelib.HomogeneousDiffusion",
            "scalelib.transforms.idct2",
            "scalelib.transforms.laplacian_eigenvalues",
        ),
        derivation=derivation,
        tests=("tests/test_transforms.py::test_the_basis_diagonalises_the_laplacian",),
    ),
)
