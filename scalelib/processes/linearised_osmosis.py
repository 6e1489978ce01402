"""Linearised osmosis: the Gaussian surrogate of osmosis with a large offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from scalelib import _check, _serial
from scalelib.processes.base import LinearGaussianScaleSpace
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["LinearisedOsmosis"]


@final
class LinearisedOsmosis(LinearGaussianScaleSpace):
    r"""Marginals of osmosis towards a noise image, in the limit of a large offset.

    .. math:: M_i = e^{-\lambda t_i}, \qquad S_i = s\, (1 - e^{-\lambda t_i}), \qquad
              S_{k,i}^2 = S_i^2 - M_{k,i}^2 S_k^2

    With offset c on image and guidance, osmosis tends to :math:`u(t) = v + e^{t\Delta} (f - v)`
    as :math:`c \to \infty` (equal means); for :math:`v = \mu_v + s\, g` with white noise g this
    has the marginals above.

    Parameters
    ----------
    times : sequence of float or Tensor, shape (m,)
        Diffusion times in pixel^2, positive and strictly increasing.
    contrast : float
        Standard deviation s > 0 of the guidance noise, in the unit of the image: grey values
        v = 127.5 + 63.75 g are contrast 0.5 in [-1, 1].
    shape : (int, int)
        Height and width in pixels.

    Raises
    ------
    TypeError, ValueError
        If the times are not positive and strictly increasing, ``contrast`` is not positive, or
        ``shape`` is no pair.

    Notes
    -----
    Our addition. A Markov *surrogate*: only its marginals agree with osmosis in the limit.
    Osmosis itself reuses one g for all scales and is not Markov; that coupling is the mean plus
    :math:`s (1 - e^{-\lambda t}) \hat g` with the same g at every scale.

    Keeps the mean grey value exactly: the mode of frequency 0 carries no noise, and entropies
    exist only on the complement of the constants. Breaks: general permutations of the pixels.

    Examples
    --------
    >>> from scalelib import LinearisedOsmosis
    >>> process = LinearisedOsmosis([1.0, 1e4], contrast=0.5, shape=(4, 4))
    >>> _, variance = process.direct(2)
    >>> float(variance[0, 0]), round(float(variance[3, 3]), 6)
    (0.0, 0.25)
    """

    def __init__(self, times: _check.Numbers, contrast: float, shape: Sequence[int]) -> None:
        self.times = _check.increasing_schedule("times", times)
        self.contrast = _check.number("contrast", contrast, low=0)
        super().__init__(len(self.times), shape)
        self._eigenvalues = laplacian_eigenvalues(shape)

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        early = self.times[start - 1] if start else torch.zeros((), dtype=torch.float64)
        late = self.times[i - 1]
        decay = -self._eigenvalues * (late - early)
        factor = _serial.exp(decay)
        # S_i^2 - M^2 S_k^2 as a product, so that nothing cancels: S_i - M S_k = s (1 - M)
        # and S_i + M S_k = s (1 - e^{-lambda t_i}) + s M (1 - e^{-lambda t_k}).
        difference = -_serial.expm1(decay)
        total = -_serial.expm1(-self._eigenvalues * late) - factor * _serial.expm1(
            -self._eigenvalues * early
        )
        return factor, self.contrast**2 * difference * total
