"""Information measures in closed form: what is measured, apart from how it is estimated."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scalelib import _check
from scalelib.information.densities import per_coordinate
from scalelib.processes import LinearGaussianScaleSpace

__all__ = [
    "conditional_entropy",
    "entropy_power",
    "gaussian_entropy",
    "gaussian_mutual_information",
    "gaussian_relative_entropy",
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
    c = _variances("variances", variances)
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
        Leave out mode 0 of every channel of a blurring process: for linearised osmosis, which has
        no noise there.

    Returns
    -------
    float
        -inf where a mode carries no noise, such as for homogeneous diffusion.

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
    i = _check.integer("i", i, low=1, high=process.steps)
    dimension = _check.integer("dimension", dimension, low=1)
    _, variance = per_coordinate(process, i, dimension)
    if without_mean:
        if process.shape is None:
            raise ValueError(f"without_mean needs a blurring process, found {process!r}")
        modes = process.shape[0] * process.shape[1]
        variance = variance.view(-1, modes)[:, 1:]
    return gaussian_entropy(variance) if variance.numel() else 0.0


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
    Source: Kullback, Information Theory and Statistics, 1959, Chapter 9. Each term is evaluated as
    x - ln(1 + x), which keeps its accuracy for nearly equal variances.

    Examples
    --------
    >>> import torch
    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> gaussian_relative_entropy(one, one, zero, one)
    0.5
    """
    p, q = _variances("variances", variances), _variances("other_variances", other_variances)
    a, b = (_check.floating(n, m).double() for n, m in (("mean", mean), ("other_mean", other_mean)))
    if not p.shape == q.shape == a.shape == b.shape:
        shapes = [tuple(x.shape) for x in (a, p, b, q)]
        raise ValueError(f"means and variances must have the same shape, found {shapes}")
    if bool((p == 0).any()) or bool((q == 0).any()):
        raise ValueError("variances must be positive, found 0")
    excess = (p - q) / q
    terms = excess - torch.log1p(excess) + (a - b).square() / q
    return float(0.5 * terms.sum())


def gaussian_mutual_information(
    process: LinearGaussianScaleSpace, i: int, variances: Tensor
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

    Returns
    -------
    float
        inf where a mode with variance and signal carries no noise.

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
    i = _check.integer("i", i, low=1, high=process.steps)
    c = _variances("variances", variances).flatten()
    factor, variance = per_coordinate(process, i, c.numel())
    signal = factor.square() * c
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


def _variances(name: str, variances: Tensor) -> Tensor:
    c = _check.floating(name, variances).detach().double()
    if bool((c < 0).any()):
        raise ValueError(f"{name} must not be negative, found {float(c.min()):g}")
    return c
