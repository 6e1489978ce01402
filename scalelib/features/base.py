"""What all feature extractors have in common, and what a distance between features is called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, final

import torch
from torch import Tensor

from scalelib import _check

__all__ = ["FID_FEATURES", "FeatureExtractor", "distance_label"]

FID_FEATURES = "Inception v3 2015-12-05, clean"
"""Name of the features that make a Frechet distance an FID."""

Outside = Literal["raise", "clip", "keep"]
"""What happens to values outside of [-1, 1]."""

OUTSIDE: dict[str, str] = {"raise": "", "clip": ", clipped", "keep": ", unbounded"}
"""The same -> what the name of the features says about it."""


class FeatureExtractor(ABC):
    r"""Map from images to vectors, image by image.

    .. math:: (u_1, \dots, u_N) \mapsto (f(u_1), \dots, f(u_N)), \qquad
              u_n \in \mathbb R^{C \times H \times W},\ f(u_n) \in \mathbb R^d

    The map is deterministic and has no gradient. An image's features do not depend on the others
    in its batch, except for rounding.

    Parameters
    ----------
    name : str
        What the features are called; it tells everything that changes their values.
    dimension : int
        Number d of features.
    batch : int
        Number of images that are worked on together. It bounds the memory.

    Notes
    -----
    :class:`~scalelib.frechet.Moments` takes the name and the dimension, so that different features
    are never mixed: ``Moments(features.dimension, features.name)``.
    """

    def __init__(self, name: str, dimension: int, batch: int) -> None:
        self.name = name
        """Name of the features."""
        self.dimension = dimension
        """Number of features."""
        self.batch = _check.integer("batch", batch, low=1)
        """Number of images that are worked on together."""

    def __repr__(self) -> str:
        """Tell class, name and dimension."""
        return f"{type(self).__name__}(name={self.name!r}, dimension={self.dimension})"

    @final
    def __call__(self, images: Tensor) -> Tensor:
        """Return the features of images.

        Parameters
        ----------
        images : Tensor, shape (N, C, H, W), float32 or float64
            Images on any device; black is -1, white is 1.

        Returns
        -------
        Tensor, shape (N, d)
            Features, on the device of the images.

        Raises
        ------
        TypeError, ValueError
            If shape, dtype or values are not what the features are made for.
        """
        _check.dense("images", images)
        if images.ndim != 4:
            raise ValueError(f"images must have shape (N, C, H, W), found {tuple(images.shape)}")
        self._check_shape(images)
        with torch.no_grad():
            parts = torch.split(images, self.batch)
            return torch.cat([self._of_batch(_check.finite("images", u)) for u in parts])

    @abstractmethod
    def _check_shape(self, images: Tensor) -> None:
        """Raise unless the shape (N, C, H, W) is one that the features are made for."""

    @abstractmethod
    def _of_batch(self, images: Tensor) -> Tensor:
        """Return the features of one batch of finite images, on their device."""


def distance_label(features: str, *, kernel: bool = False) -> str:
    """Name of a distance between features: an FID only if the features allow it.

    Parameters
    ----------
    features : str
        Name of the features, as of a :class:`FeatureExtractor` or of
        :class:`~scalelib.frechet.Moments`.
    kernel : bool
        Whether it is the kernel distance, not the Frechet distance.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If ``features`` is no string.

    Examples
    --------
    >>> distance_label("EfficientNet-Lite0, stage 5")
    'Frechet distance (EfficientNet-Lite0, stage 5)'
    >>> distance_label(FID_FEATURES), distance_label(FID_FEATURES, kernel=True)
    ('FID', 'KID')
    """
    if not isinstance(features, str):
        raise TypeError(f"features must be a string, found {type(features).__name__}")
    if features == FID_FEATURES:
        return "KID" if kernel else "FID"
    if features == FID_FEATURES + OUTSIDE["clip"]:
        return "KID (clipped images)" if kernel else "FID (clipped images)"
    distance = "kernel distance" if kernel else "Frechet distance"
    return f"{distance} ({features})" if features else distance


def check_photographs(images: Tensor, smallest: int) -> None:
    """Raise unless images are grey or of three colours, and not too small for a network."""
    _, channels, height, width = images.shape
    if channels not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels, found {channels}")
    if min(height, width) < smallest:
        raise ValueError(
            f"images must have at least {smallest} x {smallest} pixels, found {height} x {width}"
        )


def in_range(images: Tensor, outside: Outside) -> Tensor:
    """Return images; if values lie outside of [-1, 1] raise, clip or keep them, as told."""
    if outside == "clip":
        return images.clamp(-1, 1)
    low, high = (float(bound) for bound in images.aminmax())
    if outside == "raise" and (low < -1 or high > 1):
        raise ValueError(
            f"images must lie in [-1, 1], found values from {low:.6g} to {high:.6g}; "
            "outside='clip' clips them as a screen does"
        )
    return images


def suffix(outside: Outside, allowed: tuple[Outside, ...]) -> str:
    """Return what the name of the features says about values outside of [-1, 1]."""
    if outside not in allowed:
        raise ValueError(f"outside must be one of {', '.join(allowed)}, found {outside!r}")
    return OUTSIDE[outside]
