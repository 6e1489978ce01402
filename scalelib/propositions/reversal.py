r"""Reverse kernels written out per mode, apart from :mod:`scalelib.reverse`, and broken ones.

Data are a mixture :math:`\sum_j w_j N(x_j, C)`, a finite set of images for :math:`C = 0`. All laws
and kernels follow from the transitions of a process by Bayes' rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import final

import scipy.special
import torch
from torch import Tensor

from scalelib.information import Mixture
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.instances import SHAPE
from scalelib.propositions.laws import FOUR, in_modes, per_mode
from scalelib.reverse import Posterior

__all__ = [
    "IMAGES",
    "LINE",
    "SET",
    "WEIGHTS",
    "Kernel",
    "Reversal",
    "denoised",
    "exact",
    "exact_posterior",
    "grid",
    "image_of",
    "in_full",
    "matched",
    "normal",
    "on_line",
    "step_variance",
    "whitened",
]


def _images() -> Tensor:
    draw = torch.Generator().manual_seed(11)
    common = torch.rand(1, 1, *SHAPE, generator=draw, dtype=torch.float64) - 0.5
    return common + 0.05 * torch.randn(5, 1, *SHAPE, generator=draw, dtype=torch.float64)


IMAGES = _images()
"""Five similar images, shape (5, 1, H, W), so that scales of every process confuse them."""

WEIGHTS = torch.tensor([0.10, 0.15, 0.20, 0.25, 0.30], dtype=torch.float64)
"""Weights of the images, all different."""

SET = Mixture(FOUR, torch.zeros(1).double(), torch.tensor([0.1, 0.2, 0.3, 0.4]).double())
"""Four values of one mode with unequal weights."""

LINE = Mixture(FOUR, torch.full((1,), 4e-4).double(), SET.log_weights.exp())
"""The same values, blurred, so that their law has a density."""


@final
class Reversal:
    r"""Laws and reverse kernels of a few modes of a process.

    .. math:: p(u_k \mid u_i) = \sum_j w_j(u_i)\,
              N\Big(M_k x_j + g\,(u_i - M_i x_j),\; \frac{P_k S_{k,i}^2}{P_i}\Big),
              \qquad g = \frac{M_{k,i} P_k}{P_i}, \quad P_i = M_i^2 C + S_i^2

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        A standard instance.
    data : Mixture, dimension d
        Law of the coefficients at scale 0, with shared variances C.
    modes : tuple of int
        Flat numbers of the d modes.

    Notes
    -----
    A step may carry no noise in a mode: mode 0 of inverse heat dissipation. All components agree
    there, and densities leave it out.
    """

    def __init__(
        self, chain: LinearGaussianScaleSpace, data: Mixture, modes: tuple[int, ...]
    ) -> None:
        self.chain, self.data, self.modes = chain, data, modes

    def transition(self, i: int, k: int = 0) -> tuple[Tensor, Tensor]:
        """Mean factor and variance of k -> i, shape (d,)."""
        factor, variance = per_mode(self.chain, i, k)
        chosen = list(self.modes)
        return factor[chosen], variance[chosen]

    def law(self, i: int) -> Mixture:
        """Law of scale i."""
        return in_modes(self.chain, i, self.data, self.modes)

    def spread(self, i: int) -> Tensor:
        """Variance of each component at scale i, shape (d,)."""
        factor, variance = self.transition(i)
        return factor.square() * self.data.variances + variance

    def weights(self, u: Tensor, i: int) -> Tensor:
        """Logarithms of the posterior weights at scale i, shape (n, N)."""
        gaps = u[:, None] - self.transition(i)[0] * self.data.means
        logs = self.data.log_weights - (gaps.square() / self.spread(i)).sum(dim=2) / 2
        return logs.log_softmax(dim=1)

    def coefficients(self, k: int, i: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return what multiplies the image and U_i in the mean, and the variance, shape (d,)."""
        factor, added = self.transition(i, k)
        early, late = self.spread(k), self.spread(i)
        gain = factor * early / late
        own = self.transition(k)[0] - gain * self.transition(i)[0]
        return own, gain, early * added / late

    def means(self, u: Tensor, k: int, i: int) -> Tensor:
        """Means of the components of the kernel, shape (n, N, d)."""
        own, gain, _ = self.coefficients(k, i)
        return own * self.data.means + gain * u[:, None]

    def components(self, v: Tensor, u: Tensor, k: int, i: int) -> Tensor:
        """Log-densities of the components of the kernel, without weights, shape (n, N)."""
        return normal(v[:, None] - self.means(u, k, i), self.coefficients(k, i)[2])


Kernel = Callable[[Reversal, Tensor, Tensor, int, int], Tensor]
"""Reversal, v (n, d), u (n, d), k, i -> log-density of U_k = v given U_i = u, shape (n,)."""


def exact(back: Reversal, v: Tensor, u: Tensor, k: int, i: int) -> Tensor:
    """Log-density of the exact kernel."""
    return (back.weights(u, i) + back.components(v, u, k, i)).logsumexp(dim=1)


def step_variance(back: Reversal, v: Tensor, u: Tensor, k: int, i: int) -> Tensor:
    """Break: components as wide as the noise of the forward transition."""
    logs = normal(v[:, None] - back.means(u, k, i), back.transition(i, k)[1])
    return (back.weights(u, i) + logs).logsumexp(dim=1)


