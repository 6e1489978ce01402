"""Are residuals standard normal in mean and variance? An exact test with its power in closed form.

What a process says of its noise is tested so: residuals (u - M u_0) / S are independent N(0, 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.stats import chi2, norm
from torch import Tensor

from scalelib import _check
from scalelib.information import _arguments

__all__ = ["StandardNormal", "required_count", "smallest_defect", "standard_normal_test"]


@dataclass(frozen=True)
class StandardNormal:
    """Outcome of a test for mean 0 and variance 1."""

    p_value: float
    """Smallest of all p-values times their number, at most 1 (Bonferroni)."""
    mean_p_values: Tensor
    """Two-sided p-values (d,) of the means, (1,) if pooled."""
    variance_p_values: Tensor
    """Two-sided p-values (d,) of the variances, (1,) if pooled."""
    alpha: float
    """Family-wise level: the largest probability to reject standard normal residuals."""
    power: float
    """Probability to reject that ``smallest_defect`` stands for."""
    smallest_defect: float
    """Defect of a mean or a deviation, relative to the deviation, detected with ``power``."""
    count: int
    """Number of residuals behind each p-value."""

    @property
    def rejected(self) -> bool:
        """Whether the residuals are not standard normal, at level ``alpha``."""
        return self.p_value <= self.alpha


def standard_normal_test(
    residuals: Tensor,
    *,
    alpha: float,
    power: float = 0.99,
    defect: float | None = None,
    pooled: bool = False,
) -> StandardNormal:
    r"""Test whether independent residuals have mean 0 and variance 1.

    .. math:: \sqrt n\, \bar z_k \sim N(0, 1), \qquad
              \sum_l (z_{lk} - \bar z_k)^2 \sim \chi^2_{n-1}

    Parameters
    ----------
    residuals : Tensor, shape (n, d)
        n independent draws of d residuals. If ``pooled``, these are independent too.
    alpha : float
        Family-wise level in (0, 1); each of the 2 d p-values (2 if pooled) gets its share.
    power : float
        Power in (0.5, 1) for which the smallest detected defect is reported.
    defect : float or None
        Relative defect that has to be detected with this power, or None for no such demand.
    pooled : bool
        Take all n d residuals as one sample: more power against a defect that all coordinates
        share, none against means that cancel.

    Returns
    -------
    StandardNormal
        Both distributions are exact for every n if the residuals are normal.

    Raises
    ------
    TypeError, ValueError
        If ``residuals`` is not of shape (n, d) with at least 2 residuals per sample, ``alpha`` or
        ``power`` is out of range, or the sample is too small to detect ``defect``.

    Notes
    -----
    Source: Lehmann and Romano, Testing Statistical Hypotheses, 3rd ed., Section 5.2 (parameters of
    a normal distribution); the tails have equal probability.

    Examples
    --------
    >>> import torch
    >>> source = torch.Generator().manual_seed(0)
    >>> z = torch.randn(40_000, 3, generator=source)
    >>> standard_normal_test(z, alpha=0.01).rejected
    False
    >>> standard_normal_test(1.05 * z, alpha=0.01).rejected
    True
    >>> round(standard_normal_test(z, alpha=0.01).smallest_defect, 4)
    0.0274
    """
    z = _arguments.double("residuals", residuals, 2)
    z = z.reshape(-1, 1) if pooled else z
    count, dimension = z.shape
    found = smallest_defect(count, alpha=alpha, power=power, dimension=dimension)
    if defect is not None and found > _check.number("defect", defect, low=0):
        needed = required_count(defect, alpha=alpha, power=power, dimension=dimension)
        raise ValueError(
            f"residuals must be at least {needed} per sample to detect a defect of {defect:g} "
            f"with power {power:g} at level {alpha:g}, found {count}"
        )
    means = 2 * norm.sf((math.sqrt(count) * z.mean(dim=0)).abs().numpy())
    squares = (z - z.mean(dim=0)).square().sum(dim=0).numpy()
    variances = 2 * torch.from_numpy(chi2.cdf(squares, count - 1)).minimum(
        torch.from_numpy(chi2.sf(squares, count - 1))
    )
    p_values = torch.cat([torch.from_numpy(means), variances])
    return StandardNormal(
        p_value=min(1.0, len(p_values) * float(p_values.min())),
        mean_p_values=p_values[:dimension],
        variance_p_values=p_values[dimension:],
        alpha=alpha,
        power=power,
        smallest_defect=found,
        count=count,
    )


def smallest_defect(count: int, *, alpha: float, power: float = 0.99, dimension: int = 1) -> float:
    r"""Smallest relative defect that :func:`standard_normal_test` detects.

    .. math:: \delta = \frac{z_{1-a/2} + z_{1-\gamma}}{\sqrt n}, \qquad
              (1 + \varepsilon_+)^2 = \frac{\chi^2_{n-1,\,1-a/2}}{\chi^2_{n-1,\,\gamma}}, \qquad
              (1 - \varepsilon_-)^2 = \frac{\chi^2_{n-1,\,a/2}}{\chi^2_{n-1,\,1-\gamma}}

    with a = alpha / (2 d) and :math:`\gamma = 1 -` ``power``: the largest of the three. A mean of
    at least delta, or a deviation outside of :math:`(1 - \varepsilon_-, 1 + \varepsilon_+)`, is
    detected with this power even in a single coordinate.

    Parameters
    ----------
    count : int
        Number n of residuals per sample, at least 2.
    alpha : float
        Family-wise level in (0, 1).
    power : float
        Power in (0.5, 1).
    dimension : int
        Number d of coordinates with tests of their own, 1 if pooled.

    Returns
    -------
    float
        In units of the deviation. The tail on the other side, which only adds power, is left out.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> round(smallest_defect(100_000, alpha=1e-3), 4)
    0.0184
    """
    count = _check.integer("count", count, low=2)
    dimension = _check.integer("dimension", dimension, low=1)
    share = _arguments.probability("alpha", alpha) / (2 * dimension)
    miss = 1 - _check.number("power", power, low=0.5, high=1)
    free = count - 1
    mean = (norm.isf(share / 2) + norm.isf(miss)) / math.sqrt(count)
    wider = math.sqrt(chi2.isf(share / 2, free) / chi2.ppf(miss, free)) - 1
    narrower = 1 - math.sqrt(chi2.ppf(share / 2, free) / chi2.isf(miss, free))
    return float(max(mean, wider, narrower))


def required_count(defect: float, *, alpha: float, power: float = 0.99, dimension: int = 1) -> int:
    """Count the residuals per sample that :func:`standard_normal_test` needs.

    Parameters
    ----------
    defect : float
        Relative defect of a mean or a deviation that has to be detected, above 1e-5.
    alpha : float
        Family-wise level in (0, 1).
    power : float
        Power in (0.5, 1).
    dimension : int
        Number d of coordinates with tests of their own, 1 if pooled.

    Returns
    -------
    int
        The smallest n whose :func:`smallest_defect` is at most ``defect``.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> required_count(0.01, alpha=1e-3)
    337225
    """
    defect = _check.number("defect", defect, low=1e-5)

    def detects(count: int) -> bool:
        return smallest_defect(count, alpha=alpha, power=power, dimension=dimension) <= defect

    high = 2
    while not detects(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if detects(middle) else (middle, high)
    return high
