"""Densities on a grid, evolved by the osmosis equation with a fixed guidance."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalelib import _check
from scalelib.drift_diffusion.grid import Grid, border_share, check_density, check_field
from scalelib.drift_diffusion.integrators import (
    LONGEST,
    LONGEST_EXACT,
    Integrator,
    Propagator,
    check_integrator,
)
from scalelib.osmosis import Osmosis

__all__ = ["DriftDiffusion"]


@final
class DriftDiffusion:
    r"""Drift-diffusion of a probability density, by the operator of osmosis.

    .. math:: \partial_s p = \Delta p - \mathrm{div}(d\, p), \qquad d = \nabla \ln v

    with a reflecting border: equation (24) of the 2023 paper in the time s of :func:`duration`,
    and equation (26) for the density. With the standard normal density as guidance v it is the
    forward equation of the variance preserving process, without guidance that of the variance
    exploding one.

    Parameters
    ----------
    grid : Grid
        Cells that carry the density.
    log_guidance : Tensor, shape of the grid, or None
        :math:`\ln v` on the cells up to a constant; it may be far below the range in which v
        itself is a positive number.
    drift : Tensor, shape (n-1,), or pair (dy, dx) of shapes (ny-1, nx) and (ny, nx-1), or None
        Any drift d at the interfaces of the cells, in 1 / length, with :math:`|d|\, h \le 2`. At
        most one of ``log_guidance`` and ``drift`` is given; with neither, d = 0.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or the grid is too coarse for the drift.

    Notes
    -----
    The matrix A is that of :meth:`scalelib.Osmosis.operator`, with the canonical drift

    .. math:: d_{i+1/2} = \frac{2 (v_{i+1} - v_i)}{h (v_{i+1} + v_i)}
                        = \frac2h \tanh \frac{\ln v_{i+1} - \ln v_i}{2},

    so it is second order in h, and keeps mass, positivity and the steady state. The identification
    is ours (T-osm).

    Examples
    --------
    >>> import torch
    >>> from scalelib.information import Mixture
    >>> grid = Grid(-7, 7, 140)
    >>> normal = Mixture(torch.zeros(1, 1).double(), torch.ones(1).double())
    >>> narrow = Mixture(torch.ones(1, 1).double(), torch.tensor([0.25]).double())
    >>> evolution = DriftDiffusion(grid, grid.log_averages(normal))
    >>> p = evolution.evolve(grid.averages(narrow), time=20.0)
    >>> round(grid.l1_error(p, grid.averages(normal)), 6)
    0.0
    """

    def __init__(
        self,
        grid: Grid,
        log_guidance: Tensor | None = None,
        drift: Tensor | tuple[Tensor, Tensor] | None = None,
    ) -> None:
        if not isinstance(grid, Grid):
            raise TypeError(f"grid must be a Grid, found {type(grid).__name__}")
        if log_guidance is not None and drift is not None:
            raise ValueError("at most one of log_guidance and drift must be given, found both")
        self.grid = grid
        self._log_guidance: Tensor | None = None
        if drift is None:
            flat = torch.zeros(grid.shape, dtype=torch.float64)
            given = flat if log_guidance is None else log_guidance
            self._log_guidance = check_field(grid, "log_guidance", given)
            fields = canonical_drift_of_log(self._log_guidance, grid.spacing)
        else:
            fields = _interface_fields(grid, drift)
            _check_resolution(fields, grid.spacing)
        self._osmosis = Osmosis(drift=_as_image_drift(fields), spacing=grid.spacing)
        self._propagator = Propagator(self._osmosis.operator())

    @property
    def operator(self) -> scipy.sparse.csr_array:
        """Matrix A, shape (cells, cells); cells are stacked row by row."""
        return self._propagator.operator

    @property
    def positivity_bound(self) -> float:
        r"""Longest step :math:`(1 + \sqrt 2) / \max_i |a_{ii}|` of ``"sdirk2"``.

        The factor is the radius of absolute monotonicity of the stability function, so no larger
        one serves all A with the same diagonal (Bolley and Crouzeix, RAIRO Anal. Numér. 12(3),
        1978): cells that hand on in one direction only attain it. For a given A it is sufficient;
        pure diffusion on a line stays positive for :math:`2 + \sqrt 2` times as long.
        """
        return self._propagator.positivity_bound

    def evolve(
        self,
        p: Tensor,
        time: float,
        steps: int = 1,
        integrator: Integrator = "exponential",
    ) -> Tensor:
        r"""Evolve a density for some time.

        Parameters
        ----------
        p : Tensor, shape of the grid, float32 or float64
            Density at the start. Cells may be empty.
        time : float
            Diffusion time s, positive; see :func:`duration`.
        steps : int
            Steps of equal length :math:`\tau`. The exponential needs one only.
        integrator : {"exponential", "implicit-euler", "sdirk2"}
            ``"exponential"``: exact in time, positive; its cost grows with :math:`\tau / h^2`.
            ``"implicit-euler"``: order 1 in :math:`\tau`, positive for every :math:`\tau`.
            ``"sdirk2"``: L-stable, order 2; positive up to :attr:`positivity_bound`, beyond which
            it raises.

        Returns
        -------
        Tensor, shape of the grid, float64

        Raises
        ------
        TypeError, ValueError
            If ``p`` is no density on the grid, a step is not positive or too long, or the border
            comes to hold more mass than the tolerance of the grid.

        Notes
        -----
        What rounding does to the mass is taken off in each step.

        Implicit Euler: Vogel et al., SSVM 2013, Theorem 1. SDIRK2: Alexander, SIAM J. Numer. Anal.
        14(6), 1977. No method of order 2 whose stability function is rational is
        positive for every step: Bolley and Crouzeix, RAIRO Anal. Numér. 12(3), 1978.
        """
        check_integrator(integrator)
        time = _check.number("time", time, low=0)
        steps = _check.integer("steps", steps, low=1)
        state = check_density(self.grid, "p", p).flatten().numpy()
        state = advance(self._propagator, self.grid, state, time / steps, integrator, steps)
        return finished(self.grid, state)

    def steady_state(self, p: Tensor) -> Tensor:
        r"""Limit of the evolution for :math:`s \to \infty`: v with the mass of ``p``.

        Parameters
        ----------
        p : Tensor, shape of the grid, float32 or float64
            Density.

        Returns
        -------
        Tensor, shape of the grid, float64

        Raises
        ------
        TypeError, ValueError
            If ``p`` is no density on the grid, or a drift separates it into parts.
        """
        mass = self.grid.mass(p)
        if self._log_guidance is not None:
            w = torch.softmax(self._log_guidance.flatten(), dim=0).view(self.grid.shape)
        else:
            image = torch.ones(self.grid.shape, dtype=torch.float64).view(_image(self.grid))
            w = self._osmosis.steady_state(image).view(self.grid.shape)
        return w * (mass / self.grid.cell / w.sum())


def advance(
    propagator: Propagator,
    grid: Grid,
    state: NDArray[np.float64],
    tau: float,
    integrator: Integrator,
    steps: int = 1,
) -> NDArray[np.float64]:
    """Take steps of equal length, which must be a positive number on the scale of the grid."""
    high = LONGEST_EXACT if integrator == "exponential" else LONGEST
    _check.number("tau / spacing^2", tau / grid.spacing**2, low=0, high=high)
    for _ in range(steps):
        state = propagator.step(state, tau, integrator)
    return state


def finished(grid: Grid, state: NDArray[np.float64]) -> Tensor:
    """Shape the density; raise if its border holds too much."""
    p = torch.from_numpy(state).view(grid.shape)
    found = border_share(p)
    if found > grid.tolerance:
        raise ValueError(
            f"grid must be wide enough, found {grid!r}, whose border has come to hold the share "
            f"{found:.3g} of the mass; the tolerance is {grid.tolerance:g}"
        )
    return p


def canonical_drift_of_log(log_guidance: Tensor, spacing: float) -> tuple[Tensor, ...]:
    r"""Canonical drift :math:`\frac2h \tanh(\frac12 \Delta \ln v)` at the interfaces per axis."""
    return tuple(
        torch.tanh(log_guidance.diff(dim=k) / 2) * (2 / spacing) for k in range(log_guidance.ndim)
    )


def _interface_fields(grid: Grid, drift: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    fields = tuple(drift) if isinstance(drift, tuple | list) else (drift,)
    if len(fields) != grid.dimension:
        raise ValueError(f"drift must be one field per axis of {grid!r}, found {len(fields)}")
    for k, d in enumerate(fields):
        expected = tuple(n - (axis == k) for axis, n in enumerate(grid.shape))
        if tuple(_check.floating(f"drift[{k}]", d).shape) != expected:
            found = tuple(d.shape)
            raise ValueError(f"drift[{k}] must have shape {expected}, found {found}")
    return fields


def _check_resolution(fields: tuple[Tensor, ...], spacing: float) -> None:
    largest = max(float(d.abs().max()) for d in fields)
    if largest * spacing > 2:
        raise ValueError(
            f"grid must have a spacing of at most 2 / max |d| = {2 / largest:.6g} for positivity, "
            f"found {spacing:.6g}"
        )


def _as_image_drift(fields: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Interface fields (dy, dx) of an image; an interval is an image of one row."""
    if len(fields) == 2:
        return fields[0], fields[1]
    row = fields[0][None]
    return row.new_zeros(0, row.shape[1] + 1), row


def _image(grid: Grid) -> tuple[int, int]:
    return (1, grid.shape[0]) if grid.dimension == 1 else (grid.shape[0], grid.shape[1])


def check_step_times(start: float, end: float) -> tuple[float, float]:
    """Return finite times with start < end."""
    start, end = _check.number("start", start), _check.number("end", end)
    if not end > start or math.isinf(end - start):
        raise ValueError(f"end must be later than start, found {start:g} and {end:g}")
    return start, end
