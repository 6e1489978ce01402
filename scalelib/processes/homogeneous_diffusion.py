"""Homogeneous diffusion: the classical linear scale-space, without noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from scalelib import _check, _serial
from scalelib.processes.base import LinearGaussianScaleSpace
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["HomogeneousDiffusion"]


@final
class HomogeneousDiffusion(LinearGaussianScaleSpace):
    r"""Blur the image by the heat equation with reflecting boundaries.

    .. math:: \partial_t u = \Delta u, \qquad
              M_{k,i} = e^{-\lambda (t_i - t_k)}, \quad S_{k,i}^2 = 0, \quad t_0 = 0

    Solved exactly in time: :math:`\lambda` are the eigenvalues of the 5-point Laplacian. After
    diffusion time t the heat kernel has standard deviation :math:`\sqrt{2t}` pixels.

    Parameters
    ----------
    times : sequence of float or Tensor, shape (m,)
        Diffusion times in pixel^2, positive and strictly increasing.
    shape : (int, int)
        Height and width in pixels.

    Raises
    ------
    TypeError, ValueError
        If the times are not positive and strictly increasing, or ``shape`` is no pair.

    Notes
    -----
    Source: Iijima, Bulletin of the Electrotechnical Laboratory 26, 1962; semi-discrete theory:
    Weickert, Anisotropic Diffusion in Image Processing, 1998, Chapter 3.

    Keeps the mean grey value, the semigroup property, the maximum-minimum principle and the
    symmetries of the grid. Converges to the constant image. Breaks: general permutations of the
    pixels. Being deterministic it has no conditional entropy, and ``sample`` equals ``mean``.

    Examples
    --------
    >>> import torch
    >>> from scalelib import HomogeneousDiffusion
    >>> process = HomogeneousDiffusion([0.5, 1e4], shape=(4, 4))
    >>> u = torch.eye(4)[None]
    >>> torch.allclose(process.mean(u, 2), torch.full((1, 4, 4), 0.25))
    True
    """

    def __init__(self, times: _check.Numbers, shape: Sequence[int]) -> None:
        self.times = _check.increasing_schedule("times", times)
        super().__init__(len(self.times), shape)
        self._eigenvalues = laplacian_eigenvalues(shape)

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        elapsed = self.times[i - 1] - (self.times[start - 1] if start else 0)
        factor = _serial.exp(-self._eigenvalues * elapsed)
        return factor, torch.zeros_like(factor)
