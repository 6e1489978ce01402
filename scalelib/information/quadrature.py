"""Entropies of mixtures in one and two dimensions by numerical integration."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from scalelib import _check
from scalelib.information.densities import Mixture, mixture

__all__ = ["entropy_by_quadrature", "relative_entropy_by_quadrature"]

_REACH = 10
"""Deviations around a mean that are integrated over; beyond lies a mass of 2e-23."""
_NODES, _WEIGHTS = (torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(20))
_LENGTH = 8
"""Longest side of a first box, in deviations of each component that it meets."""
_SPLIT = 0.45
"""Where a side is split: not in the middle, so that a kink of ln q in a centre of symmetry does not
hide between boxes of every size."""
_WORK = 2**26
"""What one round of refinement may cost, in exponentials."""
_CHUNK = 2**21
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
    The line or plane is split into boxes no longer than 8 deviations of the components they meet.
    Gauss-Legendre quadrature with 20 nodes per axis on each box is compared with that on its parts,
    which replaces it. Boxes whose value changes are refined further, until all changes together are
    below the tolerance in every round (or 1e-14 of the value). Components farther than 10
    deviations are left out of p. The density has to integrate to 1.

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
    """Integral of p ln p for one density p, of p ln(p/q) for two, on smaller and smaller boxes."""
    tolerance = _check.number("tolerance", tolerance, low=0)
    if densities[0].dimension > 2:
        raise ValueError(f"density must have dimension 1 or 2, found {densities[0].dimension}")
    boxes = _first_boxes(densities)
    values = _integrals(densities, boxes)
    total = values.new_zeros(2)
    while len(boxes):
        parts = 2 ** boxes.shape[1]
        for k in range(boxes.shape[1]):
            boxes = _split(boxes, k)
        finer = _integrals(densities, boxes)
        sums = finer.view(-1, parts, 2).sum(dim=1)
        allowed = (1e-14 * sums.abs()).clamp(min=tolerance / len(sums))
        done = ((sums - values).abs() <= allowed).all(dim=1)
        total += sums[done].sum(dim=0)
        open_parts = (~done).repeat_interleave(parts)
        boxes, values = boxes[open_parts], finer[open_parts]
    mass, found = total.tolist()
    if abs(mass - 1) > max(tolerance, 1e-12):
        raise RuntimeError(f"the density integrates to {mass!r} on the boxes around its means")
    return float(found)


def _first_boxes(densities: tuple[Mixture, ...]) -> Tensor:
    """Boxes (n, d, 2) where the first density lives, small enough for all components they meet."""
    means = torch.cat([density.means for density in densities])
    deviations = torch.cat([x.variances.expand_as(x.means) for x in densities]).sqrt()
    low, high = means - _REACH * deviations, means + _REACH * deviations
    if not bool(((low < means) & (means < high)).all()):
        raise ValueError(
            "variances must be positive for a density and above the spacing of the doubles at the "
            f"means, found {float(deviations.square().min()):g}"
        )
    own = slice(len(densities[0].means))
    boxes = torch.stack([low[own].amin(dim=0), high[own].amax(dim=0)], dim=1)[None]
    while True:
        if len(boxes) * means.numel() > _WORK // 8:
            raise ValueError(
                f"variances must be resolved by fewer boxes, found {len(means)} components with "
                f"variances down to {float(deviations.square().min()):g}"
            )
        left, right = boxes[:, None, :, 0], boxes[:, None, :, 1]
        met = ((left < high) & (right > low)).all(dim=2)
        finest = torch.where(met[:, :, None], deviations, math.inf).amin(dim=1)
        coarse = boxes[:, :, 1] - boxes[:, :, 0] > _LENGTH * finest
        needed = met[:, own].any(dim=1)
        boxes, coarse = boxes[needed], coarse[needed]
        if not bool(coarse.any()):
            return boxes
        for k in range(boxes.shape[1]):
            marked = coarse[:, k]
            boxes = torch.cat([boxes[~marked], _split(boxes[marked], k)])
            coarse = torch.cat([coarse[~marked], coarse[marked].repeat_interleave(2, dim=0)])


def _split(boxes: Tensor, k: int) -> Tensor:
    """Split each box along axis k into two neighbours."""
    left, right = boxes[:, k, 0], boxes[:, k, 1]
    parts = boxes.repeat_interleave(2, dim=0)
    parts[0::2, k, 1] = parts[1::2, k, 0] = left + _SPLIT * (right - left)
    return parts


def _integrals(densities: tuple[Mixture, ...], boxes: Tensor) -> Tensor:
    """Mass of p, and the integral of p ln p or p ln(p/q), on each box: shape (n, 2)."""
    own, *others = (density.means.numel() for density in densities)
    nodes = len(_NODES) ** boxes.shape[1]
    if len(boxes) * (own + len(_NODES) * sum(others) + 8 * nodes) > _WORK:
        raise ValueError(
            f"tolerance must be attainable, found one that needs {len(boxes)} boxes of {nodes} "
            f"points for {sum(len(x.means) for x in densities)} components: loosen it, or sample"
        )
    rows = max(1, _CHUNK // (len(_NODES) * max(own, *others, 0) + nodes))
    return torch.cat([_integral(densities, part) for part in torch.split(boxes, rows)])


def _integral(densities: tuple[Mixture, ...], boxes: Tensor) -> Tensor:
    half = (boxes[:, :, 1] - boxes[:, :, 0]) / 2
    weights = _outer([half[:, k, None] * _WEIGHTS for k in range(boxes.shape[1])])
    # Start of a box and offset from it: their sum would lose the digits of small deviations.
    start, offset = boxes[:, :, 0], half[:, :, None] * (1 + _NODES)
    p = _density(_nearby(densities[0], boxes), start, offset)
    terms = torch.special.xlogy(p, p)
    if len(densities) == 2:
        terms -= p * _log_density(densities[1], start, offset, p > 0)
    return torch.stack([(weights * x).flatten(1).sum(dim=1) for x in (p, terms)], dim=1)


def _components(density: Mixture) -> tuple[Tensor, Tensor, Tensor]:
    """Means and variances (K, d), and weights (K,)."""
    variances = density.variances.expand_as(density.means)
    return density.means, variances, density.log_weights.exp()


def _nearby(density: Mixture, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Components that reach into each box, filled up with others: (n, J, d), (n, J, d), (n, J)."""
    means, variances, weights = _components(density)
    reach = _REACH * variances.sqrt()
    left, right = boxes[:, None, :, 0], boxes[:, None, :, 1]
    met = ((left < means + reach) & (right > means - reach)).all(dim=2)
    chosen = met.double().topk(int(met.sum(dim=1).max()), dim=1).indices
    return means[chosen], variances[chosen], weights[chosen]


