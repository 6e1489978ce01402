"""E-7: osmosis needs a positive guidance image, so the offset of a noise image is a parameter."""

from __future__ import annotations

import numpy as np
import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis, stencil
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import OSMOSIS, SHAPE
from scalelib.propositions.statement import (
    Check,
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
    Trial,
)

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-12
"""Of eigenvalues: rounding times the norm of a matrix of 30 pixels with rates below 2."""
THREE_PIXELS = torch.tensor([[1.0, -0.5, 1.0]], dtype=torch.float64)


def derivation() -> Derivation:
    """Rates of exchange, and three pixels whose evolution explodes."""
    a, b = sympy.symbols("v_1 v_2", positive=True)
    rate = 2 * b / (a + b)
    steps = Derivation()
    steps.true(
        "Rate of exchange from pixel 1 to pixel 2, both positive.",
        sympy.Gt(rate, 0, evaluate=False),
    )
    negative = sympy.Subs(rate, (a, b), (1, -sympy.Rational(1, 2)))
    steps.equal(r"The same rate for $v_1 = 1$, $v_2 = -\tfrac12$.", negative, -2)
    operator = sympy.Matrix([[2, 4, 0], [-2, -8, -2], [0, 4, 2]])
    text = r"Operator for $v = (1, -\tfrac12, 1)$: 0 is an eigenvalue, with the steady state."
    steps.equal(text, sympy.Determinant(operator), 0)
    text = r"But so is 2: the difference of the outer pixels grows like $e^{2t}$."
    return steps.equal(text, sympy.Determinant(operator - 2 * sympy.eye(3)), 0)


def noise() -> Tensor:
    """Return a standard normal image, about half of it negative."""
    return torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def growth(guidance: Tensor) -> float:
    """Largest growth rate, or negative rate of exchange, of the osmosis operator."""
    matrix = stencil.sparse_operator(stencil.guidance_rates(guidance, 1.0)).toarray()
    exchange = matrix - np.diag(np.diag(matrix))
    return float(max(np.linalg.eigvals(matrix).real.max(), -exchange.min()))


def stable(offset: float) -> Check:
    """Largest growth rate with a noise image as guidance."""
    return lambda trial: Outcome(growth(noise()[0] + offset), TOLERANCE)


def three_pixels(trial: Trial) -> Outcome:
    """Largest eigenvalue for a guidance with two signs."""
    del trial
    matrix = stencil.sparse_operator(stencil.guidance_rates(THREE_PIXELS, 1.0)).toarray()
    return Outcome(float(np.linalg.eigvals(matrix).real.max()), TOLERANCE, expected=2.0)


def contrast(known_offset: bool) -> Check:
    """Contrast of the steady state against (mu_f + c) / (mu_v + c) for three offsets c."""

    def check(trial: Trial) -> Outcome:
        del trial
        v = noise()
        f = torch.linspace(0.5, 3.5, v.numel(), dtype=torch.float64).view(v.shape)
        gap = 0.0
        for offset in (4.0, 20.0, 100.0):
            late = Osmosis(guidance=v, offset=offset).exact(f, time=400.0)
            c = offset if known_offset else 4.0
            expected = (f.mean() + c) / (v.mean() + c)
            gap = max(gap, abs(float(late.std() / v.std() - expected)))
        return Outcome(gap, 1e-10)

    return check


PROPOSITIONS = (
    Proposition(
        label="E-7",
        title="Positive guidance",
        source="2023, Sections 4.1 and 4.2",
        statement=(
            r"A standard normal image is negative in half of its pixels; osmosis is stable and "
            r"keeps positive images positive for $v > 0$. An offset $c$ on $f$ and $v$ makes $v$ "
            r"positive, and the result depends on it: the steady state has the contrast "
            r"$(\mu_f + c) / (\mu_v + c)$ of the guidance."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-7",),
        claims=(
            Claim(
                OSMOSIS,
                Expectation.HOLDS,
                stable(4.0),
                "growth rate or negative exchange rate",
                aspect="noise with offset",
            ),
            Claim(
                OSMOSIS,
                Expectation.FAILS,
                three_pixels,
                "growth rate for v = (1, -1/2, 1)",
                aspect="guidance of both signs",
            ),
            Claim(
                OSMOSIS,
                Expectation.HOLDS,
                contrast(known_offset=True),
                "gap of the contrast of the steady state",
                aspect="contrast",
            ),
        ),
        controls=(
            Control("standard normal guidance", OSMOSIS, stable(0.0)),
            Control("contrast that ignores the offset", OSMOSIS, contrast(known_offset=False)),
        ),
        functions=("scalelib.Osmosis", "scalelib.canonical_drift"),
        derivation=derivation,
    ),
)
