"""Frechet distance of two samples of features through the symmetric form of the trace."""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy.linalg
import torch
from torch import Tensor

from scalelib.frechet.moments import Moments, check_same_features

__all__ = ["FrechetDistance", "frechet_distance"]

TRUSTED = 1e-7
"""Rounding of fast eigenvalues that is let pass, relative to the squared distance itself."""

EPS = torch.finfo(torch.float64).eps

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
    """Sizes of both samples. The distance is biased upward, about as 1 / size."""


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

    Samples smaller than d have singular covariances. The distance is defined and exact for these
    moments, but its upward bias is then a large share of the traces: compare only distances of
    equal sizes, take :func:`extrapolate`, or :func:`kernel_distance`, which has no bias.

    The singular values are the roots of the eigenvalues of :math:`C_1 C_2`. For samples larger
    than d these are a symmetric problem after one Cholesky factorisation, in about
    :math:`3 d^3` operations. A bound of the usual size of rounding is compared with the distance:
    where it may exceed 1e-7 of it, as for a distance much smaller than the traces or covariances
    with a wide range of eigenvalues, a singular value decomposition of :math:`F_1 F_2^\top`
    follows, which never squares them. It takes about five times as long.

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
    norm, rest = _nuclear_norm(one, other, means + traces)
    covariances = traces - 2 * norm
    found = means + covariances
    if found < -(NEGATIVE * traces + abs(rest)):
        raise ValueError(f"moments must lead to a nonnegative distance, found {found:.6g}")
    clipped = max(0.0, -found)
    return FrechetDistance(found + clipped, means, covariances, clipped, (one.count, other.count))


def _nuclear_norm(one: Moments, other: Moments, whole: float) -> tuple[float, float]:
    """Norm of the product of both factors, and the traces that these leave out.

    The distance is ``whole`` minus twice the norm; its size says which rounding can be let pass.
    """
    product, rest = None, 0.0
    if min(one.count, other.count) > one.dimension:
        squares, wrong = _squares_of_definite(one.covariance(), other.covariance())
    else:
        product, rest = _product(one, other)
        squares, wrong = _squares_of_thin(product)
    roots = squares.clamp(min=0).sqrt()
    # A perturbation e of a square moves its root by e / (2 root), at worst by the root of e.
    error = float((wrong / (2 * roots)).clamp(max=wrong**0.5).sum())
    norm = float(roots.sum())
    if error <= TRUSTED * abs(whole - 2 * norm):
        return norm, rest
    if product is None:
        product, rest = _product(one, other)
    return float(torch.linalg.svdvals(product).sum()), rest


def _product(one: Moments, other: Moments) -> tuple[Tensor, float]:
    (first, lost), (second, gone) = one.factor(), other.factor()
    return first @ second.T, lost + gone


def _squares_of_definite(first: Tensor, second: Tensor) -> tuple[Tensor, float]:
    """Eigenvalues of the product of two positive definite matrices, and their rounding.

    The rounding is infinite if one of them is not definite: then their factors have the answer.
    """
    wrong = EPS * len(first) ** 0.5 * float(first.norm() * second.norm())
    # Fortran's order, for LAPACK to work in place; the matrices are symmetric.
    left, right = first.numpy().T, second.numpy().T
    try:
        scipy.linalg.cholesky(right, lower=True, check_finite=False)
        # Type 2 is C2 C1 v = w v. It factors C1; the line above sees to C2.
        squares = scipy.linalg.eigh(
            right,
            left,
            type=2,
            eigvals_only=True,
            driver="gv",
            overwrite_a=True,
            overwrite_b=True,
            check_finite=False,
        )
    except scipy.linalg.LinAlgError:
        return first.new_zeros(1), math.inf
    return torch.from_numpy(squares), wrong


def _squares_of_thin(product: Tensor) -> tuple[Tensor, float]:
    """Squared singular values of a matrix, and their rounding."""
    wide = product if product.shape[0] <= product.shape[1] else product.T
    squares = torch.linalg.eigvalsh(wide @ wide.T)
    return squares, EPS * len(squares) ** 0.5 * float(squares[-1].clamp(min=0))
