r"""Feller's equations for the variance preserving process in continuous time.

One step of the process with :math:`1 - \beta = e^{-(B(t) - B(\tau))}` is the transition of

.. math:: \mathrm dU = -\tfrac12 \beta(t)\, U\, \mathrm dt + \sqrt{\beta(t)}\, \mathrm dW,
          \qquad B(t) = \int_0^t \beta,

from time :math:`\tau` to time t. A density is differentiated in time by Chebyshev interpolation
and in space by automatic differentiation, so both are exact up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from scalelib.information import Mixture, marginal
from scalelib.processes import VariancePreserving

__all__ = [
    "DATA",
    "END",
    "HIGH",
    "LOW",
    "POSITIONS",
    "Field",
    "Terms",
    "along",
    "density",
    "divergence",
    "drift",
    "kernel",
    "mixture_density",
    "rate",
    "residual",
    "slopes",
    "times",
]

Field = Callable[[Tensor, float], Tensor]
"""Function of positions, shape (n,) or (n, d), and of one time."""
Terms = Callable[[Tensor, float, Tensor], Tensor]
"""What an equation equates with the time derivative, from positions, time and values there."""

LOW, HIGH, END = 0.2, 0.8, 1.0
"""Times between which an equation is checked, and a later one."""
DEGREE = 32
"""Of the interpolation in time: enough for rounding."""
POSITIONS = torch.linspace(-2.5, 2.5, 41, dtype=torch.float64)
DATA = Mixture(
    torch.tensor([[-1.0], [0.6]], dtype=torch.float64),
    torch.tensor([[0.1], [0.25]], dtype=torch.float64),
    torch.tensor([0.4, 0.6], dtype=torch.float64),
)
"""Initial law with two unequal modes."""


def rate(t: float) -> float:
    """Noise rate beta(t): not constant, so that no time is taken for another one."""
    return 1 + t


def process(start: float, end: float) -> VariancePreserving:
    """Variance preserving process with one step, from one time to a later one."""
    noise = end - start + (end**2 - start**2) / 2
    return VariancePreserving([-math.expm1(-noise)])


def drift(u: Tensor, t: float) -> Tensor:
    """First moment m_1 of equation (23): the second one is the rate."""
    return -rate(t) / 2 * u


def kernel(u: Tensor, t: float, x: Tensor, start: float) -> Tensor:
    """Transition density p(u, t | x, start)."""
    factor, variance = process(start, t).direct(1)
    return torch.exp(-(u - factor * x).square() / (2 * variance)) / (2 * math.pi * variance).sqrt()


def density(u: Tensor, t: float) -> Tensor:
    """Density of U_t for the initial law :data:`DATA`."""
    return mixture_density(marginal(process(0.0, t), DATA, 1), u)


def mixture_density(law: Mixture, u: Tensor) -> Tensor:
    """Density of a mixture at points (n,) or (n, d), shape (n,); hands on gradients."""
    gaps = u.reshape(len(u), 1, -1) - law.means
    logs = -(gaps.square() / law.variances + (2 * math.pi * law.variances).log()) / 2
    return (law.log_weights + logs.sum(dim=2)).exp().sum(dim=1)


def along(y: Tensor, u: Tensor) -> Tensor:
    """Differentiate y in space, shape of ``u``; the result can be differentiated again."""
    (found,) = torch.autograd.grad(y.sum(), u, create_graph=True)
    return found


def divergence(flux: Tensor, u: Tensor) -> Tensor:
    """Divergence, shape (n,), of a vector field (n,) or (n, d)."""
    if u.ndim == 1:
        return along(flux, u)
    return torch.stack([along(part, u)[:, k] for k, part in enumerate(flux.T)]).sum(dim=0)


def times(low: float = LOW, high: float = HIGH) -> Tensor:
    """Chebyshev points between two times, where fields that vary in time are evaluated."""
    return (low + high) / 2 + (high - low) / 2 * _chebyshev(DEGREE)[0]


def slopes(values: Tensor, low: float = LOW, high: float = HIGH) -> Tensor:
    """Differentiate in time what is given at :func:`times`, shape (33, ...)."""
    flat = _chebyshev(DEGREE)[1] @ values.reshape(len(values), -1)
    return (2 / (high - low) * flat).reshape(values.shape)


def residual(
    field: Field,
    terms: Terms,
    low: float = LOW,
    high: float = HIGH,
    positions: Tensor = POSITIONS,
) -> float:
    """Return how far a field is from solving an equation, relative to its time derivative.

    Parameters
    ----------
    field : callable
        What may solve it.
    terms : callable
        The side without time derivative; takes positions, time and the values of the field.
    low, high : float
        Times.
    positions : Tensor, shape (n,) or (n, d)
        Where the equation is checked.

    Returns
    -------
    float
        Largest absolute difference over largest absolute time derivative.
    """
    values, expected = [], []
    for t in times(low, high).tolist():
        u = positions.clone().requires_grad_()
        p = field(u, t)
        values.append(p.detach())
        expected.append(terms(u, t, p).detach())
    slope = slopes(torch.stack(values), low, high)
    return float((slope - torch.stack(expected)).abs().max() / slope.abs().max())


def _chebyshev(degree: int) -> tuple[Tensor, Tensor]:
    """Chebyshev points in [-1, 1] and the matrix that differentiates polynomials there."""
    k = torch.arange(degree + 1, dtype=torch.float64)
    x = torch.cos(math.pi * k / degree)
    weight = (-1.0) ** k
    weight[[0, -1]] *= 2
    gaps = x[:, None] - x[None, :] + torch.eye(degree + 1, dtype=torch.float64)
    matrix = weight[:, None] / weight[None, :] / gaps
    return x, matrix - torch.diag(matrix.sum(dim=1))
