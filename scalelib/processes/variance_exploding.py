"""Variance exploding process: noise accumulates, the image is not rescaled."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes.base import LinearGaussianScaleSpace

__all__ = ["VarianceExploding"]


@final
class VarianceExploding(LinearGaussianScaleSpace):
    r"""Add white noise without rescaling the image.

    .. math:: U_i = U_{i-1} + \sqrt{\sigma_i^2 - \sigma_{i-1}^2}\, G_i, \qquad
              M_{k,i} = 1, \quad S_{k,i}^2 = \sigma_i^2 - \sigma_k^2, \quad \sigma_0 = 0

    Parameters
    ----------
    sigmas : sequence of float or Tensor, shape (m,)
        Standard deviations of the noise accumulated since scale 0, positive and strictly
        increasing, in the unit of the image.

    Raises
    ------
    TypeError, ValueError
        If the deviations are not positive and strictly increasing; the message names the step.

    Notes
    -----
    Source: Song and Ermon, NeurIPS 2019; as an accumulating chain: Song et al., ICLR 2021,
    equation (8).

    Keeps the mean image and all orthogonal invariances. Breaks: there is no limit distribution,
    since the variance grows without bound.

    Examples
    --------
    >>> from scalelib import VarianceExploding
    >>> process = VarianceExploding([3.0, 5.0])
    >>> [float(x) for x in process.coefficients(2)]
    [1.0, 16.0]
    """

    def __init__(self, sigmas: _check.Numbers) -> None:
        self.sigmas = _check.increasing_schedule("sigmas", sigmas)
        super().__init__(len(self.sigmas))

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        late = self.sigmas[i - 1]
        early = self.sigmas[start - 1] if start else torch.zeros_like(late)
        return torch.ones_like(late), (late - early) * (late + early)
