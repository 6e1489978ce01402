"""O-rate: osmosis converges at the rate of its smallest eigenvalue, which contrast bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.patterns import SIZES, guidances, images
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

TIMES = (0.01, 0.5, 5.0)


def derivation() -> Derivation:
    """Two pixels converge at the rate 2, whatever their contrast; the symmetric form."""
    vp, vq = sympy.symbols("v_p v_q", positive=True)
    out, back = 2 * vq / (vp + vq), 2 * vp / (vp + vq)
    walk = sympy.Matrix([[-out, back], [out, -back]])
    root = sympy.diag(sympy.sqrt(vp), sympy.sqrt(vq))
    form = (root.inv() * walk * root).applyfunc(sympy.simplify)
    steps = Derivation()
    steps.equal("Divided by roots of the guidance the matrix is symmetric.", form[0, 1], form[1, 0])
    steps.equal("The sum of its eigenvalues,", form.trace(), -2)
    return steps.equal("their product: one is 0, the other -2.", form.det(), 0)


def spectrum(v: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of -A, ascending, and its eigenvectors (images, one a row)."""
    root = v.flatten().sqrt()
    form = -matrix(Osmosis(guidance=v)) * root / root[:, None]
    eigenvalues, vectors = torch.linalg.eigh((form + form.mT) / 2)
    return eigenvalues, (vectors * root[:, None]).mT


def smallest(shape: tuple[int, int]) -> float:
    """Smallest positive eigenvalue of minus the Laplacian, in closed form."""
    return 4 * math.sin(math.pi / (2 * max(shape))) ** 2


def within(factor: Callable[[Tensor], float]) -> Outcome:
    """By how much the rate leaves its bounds, relative to the rate without guidance."""
    worst = -1.0
    for shape in SIZES:
        for v in guidances(shape).values():
            rate, contrast = float(spectrum(v)[0][1]) / smallest(shape), factor(v)
            worst = max(worst, rate - contrast, 1 / contrast - rate)
    return Outcome(worst, 1e-12)  # a constant guidance attains both bounds: 0 up to rounding


def decay(weight: Callable[[Tensor], Tensor], *, exact: bool, rate: str = "nu") -> Outcome:
    """Distance to the bound, which the slowest mode attains, as a share of the first distance."""
    worst = 0.0
    for shape in SIZES:
        for v in guidances(shape).values():
            eigenvalues, modes = spectrum(v)
            slow = modes[1].view(1, 1, *shape)
            f = torch.cat([images(shape)[1:3], v + 0.5 * slow * float((v / slow.abs()).min())])
            osmosis = Osmosis(guidance=v, solver="direct", rtol=1e-10)
            w = v * (f.mean(dim=(-2, -1), keepdim=True) / v.mean())
            first = _norm(f - w, weight(w))
            speed = float(eigenvalues[1]) if rate == "nu" else smallest(shape)
            for t in TIMES:
                u = osmosis.exact(f, t) if exact else osmosis.step(f, t)
                allowed = math.exp(-speed * t) if exact else 1 / (1 + t * speed)
                keeps = first > 1e-9 * _norm(f, weight(w))
                ratio = (_norm(u - w, weight(w)) / first)[keeps]
                worst = max(worst, abs(float(ratio.max()) - allowed))
    return Outcome(worst, 1e-10)


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    return (x.square() * weight).sum(dim=(1, 2, 3)).sqrt()


PROPOSITIONS = (
    Proposition(
        label="O-rate",
        title="Rate of convergence of osmosis",
        source="Our addition",
        statement=(
            r"With the smallest positive eigenvalue $\nu_1$ of $-A$ and "
            r"$\lVert x\rVert_w^2 = \sum_p x_p^2/w_p$, "
            r"$\lVert u(t)-w\rVert_w \le e^{-\nu_1 t}\lVert f-w\rVert_w$, and $(1+\tau\nu_1)^{-1}$ "
            r"per implicit step; $\nu_1/\lambda_1$ lies between the inverse contrast of $v$ and "
            r"its contrast."
        ),
        topic=Topic.OSMOSIS,
        chapter="osmosis",
        anchors=("prop-osmosis-rate",),
        claims=(
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: within(lambda v: float(v.max() / v.min())),
                "excess of the rate over its bounds, in units of the rate of diffusion",
                "bounds of the rate",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: decay(lambda w: 1 / w, exact=True),
                "gap to the bound that the slowest mode attains",
                "exact in time",
            ),
            Claim(
                "osmosis",
                Expectation.HOLDS,
                lambda trial: decay(lambda w: 1 / w, exact=False),
                "gap to the bound that the slowest mode attains",
                "implicit steps",
            ),
        ),
        controls=(
            Control(
                "the Euclidean norm",
                "osmosis",
                lambda trial: decay(torch.ones_like, exact=False),
            ),
            Control(
                "the rate of diffusion",
                "osmosis",
                lambda trial: decay(lambda w: 1 / w, exact=False, rate="lambda"),
            ),
            Control(
                "bounds without contrast",
                "osmosis",
                lambda trial: within(lambda v: 1.0),
            ),
        ),
        functions=("scalelib.Osmosis.exact", "scalelib.Osmosis.step"),
        derivation=derivation,
    ),
)
