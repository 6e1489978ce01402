r"""Density of the variance preserving process on its way back, in one dimension.

For data that are a Gaussian mixture the score is exact; the density follows with spectral accuracy.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.integrate
import scipy.special
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalelib.information import Mixture, marginal
from scalelib.processes import VariancePreserving

__all__ = ["DURATION", "evolve", "grid", "score"]

DURATION = math.log(2)
r"""Time :math:`s = \tfrac12 \int \beta` of the evolution: a quarter of the signal power is left."""
HALF_WIDTH, POINTS = 7.5, 128


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
