"""Finite differences of the osmosis equation: drift at cell interfaces and the sparse operator."""

from __future__ import annotations

import contextlib
import reprlib
from typing import NamedTuple

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from scalelib import _check

__all__ = ["canonical_drift"]


LARGEST = 1e300
"""Largest grey value: the sum of an image still is a number."""

LOSS = 1e-6
"""Rounding by the offset that is let pass, relative to the largest grey value."""


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
    v = _check.image("guidance", guidance).double()
    check_positive("guidance", v)
    spacing = check_spacing(spacing)
    dy, dx = _log_difference(v, -2, spacing), _log_difference(v, -1, spacing)
    return dy.to(guidance.dtype), dx.to(guidance.dtype)


def drift_rates(dy: Tensor, dx: Tensor, spacing: float) -> Rates:
    r"""Exchange rates :math:`(1 \pm h d / 2) / h^2` of a drift field, in float64."""
    y, x = (_half_drift(name, d, spacing) for name, d in (("dy", dy), ("dx", dx)))
    scale = spacing**-2
    return Rates((1 + y) * scale, (1 - y) * scale, (1 + x) * scale, (1 - x) * scale)


def _half_drift(name: str, d: Tensor, spacing: float) -> Tensor:
    """Return h d / 2, in [-1, 1], in float64."""
    half = d.detach().double() * (spacing / 2)
    largest = float(half.abs().max()) if half.numel() else 0.0
    # A field that is rounded to float32 may exceed the bound by that rounding.
    if largest > 1 + torch.finfo(d.dtype).eps:
        raise ValueError(f"drift {name} must satisfy |d| h <= 2, found |d| h = {2 * largest!r}")
    return half.clamp(-1, 1)


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
    """Raise unless all grey values are positive, and small enough to be added up."""
    smallest, largest = (float(x) for x in v.aminmax())
    if smallest <= 0:
        raise ValueError(f"{name} must be positive, found minimum {smallest:.6g}")
    if largest > LARGEST:
        raise ValueError(f"{name} must be at most {LARGEST:g}, found maximum {largest:.6g}")


def add_offset(name: str, u: Tensor, offset: float) -> Tensor:
    """Return ``u + offset`` in float64 if it is positive and still holds the grey values."""
    grey = u.detach().double()
    result = grey + offset
    check_positive(f"{name} + offset", result)
    lost, largest = float((result - offset - grey).abs().max()), float(grey.abs().max())
    if lost > LOSS * largest:
        raise ValueError(
            f"offset must not drown the grey values of {name}, found {offset:g}, which rounds "
            f"them by up to {lost:.3g} while the largest is {largest:.3g}"
        )
    return result


def check_spacing(spacing: float) -> float:
    """Return the grid width if its square and inverse square are numbers as well."""
    return _check.number("spacing", spacing, low=1e-100, high=1e100)


def _neighbours(v: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    n = v.shape[axis]
    return v.narrow(axis, 0, n - 1), v.narrow(axis, 1, n - 1)


def _log_difference(v: Tensor, axis: int, spacing: float) -> Tensor:
    a, b = _neighbours(v, axis)
    return (b - a) / (a + b) * (2 / spacing)


def check_drift(drift: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return (dy, dx) if both fields are finite and belong to the same images."""
    if not isinstance(drift, tuple | list) or len(drift) != 2:
        raise TypeError(f"drift must be a pair (dy, dx), found {reprlib.repr(drift)}")
    dy, dx = drift
    for name, d in (("drift dy", dy), ("drift dx", dx)):
        # An image of one row or column has no interfaces in one direction.
        no_interface = isinstance(d, Tensor) and d.numel() == 0
        _check.floating(name, d.new_zeros(1) if no_interface else d)
    if min(dy.ndim, dx.ndim) < 2 or dx.shape != _dx_shape(dy) or not _cells(dy, dx):
        raise ValueError(
            f"drift must have shapes (..., H-1, W) and (..., H, W-1), "
            f"found {tuple(dy.shape)} and {tuple(dx.shape)}"
        )
    if dy.dtype != dx.dtype:
        raise TypeError(f"drift dy and dx must have the same dtype, found {dy.dtype}, {dx.dtype}")
    if dy.device != dx.device:
        raise ValueError(f"drift dy and dx must be on one device, found {dy.device}, {dx.device}")
    return dy, dx


def _dx_shape(dy: Tensor) -> torch.Size:
    return torch.Size((*dy.shape[:-2], dy.shape[-2] + 1, dy.shape[-1] - 1))


def _cells(dy: Tensor, dx: Tensor) -> int:
    return dy.shape[:-2].numel() * dx.shape[-2] * dy.shape[-1]


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
