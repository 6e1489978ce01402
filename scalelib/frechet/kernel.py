"""Kernel distance of two samples of features: unbiased, with a standard error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scalelib import _check

__all__ = ["KernelDistance", "kernel_distance"]


@dataclass(frozen=True)
class KernelDistance:
    """Squared kernel distance (maximum mean discrepancy) of two samples."""

    value: float
    """Mean over the subsets. Unbiased, so that it may be negative."""
    standard_error: float
    """Standard error of the value, from the spread over the subsets."""
    subsets: int
    """Number of disjoint subsets of each sample."""
    sizes: tuple[int, int]
    """Size of a subset of each sample."""


def kernel_distance(
    x: Tensor, y: Tensor, *, subsets: int = 10, generator: torch.Generator
) -> KernelDistance:
    r"""Squared kernel distance with the cubic polynomial kernel.

    .. math:: \frac{1}{n(n-1)} \sum_{i \ne j} k(x_i, x_j)
              + \frac{1}{m(m-1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{nm} \sum_{i, j} k(x_i, y_j), \qquad
              k(x, y) = \Big(\frac{x^\top y}{d} + 1\Big)^3

    Parameters
    ----------
    x, y : Tensor, shape (N, d) and (M, d), float32 or float64
        Features.
    subsets : int
        Number of disjoint random subsets that each sample is divided into, at least 2.
    generator : torch.Generator
        Source of the division, on the CPU.

    Returns
    -------
    KernelDistance
        With the features of the standard Inception network it is the KID.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, or a subset would have fewer than two vectors.

    Notes
    -----
    Source: Binkowski, Sutherland, Arbel and Gretton, Demystifying MMD GANs, ICLR 2018, Section 4.
    The subsets there overlap; here they are disjoint, hence independent, and the standard error
    is that of the value. The rest of a division is left out. Computes in float64.

    Examples
    --------
    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> x = torch.randn(200, 3, generator=generator)
    >>> found = kernel_distance(x, x + 1, generator=generator)
    >>> found.value > 5 * found.standard_error
    True
    """
    for name, features in (("x", x), ("y", y)):
        if _check.floating(name, features).ndim != 2:
            raise ValueError(f"{name} must have shape (N, d), found {tuple(features.shape)}")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y must have the same d, found {x.shape[1]} and {y.shape[1]}")
    smallest = min(len(x), len(y))
    subsets = _check.integer("subsets", subsets, low=2)
    if smallest < 2 * subsets:
        raise ValueError(
            f"subsets must leave two vectors in each, found {subsets} subsets of {smallest} vectors"
        )
    parts = [_divide(features, subsets, generator) for features in (x, y)]
    found = torch.stack([_unbiased(a, b) for a, b in zip(*parts, strict=True)])
    error = float(found.std()) / subsets**0.5
    sizes = (len(parts[0][0]), len(parts[1][0]))
    return KernelDistance(float(found.mean()), error, subsets, sizes)


def _divide(x: Tensor, subsets: int, generator: torch.Generator) -> list[Tensor]:
    size = len(x) // subsets
    order = torch.randperm(len(x), generator=generator)[: size * subsets]
    return list(x.detach().cpu().double()[order].view(subsets, size, -1).unbind())


def _unbiased(x: Tensor, y: Tensor) -> Tensor:
    n, m = len(x), len(y)
    within_x, within_y = (_kernel(z, z).fill_diagonal_(0).sum() for z in (x, y))
    return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * _kernel(x, y).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1).pow(3)
