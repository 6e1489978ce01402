"""T-chain: the reversal of a discrete osmosis chain has the guidance p^2 / v, on any grid."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import sympy
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalelib.drift_diffusion import DriftDiffusion, Grid
from scalelib.osmosis import Osmosis
from scalelib.propositions import _feller as feller
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import HD, OSMOSIS, SHAPE, VP
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

__all__ = ["PROPOSITIONS", "reversal"]

Vector = NDArray[np.float64]


def derivation() -> Derivation:
    """Exchange between two cells on the way back, in terms of the moving guidance."""
    steps = Derivation()
    p, q, v, w = sympy.symbols("p_i p_j v_i v_j", positive=True)
    h, r, n = sympy.symbols("h r n", real=True)
    text = (
        "Between two cells the rate of the way back from $i$ to $j$ is the forward rate from $j$ "
        r"to $i$, times $p_j / p_i$. Over the opposite one it is as for the guidance $p^2 / v$:"
    )
    steps.equal(text, (v * q / p) / (w * p / q), (q**2 / w) / (p**2 / v))
    mobility = (w * p / q + v * q / p) / (v + w)
    text = "Over the rate of osmosis with this guidance it is a mobility, the same both ways:"
    osmosis_rate = (q**2 / w) / (p**2 / v + q**2 / w)
    steps.equal(text, v / (v + w) * q / p / osmosis_rate, mobility)
    logs = {q: p * sympy.exp(r), w: v * sympy.exp(n)}
    cosh = sympy.cosh(r - n / 2) / sympy.cosh(n / 2)
    text = (
        r"With $r = \ln (p_j / p_i)$ and $n = \ln (v_j / v_i)$ this mobility is "
        r"$\cosh(r - n / 2) / \cosh(n / 2)$."
    )
    steps.true(text, sympy.Eq(sympy.simplify(mobility.subs(logs) - cosh.rewrite(sympy.exp)), 0))
    scaled = cosh.subs({r: h * r, n: h * n})
    text = r"Small steps: it is $1 + \tfrac12 r (r - n)$ up to terms of fourth order."
    return steps.equal(text, sympy.Limit((scaled - 1) / h**2, h, 0), r * (r - n) / 2)


def reversal(operator: scipy.sparse.csr_array, p: Vector) -> scipy.sparse.csr_array:
    r"""Reverse a chain in time: the generator :math:`P A^\top P^{-1} - \mathrm{diag}(A p / p)`.

    Parameters
    ----------
    operator : scipy.sparse.csr_array, shape (n, n)
        Generator A of a chain; its columns sum to 0.
    p : array, shape (n,)
        Law of the chain at the time, positive.

    Returns
    -------
    scipy.sparse.csr_array, shape (n, n)
        Its columns sum to 0, and it takes p where A took it from.
    """
    turned = scipy.sparse.diags_array(p) @ operator.T @ scipy.sparse.diags_array(1 / p)
    return (turned - scipy.sparse.diags_array(operator @ p / p)).tocsr()


def image(guidance: Tensor) -> tuple[scipy.sparse.csr_array, Vector, Vector]:
    """Operator, image after some time, and guidance, all flat."""
    generator = torch.Generator().manual_seed(4)
    start = 0.5 + torch.rand(1, *SHAPE, dtype=torch.float64, generator=generator)
    osmosis = Osmosis(guidance)
    u = osmosis.exact(start, 0.7)
    return osmosis.operator(), u.flatten().numpy(), guidance.flatten().numpy()


def uneven() -> Tensor:
    """Guidance image without symmetry, grey values in [0.5, 2.5]."""
    generator = torch.Generator().manual_seed(5)
    return 0.5 + 2 * torch.rand(1, *SHAPE, dtype=torch.float64, generator=generator)


def way_back(guidance: Tensor, part: float = 1.0) -> Check:
    """Relative gap of the changes of an image by the chain and by its reversal."""

    def check(trial: Trial) -> Outcome:
        del trial
        operator, u, _ = image(guidance)
        change = operator @ u
        gap = reversal(operator, u**part) @ u + change
        return Outcome(float(np.abs(gap).max() / np.abs(change).max()), 1e-12)

    return check


def detailed_balance(guidance: Tensor, powers: tuple[float, float] = (2.0, -1.0)) -> Check:
    """Opposite rates of the reversed chain balance for the guidance u^a v^b: largest log-ratio."""

    def check(trial: Trial) -> Outcome:
        del trial
        operator, u, v = image(guidance)
        to, of, rates = _exchange(reversal(operator, u))
        w = u ** powers[0] * v ** powers[1]
        back = _exchange(reversal(operator, u).T.tocsr())[2]
        return Outcome(float(np.abs(np.log(rates * w[of] / (back * w[to]))).max()), 1e-12)

    return check


def mobility(guidance: Tensor, exact: bool = True) -> Check:
    """Rates of the reversed chain over those of osmosis with u^2 / v, against the mobility."""

    def check(trial: Trial) -> Outcome:
        del trial
        operator, u, v = image(guidance)
        to, of, rates = _exchange(reversal(operator, u))
        w = torch.from_numpy(u**2 / v).view_as(guidance)
        ratio = rates / _exchange(Osmosis(w).operator())[2]
        r, n = np.log(u[to] / u[of]), np.log(v[to] / v[of])
        expected = np.cosh(r - n / 2) / np.cosh(n / 2) if exact else 1.0
        return Outcome(float(np.abs(np.log(ratio / expected)).max()), 1e-12)

    return check


def _exchange(operator: scipy.sparse.csr_array) -> tuple[Vector, Vector, Vector]:
    """Target, source and rate of every exchange between two cells."""
    entries = operator.tocoo()
    apart = entries.row != entries.col
    order = np.lexsort((entries.col[apart], entries.row[apart]))
    found = (entries.row, entries.col, entries.data)
    to, of, rates = (np.asarray(x)[apart][order] for x in found)
    return to, of, rates


def truncation(weight: float) -> Check:
    r"""Distance of osmosis with :math:`p^2 / v` from exact reversal, less its leading term.

    .. math:: \tfrac12 h^2\, \partial\big(p'\, (\partial \ln (p / v))^2\big)

    In L1, relative to that term, and extrapolated to h = 0.
    """

    def check(trial: Trial) -> Outcome:
        del trial
        left = []
        for n in (256, 512):
            grid = Grid(-7, 7, n)
            u = grid.axes[0].requires_grad_()
            p = feller.density(u, 0.5)
            score = feller.along(p.log(), u)
            leading = grid.spacing**2 / 2 * feller.along(p * score * (score + u) ** 2, u)
            p, log_v, expected = p.detach(), -u.detach().square() / 2, leading.detach().numpy()
            forward = DriftDiffusion(grid, log_v).operator
            back = DriftDiffusion(grid, 2 * p.log() - log_v).operator
            rest = (forward + back) @ p.numpy() - weight * expected
            left.append(float(np.abs(rest).sum() / np.abs(expected).sum()))
        # The next term is of relative size h^2; extrapolation leaves terms of size h^4.
        return Outcome((4 * left[1] - left[0]) / 3, 1e-4)

    return check


IMAGES = {OSMOSIS: uneven(), HD: torch.ones(1, *SHAPE, dtype=torch.float64)}
"""Guidance of an image for each filter; for diffusion it is flat."""
CHECKS = (
    ("way back", way_back, "relative gap of the rates of change"),
    ("guidance", detailed_balance, "log-ratio of opposite flows"),
    ("mobility", mobility, "log-ratio of rates"),
)

PROPOSITIONS = (
    Proposition(
        label="T-chain",
        title="Reversal of a discrete chain",
        source="Our addition.",
        statement=(
            r"The discrete osmosis operator is the generator of a random walk. Its reversal in "
            r"time, with the law $p$ of the walk, has detailed balance with $p^2 / v$ on every "
            r"grid: it is osmosis with this guidance and a mobility of each interface, "
            r"$\cosh(r - n / 2) / \cosh(n / 2) = 1 + O(h^2)$, where $r$ and $n$ are the steps of "
            r"$\ln p$ and $\ln v$."
        ),
        topic=Topic.REVERSE,
        chapter="reverse-osmosis",
        anchors=("prop-rev-chain",),
        claims=(
            *(
                Claim(name, Expectation.HOLDS, check(v), remark, aspect=aspect)
                for name, v in IMAGES.items()
                for aspect, check, remark in CHECKS
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                truncation(1.0),
                "what is left beyond the leading term in h^2, relative to it, L1",
                aspect="leading term",
            ),
        ),
        controls=(
            Control("adjoint of another image", OSMOSIS, way_back(uneven(), part=0.99)),
            Control("guidance u", OSMOSIS, detailed_balance(uneven(), (1.0, 0.0))),
            Control("guidance u^2", OSMOSIS, detailed_balance(uneven(), (2.0, 0.0))),
            Control("mobility 1", OSMOSIS, mobility(uneven(), exact=False)),
            Control("half of the leading term", VP, truncation(0.5)),
        ),
        functions=(
            "scalelib.Osmosis.operator",
            "scalelib.Osmosis.exact",
            "scalelib.drift_diffusion.DriftDiffusion",
        ),
        derivation=derivation,
    ),
)
