"""What every reverse process is made of: an estimate of the image given one of its scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor

from scalelib import _check
from scalelib.processes import LinearGaussianScaleSpace

__all__ = ["Denoiser", "NoisePrediction"]


class Denoiser(ABC):
    r"""Conditional mean of the image, :math:`E[U_0 \mid U_i = u]`, or an estimate of it.

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Forward process.

    Raises
    ------
    TypeError
        If ``process`` is no linear Gaussian scale-space.
    """

    def __init__(self, process: LinearGaussianScaleSpace) -> None:
        if not isinstance(process, LinearGaussianScaleSpace):
            expected, found = LinearGaussianScaleSpace.__name__, type(process).__name__
            raise TypeError(f"process must be a {expected}, found {found}")
        self._process = process

    @property
    def process(self) -> LinearGaussianScaleSpace:
        """Forward process that is to be reversed."""
        return self._process

    @abstractmethod
    def denoise(self, u: Tensor, i: int) -> Tensor:
        r"""Estimate :math:`E[U_0 \mid U_i = u]`.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Images at scale ``i``.
        i : int
            Scale, 0 <= i <= m.

        Returns
        -------
        Tensor, shape of ``u``
        """


@final
class NoisePrediction(Denoiser):
    r"""Denoiser made from a prediction of the noise, such as a network gives it.

    .. math:: \hat u_0 = V \mathrm{diag}(M_i)^{-1} V^\top
              \big(u - V \mathrm{diag}(S_i) V^\top \hat\varepsilon(u, i)\big)

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Forward process with noise in every mode of the scales 1..m.
    predict : callable
        Takes images (..., C, H, W) and the scale i and returns the predicted white noise, in the
        pixel domain and of the same shape.
    clip : (float, float) or None
        Range that the estimate is clipped to, pixel by pixel. None: it is not clipped.

    Raises
    ------
    TypeError, ValueError
        If ``process`` is no linear Gaussian scale-space, ``predict`` cannot be called, or ``clip``
        is no increasing pair.

    Notes
    -----
    Sources: Ho, Jain and Abbeel, Denoising diffusion probabilistic models, NeurIPS 2020, equation
    (15); in the cosine basis Hoogeboom and Salimans, Blurring diffusion models, ICLR 2023.

    The division by M_i amplifies an error of the prediction, up to 157 times for the schedule of Ho
    et al. Their published samples, and the defaults of diffusers, use ``clip=(-1, 1)`` for that
    reason. A clipped estimate is a conditional mean no more.

    A model of diffusers, such as ``UNet2DModel``, counts its time steps from 0 and takes images of
    shape (N, C, H, W); :func:`~scalelib.schedules.linear_beta` is the schedule of its
    ``DDPMScheduler``. Without gradients it plugs in by
    ``NoisePrediction(process, torch.no_grad()(lambda u, i: unet(u, i - 1).sample))``.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> process = VariancePreserving([0.75])
    >>> perfect = NoisePrediction(process, lambda u, i: torch.full_like(u, 2.0))
    >>> u = process.mean(torch.ones(3), 1) + 2 * 0.75**0.5
    >>> perfect.denoise(u, 1)
    tensor([1.0000, 1.0000, 1.0000])
    """

    def __init__(
        self,
        process: LinearGaussianScaleSpace,
        predict: Callable[[Tensor, int], Tensor],
        *,
        clip: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(process)
        if not callable(predict):
            raise TypeError(f"predict must be callable, found {type(predict).__name__}")
        self._predict = predict
        self._clip = None if clip is None else _range(clip)

    def denoise(self, u: Tensor, i: int) -> Tensor:
        r"""Take the predicted noise off and undo the mean factor.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Images at scale ``i``.
        i : int
            Scale, 0 <= i <= m.

        Returns
        -------
        Tensor, shape of ``u``

        Raises
        ------
        TypeError, ValueError
            If ``u`` or ``i`` does not fit the process, a mode of the scale has no noise or no
            signal, or the prediction has another shape, dtype or device than ``u``.
        """
        factor, variance = self.process.direct(i)
        if i == 0:
            return self.process.mean(u, 0)
        u_modes = self.process.to_modes(u)
        for name, values in (("noise", variance), ("signal", factor)):
            if not bool((values > 0).all()):
                raise ValueError(f"scale {i} of {self.process!r} must have {name} in every mode")
        noise = _check.like("prediction", self._predict(u, i), u, u.shape)
        modes = u_modes - variance.sqrt().to(u) * self.process.to_modes(noise)
        found = self.process.from_modes(modes / factor.to(u))
        if self._clip is None:
            return found
        low, high = self._clip
        return found.clamp(low, high)


def _range(clip: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(clip, Sequence) or len(clip) != 2:
        raise ValueError(f"clip must be a pair (low, high), found {clip!r}")
    low, high = (_check.number(f"clip[{j}]", value) for j, value in enumerate(clip))
    if low >= high:
        raise ValueError(f"clip must be increasing, found {clip!r}")
    return low, high
