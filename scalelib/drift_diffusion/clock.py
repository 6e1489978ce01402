"""Diffusion time of the steps of a process."""

from __future__ import annotations

import torch

from scalelib.processes import LinearGaussianScaleSpace, VarianceExploding, VariancePreserving

__all__ = ["duration"]


def duration(process: LinearGaussianScaleSpace, i: int, start: int = 0) -> float:
    r"""Diffusion time that the density of a process needs from one scale to another.

    .. math:: s = \frac12 \int \beta\, \mathrm dt, \qquad
              s = -\tfrac12 \sum_{k < j \le i} \ln(1 - \beta_j)
              \quad\text{or}\quad s = \tfrac12 (\sigma_i^2 - \sigma_k^2)

    for a variance preserving or a variance exploding process. In this time the diffusivity is 1.

    Parameters
    ----------
    process : VariancePreserving or VarianceExploding
        A process on single pixels.
    i, start : int
        Scales, 0 <= start <= i <= m.

    Returns
    -------
    float
        Diffusion time s.

    Raises
    ------
    TypeError, ValueError
        If the process is another one, or a scale is out of range.

    Notes
    -----
    The change of time in equations (24) and (27) of the 2023 paper; our addition (T-osm). One step
    of a variance preserving process is a transition of the Ornstein-Uhlenbeck process
    :math:`\mathrm dU = -U\, \mathrm ds + \sqrt 2\, \mathrm dW`, so nothing is approximated.

    Examples
    --------
    >>> from scalelib import VariancePreserving
    >>> round(duration(VariancePreserving([0.5, 0.5]), 2), 6)
    0.693147
    """
    if not isinstance(process, VariancePreserving | VarianceExploding):
        raise TypeError(
            f"process must be variance preserving or exploding, found {type(process).__name__}"
        )
    _, variance = process.direct(i, start)  # checks the scales
    if isinstance(process, VarianceExploding):
        return float(variance) / 2
    return -0.5 * float(torch.log1p(-process.betas[start:i]).sum())
