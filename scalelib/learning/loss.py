"""The loss that a noise prediction is trained with."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.transforms import dct2, idct2

__all__ = ["NoiseLoss"]


@final
class NoiseLoss:
    r"""Mean squared error of a noise prediction, for images that each have a scale of their own.

    .. math:: \frac1n \big| \varepsilon - \hat\varepsilon(u_i, i) \big|^2, \qquad
              u_i = V \big( M_i \odot V^\top u_0 + S_i \odot V^\top \varepsilon \big), \qquad
              \varepsilon \sim N(0, I)

    V is the identity for pixel-wise processes and the cosine basis for blurring ones.

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Process with noise in every mode of every scale 1..m.
    device : torch.device or str
        Where images are corrupted.

    Raises
    ------
    TypeError, ValueError
        If ``process`` is no linear Gaussian scale-space, or a mode of a scale has no noise.

    Notes
    -----
    Sources: Ho, Jain and Abbeel, Denoising diffusion probabilistic models, NeurIPS 2020, equation
    (14); in the cosine basis Hoogeboom and Salimans, Blurring diffusion models, ICLR 2023.

    Coefficients are float32, of size 2 m H W for blurring processes.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> loss = NoiseLoss(VariancePreserving([0.36, 0.5]))
    >>> u0, noise = torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    >>> loss.corrupt(u0, torch.tensor([1, 2]), noise)[:, 0, 0, 0]
    tensor([0.8000, 0.5657])
    >>> float(loss(lambda u, i: torch.full_like(u, 0.5), u0, torch.tensor([1, 2]), noise))
    0.25
    """

    def __init__(
        self, process: LinearGaussianScaleSpace, device: torch.device | str = "cpu"
    ) -> None:
        if not isinstance(process, LinearGaussianScaleSpace):
            found = type(process).__name__
            raise TypeError(f"process must be a LinearGaussianScaleSpace, found {found}")
        factors, variances = zip(*map(process.direct, range(1, process.steps + 1)), strict=True)
        silent = [i for i, variance in enumerate(variances, 1) if not bool((variance > 0).all())]
        if silent:
            raise ValueError(
                "process must have noise in every mode, or there is nothing to predict: "
                f"found a mode without noise at scale {silent[0]} of {process!r}"
            )
        self._cosine = process.shape is not None
        self._steps = process.steps
        self._factors, self._deviations = (
            torch.stack(values)
            .reshape(process.steps, 1, *(process.shape or (1, 1)))
            .to(device, torch.float32)
            for values in (factors, [v.sqrt() for v in variances])
        )

    def corrupt(self, u0: Tensor, i: Tensor, noise: Tensor) -> Tensor:
        r"""Images at scales of their own, from given noise.

        Parameters
        ----------
        u0 : Tensor, shape (N, C, H, W), float32
            Images at scale 0.
        i : Tensor, shape (N,), integers
            Scales, 1 <= i <= m.
        noise : Tensor, shape of ``u0``
            White standard normal noise in the pixel domain.

        Returns
        -------
        Tensor, shape of ``u0``

        Raises
        ------
        TypeError, ValueError
            If shapes or types do not fit, or a scale is out of range.
        """
        _check.like("noise", noise, u0, u0.shape)
        if i.shape != u0.shape[:1] or i.is_floating_point():
            expected = f"{u0.shape[0]} integers"
            raise ValueError(f"i must hold {expected}, found {i.dtype} of shape {tuple(i.shape)}")
        if bool(((i < 1) | (i > self._steps)).any()):
            low, high = int(i.min()), int(i.max())
            raise ValueError(f"i must be between 1 and {self._steps}, found {low} to {high}")
        return self._corrupt(u0, i, noise)

    def _corrupt(self, u0: Tensor, i: Tensor, noise: Tensor) -> Tensor:
        chosen = (i - 1).to(u0.device, non_blocking=True)
        factors, deviations = self._factors[chosen], self._deviations[chosen]
        if not self._cosine:
            return factors * u0 + deviations * noise
        return idct2(factors * dct2(u0) + deviations * dct2(noise))

    def __call__(
        self,
        predict: Callable[[Tensor, Tensor], Tensor],
        u0: Tensor,
        i: Tensor,
        noise: Tensor,
    ) -> Tensor:
        """Loss of a prediction, for the arguments of :meth:`corrupt`.

        Parameters
        ----------
        predict : callable
            Takes images (N, C, H, W) and their scales (N,) and returns the predicted noise.
        u0, i, noise : Tensor
            As for :meth:`corrupt`.

        Returns
        -------
        Tensor, shape ()
            Mean over images and pixels.
        """
        return (predict(self.corrupt(u0, i, noise), i) - noise).square().mean()
