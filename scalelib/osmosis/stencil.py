"""Finite differences of the osmosis equation: drift at cell interfaces and the sparse operator."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from scalelib import _check

__all__ = ["canonical_drift"]


class Rates(NamedTuple):
    """Nonnegative exchange rates between neighbouring cells, in 1 / diffusion time.

    The discrete osmosis operator is the generator of a random walk with these rates: what leaves
    one cell enters the next. Each field has the shape of an interface field.
    """

    down: Tensor
    """From row r to row r + 1, shape (..., H-1, W)."""
    up: Tensor
    """From row r + 1 to row r, shape (..., H-1, W)."""
    right: Tensor
    """From column c to column c + 1, shape (..., H, W-1)."""
    left: Tensor
    """From column c + 1 to column c, shape (..., H, W-1)."""


def canonical_drift(guidance: Tensor, spacing: float = 1.0) -> tuple[Tensor, Tensor]:
    r"""Canonical drift vector field of a guidance image, at the cell interfaces.

    .. math:: d = \nabla \ln v, \qquad
              d_{i+1/2} = \frac{2 (v_{i+1} - v_i)}{h (v_{i+1} + v_i)}

    Parameters
    ----------
    guidance : Tensor, shape (..., H, W), float32 or float64
        Positive guidance image v; an offset is added by the caller.
    spacing : float
        Grid width h in pixels.

    Returns
    -------
    dy : Tensor, shape (..., H-1, W)
        Vertical drift at the interfaces between rows.
    dx : Tensor, shape (..., H, W-1)
        Horizontal drift at the interfaces between columns. Both in 1 / pixel, with
        :math:`|d|\, h < 2` before rounding, in dtype and on the device of ``guidance``.

    Raises
    ------
    TypeError, ValueError
        If ``guidance`` is no finite, positive image, or ``spacing`` is not positive.

    Notes
    -----
    Sources: Weickert et al., EMMCVPR 2013, Section 2.2; discretisation: Vogel et al., SSVM 2013,
    Section 3. Section 4.1 of the 2023 paper. Drift fields can be edited before they are handed to
    :class:`~scalelib.Osmosis`: set to 0 along a shadow's edge, or composed from two images.

    Examples
    --------
    >>> import torch
    >>> dy, dx = canonical_drift(torch.tensor([[1.0, 3.0]]))
    >>> dx
    tensor([[1.]])
    """
    v = _check.image("guidance", guidance)
    check_positive("guidance", v)
    spacing = _check.number("spacing", spacing, low=0)
    return _log_difference(v, -2, spacing), _log_difference(v, -1, spacing)


def drift_rates(dy: Tensor, dx: Tensor, spacing: float) -> Rates:
    r"""Exchange rates :math:`(1 \pm h d / 2) / h^2` of a drift field, in float64."""
    y, x = (d.detach().double() * (spacing / 2) for d in (dy, dx))
    for name, half in (("dy", y), ("dx", x)):
        largest = float(half.abs().max()) if half.numel() else 0.0
        if largest > 1:
            raise ValueError(
                f"drift {name} must satisfy |d| h <= 2, found |d| h = {2 * largest:.6g}"
            )
    scale = spacing**-2
    return Rates((1 + y) * scale, (1 - y) * scale, (1 + x) * scale, (1 - x) * scale)


def guidance_rates(v: Tensor, spacing: float) -> Rates:
    r"""Exchange rates :math:`2 v_j / (h^2 (v_i + v_j))` towards cell j, free of cancellation."""
    scale = 2 * spacing**-2
    (a, b), (p, q) = _neighbours(v, -2), _neighbours(v, -1)
    return Rates(
        scale * (b / (a + b)), scale * (a / (a + b)), scale * (q / (p + q)), scale * (p / (p + q))
    )


def sparse_operator(rates: Rates) -> scipy.sparse.csr_array:
    """Matrix A of one unbatched set of rates; pixels are stacked row by row.

    Columns sum to 0, off-diagonal entries are nonnegative.
    """
    height, width = rates.right.shape[-2], rates.down.shape[-1]
    index = torch.arange(height * width).reshape(height, width)
    pairs = [
        (index[:-1], index[1:], rates.down),
        (index[1:], index[:-1], rates.up),
        (index[:, :-1], index[:, 1:], rates.right),
        (index[:, 1:], index[:, :-1], rates.left),
    ]
    source, target, rate = (
        torch.cat([x.reshape(-1).cpu() for x in column]) for column in zip(*pairs, strict=True)
    )
    entries = torch.cat([rate, -rate]).numpy()
    rows = torch.cat([target, source]).numpy()
    columns = torch.cat([source, source]).numpy()
    size = height * width
    return scipy.sparse.coo_array((entries, (rows, columns)), shape=(size, size)).tocsr()


def check_positive(name: str, v: Tensor) -> None:
    """Raise unless all grey values are positive."""
    smallest = float(v.min())
    if smallest <= 0:
        raise ValueError(f"{name} must be positive, found minimum {smallest:.6g}")


def _neighbours(v: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    n = v.shape[axis]
    return v.narrow(axis, 0, n - 1), v.narrow(axis, 1, n - 1)


def _log_difference(v: Tensor, axis: int, spacing: float) -> Tensor:
    a, b = _neighbours(v, axis)
    return (b - a) / (a + b) * (2 / spacing)


def check_drift(dy: Tensor, dx: Tensor) -> Tensor:
    """Return ``dy`` if both fields are finite and belong to the same images."""
    _check.floating("drift dy", dy)
    _check.floating("drift dx", dx)
    if dy.ndim < 2 or dx.ndim < 2:
        raise ValueError(
            f"drift must have shapes (..., H-1, W) and (..., H, W-1), "
            f"found {tuple(dy.shape)} and {tuple(dx.shape)}"
        )
    height, width = dx.shape[-2], dy.shape[-1]
    expected = (*dx.shape[:-2], height - 1, width)
    _check.like("drift dy", dy, dx, expected)
    _check.like("drift dx", dx, dy, (*dy.shape[:-2], height, width - 1))
    return dy


def image_shape(rates: Rates) -> torch.Size:
    """Shape (..., H, W) of the images that the rates belong to."""
    return torch.Size((*rates.right.shape[:-1], rates.down.shape[-1]))


def broadcast_shape(u: Tensor, shape: torch.Size, name: str) -> torch.Size:
    """Return the common shape of images and their guidance or drift; (H, W) must agree."""
    if u.shape[-2:] == shape[-2:]:
        with contextlib.suppress(ValueError):
            return torch.Size(np.broadcast_shapes(u.shape, shape))
    raise ValueError(
        f"u must have a shape that broadcasts with {tuple(shape)} of {name}, found {tuple(u.shape)}"
    )
