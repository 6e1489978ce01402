"""The one family behind every process: linear Gaussian scale-spaces, diagonal in a fixed basis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from scalelib import _check, _serial
from scalelib.transforms import cosine_filter, cosine_image, cosine_transform, cosine_transition

__all__ = ["LinearGaussianScaleSpace"]


class LinearGaussianScaleSpace(ABC):
    r"""Markov chain with linear mean and Gaussian noise, diagonal in an orthonormal basis V.

    .. math:: U_i = V \mathrm{diag}(a_i) V^\top U_{i-1} + V \mathrm{diag}(b_i) V^\top G_i,
              \qquad G_i \sim N(0, I) \text{ independent}

    V is the identity (pixel-wise processes) or the orthonormal DCT-II (blurring processes). A
    process states one thing only, its transition from scale k to scale i,

    .. math:: U_i \mid U_k \sim N\big(V \mathrm{diag}(M_{k,i}) V^\top U_k,\;
              V \mathrm{diag}(S_{k,i}^2) V^\top\big), \qquad
              M_{k,i} = \prod_{k<j\le i} a_j, \quad
              S_{k,i}^2 = a_i^2 S_{k,i-1}^2 + b_i^2, \quad S_{k,k} = 0.

    Scale 0 is the image itself, scales 1..m are those of the schedule.

    Parameters
    ----------
    steps : int
        Number of scales m.
    shape : (int, int) or None
        Height and width in pixels if V is the DCT-II basis of that size, None if V = I.

    Notes
    -----
    Kept by every member: linearity of the mean, the Markov property and with it the semigroup
    property of the transition kernels. A sequence of marginals belongs to such a chain if and
    only if the signal-to-noise ratio :math:`M_i^2 / S_i^2` increases in no mode; this is our
    addition to the paper, the semigroup property is its Property 2 (2023), Proposition 2 (2024).

    Images have shape (..., C, H, W) and any leading batch dimensions. Coefficients are float64 and
    are cast to the dtype and device of the image when they are used.
    """

    def __init__(self, steps: int, shape: Sequence[int] | None = None) -> None:
        self._steps = steps
        self._shape = None if shape is None else _check.image_shape("shape", shape)

    @abstractmethod
    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        """Mean factor and variance of the transition ``start -> i`` for ``start < i``."""

    @property
    def steps(self) -> int:
        """Number of scales m."""
        return self._steps

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width of the images, or None if the process is pixel-wise."""
        return self._shape

    def __repr__(self) -> str:
        """Name, number of scales and image size."""
        shape = "" if self.shape is None else f", shape={self.shape}"
        return f"{type(self).__name__}(steps={self.steps}{shape})"

    def to_modes(self, u: Tensor) -> Tensor:
        r"""Coefficients of images in the basis of the process, :math:`V^\top u`.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W)
            Images.

        Returns
        -------
        Tensor, shape of ``u``
        """
        return self._modes(self._check_image("u", u))

    def from_modes(self, coefficients: Tensor) -> Tensor:
        r"""Images with given coefficients in the basis of the process, :math:`V \hat u`.

        Parameters
        ----------
        coefficients : Tensor, shape (..., C, H, W)
            Coefficients.

        Returns
        -------
        Tensor, shape of ``coefficients``
        """
        return self._images(self._check_image("coefficients", coefficients))

    def coefficients(self, i: int) -> tuple[Tensor, Tensor]:
        r"""Mean factor and noise variance of the single step i - 1 -> i.

        Parameters
        ----------
        i : int
            Scale, 1 <= i <= m.

        Returns
        -------
        a, b2 : Tensor, shape () or (H, W), float64
            :math:`a_i` and :math:`b_i^2` per mode.

        Raises
        ------
        TypeError, ValueError
            If ``i`` is no integer or out of range.
        """
        i = _check.integer("i", i, low=1, high=self.steps)
        return self._transition(i - 1, i)

    def direct(self, i: int, start: int = 0) -> tuple[Tensor, Tensor]:
        r"""Mean factor and variance of the transition from scale ``start`` to scale ``i``.

        Parameters
        ----------
        i : int
            Scale that is reached, 0 <= i <= m.
        start : int
            Scale that is left, 0 <= start <= i. ``start = i`` is the identity.

        Returns
        -------
        factor, variance : Tensor, shape () or (H, W), float64
            :math:`M_{k,i}` and :math:`S_{k,i}^2` per mode, from closed forms that neither
            underflow nor overflow nor cancel (never as the quotient M_i / M_k).

        Raises
        ------
        TypeError, ValueError
            If a scale is no integer or out of range.

        Notes
        -----
        Equation (5) of the 2023 paper for ``start = 0`` and the variance preserving process
        (with its product starting at j = 1); Proposition 1 of the 2024 paper.
        """
        i = _check.integer("i", i, low=0, high=self.steps)
        start = _check.integer("start", start, low=0, high=i)
        if start < i:
            return self._transition(start, i)
        size = () if self.shape is None else self.shape
        return torch.ones(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)

    def mean(self, u: Tensor, i: int, start: int = 0) -> Tensor:
        r"""Conditional mean :math:`E[U_i \mid U_k = u]`.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Image at scale ``start``.
        i, start : int
            Scales, 0 <= start <= i <= m.

        Returns
        -------
        Tensor, shape of ``u``

        Raises
        ------
        TypeError, ValueError
            If ``u`` is no finite image of the right size, or a scale is out of range.
        """
        u = self._check_image("u", u)
        factor, _ = self.direct(i, start)
        if i == start:
            return u.clone()
        if self.shape is None:
            return u * factor.to(u)
        return cosine_filter(u, factor.to(u))

    def sample(
        self,
        u: Tensor,
        i: int,
        start: int = 0,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        r"""Draw :math:`U_i` given :math:`U_k = u`, in one jump from scale ``start`` to ``i``.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Image at scale ``start``.
        i, start : int
            Scales, 0 <= start <= i <= m.
        generator : torch.Generator
            Source of the noise, on the device of ``u``. It is not advanced where the transition
            carries no noise.
        noise : Tensor, shape of ``u``
            White standard normal noise in the pixel domain. Exactly one of ``generator`` and
            ``noise`` is given.

        Returns
        -------
        Tensor, shape of ``u``

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape, device or range, or if both or neither of
            ``generator`` and ``noise`` are given.
        """
        u = self._check_image("u", u)
        factor, variance = self.direct(i, start)
        _check.one_noise_source(generator, noise, u)
        if noise is not None:
            _check.like("noise", noise, u, u.shape)
        if i == start:
            return u.clone()
        # Contiguous: the draw must not depend on how the caller's image lies in memory.
        image = torch.empty_like(u, memory_format=torch.contiguous_format)
        modes = self._modes(u)
        self._jump(modes, factor, variance, generator, noise, image, modes)
        return image

    def trajectory(
        self,
        u0: Tensor,
        scales: Sequence[int],
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        independent: bool = False,
    ) -> Tensor:
        r"""Draw one trajectory: a Markov chain through the increasing scales asked for.

        Parameters
        ----------
        u0 : Tensor, shape (..., C, H, W), float32 or float64
            Image at scale 0.
        scales : sequence of int
            Strictly increasing scales in 0..m; scale 0 returns the image.
        generator : torch.Generator
            Source of the noise, on the device of ``u0``.
        noise : Tensor, shape (len(scales), \*u0.shape)
            White standard normal noise in the pixel domain, one image per scale. Exactly one of
            ``generator`` and ``noise`` is given.
        independent : bool
            If True, every scale is drawn from scale 0 with noise of its own. The marginals given
            the image are the same, the trajectory is not Markov. For heat dissipation this is the
            coupling of Rissanen et al. (2023).

        Returns
        -------
        Tensor, shape (len(scales), \*u0.shape)
            Peak memory is this result and a few images of the size of ``u0``.

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape, device or range, or if both or neither of
            ``generator`` and ``noise`` are given.

        Notes
        -----
        Equations (2) to (4) of the 2023 paper.
        """
        u0 = self._check_image("u0", u0)
        scales = _check.increasing_integers("scales", scales, low=0, high=self.steps)
        _check.one_noise_source(generator, noise, u0)
        if noise is not None:
            _check.like("noise", noise, u0, (len(scales), *u0.shape))
        result = u0.new_empty((len(scales), *u0.shape))
        state = self._modes(u0)
        room = torch.empty_like(state) if independent and self.shape else state
        start = 0
        for j, i in enumerate(scales):
            if i == 0:
                result[j] = u0  # bit for bit, without two transforms
                continue
            factor, variance = self.direct(i, start)
            given = None if noise is None else noise[j]
            found = self._jump(state, factor, variance, generator, given, result[j], room)
            # Without noise there is nothing to remember: the next jump leaves from the same scale.
            if bool(variance.any()) and not independent:
                state, start = found, i
        return result

    def _jump(
        self,
        modes: Tensor,
        factor: Tensor,
        variance: Tensor,
        generator: torch.Generator | None,
        noise: Tensor | None,
        image: Tensor,
        room: Tensor,
    ) -> Tensor:
        """Write one transition to ``image``, which is contiguous, and return its modes.

        A blurring process has ``room`` for them, which may be ``modes`` itself.
        New memory costs more than arithmetic: the noise is drawn in the image itself.
        """
        if not bool(variance.any()):
            if self.shape is None:
                image.copy_(modes * factor.to(modes))
            else:
                cosine_image(modes, factor.to(modes), image)
            return modes
        if self.shape is not None:
            white = image.normal_(generator=generator) if noise is None else noise
            deviation = _serial.sqrt(variance).to(modes)
            return cosine_transition(modes, factor.to(modes), white, deviation, image, room)
        std = float(variance.sqrt())
        if noise is None:
            image.normal_(std=std, generator=generator)
        else:
            image.copy_(noise).mul_(std)
        return image.add_(modes, alpha=float(factor))

    def _modes(self, u: Tensor) -> Tensor:
        return u if self.shape is None else cosine_transform(u, False)

    def _images(self, coefficients: Tensor) -> Tensor:
        return coefficients if self.shape is None else cosine_transform(coefficients, True)

    def _check_image(self, name: str, u: Tensor) -> Tensor:
        # A pixel-wise process has no opinion on the shape: points of R^n are welcome too.
        if self.shape is None:
            return _check.floating(name, u)
        return _check.image(name, u, self.shape)
