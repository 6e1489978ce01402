r"""Reverse kernels written out per mode, apart from :mod:`scalelib.reverse`, and broken ones.

Data are a mixture :math:`\sum_j w_j N(x_j, C_j)`, a finite set of images for :math:`C_j = 0`. All
laws and kernels follow from the transitions of a process by Bayes' rule.
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
    "entropy_to_match",
    "exact",
    "exact_posterior",
    "grid",
    "image_of",
    "in_full",
    "matched",
    "normal",
    "on_line",
    "on_pairs",
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
              N\Big(M_k x_j + g_j\,(u_i - M_i x_j),\; \frac{P_{k,j} S_{k,i}^2}{P_{i,j}}\Big),
              \qquad g_j = \frac{M_{k,i} P_{k,j}}{P_{i,j}}, \quad P_{i,j} = M_i^2 C_j + S_i^2

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        Pixel-wise, or for images of the standard size.
    data : Mixture, dimension d
        Law of the coefficients at scale 0, with shared variances C or a :math:`C_j` for each.
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
        """Variances of the components at scale i, shape (d,) or (N, d)."""
        factor, variance = self.transition(i)
        return factor.square() * self.data.variances + variance

    def weights(self, u: Tensor, i: int) -> Tensor:
        """Logarithms of the posterior weights at scale i, shape (n, N)."""
        gaps = u[:, None] - self.transition(i)[0] * self.data.means
        return (self.data.log_weights + normal(gaps, self.spread(i))).log_softmax(dim=1)

    def coefficients(self, k: int, i: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return what multiplies image and U_i in the mean, and the variance, (d,) or (N, d)."""
        factor, added = self.transition(i, k)
        early, late = self.spread(k), self.spread(i)
        gain = factor * early / late
        own = self.transition(k)[0] - gain * self.transition(i)[0]
        return own, gain, early * added / late

    def means(self, u: Tensor, k: int, i: int) -> Tensor:
        """Means of the components of the kernel, shape (n, N, d)."""
        own, gain, _ = self.coefficients(k, i)
        return own * self.data.means + gain * u[:, None]

    def moments(self, u: Tensor, k: int, i: int) -> tuple[Tensor, Tensor]:
        """Mean and variance of the kernel, mode by mode, shape (n, d)."""
        weights, means = self.weights(u, i).exp()[:, :, None], self.means(u, k, i)
        centre = (weights * means).sum(dim=1)
        spread = self.coefficients(k, i)[2] + (means - centre[:, None]).square()
        return centre, (weights * spread).sum(dim=1)

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
    return normal(v - back.moments(u, k, i)[0], back.coefficients(k, i)[2])


def matched(back: Reversal, v: Tensor, u: Tensor, k: int, i: int) -> Tensor:
    """Break: the Gaussian with mean and variance of the exact kernel, one dimension."""
    mean, variance = back.moments(u, k, i)
    return normal(v - mean, variance)


def on_pairs(kernel: Kernel, back: Reversal, v: Tensor, u: Tensor, k: int, i: int) -> Tensor:
    """Log-densities of all v (r, d) given all u (n, d), shape (r, n)."""
    pairs = v.repeat_interleave(len(u), 0), u.repeat(len(v), 1)
    return kernel(back, *pairs, k, i).view(len(v), len(u))


def entropy_to_match(back: Reversal, u: Tensor, k: int, i: int) -> Tensor:
    """Relative entropy of the exact kernel and its match given u (n, 1), in nats, shape (n,)."""
    z = torch.linspace(-9, 9, 721, dtype=torch.float64)
    mean, variance = back.moments(u, k, i)
    nodes = mean + variance.sqrt() * z
    points = nodes.view(-1, 1), u.repeat_interleave(len(z), 0), k, i
    logs, others = (kernel(back, *points).view(nodes.shape) for kernel in (exact, matched))
    found: Tensor = (logs.exp() * (logs - others)) @ torch.full_like(z, float(z[1] - z[0]))
    return found * variance.sqrt()[:, 0]


def normal(gap: Tensor, variance: Tensor) -> Tensor:
    """Log-density of centred Gaussians, summed over the modes that have noise."""
    noisy = variance > 0
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
