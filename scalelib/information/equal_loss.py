"""A schedule from the information curve: every step of the process forgets the same."""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq
from torch import Tensor

from scalelib import _check
from scalelib.information._arguments import nonnegative

__all__ = ["equal_loss_beta"]


def equal_loss_beta(
    variances: Tensor,
    steps: int,
    first: float,
    last: float,
    weights: Tensor | None = None,
) -> Tensor:
    r"""Noise variances of the variance preserving process that forgets the same in every step.

    .. math:: I(\gamma_{i-1}) - I(\gamma_i) = \frac{I(\gamma_1) - I(\gamma_m)}{m - 1}, \qquad
              I(\gamma) = \frac12 \sum_k w_k \ln(1 + \gamma c_k), \quad
              \gamma_i = \frac{\bar\alpha_i}{1 - \bar\alpha_i}

    Parameters
    ----------
    variances : Tensor, any shape
        Variances :math:`c_k` of Gaussian data in any orthonormal basis, not negative.
    steps : int
        Number of scales m, at least 2.
    first, last : float
        Signal-to-noise ratios :math:`\gamma_1 > \gamma_m > 0` of white data with variance 1 at the
        first and last scale.
    weights : Tensor, shape of ``variances``, or None
        Weights :math:`w_k`, not negative; None counts every mode once, which makes I the mutual
        information :math:`I(U_0; U_i)` in nats.

    Returns
    -------
    Tensor, shape (m,), float64
        Variances :math:`\beta_i` for :class:`~scalelib.VariancePreserving`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or no mode has variance and weight.

    Notes
    -----
    Our addition. The information increases strictly with :math:`\ln \gamma`, so that each scale
    is the root of one equation. At scale 0 it is infinite: the first step cannot be equal to the
    others, and ``first`` has to be chosen.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> from scalelib.information import gaussian_mutual_information
    >>> c = torch.tensor([4.0, 1.0, 0.25])
    >>> chain = VariancePreserving(equal_loss_beta(c, steps=4, first=100.0, last=0.01))
    >>> told = [gaussian_mutual_information(chain, i, c) for i in range(1, 5)]
    >>> [round(early - late, 6) for early, late in zip(told, told[1:])]
    [2.302585, 2.302585, 2.302585]
    """
    c = nonnegative("variances", variances).flatten()
    w = torch.ones_like(c) if weights is None else nonnegative("weights", weights).flatten()
    if w.shape != c.shape:
        raise ValueError(f"weights must hold {len(c)} numbers as variances do, found {len(w)}")
    steps = _check.integer("steps", steps, low=2)
    last = _check.number("last", last, low=0)
    first = _check.number("first", first, low=last)
    kept = (c > 0) & (w > 0)
    if not bool(kept.any()):
        raise ValueError("variances must be positive where weights are, found no such mode")
    logs, w = c[kept].log(), w[kept]

    def told(log_ratio: float) -> float:
        return 0.5 * float(w @ torch.nn.functional.softplus(log_ratio + logs, threshold=700.0))

    low, high = math.log(last), math.log(first)
    goals = torch.linspace(told(high), told(low), steps, dtype=torch.float64).tolist()
    places = [high]
    for goal in goals[1:-1]:
        root = brentq(lambda x, goal=goal: told(x) - goal, low, places[-1], xtol=1e-14, rtol=1e-14)
        places.append(float(root))
    power = torch.nn.functional.logsigmoid(torch.tensor([*places, low], dtype=torch.float64))
    return -torch.expm1(power.diff(prepend=power.new_zeros(1)))
