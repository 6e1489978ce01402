"""Densities on a grid, evolved by the osmosis equation with a guidance that moves."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from scalelib import _check
from scalelib.drift_diffusion.evolution import (
    DriftDiffusion,
    advance,
    check_step_times,
    finished,
)
from scalelib.drift_diffusion.grid import Grid, check_density, check_field
from scalelib.drift_diffusion.integrators import Integrator, Propagator, check_integrator

__all__ = ["evolve_moving"]


def evolve_moving(
    grid: Grid,
    log_guidance: Callable[[float], Tensor],
    p: Tensor,
    *,
    end: float,
    start: float = 0.0,
    steps: int,
    integrator: Integrator = "exponential",
) -> Tensor:
    r"""Evolve a density under a guidance that depends on time.

    .. math:: \partial_s p = \Delta p - \mathrm{div}(p\, \nabla \ln v_s)

    Each step uses the operator of one guidance: that at the end of the step for implicit Euler,
    that in the middle for the other integrators.

    Parameters
    ----------
    grid : Grid
        Cells that carry the density.
    log_guidance : callable
        Takes a time s in [start, end] and returns :math:`\ln v_s` on the cells, up to a constant:
        a Tensor of the shape of the grid.
    p : Tensor, shape of the grid, float32 or float64
        Density at the time ``start``. Cells may be empty.
    end, start : float
        Diffusion times, start < end.
    steps : int
        Steps of equal length :math:`\tau`.
    integrator : {"exponential", "implicit-euler", "sdirk2"}
        Order 2, 1 and 2 in :math:`\tau`. Positive: the first two for every :math:`\tau`,
        ``"sdirk2"`` up to the bound of each operator, beyond which it raises.

    Returns
    -------
    Tensor, shape of the grid, float64
        Density at the time ``end``. Its mass is that of ``p``.

    Raises
    ------
    TypeError, ValueError
        If ``p`` or a guidance does not fit the grid, a step is not positive or too long, or the
        border comes to hold more mass than the tolerance of the grid.

    Notes
    -----
    The exponential at the middle of the step is the first term of the Magnus expansion, see
    Blanes, Casas, Oteo and Ros, Physics Reports 470, 2009, Section 2. A step leaves out
    :math:`\tfrac{\tau^3}{24} A'' + \tfrac{\tau^3}{12} [A', A]`, derivatives in time, and higher
    orders. So for the guidance N(s, 1) a Gaussian keeps its exact variance, and after the time S
    its mean lags behind by about :math:`\tfrac{\tau^2}{12} (1 - e^{-S})`.

    Examples
    --------
    >>> import torch
    >>> grid = Grid(-8, 8, 160)
    >>> def log_guidance(s):  # a hill that wanders to the right
    ...     return -((grid.axes[0] - s) ** 2) / 2
    >>> p = evolve_moving(grid, log_guidance, log_guidance(0.0).exp(), end=1.0, steps=50)
    >>> mean = float((p * grid.axes[0]).sum() / p.sum())
    >>> round(mean, 2)  # s - 1 + exp(-s) for small steps
    0.37
    """
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid, found {type(grid).__name__}")
    if not callable(log_guidance):
        raise TypeError(f"log_guidance must be callable, found {type(log_guidance).__name__}")
    check_integrator(integrator)
    start, end = check_step_times(start, end)
    steps = _check.integer("steps", steps, low=1)
    tau = (end - start) / steps
    ahead = 1.0 if integrator == "implicit-euler" else 0.5
    state = check_density(grid, "p", p).flatten().numpy()
    for k in range(steps):
        guidance = check_field(grid, "log_guidance", log_guidance(start + (k + ahead) * tau))
        propagator = Propagator(DriftDiffusion(grid, guidance).operator)
        state = advance(propagator, grid, state, tau, integrator)
    return finished(grid, state)
