r"""Exact joint laws of trajectories: how the scales of a process hang together.

A trajectory is linear in the image and in the noise that it is given. Fed with all unit vectors, it
reveals its matrix, and with it every mean and covariance, without sampling. Marginals are the
business of one scale; a *coupling* is the joint law of all scales that have these marginals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import final

import torch
from torch import Tensor

from scalelib.processes import LinearGaussianScaleSpace

__all__ = [
    "Coupling",
    "in_modes",
    "independent",
    "markov",
    "measure",
    "one_jump_each",
    "one_noise",
]

Draw = Callable[[Tensor, Tensor], Tensor]
"""Image (N, 1, H, W) and noise (m, N, 1, H, W) -> scales 1..m, (m, N, 1, H, W)."""


@final
@dataclass(frozen=True)
class Coupling:
    r"""Linear map from image and noise to all scales, :math:`U_i = A_i U_0 + B_i G`.

    :math:`U_0` is the image, n = H W pixels, :math:`G \sim N(0, I)` all noise of the trajectory.
    """

    from_image: Tensor
    r"""Matrices :math:`A_0 = I, A_1, \ldots, A_m`, shape (m + 1, n, n), float64."""
    from_noise: Tensor
    r"""Matrices :math:`B_0 = 0, B_1, \ldots, B_m`, shape (m + 1, n, m n), float64."""

    @cached_property
    def _noise(self) -> Tensor:
        """Covariance of all scales given the image, shape (m + 1, n, m + 1, n)."""
        scales, n = self.from_noise.shape[:2]
        stacked = self.from_noise.flatten(0, 1)
        return (stacked @ stacked.T).reshape(scales, n, scales, n)

    def covariance(self, k: int, i: int, initial: Tensor | None = None) -> Tensor:
        r"""Covariance of two scales, :math:`A_k C_0 A_i^\top + B_k B_i^\top`.

        Parameters
        ----------
        k, i : int
            Scales in 0..m.
        initial : Tensor, shape (n, n), or None
            Covariance :math:`C_0` of the image; None: given the image.

        Returns
        -------
        Tensor, shape (n, n)
        """
        found = self._noise[k, :, i]
        if initial is not None:
            found = found + self.from_image[k] @ initial @ self.from_image[i].T
        return found

    def memory(self, k: int, i: int, initial: Tensor) -> Tensor:
        r"""Measure what the image still tells about scale i > k once scale k is known.

        .. math:: \frac{\mathrm{Cov}(U_0, U_i)
                  - \mathrm{Cov}(U_0, U_k)\, \mathrm{Cov}(U_k)^{-1}\, \mathrm{Cov}(U_k, U_i)}
                  {\text{standard deviations of } U_0 \text{ and } U_i}

        Zero for every Markov process: given the present, past and future are independent.

        Parameters
        ----------
        k, i : int
            Scales, 0 < k < i <= m.
        initial : Tensor, shape (n, n)
            Covariance of the image, positive definite.

        Returns
        -------
        Tensor, shape (n, n)
            Correlations: pixel (or mode) of the image in rows, of scale i in columns.
        """
        known = torch.linalg.solve(self.covariance(k, k, initial), self.covariance(k, i, initial))
        excess = self.covariance(0, i, initial) - self.covariance(0, k, initial) @ known
        spread = self.covariance(i, i, initial).diagonal().sqrt()
        found: Tensor = excess / initial.diagonal().sqrt()[:, None] / spread
        return found


def measure(draw: Draw, steps: int, shape: tuple[int, int]) -> Coupling:
    """Feed all unit vectors to a linear sampler.

    Parameters
    ----------
    draw : callable
        Takes images (N, 1, H, W) and noise (m, N, 1, H, W), returns scales 1..m.
    steps : int
        Number of scales m.
    shape : (int, int)
        Height and width.

    Returns
    -------
    Coupling

    Examples
    --------
    >>> from scalelib import VarianceExploding
    >>> found = measure(markov(VarianceExploding([3.0, 5.0])), 2, (1, 1))
    >>> float(found.covariance(1, 2)), float(found.covariance(2, 2))
    (9.0, 25.0)
    """
    n = shape[0] * shape[1]
    units = torch.eye(n + steps * n, dtype=torch.float64)
    image = units[:, :n].reshape(-1, 1, *shape)
    noise = units[:, n:].reshape(-1, steps, 1, *shape).movedim(1, 0).contiguous()
    found = draw(image, noise).flatten(2).transpose(1, 2)  # scale, pixel, unit
    start = torch.eye(n, n + steps * n, dtype=torch.float64)
    matrices = torch.cat([start[None], found])
    return Coupling(matrices[..., :n], matrices[..., n:])


def markov(chain: LinearGaussianScaleSpace) -> Draw:
    """Single steps with noise of their own: the Markov chain itself."""
    return partial(_trajectory, chain, independent=False)


def independent(chain: LinearGaussianScaleSpace) -> Draw:
    """Every scale from scale 0 with noise of its own, as Rissanen et al. (2023) define it."""
    return partial(_trajectory, chain, independent=True)


def one_noise(chain: LinearGaussianScaleSpace) -> Draw:
    """Single steps that all use one and the same noise: a broken process, not Markov."""
    return lambda u, noise: chain.trajectory(
        u, range(1, chain.steps + 1), noise=noise[:1].expand_as(noise)
    )


def one_jump_each(chain: LinearGaussianScaleSpace) -> Draw:
    """Every scale in one jump from scale 0, with one and the same noise, as osmosis uses it."""
    return lambda u, noise: torch.stack(
        [chain.sample(u, i, noise=noise[0]) for i in range(1, chain.steps + 1)]
    )


def in_modes(chain: LinearGaussianScaleSpace, draw: Draw) -> Draw:
    """Show a coupling in the modes of the process, where blur and noise are diagonal.

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        The process.
    draw : callable
        Takes and returns images.

    Returns
    -------
    callable
        Takes and returns coefficients; the noise stays one of images, white in either form.
    """
    return lambda u, noise: chain.to_modes(draw(chain.from_modes(u), noise))


def _trajectory(
    chain: LinearGaussianScaleSpace, u: Tensor, noise: Tensor, *, independent: bool
) -> Tensor:
    return chain.trajectory(u, range(1, chain.steps + 1), noise=noise, independent=independent)
