"""Pixels and cosine coefficients as features: distances with closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

from torch import Tensor

from scalelib import _check
from scalelib.features.base import FeatureExtractor
from scalelib.transforms import dct2

__all__ = ["CosineFeatures", "PixelFeatures"]


@final
class PixelFeatures(FeatureExtractor):
    r"""The grey values themselves.

    .. math:: f(u) = u \in \mathbb R^{CHW}

    Parameters
    ----------
    shape : tuple of three int
        Shape (C, H, W) of an image.
    batch : int
        Number of images that are worked on together.

    Raises
    ------
    TypeError, ValueError
        If ``shape`` does not hold three positive integers.

    Notes
    -----
    Any finite values are accepted, and the features have the dtype of the images. The squared
    Frechet distance of these features is a sum over pixels, not a mean, in the squared unit of
    the grey values. For Gaussian images it is the squared 2-Wasserstein distance of their laws,
    :func:`~scalelib.information.gaussian_wasserstein`.

    Examples
    --------
    >>> import torch
    >>> PixelFeatures((1, 2, 2))(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    tensor([[1., 2., 3., 4.]])
    """

    def __init__(self, shape: Sequence[int], *, batch: int = 256) -> None:
        self.shape = _shape(shape)
        """Shape (C, H, W) of an image."""
        super().__init__(f"pixels {_text(self.shape)}", math.prod(self.shape), batch)

    def _check_shape(self, images: Tensor) -> None:
        _same_shape(images, self.shape)

    def _of_batch(self, images: Tensor) -> Tensor:
        return images.flatten(1)


@final
class CosineFeatures(FeatureExtractor):
    r"""Coefficients of the lowest frequencies in the orthonormal cosine basis.

    .. math:: f(u) = (\hat u_k)_{k_1, k_2 < n}, \qquad \hat u = V^\top u

    Parameters
    ----------
    shape : tuple of three int
        Shape (C, H, W) of an image.
    lowest : int or None
        Number n of frequencies along each axis, C n^2 features; None takes all of them.
    batch : int
        Number of images that are worked on together.

    Raises
    ------
    TypeError, ValueError
        If ``shape`` does not hold three positive integers, or ``lowest`` is not in 1..min(H, W).

    Notes
    -----
    As :class:`PixelFeatures`. The basis is orthonormal, so that all coefficients have the same
    distance as the pixels. Every blurring process of this package is diagonal in this basis.

    Examples
    --------
    >>> import torch
    >>> mean = CosineFeatures((1, 2, 2), lowest=1)(torch.ones(1, 1, 2, 2))
    >>> round(float(mean), 6)  # mean times sqrt(H W)
    2.0
    """

    def __init__(
        self, shape: Sequence[int], lowest: int | None = None, *, batch: int = 256
    ) -> None:
        self.shape = _shape(shape)
        """Shape (C, H, W) of an image."""
        channels, height, width = self.shape
        name, count = f"cosine {_text(self.shape)}", math.prod(self.shape)
        if lowest is not None:
            lowest = _check.integer("lowest", lowest, low=1, high=min(height, width))
            name, count = f"{name}, lowest {lowest} x {lowest}", channels * lowest**2
        self.lowest = lowest
        """Number of frequencies along each axis."""
        super().__init__(name, count, batch)

    def _check_shape(self, images: Tensor) -> None:
        _same_shape(images, self.shape)

    def _of_batch(self, images: Tensor) -> Tensor:
        return dct2(images)[..., : self.lowest, : self.lowest].flatten(1)


def _shape(shape: Sequence[int]) -> tuple[int, int, int]:
    if isinstance(shape, str | bytes) or not isinstance(shape, Sequence) or len(shape) != 3:
        raise ValueError(f"shape must hold C, H and W, found {shape!r}")
    channels, height, width = (_check.integer(f"shape[{j}]", n, low=1) for j, n in enumerate(shape))
    return channels, height, width


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _same_shape(images: Tensor, shape: tuple[int, int, int]) -> None:
    if tuple(images.shape[1:]) != shape:
        raise ValueError(
            f"images must have shape (N, {', '.join(map(str, shape))}), found {tuple(images.shape)}"
        )
