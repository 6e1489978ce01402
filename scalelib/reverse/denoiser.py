"""What every reverse process is made of: an estimate of the image given one of its scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
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

    Raises
    ------
    TypeError
        If ``process`` is no linear Gaussian scale-space.

    Notes
    -----
    Sources: Ho, Jain and Abbeel, Denoising diffusion probabilistic models, NeurIPS 2020, Section
    3.2; in the cosine basis Hoogeboom and Salimans, Blurring diffusion models, ICLR 2023.
    The division by M_i amplifies an error of the prediction; the reverse steps undo that.

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
        self, process: LinearGaussianScaleSpace, predict: Callable[[Tensor, int], Tensor]
    ) -> None:
        super().__init__(process)
        self._predict = predict

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
            return u.clone()
        for name, values in (("noise", variance), ("signal", factor)):
            if not bool((values > 0).all()):
                raise ValueError(f"scale {i} of {self.process!r} must have {name} in every mode")
        noise = _check.like("prediction", self._predict(u, i), u, u.shape)
        modes = self.process.to_modes(u) - variance.sqrt().to(u) * self.process.to_modes(noise)
        return self.process.from_modes(modes / factor.to(u))
