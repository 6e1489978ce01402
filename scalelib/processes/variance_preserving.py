"""Variance preserving process: the diffusion probabilistic model of the paper."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes.base import LinearGaussianScaleSpace

__all__ = ["VariancePreserving"]


@final
class VariancePreserving(LinearGaussianScaleSpace):
    r"""Rescale the image and add white noise, such that unit variance is kept.

    .. math:: U_i = \sqrt{1 - \beta_i}\, U_{i-1} + \sqrt{\beta_i}\, G_i, \qquad
              M_{k,i}^2 = \prod_{k<j\le i} (1 - \beta_j), \quad S_{k,i}^2 = 1 - M_{k,i}^2

    Parameters
    ----------
    betas : sequence of float or Tensor, shape (m,)
        Noise *variances* in (0, 1) of the steps 1..m, for images in about [-1, 1].

    Raises
    ------
    TypeError, ValueError
        If a variance lies outside (0, 1); the message names its step.

    Notes
    -----
    Equations (3) to (5) of the 2023 paper. Sources: Sohl-Dickstein et al., ICML 2015; Ho, Jain and
    Abbeel, NeurIPS 2020, equations (2) and (4).

    Keeps the standard normal distribution and all orthogonal invariances. Converges in law to
    that distribution if and only if the sum of the variances diverges. Breaks: the mean grey value
    is not kept.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> from scalelib.schedules import constant_beta
    >>> process = VariancePreserving(constant_beta(100, beta=0.02))
    >>> factor, variance = process.direct(100)
    >>> f"{float(factor):.6f} {float(variance):.6f}"
    '0.364170 0.867380'
    >>> u = torch.zeros(1, 8, 8)
    >>> process.sample(u, 100, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([1, 8, 8])
    """

    def __init__(self, betas: _check.Numbers) -> None:
        self.betas = _check.schedule("betas", betas)
        outside = ((self.betas <= 0) | (self.betas >= 1)).nonzero()
        if len(outside):
            step = int(outside[0])
            raise ValueError(
                f"betas must be in (0, 1), found {self.betas[step].item()} at step {step + 1}"
            )
        super().__init__(len(self.betas))

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        # The sum runs over the steps in between only, so that nothing cancels.
        log_signal = torch.log1p(-self.betas[start:i]).sum()
        return torch.exp(log_signal / 2), -torch.expm1(log_signal)
