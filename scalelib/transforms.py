r"""Orthonormal cosine transform and the Laplacian it diagonalises.

The DCT-II basis diagonalises the 5-point Laplacian with reflecting (Neumann) boundaries.
Every blurring process of this package is therefore a product in this basis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from scalelib import _check

__all__ = ["continuous_laplacian_eigenvalues", "dct2", "idct2", "laplacian_eigenvalues"]


def dct2(u: Tensor) -> Tensor:
    r"""Orthonormal DCT-II over the last two axes.

    .. math:: \hat u = V^\top u

    Parameters
    ----------
    u : Tensor, shape (..., H, W), float32 or float64
        Images in the pixel domain.

    Returns
    -------
    Tensor, shape (..., H, W)
        Coefficients, with dtype and device of ``u``. The transform keeps the Euclidean norm.

    Raises
    ------
    TypeError, ValueError
        If ``u`` is no floating-point tensor with at least two axes.

    Notes
    -----
    On the CPU this is :func:`scipy.fft.dctn`; elsewhere two products with the DCT matrix.
    Differentiable: the adjoint of an orthonormal transform is its inverse.
    Source: G. Strang, The discrete cosine transform, SIAM Review 41(1), 1999, Section 2.

    Examples
    --------
    >>> import torch
    >>> round(float(dct2(torch.ones(2, 2))[0, 0]), 6)
    2.0
    """
    return _transform("u", u, inverse=False)


def idct2(coefficients: Tensor) -> Tensor:
    r"""Inverse of :func:`dct2` over the last two axes.

    .. math:: u = V \hat u

    Parameters
    ----------
    coefficients : Tensor, shape (..., H, W), float32 or float64
        Coefficients in the orthonormal DCT-II basis.

    Returns
    -------
    Tensor, shape (..., H, W)
        Images in the pixel domain, with dtype and device of ``coefficients``.

    Raises
    ------
    TypeError, ValueError
        If ``coefficients`` is no floating-point tensor with at least two axes.

    Examples
    --------
    >>> import torch
    >>> u = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> torch.allclose(idct2(dct2(u)), u)
    True
    """
    return _transform("coefficients", coefficients, inverse=True)


def laplacian_eigenvalues(shape: Sequence[int]) -> Tensor:
    r"""Eigenvalues of minus the 5-point Neumann Laplacian with grid width 1.

    .. math:: \lambda_k = 4 - 2 \cos(\pi k_1 / H) - 2 \cos(\pi k_2 / W)

    Parameters
    ----------
    shape : (int, int)
        Height H and width W in pixels.

    Returns
    -------
    Tensor, shape (H, W), float64
        One eigenvalue per DCT-II mode, in [0, 8), in units of 1 / pixel^2.

    Raises
    ------
    ValueError
        If ``shape`` is no pair of positive integers.

    Notes
    -----
    Evaluated as :math:`4 \sin^2(\pi k_1 / 2H) + 4 \sin^2(\pi k_2 / 2W)`, which keeps full
    relative accuracy for low frequencies.

    Examples
    --------
    >>> laplacian_eigenvalues((1, 3))
    tensor([[0.0000, 1.0000, 3.0000]], dtype=torch.float64)
    """
    height, width = _check.image_shape("shape", shape)
    rows, columns = (
        4 * torch.sin(torch.arange(n, dtype=torch.float64) * (math.pi / (2 * n))) ** 2
        for n in (height, width)
    )
    return rows[:, None] + columns


def continuous_laplacian_eigenvalues(shape: Sequence[int]) -> Tensor:
    r"""Eigenvalues of minus the continuous Neumann Laplacian on [0, H] x [0, W].

    .. math:: \lambda_k = \pi^2 (k_1^2 / H^2 + k_2^2 / W^2)

    Parameters
    ----------
    shape : (int, int)
        Height H and width W in pixels.

    Returns
    -------
    Tensor, shape (H, W), float64
        One eigenvalue per DCT-II mode, in units of 1 / pixel^2.

    Raises
    ------
    ValueError
        If ``shape`` is no pair of positive integers.

    Notes
    -----
    The choice of Rissanen et al., Generative modelling with inverse heat dissipation,
    ICLR 2023, Section 2 and Appendix A. It agrees with :func:`laplacian_eigenvalues` to
    first order for low frequencies and exceeds it for all others.

    Examples
    --------
    >>> bool((continuous_laplacian_eigenvalues((8, 8)) >= laplacian_eigenvalues((8, 8))).all())
    True
    """
    height, width = _check.image_shape("shape", shape)
    rows, columns = (
        (torch.arange(n, dtype=torch.float64) * (math.pi / n)) ** 2 for n in (height, width)
    )
    return rows[:, None] + columns


def _transform(name: str, u: Tensor, *, inverse: bool) -> Tensor:
    _check.floating(name, u)
    if u.ndim < 2:
        raise ValueError(f"{name} must have shape (..., H, W), found {tuple(u.shape)}")
    return cosine_transform(u, inverse)


class _OrthonormalTransform(torch.autograd.Function):
    """The transform with its adjoint, so that SciPy's CPU kernel stays differentiable."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, inverse: bool) -> Tensor:
        ctx.inverse = inverse
        return _on_cpu(u, inverse) if u.device.type == "cpu" else _by_matrices(u, inverse)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return cosine_transform(gradients[0], not ctx.inverse), None


cosine_transform = cast("Callable[[Tensor, bool], Tensor]", _OrthonormalTransform.apply)
"""``cosine_transform(u, inverse)`` without checks, for images that have been checked."""


def _on_cpu(u: Tensor, inverse: bool) -> Tensor:
    transform = scipy.fft.idctn if inverse else scipy.fft.dctn
    workers = torch.get_num_threads()
    found = transform(u.detach().numpy(), axes=(-2, -1), norm="ortho", workers=workers)
    return torch.from_numpy(np.ascontiguousarray(found))


def _by_matrices(u: Tensor, inverse: bool) -> Tensor:
    rows, columns = (_dct_matrix(n, u.dtype, u.device) for n in u.shape[-2:])
    return rows.T @ (u @ columns) if inverse else rows @ (u @ columns.T)


@lru_cache(maxsize=16)
def _dct_matrix(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Rows are the n orthonormal DCT-II basis vectors."""
    k = torch.arange(n, dtype=torch.float64)
    matrix = torch.cos(k[:, None] * (2 * k + 1) * (math.pi / (2 * n))) * math.sqrt(2 / n)
    matrix[0] = math.sqrt(1 / n)
    return matrix.to(device, dtype)
