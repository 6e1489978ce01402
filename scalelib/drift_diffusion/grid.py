"""Grids of cells in one and two dimensions, and densities as averages over the cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.information import Mixture

__all__ = ["Grid"]

_CHUNK = 2**22
"""Pairs of a component and a cell that are held in memory at once."""


@final
class Grid:
    r"""Cells of equal width h on an interval or a rectangle.

    A density is a float64 tensor of its averages over the cells, so its mass is
    :math:`h^d \sum_i p_i` for dimension d. Coordinate k of a point runs along axis k of the
    tensor.

    Parameters
    ----------
    low, high : float or (float, float)
        Ends of the interval, or of the rectangle per axis; one number stands for both axes.
    shape : int or (int, int)
        Number of cells per axis, each at least 2. In two dimensions cells must be squares.
    tolerance : float
        Largest share of the mass that may be lost beyond the border, or be found in the cells at
        the border after an evolution, in (0, 1].

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range, or cells are no squares.

    Notes
    -----
    The border reflects what an evolution brings to it. On a grid that is wide enough for the
    tolerance this does not matter; with ``tolerance=1`` nothing is asked for.

    Examples
    --------
    >>> grid = Grid(-7, 7, 140)
    >>> grid.spacing, grid.axes[0][:2]
    (0.1, tensor([-6.9500, -6.8500], dtype=torch.float64))
    """

    def __init__(
        self,
        low: float | Sequence[float],
        high: float | Sequence[float],
        shape: int | Sequence[int],
        tolerance: float = 1e-9,
    ) -> None:
        self.shape = _shape(shape)
        lows, highs = _ends("low", low, self.dimension), _ends("high", high, self.dimension)
        if any(a >= b for a, b in zip(lows, highs, strict=True)):
            raise ValueError(f"low must be less than high, found {low} and {high}")
        self.tolerance = _check.number("tolerance", tolerance, low=0, high=math.nextafter(1, 2))
        widths = [(b - a) / n for a, b, n in zip(lows, highs, self.shape, strict=True)]
        self.spacing = widths[0]
        if abs(widths[-1] - widths[0]) > 1e-12 * widths[0]:
            raise ValueError(f"cells must be squares, found widths {widths[0]} and {widths[-1]}")
        self.edges = tuple(
            torch.linspace(a, b, n + 1, dtype=torch.float64)
            for a, b, n in zip(lows, highs, self.shape, strict=True)
        )

    def __repr__(self) -> str:
        """Tell ends, shape and width of the cells."""
        ends = " x ".join(f"[{float(x[0]):g}, {float(x[-1]):g}]" for x in self.edges)
        return f"Grid({ends}, shape={self.shape}, spacing={self.spacing:g})"

    @property
    def dimension(self) -> int:
        """Dimension d, 1 or 2."""
        return len(self.shape)

    @property
    def cell(self) -> float:
        """Length or area of one cell."""
        return self.spacing**self.dimension

    @property
    def axes(self) -> tuple[Tensor, ...]:
        """Centres of the cells along each axis, shape (n,), float64."""
        return tuple((x[1:] + x[:-1]) / 2 for x in self.edges)

    @property
    def points(self) -> Tensor:
        """Centres of all cells, shape (cells, d), float64; the last axis runs fastest."""
        return torch.stack([x.flatten() for x in torch.meshgrid(*self.axes, indexing="ij")], dim=1)

    def averages(self, law: Mixture) -> Tensor:
        r"""Averages of a density over the cells, exact up to rounding.

        .. math:: p_i = \frac1h \sum_j w_j \left[ \Phi\Big(\frac{e_{i+1} - \mu_j}{\sigma_j}\Big)
                  - \Phi\Big(\frac{e_i - \mu_j}{\sigma_j}\Big) \right]

        with the edges e of the cells; a product of such differences in two dimensions.

        Parameters
        ----------
        law : Mixture
            Its dimension must be that of the grid. A component of variance 0 is a point mass:
            its cell holds it all, an edge shares it between both cells.

        Returns
        -------
        Tensor, shape of the grid, float64
            Mass beyond the border is missing: nothing is normalised.

        Raises
        ------
        TypeError, ValueError
            If the dimension does not fit, or the law has more than ``tolerance`` of its mass beyond
            the border.

        Notes
        -----
        The centre of mass of a cell is its centre. A point mass elsewhere in the cell is moved
        there, and what evolves from it is wrong in first order of h: start from :meth:`deposit`.

        Examples
        --------
        >>> import torch
        >>> normal = Mixture(torch.zeros(1, 1).double(), torch.ones(1).double())
        >>> grid = Grid(-7, 7, 140)
        >>> round(grid.mass(grid.averages(normal)), 11)
        1.0
        """
        return self.log_averages(law).exp()

    def log_averages(self, law: Mixture) -> Tensor:
        r"""Natural logarithm of :meth:`averages`, which does not underflow in the tails.

        Parameters
        ----------
        law : Mixture
            As for :meth:`averages`.

        Returns
        -------
        Tensor, shape of the grid, float64
            :math:`-\infty` only where a law of point masses has none.

        Raises
        ------
        TypeError, ValueError
            As for :meth:`averages`.
        """
        self._check_law(law)
        means, deviations = law.means, law.variances.sqrt().expand_as(law.means)
        self._check_width(_lost(self.edges, means, deviations, law.log_weights.exp()))
        found = torch.full(self.shape, -math.inf, dtype=torch.float64)
        size = max(1, _CHUNK // found.numel())
        for k in range(0, len(means), size):
            part = slice(k, k + size)
            logs = _log_masses(self.edges, means[part], deviations[part])
            weights = law.log_weights[part].view([-1] + [1] * self.dimension)
            found = torch.logaddexp(found, (weights + logs).logsumexp(dim=0))
        return found - math.log(self.cell)

    def deposit(self, law: Mixture) -> Tensor:
        r"""Share each point mass between the nearest cells, such that its mean is kept.

        .. math:: p_i = \frac1h \sum_j w_j \max\Big(0,\, 1 - \frac{|\mu_j - c_i|}{h}\Big)

        with the centres c of the cells; a product of such weights in two dimensions.

        Parameters
        ----------
        law : Mixture
            Point masses, of variance 0, such as the grey values of a photograph. Its dimension
            must be that of the grid.

        Returns
        -------
        Tensor, shape of the grid, float64

        Raises
        ------
        TypeError, ValueError
            If the dimension does not fit, a variance is not 0, or the law has more than
            ``tolerance`` of its mass beyond the outermost centres.

        Notes
        -----
        Mass and mean are exact and variances too large by at most :math:`h^2 / 4`, so what evolves
        from it is right to second order. Source: "cloud in cell", Hockney and Eastwood, Computer
        Simulation Using Particles, 1981, Section 5-3.

        Examples
        --------
        >>> import torch
        >>> point = Mixture(torch.tensor([[0.25]]).double(), torch.zeros(1).double())
        >>> Grid(-1.5, 2.5, 4).deposit(point)
        tensor([0.0000, 0.7500, 0.2500, 0.0000], dtype=torch.float64)
        """
        self._check_law(law)
        if bool((law.variances > 0).any()):
            largest = float(law.variances.max())
            raise ValueError(f"law must consist of point masses, found a variance of {largest:g}")
        lowest = torch.stack([x[0] for x in self.axes])
        steps = (law.means - lowest) / self.spacing
        inside = ((steps >= 0) & (steps <= torch.tensor(self.shape) - 1)).all(dim=1)
        weights = law.log_weights.exp()
        self._check_width(float(weights[~inside].sum()))
        return _shared(steps[inside], weights[inside], self.shape) / self.cell

    def histogram(self, points: Tensor) -> Tensor:
        """Density of a sample: its counts in the cells, divided by sample size and cell.

        Parameters
        ----------
        points : Tensor, shape (n, d), float32 or float64
            Sample.

        Returns
        -------
        Tensor, shape of the grid, float64

        Raises
        ------
        TypeError, ValueError
            If ``points`` does not fit, or more than the share ``tolerance`` lies beyond the border.
        """
        _check.floating("points", points)
        if points.ndim != 2 or points.shape[1] != self.dimension:
            found = tuple(points.shape)
            raise ValueError(f"points must have shape (n, {self.dimension}), found {found}")
        counts, _ = torch.histogramdd(
            points.detach().to("cpu", torch.float64), bins=list(self.edges)
        )
        self._check_width((len(points) - float(counts.sum())) / len(points))
        return counts / (len(points) * self.cell)

    def mass(self, p: Tensor) -> float:
        """Mass of a density.

        Parameters
        ----------
        p : Tensor, shape of the grid

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If ``p`` is no density on this grid.
        """
        return self.cell * float(check_density(self, "p", p).sum())

    def l1_error(self, p: Tensor, q: Tensor) -> float:
        r"""Distance :math:`\int |p - q|` of two densities, twice their total variation.

        Parameters
        ----------
        p, q : Tensor, shape of the grid

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            If one is no density on this grid.
        """
        return self.cell * float(
            (check_density(self, "p", p) - check_density(self, "q", q)).abs().sum()
        )

    def relative_entropy(self, p: Tensor, q: Tensor) -> float:
        r"""Relative entropy of two densities on the cells, in nats.

        .. math:: h^d \sum_i \Big( p_i \ln \frac{p_i}{q_i} - p_i + q_i \Big)

        Parameters
        ----------
        p, q : Tensor, shape of the grid
            q must be positive where p is.

        Returns
        -------
        float
            For equal masses the last two terms cancel; no term of the sum is negative.

        Raises
        ------
        TypeError, ValueError
            If one is no density on this grid, or the relative entropy is infinite.
        """
        p, q = check_density(self, "p", p), check_density(self, "q", q)
        if bool(((q == 0) & (p > 0)).any()):
            raise ValueError("q must be positive where p is, found 0: relative entropy is infinite")
        held = q > 0
        p, q = p[held], q[held]
        gap = (p - q) / q
        # ln(p/q) = log1p(gap) keeps the digits of nearly equal densities.
        terms = torch.where(p > 0, p * torch.log1p(gap.clamp(min=-1)), 0.0) - (p - q)
        return self.cell * float(terms.sum())

    def _check_law(self, law: Mixture) -> None:
        if not isinstance(law, Mixture):
            raise TypeError(f"law must be a Mixture, found {type(law).__name__}")
        if law.dimension != self.dimension:
            raise ValueError(
                f"law must have the dimension {self.dimension} of the grid, found {law.dimension}"
            )

    def _check_width(self, lost: float) -> None:
        if lost > self.tolerance:
            raise ValueError(
                f"grid must be wide enough, found {self!r}, beyond which a mass of {lost:.3g} is "
                f"lost; the tolerance is {self.tolerance:g}"
            )


def check_density(grid: Grid, name: str, p: Tensor) -> Tensor:
    """Return ``p`` in float64 on the CPU if it is a density on the grid; cells may be empty."""
    found = check_field(grid, name, p)
    if bool((found < 0).any()):
        raise ValueError(f"{name} must not be negative, found minimum {float(found.min()):.6g}")
    if not bool((found > 0).any()):
        raise ValueError(f"{name} must have a positive mass, found 0 in every cell")
    return found


def check_field(grid: Grid, name: str, values: Tensor) -> Tensor:
    """Return ``values`` in float64 on the CPU if they are finite numbers on the cells."""
    _check.floating(name, values)
    if tuple(values.shape) != grid.shape:
        raise ValueError(
            f"{name} must have the shape {grid.shape} of the grid, found {tuple(values.shape)}"
        )
    return values.detach().to("cpu", torch.float64)


def border_share(p: Tensor) -> float:
    """Share of the mass that lies in the cells at the border."""
    outer = torch.ones(p.shape, dtype=torch.bool)
    outer[(slice(1, -1),) * p.ndim] = False
    return float(p[outer].sum() / p.sum())


def _shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    given = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if len(given) not in (1, 2):
        raise ValueError(f"shape must be n or (ny, nx), found {shape!r}")
    return tuple(_check.integer(f"shape[{k}]", n, low=2) for k, n in enumerate(given))


def _ends(name: str, value: float | Sequence[float], dimension: int) -> tuple[float, ...]:
    given = tuple(value) if isinstance(value, Sequence) else (value,) * dimension
    if len(given) != dimension:
        raise ValueError(f"{name} must be one number or {dimension}, found {value!r}")
    return tuple(_check.number(f"{name}[{k}]", x) for k, x in enumerate(given))


def _scores(edges: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    """Edges (n,) in deviations from the means (K,): shape (K, n), infinite for deviation 0."""
    gaps = edges - means[:, None]
    return torch.where(gaps == 0, gaps, gaps / deviations[:, None])


def _lost(edges: Sequence[Tensor], means: Tensor, deviations: Tensor, weights: Tensor) -> float:
    """Mass beyond the border, without cancellation."""
    kept = torch.zeros_like(weights)
    for k, x in enumerate(edges):
        ends = _scores(x[[0, -1]], means[:, k], deviations[:, k])
        beyond = torch.special.ndtr(ends[:, 0]) + torch.special.ndtr(-ends[:, 1])
        kept += torch.log1p(-beyond)
    return float(-(weights * torch.expm1(kept)).sum())


def _log_masses(edges: Sequence[Tensor], means: Tensor, deviations: Tensor) -> Tensor:
    """Logarithm of the mass of each component in each cell, shape (K, *shape of the grid)."""
    axes = [_log_shares(x, means[:, k], deviations[:, k]) for k, x in enumerate(edges)]
    return axes[0] if len(axes) == 1 else axes[0][:, :, None] + axes[1][:, None]


def _shared(steps: Tensor, weights: Tensor, shape: Sequence[int]) -> Tensor:
    """Share masses at places (K, d), in cells from the first centre, by linear interpolation."""
    left = torch.minimum(steps.floor().long(), torch.tensor(shape) - 2)
    right_share = steps - left
    found = torch.zeros(tuple(shape), dtype=torch.float64)
    for corner in itertools.product((0, 1), repeat=len(shape)):
        side = torch.tensor(corner)
        share = torch.where(side == 1, right_share, 1 - right_share).prod(dim=1)
        found.index_put_((left + side).unbind(dim=1), weights * share, accumulate=True)
    return found


def _log_shares(edges: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    """Logarithm of the mass of each component in each cell, on one axis, exact in both tails."""
    scores = _scores(edges, means, deviations)
    left, right = scores[:, :-1], scores[:, 1:]
    # In the upper tail differences of Phi cancel: mirror it to the lower one.
    mirrored = left + right > 0
    left, right = torch.where(mirrored, -right, left), torch.where(mirrored, -left, right)
    upper = torch.special.log_ndtr(right)
    gap = torch.special.log_ndtr(left) - upper
    log_share = torch.where(gap > -0.7, (-torch.expm1(gap)).log(), torch.log1p(-gap.exp()))
    return torch.where(right == -math.inf, -math.inf, upper + log_share)
