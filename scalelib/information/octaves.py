"""Signal and noise per frequency: what a scale knows of each octave."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scalelib import _check
from scalelib.information._arguments import nonnegative
from scalelib.information.densities import per_coordinate
from scalelib.processes import LinearGaussianScaleSpace

__all__ = ["octave_information", "octaves", "signal_to_noise"]


def octaves(shape: Sequence[int]) -> Tensor:
    r"""Give each DCT-II mode the number of its octave.

    .. math:: 2^{j-1} \le f < 2^j, \qquad
              f = L \sqrt{(k_1 / H)^2 + (k_2 / W)^2}, \quad L = \max(H, W)

    Parameters
    ----------
    shape : (int, int)
        Height H and width W in pixels.

    Returns
    -------
    Tensor, shape (H, W), int64
        0 for the mean grey value, j >= 1 for octave j. The frequency f counts half waves along the
        longer side.

    Raises
    ------
    TypeError, ValueError
        If ``shape`` is no image size.

    Notes
    -----
    An octave is a quarter ring of modes, so that each has about four times as many as the one
    before it. The side L cuts the last ring: the corner beyond f = L counts as an octave.

    Examples
    --------
    >>> octaves((4, 4))
    tensor([[0, 1, 2, 2],
            [1, 1, 2, 2],
            [2, 2, 2, 2],
            [2, 2, 2, 3]])
    """
    height, width = _check.image_shape("shape", shape)
    longer = max(height, width)
    # The product first: at the edge of an octave both quotients are integers, and so exact.
    rows, columns = (
        (torch.arange(n, dtype=torch.float64) * longer / n).square() for n in (height, width)
    )
    # f^2 = mantissa 2^exponent with a mantissa in [1/2, 1).
    exponent = torch.frexp(rows[:, None] + columns).exponent.long()
    found = torch.div(exponent - 1, 2, rounding_mode="floor") + 1
    found[0, 0] = 0
    return found


def signal_to_noise(process: LinearGaussianScaleSpace, i: int, variances: Tensor) -> Tensor:
    r"""Signal-to-noise ratio of each DCT-II mode at scale i.

    .. math:: \mathrm{SNR}_i(k) = \frac{M_i(k)^2\, c_k}{S_i(k)^2}

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        A process; one without blur has the same noise in all modes of any orthonormal basis.
    i : int
        Scale, 1 <= i <= m.
    variances : Tensor, shape (H, W)
        Variances :math:`c_k` of the modes of the data, not negative.

    Returns
    -------
    Tensor, shape (H, W), float64
        A ratio of variances; inf where a mode with signal carries no noise, 0 where there is no
        signal.

    Raises
    ------
    TypeError, ValueError
        If the size does not fit the process, or a variance is negative.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VarianceExploding
    >>> signal_to_noise(VarianceExploding([0.5]), 1, torch.tensor([[4.0, 1.0]]))
    tensor([[16.,  4.]], dtype=torch.float64)
    """
    i = _check.integer("i", i, low=1)
    c = nonnegative("variances", variances, 2)
    factor, variance = (x.view(c.shape) for x in per_coordinate(process, i, c.numel()))
    if process.shape is not None and process.shape != c.shape:
        raise ValueError(
            f"variances must have the shape {process.shape} of {process!r}, found {tuple(c.shape)}"
        )
    signal = factor.square() * c
    return torch.where(signal > 0, signal / variance, 0.0)


def octave_information(process: LinearGaussianScaleSpace, i: int, variances: Tensor) -> Tensor:
    r"""Mutual information :math:`I(U_0; U_i)` of Gaussian data in each octave, in nats.

    .. math:: I_j = \frac12 \sum_{k \in \text{octave } j} \ln\big(1 + \mathrm{SNR}_i(k)\big)

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        A process.
    i : int
        Scale, 1 <= i <= m.
    variances : Tensor, shape (H, W)
        Variances of the modes of the data, not negative.

    Returns
    -------
    Tensor, shape (J + 1,), float64
        Entry 0 is that of the mean grey value, entry j that of octave j of :func:`octaves`. The sum
        is :func:`gaussian_mutual_information`. inf where a mode with signal carries no noise.

    Raises
    ------
    TypeError, ValueError
        If the size does not fit the process, or a variance is negative.

    Notes
    -----
    Our addition: independent modes inform independently, and an octave is the unit of scale.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> octave_information(VariancePreserving([0.5]), 1, torch.ones(2, 2))
    tensor([0.3466, 1.0397], dtype=torch.float64)
    """
    ratio = signal_to_noise(process, i, variances)
    bands = octaves(ratio.shape).flatten()
    told = 0.5 * torch.log1p(ratio).flatten()
    return torch.zeros(int(bands.max()) + 1, dtype=torch.float64).index_add_(0, bands, told)
