"""O-cosine: a cosine preconditioner bounds the eigenvalues for every time step and image size."""

from __future__ import annotations

from collections.abc import Callable

import scipy.linalg
import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.grid import laplacian_matrix
from scalelib.propositions.patterns import SIZES, guidances
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import matrix

__all__ = ["PROPOSITIONS"]

TAUS = (1e-9, 1.0, 1e3, 1e6)

Preconditioner = Callable[[Tensor, float, float, float], Tensor]
"""Takes the Laplacian, the mean of v, the mean of the weights and tau."""


def derivation() -> Derivation:
    """Two pixels: both eigenvalues, and the bound that short steps attain."""
    v, w, tau = sympy.symbols("v_p v_q tau", positive=True)
    kappa, mean = 2 * v * w / (v + w), (v + w) / 2
    stencil = sympy.Matrix([[1, -1], [-1, 1]])
    system = sympy.diag(v, w) + tau * kappa * stencil
    model = mean * sympy.eye(2) + tau * kappa * stencil
    product = sympy.simplify((model.inv() * system).det())
    steps = Derivation()
    steps.equal(
        "For short steps the eigenvalues are the two ratios to the mean:",
        product.subs(tau, 0),
        v * w / mean**2,
    )
    limit = sympy.limit(product, tau, sympy.oo)
    return steps.equal("for long ones the product tends to 1, as both weights agree.", limit, 1)


def cosine(stencil: Tensor, mean: float, typical: float, tau: float) -> Tensor:
    """Matrix with constant coefficients, which the cosine transform diagonalises."""
    return mean * torch.eye(len(stencil), dtype=torch.float64) - tau * typical * stencil


def outside(model: Preconditioner, *, sharp: bool = False) -> Outcome:
    """By how much eigenvalues leave their interval; largest distance from its ends if sharp."""
    worst = 0.0
    for shape in [shape for shape in SIZES if shape != (2, 2)]:
        stencil = -laplacian_matrix(shape)
        for v in guidances(shape).values():
            mean, form = float(v.mean()), -matrix(Osmosis(guidance=v)) * v.flatten()
            weights = -form[stencil.triu(1) > 0]
            typical = float(1 / (1 / weights).mean())
            # Short steps see the grey values alone, and attain their bounds.
            parts = [v / mean] if sharp else [v / mean, weights / typical]
            low = min(float(part.min()) for part in parts)
            high = max(float(part.max()) for part in parts)
            for tau in TAUS[:1] if sharp else TAUS:
                system = torch.diag(v.flatten()) + tau * form
                matrices = (x.numpy() for x in (system, model(stencil, mean, typical, tau)))
                found = scipy.linalg.eigvalsh(*matrices)
                beyond = float(found[-1]) - high, low - float(found[0])
                worst = max(worst, *(map(abs, beyond) if sharp else beyond))
    return Outcome(worst, 1e-8)


PROPOSITIONS = (
    Proposition(
        label="O-cosine",
        title="A bound without time step and image size",
        source="Our addition",
        statement=(
            r"With the mean $\mu_v$ of $v$, the harmonic mean $\bar\kappa$ of the weights and "
            r"$M = \mu_v I - \tau\bar\kappa L$ all eigenvalues of "
            r"$M^{-1}(\mathrm{diag}(v) + \tau K)$ lie between the smallest and the largest of "
            r"$v/\mu_v$ and $\kappa/\bar\kappa$."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("prop-osmosis-preconditioner",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: outside(cosine),
                "excess of the eigenvalues over their interval",
                "interval",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: outside(cosine, sharp=True),
                "distance of the extreme eigenvalues from their bounds, for short steps",
                "bounds attained",
            ),
        ),
        controls=(
            Control(
                "the mean of the guidance alone",
                "osmosis",
                lambda trial: outside(
                    lambda stencil, mean, typical, tau: cosine(stencil, mean, 0.0, tau)
                ),
            ),
            Control(
                "a mean that is 1% too small",
                "osmosis",
                lambda trial: outside(
                    lambda stencil, mean, typical, tau: cosine(stencil, 0.99 * mean, typical, tau),
                    sharp=True,
                ),
            ),
        ),
        functions=("scalelib.Osmosis.operator",),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_symmetric.py"
            "::test_cosine_iterations_do_not_depend_on_size_nor_on_long_steps",
        ),
    ),
)
