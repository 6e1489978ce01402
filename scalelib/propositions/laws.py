"""Laws of data that entries share, integrals over them, and tests of what was sampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import torch
from scipy import stats
from torch import Tensor

from scalelib.information import Mixture
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.instances import SHAPE
from scalelib.propositions.statement import Outcome
from scalelib.transforms import laplacian_eigenvalues

__all__ = [
    "FOUR",
    "SPECTRUM",
    "in_modes",
    "information_on_points",
    "log_ratios",
    "nodes",
    "over_log_ratios",
    "per_mode",
    "sampled_mean",
    "white_noise_test",
]

SPECTRUM = 1 / (1 + 4 * laplacian_eigenvalues(SHAPE).flatten())
"""Variance of Gaussian data per mode, shape (H W,); it falls with the frequency as in images."""

FOUR = torch.tensor([[-0.10], [0.02], [0.11], [-0.03]], dtype=torch.float64)
"""Four images that differ in one mode, shape (4, 1), which noise confuses at every scale."""

_PER_DEVIATION = 20
_REACH = 13


def per_mode(chain: LinearGaussianScaleSpace, i: int, start: int = 0) -> tuple[Tensor, Tensor]:
    """Mean factor and variance of a transition, one entry per mode, for any process.

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        A standard instance: pixel-wise, or for images of the standard size.
    i, start : int
        Scales, 0 <= start <= i <= m.

    Returns
    -------
    factor, variance : Tensor, shape (H W,), float64
    """
    factor, variance = chain.direct(i, start)
    return factor.expand(SHAPE).flatten(), variance.expand(SHAPE).flatten()


def in_modes(
    chain: LinearGaussianScaleSpace, i: int, data: Mixture, modes: tuple[int, ...]
) -> Mixture:
    r"""Law of a few coefficients of :math:`V^\top U_i`, for data that differ in these modes only.

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        A standard instance.
    i : int
        Scale, 0 <= i <= m.
    data : Mixture, dimension len(modes)
        Law of the coefficients at scale 0.
    modes : tuple of int
        Flat numbers of the modes; all others carry noise that knows nothing of the image.

    Returns
    -------
    Mixture
    """
    factor, variance = (x[list(modes)] for x in per_mode(chain, i))
    return Mixture(
        factor * data.means, factor.square() * data.variances + variance, data.log_weights.exp()
    )


def nodes(law: Mixture) -> tuple[Tensor, Tensor]:
    r"""Nodes and weights with :math:`\sum_l w_l f(u_l) \approx E f(U)` for a law in one dimension.

    Trapezoidal rule: on the whole line it converges faster than any power of the step. Logarithms
    of mixtures are analytic in a strip around the line, which the step resolves.

    Parameters
    ----------
    law : Mixture, dimension 1
        Its variances must be positive.

    Returns
    -------
    nodes : Tensor, shape (n, 1), float64
    weights : Tensor, shape (n,), float64

    Raises
    ------
    ValueError
        If the weights do not add up to 1 within 1e-13.
    """
    deviations = law.variances.sqrt()
    low, high = (float(end) for end in law.means.aminmax())
    reach, step = _REACH * float(deviations.max()), float(deviations.min()) / _PER_DEVIATION
    count = math.ceil((high - low + 2 * reach) / step)
    u = torch.linspace(low - reach, high + reach, count, dtype=torch.float64)[:, None]
    weights = law.log_density(u).exp() * (u[1] - u[0])
    if abs(float(weights.sum()) - 1) > 1e-13:
        raise ValueError(f"law must be resolved, found mass {float(weights.sum())!r}")
    return u, weights


def information_on_points(law: Mixture) -> float:
    """Mutual information in nats of a finite number of images and a scale with one mode.

    Parameters
    ----------
    law : Mixture, dimension 1
        Law of the scale: one component for each image, with the variance of the noise.

    Returns
    -------
    float
        Mean relative entropy of the components to the law.
    """
    parts = []
    for mean in law.means:
        given = Mixture(mean[None], law.variances)
        u, weights = nodes(given)
        parts.append(weights @ (given.log_density(u) - law.log_density(u)))
    return float(law.log_weights.exp() @ torch.stack(parts))


def log_ratios(
    chain: LinearGaussianScaleSpace,
    i: int,
    distance: float,
    count: int,
    *,
    generator: torch.Generator,
) -> Tensor:
    r"""Draw trajectories from one of two images; log-ratio of the right image to the wrong one.

    .. math:: L = \ln\frac{p(u_i \mid u_0)}{p(u_i \mid u_0')} \sim N(\delta^2 / 2, \delta^2)

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        A standard instance.
    i : int
        Scale, 1 <= i <= m, reached in single steps; L is computed from the transition 0 -> i.
    distance : float
        Distance of the means of scale i in deviations of the noise, positive. Two opposite images
        are drawn at random, equal in the modes without noise, and scaled so.
    count : int
        Number of trajectories.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor, shape (count,), float64
    """
    factor, variance = per_mode(chain, i)
    noisy = variance > 0
    drawn = torch.randn(1, *SHAPE, generator=generator, dtype=torch.float64)
    apart = chain.to_modes(drawn).flatten() * noisy
    squared = torch.where(noisy, (factor * apart).square() / variance, 0.0).sum()
    apart *= distance / float(squared.sqrt())
    image = chain.from_modes(apart.view(1, *SHAPE)) / 2
    sign = torch.randint(0, 2, (count, 1, 1, 1), generator=generator).double() * 2 - 1
    u = chain.trajectory(sign * image, range(1, i + 1), generator=generator)[-1]
    direction = torch.where(noisy, factor * apart / variance, 0.0)
    return sign.flatten() * (chain.to_modes(u).flatten(1) @ direction)


def over_log_ratios(f: Callable[[Tensor], Tensor], distance: float) -> tuple[float, float]:
    """Exact mean and variance of f(L) for :func:`log_ratios`, by the trapezoidal rule.

    Parameters
    ----------
    f : callable
        Function of L, element by element.
    distance : float
        Distance in deviations of the noise.

    Returns
    -------
    mean, variance : float
    """
    middle, square = distance**2 / 2, distance**2
    one = torch.ones(1, dtype=torch.float64)
    u, weights = nodes(Mixture(middle * one[None], square * one))
    values = f(u[:, 0])
    mean = float(weights @ values)
    return mean, float(weights @ (values - mean).square())


def sampled_mean(values: Tensor, mean: float, variance: float, alpha: float) -> Outcome:
    """Two-sided test of a mean whose true value and variance are known.

    Parameters
    ----------
    values : Tensor, shape (n,)
        Independent draws, enough of them for the normal approximation of their mean.
    mean, variance : float
        Exact, under the claim.
    alpha : float
        Probability of rejecting a true claim.

    Returns
    -------
    Outcome
        The mean of the draws against ``mean``.
    """
    error = math.sqrt(variance / len(values))
    tolerance = -NormalDist().inv_cdf(alpha / 2) * error
    detectable = tolerance + NormalDist().inv_cdf(0.99) * error
    return Outcome(float(values.mean()), tolerance, mean, len(values), detectable)


def white_noise_test(residuals: Sequence[Tensor], alpha: float) -> Outcome:
    r"""Kolmogorov-Smirnov test of squared norms against the chi-square law.

    Noise that is correlated or repeated spreads the norms just as noise of wrong size does.

    Parameters
    ----------
    residuals : sequence of Tensor, shape (n, d)
        Samples, each of n independent standard normal vectors if the claim is true.
    alpha : float
        Probability of rejecting a true claim, shared out to the samples.

    Returns
    -------
    Outcome
        Largest distance of the distribution functions. The smallest defect found with 99% power
        rests on the deviation of an empirical one at a fixed point, at most
        :math:`1 / (2 \sqrt n)`.
    """
    n, share = len(residuals[0]), alpha / len(residuals)
    distance = max(
        float(stats.kstest(z.square().sum(dim=1).numpy(), stats.chi2(z.shape[1]).cdf).statistic)
        for z in residuals
    )
    critical = float(stats.kstwo.isf(share, n))
    power = NormalDist().inv_cdf(0.99) / (2 * math.sqrt(n))
    return Outcome(distance, critical, count=n, detectable=critical + power)
