"""How much a Frechet distance depends on the choice of the images."""

from __future__ import annotations

import torch
from torch import Tensor

from scalelib import _check

__all__ = ["frechet_standard_error"]


def frechet_standard_error(x: Tensor, y: Tensor, groups: Tensor | None = None) -> float:
    r"""Return the standard error of the squared Frechet distance of paired samples.

    .. math:: s^2 = \frac{G}{G - 1} \frac{1}{N^2} \sum_{g=1}^{G} \Big( \sum_{j \in g} \psi_j \Big)^2

    Parameters
    ----------
    x, y : Tensor, shape (N, d), float32 or float64
        Features; rows with the same number belong to the same image, N >= 3.
    groups : Tensor, shape (N,), integers, or None
        Images of one group, such as the crops of one photograph, are not taken for independent;
        two groups or more. None makes each image a group.

    Returns
    -------
    float
        In the unit of the squared distance.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.

    Notes
    -----
    The infinitesimal jackknife. With deviations :math:`a_j, b_j` of the features from their
    means and the thin decompositions :math:`A = Q R`, :math:`B = P S` of the matrices with these
    rows, let :math:`R S^\top / (N - 1) = U \Sigma V^\top`. The influence of image j is

    .. math:: \psi_j = 2 (\mu_x - \mu_y)^\top (a_j - b_j) + |a_j|^2 + |b_j|^2
              - (N - 1) \sum_k \Sigma_k \big( (QU)_{jk}^2 + (PV)_{jk}^2 \big) - \text{mean},

    since :math:`a^\top T a`, with the optimal map T between the Gaussians, is the derivative of
    twice the nuclear norm by the covariance. No matrix is inverted, so that there may be fewer
    images than features. The derivation is ours; the method is that of Jaeckel, The infinitesimal
    jackknife, Bell Laboratories, 1972. It knows the spread around the expectation and not the
    upward bias of small samples; where both samples have one law the influences vanish to first
    order and the error is too small.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> x = torch.randn(2000, 1, generator=generator)
    >>> error = frechet_standard_error(x, 3 * x + 1)  # of (2 mu + 1)^2 + 4 s^2, mu = 0, s = 1
    >>> 0.8 < error / (48 / 2000) ** 0.5 < 1.2  # its variance is (16 + 32) / N
    True
    """
    _check_pairs(x, y)
    influence = _influence(x.detach().cpu().double(), y.detach().cpu().double())
    sums = influence if groups is None else _sums(influence, groups)
    share = len(sums) / (len(sums) - 1)
    return float((share * sums.square().sum()).sqrt()) / len(x)


def _check_pairs(x: Tensor, y: Tensor) -> None:
    for name, rows in (("x", x), ("y", y)):
        _check.finite(name, _check.floating(name, rows))
        if rows.ndim != 2 or len(rows) < 3:
            raise ValueError(f"{name} must have shape (N, d), N >= 3, found {tuple(rows.shape)}")
    if x.shape != y.shape:
        raise ValueError(
            f"y must have the shape of x, {tuple(x.shape)}, found {tuple(y.shape)}: rows are pairs"
        )


def _influence(x: Tensor, y: Tensor) -> Tensor:
    """Return the influence of each image on the squared distance, with mean zero."""
    a, b = x - x.mean(dim=0), y - y.mean(dim=0)
    shift = x.mean(dim=0) - y.mean(dim=0)
    (q, r), (p, s) = torch.linalg.qr(a), torch.linalg.qr(b)
    u, sigma, vt = torch.linalg.svd(r @ s.T / (len(x) - 1), full_matrices=False)
    mapped = ((q @ u).square() + (p @ vt.T).square()) @ sigma
    found = 2 * (a - b) @ shift + a.square().sum(dim=1) + b.square().sum(dim=1)
    found -= (len(x) - 1) * mapped
    return found - found.mean()


def _sums(influence: Tensor, groups: Tensor) -> Tensor:
    """Sum the influences of each group."""
    if not isinstance(groups, Tensor) or groups.is_floating_point() or groups.is_complex():
        raise TypeError("groups must be a tensor of integers")
    if groups.shape != influence.shape:
        raise ValueError(
            f"groups must have shape {tuple(influence.shape)}, found {tuple(groups.shape)}"
        )
    names, numbers = torch.unique(groups.cpu(), return_inverse=True)
    if len(names) < 2:
        raise ValueError("groups must be two or more, found 1")
    return torch.zeros(len(names), dtype=influence.dtype).index_add_(0, numbers, influence)