def _outer(factors: list[Tensor]) -> Tensor:
    """Product of one vector per axis on the nodes of each box."""
    return factors[0] if len(factors) == 1 else factors[0][:, :, None] * factors[1][:, None]


def _density(components: tuple[Tensor, Tensor, Tensor], start: Tensor, offset: Tensor) -> Tensor:
    """Density on the nodes of each box, shape (n, 20) or (n, 20, 20)."""
    means, variances, weights = components
    factors = []
    for k in range(start.shape[1]):
        gaps = (start[:, k, None] - means[..., k])[:, :, None] + offset[:, None, k]
        variance = variances[..., k, None]
        factors.append((-gaps.square() / variance / 2).exp() / (2 * math.pi * variance).sqrt())
    first = factors[0] * weights[..., None]
    # A diagonal Gaussian is a product: the sum over components is a product of matrices.
    return first.mT @ factors[1] if len(factors) == 2 else first.sum(dim=1)


def _log_density(density: Mixture, start: Tensor, offset: Tensor, needed: Tensor) -> Tensor:
    """Logarithm of a density on the nodes, in log-space where its value underflows and matters."""
    value = _density(_components(density), start, offset)
    log = value.log().where(needed, 0.0)
    lost = needed & (value < 1e-290)
    if bool(lost.any()):
        nodes = start[:, :, None] + offset
        axes = [nodes[:, 0, :, None], nodes[:, 1, None]] if value.ndim == 3 else [nodes[:, 0]]
        points = torch.stack([x.expand_as(value)[lost] for x in axes], dim=1)
        log[lost] = density.log_density(points)
    return log
