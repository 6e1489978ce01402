"""Osmosis matrices that checks run on: rebuilt from their definition, and broken ones.

Osmosis on a grid is a random walk of grey value: pixel p hands r_pq of its value to its neighbour q
per unit of time. A matrix acts on images stacked row by row.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.grid import osmosis_matrix
from scalelib.propositions.patterns import drift_field, guidances, neighbours

__all__ = [
    "Step",
    "arithmetic",
    "assemble",
    "euler",
    "filters",
    "harmonic",
    "leaky",
    "matrix",
    "null_image",
    "of_drift",
    "one_sided",
    "resolvent",
]

Step = Callable[[Tensor, float], Tensor]
"""Takes images (..., C, H, W) and a time step."""


def filters(shape: tuple[int, int]) -> dict[str, Osmosis]:
    """Build filters of one size: three guidance images and a random drift field.

    Examples
    --------
    >>> list(filters((2, 2)))
    ['constant', 'mild', 'strong', 'drift field']
    """
    found = {name: Osmosis(guidance=v, solver="direct") for name, v in guidances(shape).items()}
    return {**found, "drift field": Osmosis(drift=drift_field(shape), solver="direct")}


def matrix(osmosis: Osmosis) -> Tensor:
    """Matrix A of a filter, dense, shape (H W, H W)."""
    return torch.from_numpy(osmosis.operator().toarray())


def assemble(shape: tuple[int, int], rate: Callable[[int, int], float]) -> Tensor:
    """Matrix of the walk with the given rates: what leaves one pixel enters the other.

    Examples
    --------
    >>> assemble((1, 2), lambda p, q: 3.0 if p < q else 1.0)
    tensor([[-3.,  1.],
            [ 3., -1.]], dtype=torch.float64)
    """
    found = torch.zeros(shape[0] * shape[1], shape[0] * shape[1], dtype=torch.float64)
    for pair in neighbours(shape):
        for p, q in (pair, pair[::-1]):
            found[q, p] += rate(p, q)
            found[p, p] -= rate(p, q)
    return found


def of_drift(dy: Tensor, dx: Tensor) -> Tensor:
    """Matrix of a drift field (1, H-1, W), (1, H, W-1), from the rates 1 + d/2 and 1 - d/2."""
    shape = (dx.shape[-2], dy.shape[-1])
    down, right = dy[0].tolist(), dx[0].tolist()

    def rate(p: int, q: int) -> float:
        row, column = divmod(min(p, q), shape[1])
        d = right[row][column] if abs(p - q) == 1 and shape[1] > 1 else down[row][column]
        return float(1 + d / 2 if p < q else 1 - d / 2)

    return assemble(shape, rate)


def harmonic(v: Tensor) -> Tensor:
    """Matrix K of the symmetric form, with the harmonic means of neighbours as weights."""
    grey = v.flatten().tolist()
    return -assemble(_size(v), lambda p, q: 2 * grey[p] * grey[q] / (grey[p] + grey[q]))


def one_sided(v: Tensor) -> Tensor:
    """Break: the drift is (v_q - v_p) / v_p, with one side in place of the mean of both."""
    grey = v.flatten().tolist()

    def rate(p: int, q: int) -> float:
        low, high = min(p, q), max(p, q)
        half = (grey[high] - grey[low]) / (2 * grey[low])
        return float(1 + half if p < q else 1 - half)

    return assemble(_size(v), rate)


def arithmetic(v: Tensor) -> Tensor:
    """Break: arithmetic means of the guidance in place of harmonic ones."""
    grey = v.flatten().tolist()
    return assemble(_size(v), lambda p, q: (grey[p] + grey[q]) / (2 * grey[p]))


def leaky(v: Tensor) -> Tensor:
    """Break: grey value also flows across the border, where nothing flows back."""
    height, width = _size(v)
    wide = torch.nn.functional.pad(v[None], (1, 1, 1, 1), mode="replicate")[0]
    inside = torch.zeros(height + 2, width + 2, dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    kept = inside.flatten()
    return osmosis_matrix(wide[0])[kept][:, kept]


def resolvent(walk: Tensor) -> Step:
    """Implicit Euler steps of any matrix, by dense linear algebra."""

    def step(u: Tensor, tau: float) -> Tensor:
        system = torch.eye(len(walk), dtype=torch.float64) - tau * walk
        found: Tensor = torch.linalg.solve(system, u.flatten(-2).mT).mT
        return found.reshape(u.shape)

    return step


def euler(walk: Tensor) -> Step:
    """Explicit Euler steps of any matrix."""

    def step(u: Tensor, tau: float) -> Tensor:
        return u + tau * torch.matmul(u.flatten(-2), walk.mT).view(u.shape)

    return step


def null_image(walk: Tensor, f: Tensor) -> Tensor:
    """Image w with A w = 0 and the mean of f, by singular values; shape of f."""
    w: Tensor = torch.linalg.svd(walk)[2][-1]
    return (w / w.mean()).view(f.shape[-2:]) * f.mean(dim=(-2, -1), keepdim=True)


def _size(v: Tensor) -> tuple[int, int]:
    return v.shape[-2], v.shape[-1]
