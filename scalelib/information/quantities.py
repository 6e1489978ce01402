"""Information measures in closed form: what is measured, apart from how it is estimated."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scalelib import _check
from scalelib.information._arguments import double, nonnegative
from scalelib.information.densities import kept_coordinates, per_coordinate
from scalelib.processes import LinearGaussianScaleSpace

__all__ = [
    "conditional_entropy",
    "conditional_relative_entropy",
    "entropy_power",
    "gaussian_entropy",
    "gaussian_mutual_information",
    "gaussian_relative_entropy",
    "gaussian_wasserstein",
]


def gaussian_entropy(variances: Tensor) -> float:
    r"""Differential entropy of a Gaussian with diagonal covariance, in nats.

    .. math:: H = \frac12 \sum_k \ln(2 \pi e\, c_k)

    Parameters
    ----------
    variances : Tensor, any shape, float32 or float64
        Variances (not deviations), not negative. With a variance 0 the entropy is -inf.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If ``variances`` is not finite or negative.

    Notes
    -----
    Source: Cover and Thomas, Elements of Information Theory, 2nd ed., Theorem 8.4.1. The factor
    1/2 is missing in equations (18) and (19) of the 2023 paper.

    Examples
    --------
    >>> import torch
    >>> round(gaussian_entropy(torch.ones(1)), 4)
    1.4189
    """
    c = nonnegative("variances", variances)
    return float(0.5 * (2 * math.pi * math.e * c).log().sum())


def conditional_entropy(
    process: LinearGaussianScaleSpace, i: int, dimension: int, *, without_mean: bool = False
) -> float:
    r"""Entropy :math:`H(U_i \mid U_0)` of the noise at scale i, in nats.

    .. math:: H(U_i \mid U_0) = \sum_k \tfrac12 \ln\big(2 \pi e\, S_i(k)^2\big)

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Any process.
    i : int
        Scale, 1 <= i <= m.
    dimension : int
        Number of grey values n of an image, channels included.
    without_mean : bool
        Project out the constants: leave out mode 0 of every channel of a blurring process. For
        linearised osmosis, which has no noise there.

    Returns
    -------
    float
        -inf where a mode carries no noise: mode 0 of linearised osmosis, every mode of homogeneous
        diffusion, which is deterministic.

    Raises
    ------
    TypeError, ValueError
        If a scale or the dimension does not fit the process.

    Notes
    -----
    Proposition 2 of the 2023 paper, Proposition 3 of the 2024 paper; it does not depend on the law
    of the data.

    Examples
    --------
    >>> from scalelib import VariancePreserving
    >>> round(conditional_entropy(VariancePreserving([0.5, 0.5]), 1, dimension=2), 4)
    2.1447
    """
    i = _check.integer("i", i, low=1)
    _, variance = per_coordinate(process, i, dimension)
    return gaussian_entropy(variance[kept_coordinates(process, dimension, without_mean)])


def gaussian_relative_entropy(
    mean: Tensor, variances: Tensor, other_mean: Tensor, other_variances: Tensor
) -> float:
    r"""Relative entropy (Kullback-Leibler divergence) of two diagonal Gaussians, in nats.

    .. math:: \mathrm{KL}(p \| q) = \frac12 \sum_k \Big( \frac{c_k}{c'_k} - 1
              - \ln \frac{c_k}{c'_k} + \frac{(\mu_k - \mu'_k)^2}{c'_k} \Big)

    Parameters
    ----------
    mean, variances : Tensor, shape (d,)
        Of p; variances positive.
    other_mean, other_variances : Tensor, shape (d,)
        Of q; variances positive.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If shapes differ, or a variance is not positive.

    Notes
    -----
    Source: Kullback, Information Theory and Statistics, 1959, Chapter 9. Evaluated as
    x - ln(1 + x) with x = c / c' - 1, so that the absolute error vanishes for equal variances.

    Examples
    --------
    >>> import torch
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> gaussian_relative_entropy(one, one, zero, one)
    0.5
    """
    a, p, b, q = _two_gaussians(mean, variances, other_mean, other_variances)
    if bool((p == 0).any()) or bool((q == 0).any()):
        raise ValueError("variances must be positive, found 0")
    excess = (p - q) / q
    # Near -1 the sum 1 + x has lost the digits of a small p / q.
    log = torch.where(excess > -0.5, torch.log1p(excess), p.log() - q.log())
    return float(0.5 * (excess - log + (a - b).square() / q).sum())


def conditional_relative_entropy(
    process: LinearGaussianScaleSpace,
    i: int,
    mean: Tensor,
    variances: Tensor,
    other_mean: Tensor,
    other_variances: Tensor,
) -> float:
    r"""Relative entropy of the transition 0 -> i to a Gaussian, averaged over the data, in nats.

    .. math:: \mathrm{KL}\big(p(u_i \mid u_0) \,\|\, N(\nu, c') \,\big|\, p(u_0)\big)
              = \frac12 \sum_k \Big( \frac{S_i(k)^2}{c'_k} - 1 - \ln \frac{S_i(k)^2}{c'_k}
              + \frac{M_i(k)^2 c_k + (M_i(k) \mu_k - \nu_k)^2}{c'_k} \Big)

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        A process with noise in every mode at scale i.
    i : int
        Scale, 1 <= i <= m.
    mean, variances : Tensor, shape (d,)
        Of the data in the basis of the process, not negative; the data need not be Gaussian.
    other_mean, other_variances : Tensor, shape (d,)
        Of the Gaussian N(nu, diag(c')); variances positive.

    Returns
    -------
    float
        An upper bound of :math:`\mathrm{KL}(p(u_i) \| N(\nu, c'))`. The gap is exactly the mutual
        information :math:`I(U_0; U_i)`.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, or a mode carries no noise.

    Notes
    -----
    Our addition to Proposition 4 of the 2023 paper and Proposition 6 of the 2024 paper (steady
    state): for the variance preserving process and N(0, I) the bound is
    :math:`\frac12 (\bar\alpha\, E|U_0|^2 - n \bar\alpha - n \ln(1 - \bar\alpha))`, which gives
    the rate. Source of the identity: Cover and Thomas, Elements of Information Theory, 2nd ed.,
    Theorem 2.5.3 (chain rule of the relative entropy).

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> process = VariancePreserving([0.5])
    >>> round(conditional_relative_entropy(process, 1, zero, one, zero, one), 4)
    0.3466
    """
    i = _check.integer("i", i, low=1)
    mu, c, nu, target = _two_gaussians(mean, variances, other_mean, other_variances)
    factor, variance = per_coordinate(process, i, len(mu))
    spread = float((factor.square() * c / target).sum())
    return gaussian_relative_entropy(factor * mu, variance, nu, target) + spread / 2


def gaussian_wasserstein(
    mean: Tensor, variances: Tensor, other_mean: Tensor, other_variances: Tensor
) -> float:
    r"""2-Wasserstein distance of two Gaussians with diagonal covariances.

    .. math:: W_2(p, q)^2 = \sum_k (\mu_k - \mu'_k)^2
              + \Big(\sqrt{c_k} - \sqrt{c'_k}\,\Big)^2

    Parameters
    ----------
    mean, variances : Tensor, shape (d,)
        Of p; variances not negative.
    other_mean, other_variances : Tensor, shape (d,)
        Of q; variances not negative.

    Returns
    -------
    float
        A distance in the unit of the image, not its square.

    Raises
    ------
    TypeError, ValueError
        If shapes differ, or a variance is negative.

    Notes
    -----
    Source: Dowson and Landau, The Fréchet distance between multivariate normal distributions,
    Journal of Multivariate Analysis 12, 1982, for covariances that commute.

    Examples
    --------
    >>> import torch
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> gaussian_wasserstein(3 * one, one, zero, 25 * one)
    5.0
    """
    a, p, b, q = _two_gaussians(mean, variances, other_mean, other_variances)
    total = p.sqrt() + q.sqrt()
    gap = torch.where(total > 0, (p - q) / total, 0.0)
    return float(torch.linalg.vector_norm(torch.cat([a - b, gap])))


def gaussian_mutual_information(
    process: LinearGaussianScaleSpace, i: int, variances: Tensor, *, without_mean: bool = False
) -> float:
    r"""Mutual information :math:`I(U_0; U_i)` for Gaussian data, in nats.

    .. math:: I(U_0; U_i) = \frac12 \sum_k \ln\Big(1 + \frac{M_i(k)^2 c_k}{S_i(k)^2}\Big)

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Any process.
    i : int
        Scale, 1 <= i <= m.
    variances : Tensor, shape (d,)
        Variances of the data in the basis of the process, not negative.
    without_mean : bool
        Project out the constants, see :func:`conditional_entropy`.

    Returns
    -------
    float
        inf where a mode with variance and signal carries no noise: linearised osmosis and
        homogeneous diffusion keep what such a mode tells.

    Raises
    ------
    TypeError, ValueError
        If the dimension does not fit the process, or a variance is negative.

    Notes
    -----
    Source: Cover and Thomas, Elements of Information Theory, 2nd ed., Section 9.4.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> value = gaussian_mutual_information(VariancePreserving([0.5]), 1, torch.ones(1))
    >>> round(value, 4)
    0.3466
    """
    i = _check.integer("i", i, low=1)
    c = nonnegative("variances", variances, 1)
    kept = kept_coordinates(process, len(c), without_mean)
    factor, variance = (x[kept] for x in per_coordinate(process, i, len(c)))
    signal = factor.square() * c[kept]
    # 0 / 0 is a mode without signal: it tells nothing.
    ratio = torch.where(signal > 0, signal / variance, 0.0)
    return float(0.5 * torch.log1p(ratio).sum())


def entropy_power(entropy: float, dimension: int) -> float:
    r"""Entropy power: the variance of white Gaussian noise with the same entropy.

    .. math:: N = \frac{1}{2 \pi e}\, e^{2 H / n}

    Parameters
    ----------
    entropy : float
        Differential entropy H in nats; -inf gives 0.
    dimension : int
        Dimension n.

    Returns
    -------
    float
        A variance, in the squared unit of the image.

    Raises
    ------
    TypeError, ValueError
        If ``entropy`` is NaN or +inf, or ``dimension`` is not positive.

    Notes
    -----
    Source: Shannon, A mathematical theory of communication, 1948, Section 21. For independent X
    and Y, N(X + Y) >= N(X) + N(Y) (entropy power inequality; Stam, 1959).

    Examples
    --------
    >>> import torch
    >>> round(entropy_power(gaussian_entropy(torch.full((3,), 2.0)), 3), 12)
    2.0
    """
    dimension = _check.integer("dimension", dimension, low=1)
    if entropy == -math.inf:
        return 0.0
    entropy = _check.number("entropy", entropy)
    return math.exp(2 * entropy / dimension - 1) / (2 * math.pi)


def _two_gaussians(
    mean: Tensor, variances: Tensor, other_mean: Tensor, other_variances: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = (
        double("mean", mean, 1),
        nonnegative("variances", variances, 1),
        double("other_mean", other_mean, 1),
        nonnegative("other_variances", other_variances, 1),
    )
    shapes = [tuple(x.shape) for x in found]
    if len(set(shapes)) > 1:
        raise ValueError(f"means and variances must have the same shape, found {shapes}")
    return found
