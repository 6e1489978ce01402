"""Distances that are updated batch by batch: update, compute, merge, reset."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.frechet.distance import FrechetDistance, frechet_distance
from scalelib.frechet.kernel import KernelDistance, kernel_distance
from scalelib.frechet.moments import Moments

__all__ = ["FrechetMetric", "KernelMetric"]


@final
class FrechetMetric:
    """Frechet distance of two samples that arrive in batches.

    Parameters
    ----------
    dimension : int
        Number d of features.
    features : str
        Name of the features.

    Examples
    --------
    >>> import torch
    >>> metric = FrechetMetric(1)
    >>> metric.update(torch.tensor([[0.0], [2.0]]), reference=True)
    >>> metric.update(torch.tensor([[3.0], [7.0]]), reference=False)
    >>> round(metric.compute().value, 6)
    18.0
    """

    def __init__(self, dimension: int, features: str = "") -> None:
        self.reference = Moments(dimension, features)
        self.sample = Moments(dimension, features)

    def update(self, x: Tensor, *, reference: bool) -> None:
        """Take up features (n, d), of the reference or of the sample that is compared with it."""
        (self.reference if reference else self.sample).update(x)

    def merge(self, other: FrechetMetric) -> None:
        """Take up all that another metric has seen."""
        self.reference.merge(other.reference)
        self.sample.merge(other.sample)

    def compute(self) -> FrechetDistance:
        """Return the distance; raise if a side has fewer than two vectors."""
        return frechet_distance(self.reference, self.sample)

    def reset(self) -> None:
        """Forget everything."""
        for name in ("reference", "sample"):
            setattr(self, name, Moments(self.sample.dimension, self.sample.features))


@final
class KernelMetric:
    """Kernel distance of two samples that arrive in batches. It keeps all features.

    Parameters
    ----------
    dimension : int
        Number d of features.
    subsets : int
        Number of disjoint subsets for the standard error.
    seed : int
        Seed of the division into subsets.

    Examples
    --------
    >>> import torch
    >>> metric = KernelMetric(2, subsets=2)
    >>> metric.update(torch.eye(2).repeat(4, 1), reference=True)
    >>> metric.update(torch.eye(2).repeat(4, 1), reference=False)
    >>> metric.compute().sizes
    (4, 4)
    """

    def __init__(self, dimension: int, subsets: int = 10, seed: int = 0) -> None:
        self.dimension = _check.integer("dimension", dimension, low=1)
        self.subsets = _check.integer("subsets", subsets, low=2)
        self.seed = _check.integer("seed", seed, low=0)
        self.reset()

    def update(self, x: Tensor, *, reference: bool) -> None:
        """Take up features (n, d), of the reference or of the sample that is compared with it."""
        x = _check.floating("x", x)
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ValueError(f"x must have shape (n, {self.dimension}), found {tuple(x.shape)}")
        (self._reference if reference else self._sample).append(x.detach().cpu().double().clone())

    def merge(self, other: KernelMetric) -> None:
        """Take up all that another metric has seen."""
        if other.dimension != self.dimension:
            expected, found = self.dimension, other.dimension
            raise ValueError(f"other must have the dimension {expected}, found {found}")
        self._reference += other._reference
        self._sample += other._sample

    def compute(self) -> KernelDistance:
        """Return the distance; raise if a side has fewer than two vectors for each subset."""
        empty = torch.empty(0, self.dimension, dtype=torch.float64)
        sides = (torch.cat([empty, *side]) for side in (self._reference, self._sample))
        generator = torch.Generator().manual_seed(self.seed)
        return kernel_distance(*sides, subsets=self.subsets, generator=generator)

    def reset(self) -> None:
        """Forget everything."""
        self._reference: list[Tensor] = []
        self._sample: list[Tensor] = []
