"""Blurring diffusion: blur and noise with schedules of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from scalelib import _check, _serial
from scalelib.processes.base import LinearGaussianScaleSpace
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["BlurringDiffusion"]


@final
class BlurringDiffusion(LinearGaussianScaleSpace):
    r"""Blur the image, rescale it and add white noise.

    .. math:: M_i = \alpha_i d_i, \quad d_i = (1 - d_{\min}) e^{-\lambda t_i} + d_{\min}, \qquad
              S_i = \sigma_i, \qquad
              M_{k,i} = M_i / M_k, \quad S_{k,i}^2 = \sigma_i^2 - M_{k,i}^2 \sigma_k^2

    Parameters
    ----------
    times : sequence of float or Tensor, shape (m,)
        Diffusion times in pixel^2, positive and strictly increasing.
    alphas : sequence of float or Tensor, shape (m,)
        Mean factors in (0, 1], not increasing.
    sigmas : sequence of float or Tensor, shape (m,)
        Standard deviations of the accumulated white noise, not negative.
    shape : (int, int)
        Height and width in pixels.
    d_min : float
        Lower bound in [0, 1) of the blur factor; 1e-3 is published, 0 is pure blur.

    Raises
    ------
    TypeError, ValueError
        If a schedule leaves its range or is not monotone, if lengths differ, or if no Markov
        chain has these marginals because some :math:`b_i^2 < 0`; the message names step and mode.

    Notes
    -----
    Source: Hoogeboom and Salimans, Blurring diffusion models, ICLR 2023, Section 4.
    Published schedules: :func:`~scalelib.schedules.sin2_blur` and
    :func:`~scalelib.schedules.arctan_noise`. They are not (1, 0) at t = 0; here scale 0 is the
    image itself.

    Since :math:`d_i / d_{i-1} \le 1` with equality in mode (0, 0), that mode has the smallest
    :math:`b_i^2`, and a chain exists if and only if :math:`\sigma_i / \alpha_i` does not decrease.

    Keeps the symmetries of the grid. Breaks: general permutations of the pixels, and the mean
    grey value unless alpha = 1.

    Examples
    --------
    >>> from scalelib import BlurringDiffusion
    >>> from scalelib.schedules import arctan_noise, sin2_blur
    >>> process = BlurringDiffusion(sin2_blur(50), *arctan_noise(50), shape=(16, 16), d_min=1e-3)
    >>> factor, variance = process.direct(50)
    >>> f"{float(factor[0, 0]):.4f} {float(variance[0, 0]):.4f}"
    '0.0067 1.0000'
    """

    def __init__(
        self,
        times: _check.Numbers,
        alphas: _check.Numbers,
        sigmas: _check.Numbers,
        shape: Sequence[int],
        d_min: float = 1e-3,
    ) -> None:
        self.times = _check.increasing_schedule("times", times)
        self.alphas = _check_alphas(alphas)
        self.sigmas = _check.schedule("sigmas", sigmas)
        for name, values in (("alphas", self.alphas), ("sigmas", self.sigmas)):
            _check.same_length(name, values, "times", self.times)
        if bool((self.sigmas < 0).any()):
            step = int((self.sigmas < 0).nonzero()[0])
            found = self.sigmas[step].item()
            raise ValueError(f"sigmas must not be negative, found {found} at step {step + 1}")
        self.d_min = _check.non_negative("d_min", d_min)
        if self.d_min >= 1:
            raise ValueError(f"d_min must be in [0, 1), found {d_min!r}")
        super().__init__(len(self.times), shape)
        self._eigenvalues = laplacian_eigenvalues(shape)
        self._check_chain()

    def _check_chain(self) -> None:
        """Raise unless b_i^2 >= 0 in mode (0, 0), where it is smallest."""
        kept = self.alphas[1:] / self.alphas[:-1] * self.sigmas[:-1]
        # Constant sigma / alpha is allowed and rounds to either side of 0.
        rounding = 2 * torch.finfo(torch.float64).eps * self.sigmas[1:]
        negative = (self.sigmas[1:] - kept < -rounding).nonzero()
        if len(negative):
            step = int(negative[0])
            added = self.sigmas[step + 1] ** 2 - kept[step] ** 2
            raise ValueError(
                "sigmas / alphas must not decrease, else no Markov chain has these marginals: "
                f"found noise variance b^2 = {added.item():.6g} < 0 "
                f"at step {step + 2} in mode (0, 0)"
            )

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        if start == 0:
            blur = (1 - self.d_min) * _serial.exp(
                -self._eigenvalues * self.times[i - 1]
            ) + self.d_min
            factor = self.alphas[i - 1] * blur
            return factor, (self.sigmas[i - 1] ** 2).expand_as(factor).clone()
        scaling = self.alphas[i - 1] / self.alphas[start - 1]
        blur, loss = self._blur_between(start, i)
        late, kept = self.sigmas[i - 1], scaling * self.sigmas[start - 1]
        # A negative gap would be rounding: the constructor has proved b_j^2 >= 0 for all steps.
        gap = (late - kept).clamp(min=0)
        return scaling * blur, (gap + kept * loss) * (late + kept * blur)

    def _blur_between(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        r"""Quotient d_i / d_k without forming d_k, which may underflow, and 1 minus it.

        With :math:`p = (1 - d_{\min}) e^{-\lambda t_k} / d_k` they are
        :math:`p e^{-\lambda (t_i - t_k)} + 1 - p` and :math:`p (1 - e^{-\lambda (t_i - t_k)})`.
        """
        decay = -self._eigenvalues * (self.times[i - 1] - self.times[start - 1])
        if self.d_min == 0:
            return _serial.exp(decay), -_serial.expm1(decay)
        log_odds = math.log1p(-self.d_min) - math.log(self.d_min)
        logit = log_odds - self._eigenvalues * self.times[start - 1]
        share = torch.sigmoid(logit)
        loss = -share * _serial.expm1(decay)
        # Near 1 the first form does not exceed 1 by rounding; far from it the second is accurate.
        far = share * _serial.exp(decay) + torch.sigmoid(-logit)
        return torch.where(decay > -0.5, 1 - loss, far), loss


def _check_alphas(alphas: _check.Numbers) -> Tensor:
    found = _check.schedule("alphas", alphas)
    outside = ((found <= 0) | (found > 1)).nonzero()
    if len(outside):
        step = int(outside[0])
        raise ValueError(f"alphas must be in (0, 1], found {found[step].item()} at step {step + 1}")
    rising = (found.diff() > 0).nonzero()
    if len(rising):
        step = int(rising[0])
        raise ValueError(
            f"alphas must not increase, found {found[step].item()} "
            f"followed by {found[step + 1].item()} at step {step + 2}"
        )
    return found