def denoised(back: Reversal, v: Tensor, u: Tensor, k: int, i: int) -> Tensor:
    """Break: one component, around the mean of all; for C = 0 an ancestral step."""
    return normal(v - _centre(back, u, k, i), back.coefficients(k, i)[2])


def matched(back: Reversal, v: Tensor, u: Tensor, k: int, i: int) -> Tensor:
    """Break: the Gaussian with mean and variance of the exact kernel, one dimension."""
    weights = back.weights(u, i).exp()[:, :, None]
    centre = _centre(back, u, k, i)
    between = (weights * (back.means(u, k, i) - centre[:, None]).square()).sum(dim=1)
    return normal(v - centre, back.coefficients(k, i)[2] + between)


def _centre(back: Reversal, u: Tensor, k: int, i: int) -> Tensor:
    return (back.weights(u, i).exp()[:, :, None] * back.means(u, k, i)).sum(dim=1)


def normal(gap: Tensor, variance: Tensor) -> Tensor:
    """Log-density of centred Gaussians, summed over the modes that have noise."""
    noisy = (variance > 0).expand(gap.shape)
    spread = torch.where(noisy, variance, 1.0)
    logs = -gap.square() / (2 * spread) - (2 * math.pi * spread).log() / 2
    return torch.where(noisy, logs, 0.0).sum(dim=-1)


def on_line(chain: LinearGaussianScaleSpace, data: Mixture, mode: int = 1) -> Reversal:
    """One mode: the lowest horizontal frequency, or a pixel."""
    return Reversal(chain, data, (mode,))


def in_full(chain: LinearGaussianScaleSpace) -> Reversal:
    """All modes, for the five images; linearised osmosis without the mean grey value."""
    kept = tuple(torch.nonzero(per_mode(chain, chain.steps)[1])[:, 0].tolist())
    means = chain.to_modes(IMAGES).flatten(1)[:, list(kept)]
    return Reversal(chain, Mixture(means, torch.zeros(len(kept)).double(), WEIGHTS), kept)


def exact_posterior(
    chain: LinearGaussianScaleSpace, data: Tensor = IMAGES, weights: Tensor | None = WEIGHTS
) -> Posterior:
    """Exact reverse process of the five weighted images, or of others; without a silent mean."""
    factor, variance = per_mode(chain, chain.steps)
    silent = bool(factor[0] == 1 and variance[0] == 0)
    return Posterior(chain, data, weights=weights, without_mean=silent)


def image_of(back: Reversal, u: Tensor) -> Tensor:
    """Images (n, 1, H, W) whose coefficients are u in the modes of a reversal and 0 elsewhere."""
    modes = u.new_zeros(len(u), math.prod(SHAPE))
    modes[:, list(back.modes)] = u
    return back.chain.from_modes(modes.view(-1, 1, *SHAPE))


def whitened(law: Mixture, u: Tensor) -> Tensor:
    r"""Map points of a law to white standard normal noise, coordinate by coordinate.

    .. math:: z_d = \Phi^{-1}\big(P(U_d \le u_d \mid U_1 = u_1, \ldots, U_{d-1} = u_{d-1})\big)

    Parameters
    ----------
    law : Mixture, dimension d
        With shared, positive variances.
    u : Tensor, shape (n, d)
        Points; independent draws of the law become independent standard normal numbers.

    Returns
    -------
    Tensor, shape (n, d)

    Notes
    -----
    Source: Rosenblatt, Remarks on a multivariate transformation, Annals of Mathematical Statistics
    23, 1952.

    Examples
    --------
    >>> law = Mixture(torch.tensor([[1.0], [1.0]]).double(), torch.tensor([4.0]).double())
    >>> whitened(law, torch.tensor([[2.0]]).double())
    tensor([[0.5000]], dtype=torch.float64)
    """
    scores = (u[:, None] - law.means) / law.variances.sqrt()  # n, N, d
    columns = []
    logs = law.log_weights.expand(len(u), -1)
    for z in scores.unbind(dim=2):
        # Not torch.special.ndtr, which has no digits in the lower tail.
        below, above = (
            (logs.softmax(dim=1) * torch.erfc(x / math.sqrt(2)) / 2).sum(dim=1) for x in (-z, z)
        )
        small = torch.minimum(below, above)  # the smaller tail keeps its digits
        quantile = torch.from_numpy(scipy.special.ndtri(small.numpy()))
        columns.append(quantile * torch.where(below < above, 1.0, -1.0))
        logs = logs - z.square() / 2
    return torch.stack(columns, dim=1)


def grid(law: Mixture) -> tuple[Tensor, float]:
    """Nodes (n, 1) on which the law and its kernels are resolved, and their distance.

    Twelve nodes a deviation resolve single steps, which are narrower. Eleven deviations leave room
    for starts that are wider than the law.
    """
    deviation = float(law.variances.sqrt())
    low, high = (float(end) for end in law.means.aminmax())
    count = math.ceil(12 * ((high - low) / deviation + 22))
    u = torch.linspace(low - 11 * deviation, high + 11 * deviation, count, dtype=torch.float64)
    return u[:, None], float(u[1] - u[0])
