"""Symmetries of the pixel grid, and the matrices of all filters computed from the grid itself.

No cosine transform is used here, so that the processes can be checked against it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
)

__all__ = [
    "cyclic_shift",
    "grid_symmetries",
    "laplacian_matrix",
    "osmosis_matrix",
    "transition_matrices",
]

_Blurring = HeatDissipation | BlurringDiffusion | LinearisedOsmosis | HomogeneousDiffusion


def laplacian_matrix(shape: Sequence[int]) -> Tensor:
    r"""Minus the 5-point Neumann Laplacian: the graph Laplacian of the grid.

    .. math:: (L u)_p = \sum_{q \sim p} (u_p - u_q)

    Parameters
    ----------
    shape : (int, int)
        Height H and width W in pixels.

    Returns
    -------
    Tensor, shape (H W, H W), float64
        Pixels are stacked row by row.

    Examples
    --------
    >>> laplacian_matrix((1, 3))
    tensor([[ 1., -1.,  0.],
            [-1.,  2., -1.],
            [ 0., -1.,  1.]], dtype=torch.float64)
    """
    ones = torch.ones(*_check.image_shape("shape", shape), dtype=torch.float64)
    return 0 - osmosis_matrix(ones)  # a minus sign would leave negative zeros


def osmosis_matrix(guidance: Tensor) -> Tensor:
    r"""Osmosis matrix A of a guidance image: pixel p sends :math:`2 v_q / (v_p + v_q)` to q.

    Parameters
    ----------
    guidance : Tensor, shape (H, W), float64
        Positive guidance image v.

    Returns
    -------
    Tensor, shape (H W, H W), float64
        Columns sum to 0.

    Notes
    -----
    Source: Vogel et al., SSVM 2013, Section 3, with grid width 1.

    Examples
    --------
    >>> osmosis_matrix(torch.tensor([[1.0, 3.0]]).double())
    tensor([[-1.5000,  0.5000],
            [ 1.5000, -0.5000]], dtype=torch.float64)
    """
    height, width = guidance.shape
    v = guidance.flatten()
    pixels = torch.arange(len(v)).view(height, width)
    horizontal = torch.stack([pixels[:, :-1].flatten(), pixels[:, 1:].flatten()])
    vertical = torch.stack([pixels[:-1].flatten(), pixels[1:].flatten()])
    p, q = torch.cat([horizontal, vertical], dim=1)
    found = v.new_zeros(len(v), len(v))
    found[q, p] = 2 * v[q] / (v[p] + v[q])
    found[p, q] = 2 * v[p] / (v[p] + v[q])
    return found - found.sum(dim=0).diag()


def grid_symmetries(shape: Sequence[int]) -> dict[str, Tensor]:
    """Permutations of the pixels that take neighbours to neighbours.

    Parameters
    ----------
    shape : (int, int)
        Height H and width W in pixels, both at least 2.

    Returns
    -------
    dict
        Name -> Tensor, shape (H W,), int64: pixel p of the result is pixel ``index[p]`` of the
        image. There are 4, and 8 if H = W.

    Examples
    --------
    >>> list(grid_symmetries((2, 3)))
    ['identity', 'left-right flip', 'upside-down flip', 'half turn']
    """
    height, width = _check.image_shape("shape", shape)
    pixels = torch.arange(height * width).view(height, width)
    found = {
        "identity": pixels,
        "left-right flip": pixels.flip(1),
        "upside-down flip": pixels.flip(0),
        "half turn": pixels.flip(0, 1),
    }
    if height == width:
        found |= {
            "transposition": pixels.T,
            "other diagonal": pixels.T.flip(0, 1),
            "quarter turn": pixels.rot90(),
            "three quarter turn": pixels.rot90(3),
        }
    return {name: index.flatten() for name, index in found.items()}


def cyclic_shift(shape: Sequence[int], columns: int = 1) -> Tensor:
    """Permutation that shifts an image to the right; what leaves enters on the left.

    Parameters
    ----------
    shape : (int, int)
        Height H and width W in pixels.
    columns : int
        Width of the shift.

    Returns
    -------
    Tensor, shape (H W,), int64

    Examples
    --------
    >>> cyclic_shift((1, 3))
    tensor([2, 0, 1])
    """
    height, width = _check.image_shape("shape", shape)
    return torch.arange(height * width).view(height, width).roll(columns, 1).flatten()


def transition_matrices(
    process: LinearGaussianScaleSpace, i: int, start: int = 0
) -> tuple[Tensor, Tensor]:
    r"""Matrices of the transition k -> i of a blurring process, as functions of the Laplacian.

    .. math:: U_i = A\, U_k + B\, G, \qquad A = M_{k,i}(L), \quad B = S_{k,i}(L)

    Parameters
    ----------
    process : HeatDissipation, BlurringDiffusion, LinearisedOsmosis or HomogeneousDiffusion
        Only its arguments are used, so that its formulas are checked. The Laplacian is the
        discrete one.
    i, start : int
        Scales, 0 <= start < i <= m.

    Returns
    -------
    A, B : Tensor, shape (H W, H W), float64

    Raises
    ------
    TypeError
        If the process is a pixel-wise one.
    """
    if not isinstance(process, _Blurring) or process.shape is None:
        raise TypeError(f"process must be a blurring one, found {process!r}")
    eigenvalues, vectors = torch.linalg.eigh(laplacian_matrix(process.shape))
    eigenvalues[0] = 0  # known, for a connected grid
    late, variance = _marginal(process, i, eigenvalues)
    early, before = _marginal(process, start, eigenvalues)
    factor = late / early
    deviation = (variance - factor.square() * before).clamp(min=0).sqrt()
    return vectors * factor @ vectors.T, vectors * deviation @ vectors.T


def _marginal(process: _Blurring, i: int, eigenvalues: Tensor) -> tuple[Tensor, Tensor]:
    """M_i and S_i^2 by the table of the processes."""
    one = torch.ones_like(eigenvalues)
    if i == 0:
        return one, 0 * one
    decay = torch.exp(-eigenvalues * process.times[i - 1])
    match process:
        case HeatDissipation():
            return decay, process.sigma**2 * one
        case BlurringDiffusion():
            blur = (1 - process.d_min) * decay + process.d_min
            return process.alphas[i - 1] * blur, process.sigmas[i - 1] ** 2 * one
        case LinearisedOsmosis():
            return decay, (process.contrast * (1 - decay)).square()
        case HomogeneousDiffusion():
            return decay, 0 * one
