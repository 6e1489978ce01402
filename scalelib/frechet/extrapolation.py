"""Frechet distance for an infinite sample, extrapolated from several sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scalelib import _check
from scalelib.frechet.distance import frechet_distance
from scalelib.frechet.moments import Moments

__all__ = ["Extrapolation", "extrapolate"]


@dataclass(frozen=True)
class Extrapolation:
    """Straight line through squared Frechet distances over 1 / size of the sample."""

    value: float
    """Distance for an infinite sample: the intercept. It may be a little below 0."""
    slope: float
    """Bias times size of the sample."""
    residual: float
    """Largest distance of a measured value from the line; large if the line does not fit."""
    sizes: tuple[int, ...]
    """Sizes of the sample."""
    distances: tuple[float, ...]
    """Squared Frechet distance for each size."""


def extrapolate(
    x: Tensor, reference: Moments, sizes: int = 15, *, generator: torch.Generator
) -> Extrapolation:
    r"""Extrapolate the squared Frechet distance to an infinite sample.

    .. math:: d^2_N = d^2_\infty + \frac{s}{N} + o(1/N)

    Parameters
    ----------
    x : Tensor, shape (N, d), float32 or float64
        Features of the sample.
    reference : Moments
        Moments of the other sample. Its own bias stays in the value.
    sizes : int
        Number of sizes, at least 2: equally spaced from N / 10 to N.
    generator : torch.Generator
        Source of the order in which the sample is taken, on the CPU.

    Returns
    -------
    Extrapolation

    Raises
    ------
    TypeError, ValueError
        If ``x`` does not fit the reference, or there are fewer than ten vectors for each size.

    Notes
    -----
    Source: Chong and Forsyth, Effectively unbiased FID and Inception Score and where to find them,
    CVPR 2020, Section 4. The samples of all sizes are nested here, so that each vector is taken up
    once. The line asks for sizes well above the rank of the covariance.

    Examples
    --------
    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> x = torch.randn(4000, 8, generator=generator)
    >>> reference = Moments(8)
    >>> reference.update(torch.randn(200_000, 8, generator=generator))
    >>> found = extrapolate(x, reference, generator=generator)
    >>> abs(found.value) < found.distances[-1]  # less biased than all vectors together
    True
    """
    if _check.floating("x", x).ndim != 2:
        raise ValueError(f"x must have shape (N, d), found {tuple(x.shape)}")
    count = _check.integer("sizes", sizes, low=2)
    if len(x) < 10 * count:
        raise ValueError(f"x must hold ten vectors for each of {count} sizes, found {len(x)}")
    order = torch.randperm(len(x), generator=generator)
    ends = torch.linspace(len(x) / 10, len(x), count).round().long().tolist()
    growing, distances, taken = Moments(x.shape[1], reference.features), [], 0
    for end in ends:
        growing.update(x.detach().cpu()[order[taken:end]])
        distances.append(frechet_distance(growing, reference).value)
        taken = end
    inverse = 1 / torch.tensor(ends, dtype=torch.float64)
    values = torch.tensor(distances, dtype=torch.float64)
    design = torch.stack([torch.ones_like(inverse), inverse], dim=1)
    line = torch.linalg.lstsq(design, values[:, None]).solution
    residual = float((design @ line - values[:, None]).abs().max())
    return Extrapolation(float(line[0]), float(line[1]), residual, tuple(ends), tuple(distances))
