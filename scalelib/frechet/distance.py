"""Frechet distance of two samples of features through the symmetric form of the trace."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scalelib.frechet.moments import Moments, check_same_features

__all__ = ["FrechetDistance", "frechet_distance"]

TRUSTED = 1e-10
"""Rounding of the fast eigenvalues that is let pass, relative to both traces together."""

NEGATIVE = 1e-8
"""Negative distance that counts as rounding, relative to both traces together."""


@dataclass(frozen=True)
class FrechetDistance:
    """Squared Frechet distance of two Gaussians with the moments of two samples, and its parts."""

    value: float
    """Squared distance, not negative, in the squared unit of the features."""
    mean_term: float
    """Squared distance of the means."""
    covariance_term: float
    """Distance of the covariances as computed; rounding may leave it a little below 0."""
    clipped: float
    """What was added to make the value nonnegative; 0 in almost all cases."""
    counts: tuple[int, int]
    """Sizes of both samples. The distance is biased upward by about 1 / size."""


def frechet_distance(one: Moments, other: Moments) -> FrechetDistance:
    r"""Squared Frechet distance of two samples.

    .. math:: d^2 = |\mu_1 - \mu_2|^2 + \mathrm{tr}\, C_1 + \mathrm{tr}\, C_2
              - 2\, \big\| F_1 F_2^\top \big\|_*, \qquad C_k = F_k^\top F_k

    Parameters
    ----------
    one, other : Moments
        Moments of the same features, of at least two vectors each.

    Returns
    -------
    FrechetDistance
        Its name says nothing about the features: only those of the standard Inception network
        make it an FID.

    Raises
    ------
    TypeError, ValueError
        If the features differ, there are too few vectors, or a covariance is not positive
        semidefinite beyond rounding.

    Notes
    -----
    Sources: Dowson and Landau, The Fréchet distance between multivariate normal distributions,
    Journal of Multivariate Analysis 12(3), 1982; Heusel et al., GANs trained by a two time-scale
    update rule converge to a local Nash equilibrium, NeurIPS 2017. The nuclear norm
    :math:`\|\cdot\|_*` (sum of singular values) replaces the trace of
    :math:`(C_1 C_2)^{1/2}`: no root of a matrix, and no imaginary part. The product has as many
    rows and columns as the samples have vectors, if these are fewer than features.

    The singular values are roots of eigenvalues where these are safe from rounding, else a
    singular value decomposition finds them, in about three times the time.

    Examples
    --------
    >>> import torch
    >>> one, other = Moments(1), Moments(1)
    >>> one.update(torch.tensor([[0.0], [2.0]]))
    >>> other.update(torch.tensor([[3.0], [7.0]]))
    >>> round(frechet_distance(one, other).value, 6)  # (5 - 1)^2 + (sqrt 8 - sqrt 2)^2
    18.0
    """
    check_same_features(one, other)
    traces = one.trace() + other.trace()
    means = float((one.mean() - other.mean()).square().sum())
    product, rest = _product(one, other)
    covariances = traces - 2 * nuclear_norm(product, TRUSTED * traces)
    found = means + covariances
    if found < -(NEGATIVE * traces + abs(rest)):
        raise ValueError(f"moments must lead to a nonnegative distance, found {found:.6g}")
    clipped = max(0.0, -found)
    return FrechetDistance(found + clipped, means, covariances, clipped, (one.count, other.count))


def _product(one: Moments, other: Moments) -> tuple[Tensor, float]:
    (first, lost), (second, gone) = one.factor(), other.factor()
    return first @ second.T, lost + gone


def nuclear_norm(matrix: Tensor, tolerance: float) -> float:
    """Sum of the singular values of a matrix, to an absolute tolerance.

    Parameters
    ----------
    matrix : Tensor, shape (m, n), float64
        Any matrix.
    tolerance : float
        Error that is let pass; the smallest is that of a singular value decomposition.

    Returns
    -------
    float
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    squares = torch.linalg.eigvalsh(wide @ wide.T)
    # A perturbation e of a square moves its root by e / (2 root), at worst by the root of e.
    largest = float(squares[-1].clamp(min=0))
    wrong = torch.finfo(torch.float64).eps * len(squares) ** 0.5 * largest
    roots = squares.clamp(min=0).sqrt()
    error = float(torch.minimum(wrong / (2 * roots), torch.tensor(wrong).sqrt()).sum())
    if error <= tolerance:
        return float(roots.sum())
    return float(torch.linalg.svdvals(matrix).sum())
