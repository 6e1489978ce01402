r"""The variance preserving process on its way back, in one dimension and for known data.

Everything is exact for data that are a Gaussian mixture: the score, the kernel of a reverse step,
and with spectral accuracy the evolution of the density.
"""

from __future__ import annotations

import math
from typing import final

import numpy as np
import scipy.integrate
import scipy.special
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalelib.information import Mixture, marginal
from scalelib.processes import VariancePreserving

__all__ = ["DURATION", "StepBack", "evolve", "grid", "score"]

DURATION = math.log(2)
r"""Time :math:`s = \tfrac12 \int \beta` of the evolution: a quarter of the signal power is left."""
HALF_WIDTH, POINTS = 7.5, 128


@final
class StepBack:
    r"""Exact kernel of the reverse step from :math:`U_i = u` to :math:`U_{i-1}`.

    Parameters
    ----------
    early : Mixture, dimension 1
        Law of :math:`U_{i-1}`.
    a, b2 : Tensor, shape ()
        Mean factor and noise variance of the step.
    u : Tensor, shape (n,)
        Values of :math:`U_i`.
    """

    def __init__(self, early: Mixture, a: Tensor, b2: Tensor, u: Tensor) -> None:
        means, variances = early.means[:, 0], early.variances.reshape(-1)
        total = a.square() * variances + b2
        gaps = u[:, None] - a * means
        logs = early.log_weights - gaps.square() / (2 * total) - total.log() / 2
        self.weights = torch.softmax(logs, dim=1)
        self.means = means + a * variances / total * gaps
        self.variances = (variances * b2 / total).expand_as(self.means)
        self.mean = (self.weights * self.means).sum(dim=1)
        spread = self.variances + (self.means - self.mean[:, None]).square()
        self.variance = (self.weights * spread).sum(dim=1)

    def mixture(self, x: Tensor) -> Tensor:
        """Density of the kernel at x, shape (k,) or (n, k); the result is (n, k)."""
        parts = zip(self.weights.T, self.means.T, self.variances.T, strict=True)
        found = [w[:, None] * _normal(x, m[:, None], c[:, None]) for w, m, c in parts]
        return torch.stack(found).sum(dim=0)

    def gaussian(self, x: Tensor) -> Tensor:
        """Gaussian with mean and variance of the kernel, shape (n, k)."""
        return _normal(x, self.mean[:, None], self.variance[:, None])

    def relative_entropy(self) -> Tensor:
        """Relative entropy of kernel and Gaussian for each u, in nats, shape (n,)."""
        z = torch.linspace(-9, 9, 721, dtype=torch.float64)
        deviation = self.variance.sqrt()[:, None]
        x = self.mean[:, None] + deviation * z
        exact = self.mixture(x)
        return (torch.xlogy(exact, exact / self.gaussian(x)) * deviation).sum(dim=1) * (z[1] - z[0])


def grid() -> Tensor:
    """Grey values at which a density is evolved."""
    step = 2 * HALF_WIDTH / POINTS
    return torch.arange(POINTS, dtype=torch.float64) * step - HALF_WIDTH


def evolve(data: Mixture, score_weight: float, rtol: float = 1e-10) -> Tensor:
    r"""Solve :math:`\partial_r q = \partial^2 q - \partial(d q)` backwards from the law of U_T.

    The drift is :math:`d = u + 2 w\, \partial \ln p` with a weight w and the density p at the time
    that is reached. Space derivatives are those of the trigonometric interpolant.

    Parameters
    ----------
    data : Mixture, dimension 1
        Law at time 0.
    score_weight : float
        w; 1 for the reverse process.
    rtol : float
        Relative tolerance of the time integration.

    Returns
    -------
    Tensor, shape (POINTS,)
        Density when time 0 is reached.
    """
    u = grid().numpy()
    frequency = 2 * math.pi * np.fft.rfftfreq(POINTS, 2 * HALF_WIDTH / POINTS)

    def change(r: float, q: NDArray[np.float64]) -> NDArray[np.float64]:
        drift = u + 2 * score_weight * score(data, DURATION - r, u)
        flux = 1j * frequency * np.fft.rfft(q) - np.fft.rfft(drift * q)
        found: NDArray[np.float64] = np.fft.irfft(1j * frequency * flux, POINTS)
        return found

    late = marginal(VariancePreserving([-math.expm1(-2 * DURATION)]), data, 1)
    start = late.log_density(grid()[:, None]).exp().numpy()
    done = scipy.integrate.solve_ivp(
        change, (0, DURATION), start, method="DOP853", rtol=rtol, atol=rtol / 100
    )
    return torch.from_numpy(done.y[:, -1])


def score(data: Mixture, s: float, u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differentiate the log-density at the time s; shape of ``u``."""
    signal = math.exp(-2 * s)
    variances = signal * data.variances.reshape(-1).numpy() + 1 - signal
    gaps = math.sqrt(signal) * data.means[:, 0].numpy() - u[:, None]
    logs = data.log_weights.numpy() - gaps**2 / (2 * variances) - np.log(variances) / 2
    parts: NDArray[np.float64] = scipy.special.softmax(logs, axis=1) * gaps / variances
    return np.asarray(parts.sum(axis=1))


def _normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return torch.exp(-(x - mean).square() / (2 * variance)) / (2 * math.pi * variance).sqrt()
