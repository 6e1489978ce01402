"""Entropies of mixtures in one and two dimensions by numerical integration."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from scalelib import _check
from scalelib.information.densities import Mixture, mixture

__all__ = ["entropy_by_quadrature", "relative_entropy_by_quadrature"]

_REACH = 10
"""Deviations around a mean that are integrated over; beyond lies a mass of 2e-23."""
_NODES, _WEIGHTS = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(10))
_POINTS, _PRODUCTS, _EXPONENTIALS = 2**26, 2**35, 2**27
"""Points of a grid at most, and what may be computed on it: some seconds each."""
_CHUNK = 2**22
"""Numbers per array that are held in memory at once."""


def entropy_by_quadrature(density: Mixture, *, tolerance: float = 1e-10) -> float:
    r"""Differential entropy :math:`-\int p \ln p` of a mixture in one or two dimensions, in nats.

    Parameters
    ----------
    density : Mixture, dimension 1 or 2
        Its variances must be positive; they may differ by many orders of magnitude.
    tolerance : float
        Absolute error allowed, in nats, positive.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If the dimension is above 2, there is no density, or the tolerance needs too fine a grid:
        then loosen it or use :func:`entropy_by_sampling`.

    Notes
    -----
    Gauss-Legendre quadrature with 10 nodes on panels that are as narrow as the components they
    meet. All panels are halved until the value changes by less than the tolerance, so that the
    error of the value returned is far below it; the density must integrate to 1 as well. In two
    dimensions a diagonal Gaussian is a product: the density on the whole grid is one product of
    matrices.

    Examples
    --------
    >>> import torch
    >>> one = Mixture(torch.zeros(1, 1).double(), torch.ones(1).double())
    >>> round(entropy_by_quadrature(one), 9)
    1.418938533
    """
    return -_refined((mixture("density", density),), tolerance)


def relative_entropy_by_quadrature(p: Mixture, q: Mixture, *, tolerance: float = 1e-10) -> float:
    r"""Relative entropy :math:`\int p \ln(p/q)` of two mixtures in one or two dimensions, in nats.

    Parameters
    ----------
    p, q : Mixture, dimension 1 or 2
        Their variances must be positive.
    tolerance : float
        Absolute error allowed, in nats, positive.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If dimensions differ or are above 2, a density is missing, or the tolerance needs too fine
        a grid, see :func:`entropy_by_quadrature`.

    Examples
    --------
    >>> import torch
    >>> one = torch.ones(1).double()
    >>> p, q = Mixture(one.view(1, 1), one), Mixture(0 * one.view(1, 1), one)
    >>> round(relative_entropy_by_quadrature(p, q), 9)
    0.5
    """
    if mixture("p", p).dimension != mixture("q", q).dimension:
        raise ValueError(
            f"p and q must have the same dimension, found {p.dimension} and {q.dimension}"
        )
    return _refined((p, q), tolerance)


def _refined(densities: tuple[Mixture, ...], tolerance: float) -> float:
    """Integral of p ln p for one density p, of p ln(p/q) for two, on finer and finer grids."""
    tolerance = _check.number("tolerance", tolerance, low=0)
    if densities[0].dimension > 2:
        raise ValueError(f"density must have dimension 1 or 2, found {densities[0].dimension}")
    if any(bool((density.variances == 0).any()) for density in densities):
        raise ValueError("variances must be positive for a density, found 0")
    components = sum(len(density.means) for density in densities)
    width, value, change = 2.0, math.inf, math.inf
    while True:
        axes = [_axis(densities, k, width) for k in range(densities[0].dimension)]
        sizes = [len(nodes) for nodes, _ in axes]
        if (
            math.prod(sizes) > min(_POINTS, _PRODUCTS // components)
            or sum(sizes) * components > _EXPONENTIALS
        ):
            raise ValueError(
                f"tolerance {tolerance:g} must be attainable in reasonable time, found a last "
                f"change of {change:.1e} and {components} components on a grid of {sizes} points"
            )
        mass, found = _integral(densities, axes)
        change = max(abs(found - value), abs(mass - 1))
        if change <= tolerance:
            return found
        width, value = width / 2, found


def _axis(densities: tuple[Mixture, ...], k: int, width: float) -> tuple[Tensor, Tensor]:
    """Nodes and weights on axis k, on panels of at most ``width`` deviations of each component."""
    means = torch.cat([density.means[:, k] for density in densities])
    deviations = torch.cat(
        [density.variances.expand_as(density.means)[:, k] for density in densities]
    ).sqrt()
    low, high = means - _REACH * deviations, means + _REACH * deviations
    own = len(densities[0].means)
    panels = torch.stack([low[:own].min(), high[:own].max()]).view(1, 2)
    finished = []
    while len(panels):
        left, right = panels[:, :1], panels[:, 1:]
        met = (left < high) & (right > low)
        finest = torch.where(met, deviations, math.inf).amin(dim=1)
        needed = met[:, :own].any(dim=1)
        coarse = (right - left).squeeze(1) > width * finest
        finished.append(panels[needed & ~coarse])
        left, right = left[needed & coarse], right[needed & coarse]
        middle = (left + right) / 2
        if bool((middle <= left).any()) or len(middle) * len(means) > 4 * _CHUNK:
            raise ValueError(
                "variances must be resolved by a grid between the means, found minimum "
                f"{float(deviations.square().min()):g} for means from {float(means.min()):g} to "
                f"{float(means.max()):g}"
            )
        panels = torch.cat([torch.cat([left, middle], 1), torch.cat([middle, right], 1)])
    left, right = torch.cat(finished).unsqueeze(2).unbind(1)
    nodes, weights = (left + right + (right - left) * _NODES) / 2, (right - left) / 2 * _WEIGHTS
    return nodes.flatten(), weights.flatten()


def _integral(
    densities: tuple[Mixture, ...], axes: list[tuple[Tensor, Tensor]]
) -> tuple[float, float]:
    """Mass of p, and the integral of p ln p or p ln(p/q), on a grid."""
    mass = total = 0.0
    for weights, points, values in _grid(densities, axes):
        p = values[0]
        terms = torch.special.xlogy(p, p)
        if len(densities) == 2:
            terms -= p * _log(densities[1], values[1], points, p > 0)
        mass += float((weights * p).sum())
        total += float((weights * terms).sum())
    return mass, total


def _log(density: Mixture, value: Tensor, points: list[Tensor], needed: Tensor) -> Tensor:
    """Logarithm of a density, in log-space where its value underflows and is needed."""
    log = value.log().where(needed, 0.0)
    lost = needed & (value < 1e-290)
    if bool(lost.any()):
        grid = torch.meshgrid(*points, indexing="ij")
        log[lost] = density.log_density(torch.stack([axis[lost] for axis in grid], dim=1))
    return log


def _grid(
    densities: tuple[Mixture, ...], axes: list[tuple[Tensor, Tensor]]
) -> Iterator[tuple[Tensor, list[Tensor], list[Tensor]]]:
    """Weights, coordinates and densities on the grid, a chunk of its rows at a time."""
    (x, row_weights), *others = axes
    width = max(*(len(density.means) for density in densities), *(len(y) for y, _ in others), 1)
    height = max(1, _CHUNK // width)
    for rows, parts in zip(torch.split(x, height), torch.split(row_weights, height), strict=True):
        values = []
        for density in densities:
            found = density.log_weights.exp()[:, None] * _factors(density, 0, rows)
            # A diagonal Gaussian is a product: sums over components are a product of matrices.
            columns = [_factors(density, 1, y) for y, _ in others]
            values.append(found.T @ columns[0] if columns else found.sum(dim=0))
        weights = torch.outer(parts, others[0][1]) if others else parts
        yield weights, [rows, *(y for y, _ in others)], values


def _factors(density: Mixture, k: int, x: Tensor) -> Tensor:
    """Gaussian densities (K, len(x)) of coordinate k of each component."""
    variance = density.variances.expand_as(density.means)[:, k, None]
    squares = (x - density.means[:, k, None]).square() / variance
    return (-squares / 2).exp() / (2 * math.pi * variance).sqrt()
