"""Do two samples come from one distribution? Energy distance with exact permutation p-values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy.stats
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from scalelib import _check
from scalelib.information import _arguments

__all__ = ["TwoSample", "energy_distance", "energy_test"]

_CHUNK = 2**22
"""Numbers per array that are held in memory at once."""


@dataclass(frozen=True)
class TwoSample:
    """Outcome of a two-sample test."""

    statistic: float
    """Energy distance of the samples, in the root of the unit of the points."""
    p_value: float
    """Exact permutation p-value."""
    alpha: float
    """Level of the test, the largest probability to reject under equal distributions."""
    power: float
    """Probability to reject that ``smallest_distance`` stands for."""
    critical: float
    """Energy distance of the samples above which the test rejects."""
    smallest_distance: float
    """Energy distance of two distributions that is detected with at least ``power``."""
    permutations: int
    """Number B of random permutations."""
    counts: tuple[int, int]
    """Sample sizes n and m."""

    @property
    def rejected(self) -> bool:
        """Whether the samples come from different distributions, at level ``alpha``."""
        return self.p_value <= self.alpha


def energy_distance(x: Tensor, y: Tensor) -> float:
    r"""Energy distance of two samples in any dimension.

    .. math:: D^2 = \frac{2}{nm} \sum_{l,j} |x_l - y_j| - \frac{1}{n^2} \sum_{l,j} |x_l - x_j|
              - \frac{1}{m^2} \sum_{l,j} |y_l - y_j|

    Parameters
    ----------
    x : Tensor, shape (n, d)
        Points of the first sample.
    y : Tensor, shape (m, d)
        Points of the second sample.

    Returns
    -------
    float
        D, not its square: a metric on distributions, in the root of the unit of the points. It is
        the distance of the two empirical distributions, so its mean is positive even if both
        samples come from one distribution.

    Raises
    ------
    TypeError, ValueError
        If the samples are not of shape (n, d) and (m, d) with the same d.

    Notes
    -----
    Source: Székely and Rizzo, Energy statistics: A class of statistics based on distances, Journal
    of Statistical Planning and Inference 143, 2013, Section 2. In one dimension it is
    :func:`scipy.stats.energy_distance`.

    Examples
    --------
    >>> import torch
    >>> round(energy_distance(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])) ** 2, 12)
    10.0
    """
    pooled, n = _pooled(x, y)
    mask = (torch.arange(len(pooled)) < n).double()[:, None]
    return float(_squared_distances(_distances(pooled), mask, n).clamp(min=0).sqrt())


def energy_test(
    x: Tensor,
    y: Tensor,
    *,
    permutations: int,
    generator: torch.Generator,
    alpha: float,
    power: float = 0.99,
    distance: float | None = None,
) -> TwoSample:
    r"""Two-sample test with the energy distance and an exact permutation p-value.

    .. math:: p = \frac{1 + \#\{b : D_b \ge D\}}{1 + B}

    with the energy distance :math:`D_b` after the b-th random permutation of the pooled points.

    Parameters
    ----------
    x : Tensor, shape (n, d)
        Independent points of the first sample.
    y : Tensor, shape (m, d)
        Independent points of the second sample.
    permutations : int
        Number B of random permutations; 1 / (B + 1) may not exceed ``alpha``.
    generator : torch.Generator
        Source of randomness.
    alpha : float
        Level in (0, 1). A family of k tests takes alpha / k each.
    power : float
        Power in (0.785, 1) for which the smallest detected distance is reported.
    distance : float or None
        Energy distance that has to be detected with this power, or None for no such demand.

    Returns
    -------
    TwoSample

    Raises
    ------
    TypeError, ValueError
        If the samples do not fit, if B permutations, or all permutations of so few points, cannot
        give a p-value as small as ``alpha``, or if so few points do not detect ``distance``.

    Notes
    -----
    Source: Székely and Rizzo, Testing for equal distributions in high dimension, InterStat 5,
    2004. The p-value is exact for exchangeable points and every B, and the test is consistent
    against every alternative with finite mean.

    The smallest detected distance is the critical one plus a bound of the sampling error, for
    distributions with the spread of the samples. D is a norm, and the sampling error has the mean
    square :math:`E|X - X'|/n + E|Y - Y'|/m`. Its square tends to a Gaussian quadratic form, which
    exceeds :math:`\chi^2_{1, 1-\gamma}` times its mean with a probability of at most
    :math:`\gamma \le 0.215` (Székely and Bakirov, Extremal probabilities for Gaussian quadratic
    forms, Probability Theory and Related Fields 126, 2003); here :math:`\gamma = 1 -` ``power``.

    Memory: (n + m)^2 numbers.

    Examples
    --------
    >>> import torch
    >>> source = torch.Generator().manual_seed(0)
    >>> x = torch.randn(100, 2, generator=source)
    >>> options = {"permutations": 199, "generator": source, "alpha": 0.01}
    >>> energy_test(x, 1 + torch.randn(80, 2, generator=source), **options).p_value
    0.005
    >>> energy_test(x, torch.randn(80, 2, generator=source), **options).rejected
    False
    """
    pooled, n = _pooled(x, y)
    permutations = _check.integer("permutations", permutations, low=1)
    alpha = _arguments.probability("alpha", alpha)
    power = _check.number("power", power, low=0.785, high=1)
    _attainable(n, len(pooled) - n, permutations, alpha)
    _arguments.generator("generator", generator)
    distances = _distances(pooled)
    found = _permuted(distances, n, permutations, generator)
    # Permutations that give the same value up to rounding count as equal: the safe side.
    rounding = 1e-12 * float(distances.max())
    extreme = int((found[1:] >= found[0] - rounding).sum())
    place = math.floor(alpha * (permutations + 1))
    critical = float(found[1:].sort(descending=True).values[place - 1].clamp(min=0).sqrt())
    smallest = critical + _sampling_error(distances, n, 1 - power)
    if distance is not None:
        _detected(distance, smallest, n, len(pooled) - n)
    return TwoSample(
        statistic=float(found[0].clamp(min=0).sqrt()),
        p_value=(1 + extreme) / (1 + permutations),
        alpha=alpha,
        power=power,
        critical=critical,
        smallest_distance=smallest,
        permutations=permutations,
        counts=(n, len(pooled) - n),
    )


def _pooled(x: Tensor, y: Tensor) -> tuple[Tensor, int]:
    a, b = _arguments.double("x", x, 2), _arguments.double("y", y, 2)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"x and y must have the same dimension, found {a.shape[1]} and {b.shape[1]}"
        )
    return torch.cat([a, b]), len(a)


def _distances(points: Tensor) -> Tensor:
    return torch.from_numpy(cdist(points, points))


def _attainable(n: int, m: int, permutations: int, alpha: float) -> None:
    """Raise unless a p-value can be as small as alpha."""
    if (permutations + 1) * alpha < 1:
        needed = math.ceil(1 / alpha) - 1
        raise ValueError(
            f"permutations must be at least {needed} for alpha {alpha:g}, found {permutations}"
        )
    # With samples of equal size, exchanging them changes nothing.
    splits = math.comb(n + m, n) // (2 if n == m else 1)
    if splits < 1 / alpha:
        raise ValueError(
            f"x and y must have more points for alpha {alpha:g}: {n} and {m} points can be split "
            f"in {splits} different ways, needed are {math.ceil(1 / alpha)}"
        )


def _detected(distance: float, smallest: float, n: int, m: int) -> None:
    """Raise unless the samples detect the distance that is asked for."""
    if smallest > _check.number("distance", distance, low=0):
        factor = math.ceil((smallest / distance) ** 2)
        raise ValueError(
            f"distance {distance:g} must be detected with the stated power, found samples of {n} "
            f"and {m} points, which detect {smallest:.4g}: about {factor} times as many are needed"
        )


def _squared_distances(distances: Tensor, masks: Tensor, n: int) -> Tensor:
    """Squared energy distance (B,) for each column of ``masks``, which marks the first sample."""
    m = len(distances) - n
    rows = distances.sum(dim=1)
    within = ((distances @ masks) * masks).sum(dim=0)
    touching = rows @ masks
    between = touching - within
    other = rows.sum() - touching - between
    return 2 * between / (n * m) - within / n**2 - other / m**2


def _permuted(distances: Tensor, n: int, permutations: int, generator: torch.Generator) -> Tensor:
    """Squared energy distances, of the samples as they are first, then of permuted ones."""
    count = len(distances)
    first = torch.arange(n).unsqueeze(0)
    found: list[Tensor] = []
    for part in torch.split(torch.arange(permutations), max(1, _CHUNK // count)):
        keys = torch.rand(len(part), count, generator=generator, dtype=torch.float64)
        chosen = torch.cat([first, keys.argsort(dim=1)[:, :n]])
        masks = torch.zeros(len(chosen), count, dtype=torch.float64).scatter_(1, chosen, 1.0)
        values = _squared_distances(distances, masks.T, n)
        found.append(values if not found else values[1:])
    return torch.cat(found)


def _sampling_error(distances: Tensor, n: int, gamma: float) -> float:
    """Bound of the distance of samples and distributions, exceeded with probability gamma."""
    m = len(distances) - n
    mean_square = float(
        distances[:n, :n].sum() / (n * max(n - 1, 1)) / n
        + distances[n:, n:].sum() / (m * max(m - 1, 1)) / m
    )
    return math.sqrt(float(scipy.stats.chi2.isf(gamma, 1)) * mean_square)
