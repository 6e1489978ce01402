r"""Orthonormal cosine transform and the Laplacian it diagonalises.

The DCT-II basis diagonalises the 5-point Laplacian with reflecting (Neumann) boundaries.
Every blurring process of this package is therefore a product in this basis.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, cast

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
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
    _check.dense(name, u)
    if u.ndim < 2:
        raise ValueError(f"{name} must have shape (..., H, W), found {tuple(u.shape)}")
    found = cosine_transform(u, inverse)
    # No weight of the first output is 0: it shows NaN and infinity, at no pass over the images.
    if not bool(found.detach()[..., 0, 0].isfinite().all()):
        _check.finite(name, u)
    return found


class _OrthonormalTransform(torch.autograd.Function):
    """The transform with its adjoint, so that SciPy's CPU kernel stays differentiable."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, inverse: bool) -> Tensor:
        ctx.inverse = inverse
        return _on_cpu(u, inverse) if u.device.type == "cpu" else _by_matrices(u, inverse)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return cosine_transform(gradients[0], not ctx.inverse), None


class _CosineFilter(torch.autograd.Function):
    """A symmetric operator, so that it is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        if u.device.type == "cpu":
            result = torch.empty(u.shape, dtype=u.dtype)
            _filter_on_cpu(u, factor, result, forward=True)
            return result
        return _by_matrices(_by_matrices(u, False).mul_(factor), True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return cosine_filter(gradients[0], *ctx.saved_tensors), None


cosine_transform = cast("Callable[[Tensor, bool], Tensor]", _OrthonormalTransform.apply)
"""``cosine_transform(u, inverse)`` without checks, for images that have been checked."""

cosine_filter = cast("Callable[[Tensor, Tensor], Tensor]", _CosineFilter.apply)
"""``cosine_filter(u, factor)`` is V diag(factor) V^T u, without checks; factor is (H, W)."""


def cosine_image(modes: Tensor, factor: Tensor, image: Tensor) -> None:
    """Write V diag(factor) modes to ``image``, which is contiguous. Without checks."""
    if modes.device.type == "cpu" and not modes.requires_grad:
        _filter_on_cpu(modes, factor, image, forward=False)
    else:
        image.copy_(cosine_transform(modes * factor, True))


def cosine_transition(
    modes: Tensor,
    factor: Tensor,
    noise: Tensor,
    deviation: Tensor,
    image: Tensor,
    state: Tensor,
) -> Tensor:
    """Return the modes factor * modes + deviation * V^T noise and write V times them to ``image``.

    Without checks. ``noise`` may be ``image`` itself; ``state``, room for the result, ``modes``.
    """
    if modes.device.type == "cpu" and not modes.requires_grad:
        _transition_on_cpu(modes, factor, noise, deviation, image, state)
        return state
    found = torch.addcmul(modes * factor, cosine_transform(noise, False), deviation)
    image.copy_(cosine_transform(found, True))
    return found


def _on_cpu(u: Tensor, inverse: bool) -> Tensor:
    transform = scipy.fft.idctn if inverse else scipy.fft.dctn
    workers = torch.get_num_threads()
    found = transform(u.detach().numpy(), axes=(-2, -1), norm="ortho", workers=workers)
    return torch.from_numpy(np.ascontiguousarray(found))


def _filter_on_cpu(u: Tensor, factor: Tensor, result: Tensor, *, forward: bool) -> None:
    given, target, weights = _stack(u), _stack(result), factor.numpy()

    def work(part: slice, workers: int) -> None:
        if forward:
            target[part] = given[part]
            _in_place(target[part], False, workers)
            target[part] *= weights
        else:
            np.multiply(given[part], weights, out=target[part])
        _in_place(target[part], True, workers)

    _over_images(work, given)


def _transition_on_cpu(
    modes: Tensor,
    factor: Tensor,
    noise: Tensor,
    deviation: Tensor,
    image: Tensor,
    state: Tensor,
) -> None:
    given, drawn, target, pixels = (_stack(u) for u in (modes, noise, state, image))
    weights, deviations = factor.numpy(), deviation.numpy()

    def work(part: slice, workers: int) -> None:
        np.multiply(given[part], weights, out=target[part])
        pixels[part] = drawn[part]
        _in_place(pixels[part], False, workers)
        pixels[part] *= deviations
        target[part] += pixels[part]
        pixels[part] = target[part]
        _in_place(pixels[part], True, workers)

    _over_images(work, given)


def _in_place(u: NDArray[Any], inverse: bool, workers: int) -> None:
    """Transform a contiguous stack of images without new memory."""
    transform = scipy.fft.idctn if inverse else scipy.fft.dctn
    found = transform(u, axes=(-2, -1), norm="ortho", overwrite_x=True, workers=workers)
    if not np.may_share_memory(found, u):  # SciPy may overwrite its argument, it need not
        u[...] = found


_CACHED = 2**18
"""Grey values of a chunk of images: 1 or 2 MiB, which stay in the cache of a core."""


def _stack(u: Tensor) -> NDArray[Any]:
    """View of a CPU tensor as one stack of images, (N, H, W); writes go through if contiguous."""
    return u.detach().numpy().reshape(-1, *u.shape[-2:])


def _over_images(work: Callable[[slice, int], None], stack: NDArray[Any]) -> None:
    """Run ``work(part, workers)`` over chunks of a stack of images, one chunk a thread.

    torch's own threads spin after every parallel loop and slow the transforms down that follow.
    So all work on the images of a chunk is done here, while they are in the cache.
    """
    threads, count = torch.get_num_threads(), len(stack)
    if count < 2 * threads or stack.size < 2**15:
        return work(slice(None), threads)
    rounds = -(-stack.size // (_CACHED * threads))
    chunk = -(-count // (rounds * threads))  # equal shares: no thread waits for the last chunk
    parts = [slice(start, start + chunk) for start in range(0, count, chunk)]
    for done in [_pool(threads).submit(work, part, 1) for part in parts]:
        done.result()
    return None


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="scalelib")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork


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
