r"""What inpainting by replacement makes of two Gaussian pixels, in closed form.

Both pixels have mean 0 and variance 1; their correlation is r. One is known. Given it, the other
has the mean :math:`r y` and the variance :math:`1 - r^2`.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes import LinearGaussianScaleSpace, VariancePreserving
from scalelib.reverse import Denoiser

__all__ = ["GaussianPair", "fine_steps", "limit", "replacement_law"]


@final
class GaussianPair(Denoiser):
    """Exact denoiser of two Gaussian pixels.

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Pixel-wise forward process.
    correlation : float
        r, in (-1, 1).

    Examples
    --------
    >>> from scalelib import VariancePreserving
    >>> pair = GaussianPair(VariancePreserving([0.75]), 0.5)
    >>> pair.denoise(torch.tensor([1.0, 0.0]).double(), 1) * 63  # 30 and 12 by hand
    tensor([30., 12.], dtype=torch.float64)
    """

    def __init__(self, process: LinearGaussianScaleSpace, correlation: float) -> None:
        super().__init__(process)
        r = _check.number("correlation", correlation, low=-1, high=1)
        self.covariance = torch.tensor([[1.0, r], [r, 1.0]], dtype=torch.float64)

    def denoise(self, u: Tensor, i: int) -> Tensor:
        r"""Regress: :math:`M_i \Sigma\, (M_i^2 \Sigma + S_i^2 I)^{-1} u`.

        Parameters
        ----------
        u : Tensor, shape (..., 2), float64
            Pairs at scale ``i``.
        i : int
            Scale, 0 <= i <= m.

        Returns
        -------
        Tensor, shape of ``u``
        """
        return u @ self.regression(i)

    def regression(self, i: int) -> Tensor:
        """Matrix of the regression, symmetric, shape (2, 2)."""
        factor, variance = self.process.direct(i)
        total = factor.square() * self.covariance + variance * torch.eye(2, dtype=torch.float64)
        found: Tensor = torch.linalg.solve(total, factor * self.covariance)
        return found


def replacement_law(pair: GaussianPair, repetitions: int = 1) -> tuple[float, float]:
    r"""Law that replacement gives to the unknown pixel, for the known value 1.

    Everything is linear and Gaussian, so mean and variance follow a recursion over all scales m
    to 0. It starts at mean 0 and the variance of the noise of scale m.

    Parameters
    ----------
    pair : GaussianPair
        Denoiser that drives :func:`scalelib.reverse.inpaint`.
    repetitions : int
        How often each step is taken, at least 1.

    Returns
    -------
    mean, variance : float
        The mean is proportional to the known value, the variance does not depend on it.
    """
    process, i = pair.process, pair.process.steps
    mean, variance = torch.zeros((), dtype=torch.float64), process.direct(i)[1]
    for k in reversed(range(process.steps)):
        (M_i, V_i), (factor, added) = process.direct(i), process.direct(i, k)
        M_k, V_k = process.direct(k)
        kept = factor * V_k / V_i
        own, other = (M_k - kept * M_i) * pair.regression(i)[0]
        for left in reversed(range(repetitions)):
            low = (own + kept) * mean + other * M_i
            spread = (own + kept).square() * variance + other.square() * V_i + V_k * added / V_i
            mean, variance = low, spread
            if left:
                mean, variance = factor * low, factor.square() * spread + added
        i = k
    return float(mean), float(variance)


def fine_steps(count: int) -> VariancePreserving:
    r"""Variance preserving process whose steps :math:`\tfrac12 \beta` grow linearly from 0.

    Parameters
    ----------
    count : int
        Number m of steps; together they have :math:`\tfrac12 \sum \beta \approx 6`.

    Returns
    -------
    VariancePreserving
    """
    s = 6 * torch.linspace(0, 1, count + 1, dtype=torch.float64).square()
    return VariancePreserving(-torch.expm1(-2 * s.diff()))


def limit(correlation: float) -> tuple[float, float]:
    r"""Mean and variance in the limit of small steps, for the known value 1 and no repetition.

    .. math:: \frac{r}{1 + \sqrt{1 - r^2}}, \qquad (1 - r^2)\, \frac{\operatorname{artanh} r}{r}

    Parameters
    ----------
    correlation : float
        r, in (-1, 1).

    Returns
    -------
    mean, variance : float

    Examples
    --------
    >>> mean, variance = limit(0.6)  # instead of 0.6 and 0.64
    >>> round(mean, 4), round(variance, 4)
    (0.3333, 0.7394)
    """
    r = _check.number("correlation", correlation, low=-1, high=1)
    spread = math.atanh(r) / r if r else 1.0
    return r / (1 + math.sqrt(1 - r**2)), (1 - r**2) * spread
