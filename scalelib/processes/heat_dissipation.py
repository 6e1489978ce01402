"""Inverse heat dissipation: homogeneous diffusion with a little noise of constant size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import torch
from torch import Tensor

from scalelib import _check, _serial
from scalelib.processes.base import LinearGaussianScaleSpace
from scalelib.transforms import continuous_laplacian_eigenvalues, laplacian_eigenvalues

__all__ = ["HeatDissipation"]

_EIGENVALUES = {"discrete": laplacian_eigenvalues, "continuous": continuous_laplacian_eigenvalues}


@final
class HeatDissipation(LinearGaussianScaleSpace):
    r"""Forward process of inverse heat dissipation, in its Markov form.

    .. math:: M_{k,i} = e^{-\lambda (t_i - t_k)}, \qquad
              S_{0,i}^2 = \sigma^2, \quad
              S_{k,i}^2 = \sigma^2 (1 - M_{k,i}^2) \text{ for } k \ge 1

    Parameters
    ----------
    times : sequence of float or Tensor, shape (m,)
        Diffusion times in pixel^2, positive and strictly increasing.
    sigma : float
        Standard deviation of the noise at every scale i >= 1, in the unit of the image. The
        published 0.01 for images in [0, 1] is 0.02 in [-1, 1].
    shape : (int, int)
        Height and width in pixels.
    eigenvalues : {"discrete", "continuous"}
        ``"discrete"``: the 5-point Laplacian, so that the mean agrees with
        :class:`~scalelib.HomogeneousDiffusion`. ``"continuous"``: the published choice
        :math:`\pi^2 (k_1^2/H^2 + k_2^2/W^2)`.

    Raises
    ------
    TypeError, ValueError
        If the times are not positive and strictly increasing, ``sigma`` is not positive,
        ``shape`` is no pair, or ``eigenvalues`` is unknown.

    Notes
    -----
    Sources: Rissanen, Heinonen and Solin, ICLR 2023, Section 3; as a Markov chain: Hoogeboom
    and Salimans, ICLR 2023, Section 3. Rissanen et al. define the marginals given the image, with
    noise that is independent across scales: that is ``trajectory(..., independent=True)``, which
    is not Markov once the image is random.

    Keeps the mean grey value up to the noise, and the symmetries of the grid. Its conditional
    entropy is constant for i >= 1. Breaks: general permutations of the pixels.

    Examples
    --------
    >>> from scalelib import HeatDissipation
    >>> process = HeatDissipation([0.5, 1.0], sigma=0.02, shape=(8, 8))
    >>> factor, variance = process.direct(2)
    >>> bool((variance == 0.02**2).all()), float(factor[0, 0])
    (True, 1.0)
    """

    def __init__(
        self,
        times: _check.Numbers,
        sigma: float,
        shape: Sequence[int],
        eigenvalues: Literal["discrete", "continuous"] = "discrete",
    ) -> None:
        self.times = _check.increasing_schedule("times", times)
        self.sigma = _check.number("sigma", sigma, low=0)
        super().__init__(len(self.times), shape)
        if eigenvalues not in list(_EIGENVALUES):
            raise ValueError(
                f"eigenvalues must be one of {sorted(_EIGENVALUES)}, found {eigenvalues!r}"
            )
        self.eigenvalues = eigenvalues
        self._eigenvalues = _EIGENVALUES[eigenvalues](shape)

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        elapsed = self.times[i - 1] - (self.times[start - 1] if start else 0)
        factor = _serial.exp(-self._eigenvalues * elapsed)
        # The first step brings the noise in; later ones only renew what the blur takes away.
        share = (
            -_serial.expm1(-2 * self._eigenvalues * elapsed) if start else torch.ones_like(factor)
        )
        return factor, self.sigma**2 * share
