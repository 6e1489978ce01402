"""T-sym: with a guidance image the implicit step has a symmetric positive definite form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, guidances, images, neighbours
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.propositions.walks import (
    arithmetic,
    harmonic,
    matrix,
    null_image,
    one_sided,
)

__all__ = ["PROPOSITIONS"]

TAUS = (0.1, 10.0, 1e4)

FORMS: tuple[tuple[Literal["cg", "dct-cg"], float], ...] = (("cg", 1.0), ("dct-cg", 0.5))
"""Solver and grid width."""

RTOL = 1e-12
"""Residual asked of every solver."""


def derivation() -> Derivation:
    """Exact rational arithmetic on 2 x 3 pixels, from the drift to the solution."""
    guide, image = sympy.Matrix([3, 1, 4, 1, 5, 9]), sympy.Matrix([2, 7, 1, 8, 2, 8])
    walk, form = sympy.zeros(6), sympy.zeros(6)
    for p, q in neighbours((2, 3)):
        e = sympy.eye(6)[:, p] - sympy.eye(6)[:, q]
        d = 2 * (guide[q] - guide[p]) / (guide[q] + guide[p])
        rates = (1 + d / 2) * sympy.eye(6)[p, :] - (1 - d / 2) * sympy.eye(6)[q, :]
        walk -= e * rates
        form += 2 * guide[p] * guide[q] / (guide[p] + guide[q]) * e * e.T
    v, tau = sympy.diag(*guide), sympy.Rational(7, 3)
    steps = Derivation()
    rest = walk * v + form
    steps.equal("$A\\,\\mathrm{diag}(v) = -K$ with harmonic means as weights.", _square(rest), 0)
    steps.equal("$K$ is symmetric.", _square(form - form.T), 0)
    steps.equal("Constants are in its kernel.", _square(form * sympy.ones(6, 1)), 0)
    new = (sympy.eye(6) - tau * walk).LUsolve(image)
    same = v * (v + tau * form).LUsolve(image)
    steps.equal("Both forms have the same solution,", _square(new - same), 0)
    return steps.true("which is positive.", min(new) > 0)


def _square(x: sympy.Matrix) -> sympy.Expr:
    """Sum of the squares of all entries: 0 for the zero matrix alone."""
    return sum(entry**2 for entry in x)


def form(operator: Callable[[Tensor], Tensor]) -> Outcome:
    """Asymmetry, defect to K, smallest eigenvalue: relative to the largest grey value."""
    worst = 0.0
    for shape in SIZES:
        for v in guidances(shape).values():
            grey = v.flatten() / v.max()
            found, expected = -operator(v) * grey, harmonic(v) / v.max()
            gaps = [float((x - expected).abs().max()) for x in (found, found.mT)]
            smallest = float(torch.linalg.eigvalsh(expected)[0])
            worst = max(worst, *gaps, -smallest)
    return Outcome(worst, 1e-13)


def solution(weights: Callable[[Tensor], Tensor] = harmonic) -> Outcome:
    """Largest relative gap of both symmetric solvers to a dense solve of diag(v) + tau K."""
    worst = 0.0
    for shape in SIZES:
        f = images(shape)
        for v in guidances(shape).values():
            for tau in TAUS:
                system = torch.diag(v.flatten()) + tau * weights(v)
                ratio = torch.linalg.solve(system, f.flatten(1).mT).mT.view_as(f)
                # A finer grid with a shorter step is the same system.
                for solver, h in FORMS:
                    osmosis = Osmosis(guidance=v, spacing=h, solver=solver, rtol=RTOL)
                    u = osmosis.step(f, tau * h**2)
                    worst = max(worst, float((u - v * ratio).abs().max()) / 255)
    # The residual is at most RTOL of a norm below 255 * 8; the inverse does not enlarge sums.
    return Outcome(worst, 64 * RTOL)


def ring(d: float = 0.3, *, turns: bool = True) -> Outcome:
    """Asymmetry of A diag(w) for a drift that runs around four pixels; it is d w."""
    back = -d if turns else d
    dy = torch.tensor([[[back, d]]], dtype=torch.float64)  # up on the left, down on the right
    dx = torch.tensor([[[d], [back]]], dtype=torch.float64)
    walk = matrix(Osmosis(drift=(dy, dx)))
    w = null_image(walk, torch.ones(1, 2, 2, dtype=torch.float64)).flatten()
    flow = walk * w
    return Outcome(float((flow - flow.mT).abs().max()), 1e-13, d)


PROPOSITIONS = (
    Proposition(
        label="T-sym",
        title="Symmetric form of implicit osmosis",
        source="Our addition",
        statement=(
            r"Let $A$ belong to the canonical drift of $v$, and $u^{k+1} = v\,y$. Then the "
            r"implicit step is $(\mathrm{diag}(v) + \tau K)\,y = u^k$ with $K$ symmetric positive "
            r"semidefinite, its weights the harmonic means $2 v_p v_q/(v_p+v_q)$. A drift field "
            r"without guidance image has no such form."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("prop-sym",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: form(lambda v: matrix(Osmosis(guidance=v))),
                "largest defect, grey values relative to the largest",
                "matrix",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: solution(),
                "gap of conjugate gradients to a dense solve, share of the largest grey value",
                "solvers",
            ),
            Claim(
                "osmosis",
                Expectation.FAILS,
                lambda trial: ring(),
                "asymmetry for a drift around four pixels",
                "drift field",
            ),
        ),
        controls=(
            Control("drift (v_q - v_p) / v_p", "osmosis", lambda trial: form(one_sided)),
            Control("arithmetic means in the matrix", "osmosis", lambda trial: form(arithmetic)),
            Control(
                "arithmetic means in the solve",
                "osmosis",
                lambda trial: solution(lambda v: -arithmetic(v) * v.flatten()),
            ),
            Control(
                "weights that are 1% too large",
                "osmosis",
                lambda trial: solution(lambda v: 1.01 * harmonic(v)),
            ),
            Control(
                "a drift without circulation",
                "osmosis",
                lambda trial: ring(turns=False),
            ),
        ),
        functions=("scalelib.Osmosis", "scalelib.Osmosis.step"),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_symmetric.py::test_symmetric_form_is_the_same_scheme",
            "tests/osmosis/test_filter.py::test_all_solvers_agree",
        ),
    ),
)
