"""Modes of Gaussian mixtures: all critical points of a density, proved to be complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from scalelib.information._arguments import double
from scalelib.information.densities import Mixture

__all__ = ["CriticalPoints", "critical_points", "modes_near"]

_DEPTH = 20
"""Bisections of a cell after which a critical point counts as degenerate."""

_ROUNDING = 1e-13
"""Error of the gradient, relative to the largest coordinate in units of the deviation."""

_CELLS = 2**18
"""Pairs of a cell and a component that are held in memory at once."""

_BALL = 1e-4
"""Radius, in deviations of the kernel, of the ball in which a mode is proved to be alone."""

_MERGE = 1e-7
"""Distance, in deviations of the kernel, below which two refined points are the same one."""


@dataclass(frozen=True)
class CriticalPoints:
    """Critical points of a density, none of them degenerate."""

    points: Tensor
    """Shape (k, d), in the coordinates of the mixture."""
    curvatures: Tensor
    """Eigenvalues of the Hessian of ln p, ascending, in units of 1 / variance, shape (k, d)."""

    @property
    def modes(self) -> Tensor:
        """Local maxima, shape (number of modes, d)."""
        return self.points[(self.curvatures < 0).all(dim=1)]


def critical_points(density: Mixture) -> CriticalPoints:
    r"""Find all critical points of a mixture in one or two dimensions whose variances are shared.

    .. math:: \nabla \ln p(z) = E[y \mid z] - z, \qquad
              \nabla^2 \ln p(z) = \mathrm{Cov}(y \mid z) - I

    in units of the deviations, where y is the random mean of the component that z comes from.

    Parameters
    ----------
    density : Mixture, dimension 1 or 2
        Its variances are positive and shared by all components.

    Returns
    -------
    CriticalPoints

    Raises
    ------
    ValueError
        If variances are not shared or 0, the dimension is above 2, or a critical point is so close
        to a degenerate one that it cannot be told apart in float64.

    Notes
    -----
    Critical points lie in the convex hull of the means. Its bounding box is bisected until each
    cell either cannot hold one, since the gradient is larger there than its Lipschitz bound allows,
    or holds exactly one by the test of Krawczyk (Computing 4, 1969), and Newton's method finds it.
    Bounds on the derivatives over a cell come from posterior moments at its centre. So the count is
    proved, but for rounding errors, of which an estimate is added to every bound. As a second proof
    the indices must sum to 1 (Poincaré and Hopf), as they do for every density that decays.

    Examples
    --------
    >>> import torch
    >>> means = torch.tensor([[-1.0], [1.0]]).double()
    >>> [len(critical_points(Mixture(means, torch.tensor([c]).double())).modes) for c in (0.9, 1.1)]
    [2, 1]
    """
    landscape = _Landscape(density)
    if density.dimension > 2:
        raise ValueError(f"density must have dimension 1 or 2, found {density.dimension}")
    points = _merged(_search(landscape))
    eigenvalues = landscape.at(points).spectrum()[0]
    index = int((-eigenvalues).sign().prod(dim=1).sum())
    if index != 1:
        raise ValueError(f"indices of all critical points must sum to 1, found {index}")
    return CriticalPoints(points * landscape.deviation, eigenvalues)


def modes_near(density: Mixture, starts: Tensor) -> Tensor:
    """Climb from given points to modes, in any dimension: a lower bound on their number.

    Parameters
    ----------
    density : Mixture
        Its variances are positive and shared by all components.
    starts : Tensor, shape (n, d), float64
        Points to start from.

    Returns
    -------
    Tensor, shape (k, d)
        The different modes that are reached, each proved by the test of Krawczyk.

    Raises
    ------
    ValueError
        If variances are not shared or 0, shapes do not fit, or a climb does not end at a point
        that is proved to be a mode.

    Examples
    --------
    >>> import torch
    >>> means = torch.tensor([[-2.0], [2.0]]).double()
    >>> modes_near(Mixture(means, torch.ones(1).double()), means).shape
    torch.Size([2, 1])
    """
    landscape = _Landscape(density)
    starts = double("starts", starts, 2)
    if starts.shape[1] != density.dimension:
        raise ValueError(
            f"starts must have shape (n, {density.dimension}), found {tuple(starts.shape)}"
        )
    z = starts / landscape.deviation
    for _ in range(2000):  # mean shift: each step climbs
        z = z + landscape.at(z).gradient
    z = _newton(landscape, z)
    place = landscape.at(z)
    proved = _holds_one(place, torch.tensor(_BALL, dtype=torch.float64))
    proved &= place.spectrum()[0][:, -1] < 0
    if not bool(proved.all()):
        raise ValueError(f"starts must lead to modes, found {int((~proved).sum())} that do not")
    return _merged(z) * landscape.deviation


class _Landscape:
    """Gradient and Hessian of ln p in units of the deviations."""

    def __init__(self, density: Mixture) -> None:
        variances = density.variances
        if variances.ndim != 1 or bool((variances == 0).any()):
            raise ValueError("variances must be positive and shared by all components")
        self.deviation = variances.sqrt()
        self.means = density.means / self.deviation
        self.log_weights = density.log_weights
        self.rounding = _ROUNDING * (1 + float(self.means.abs().max()))

    def at(self, z: Tensor) -> _Place:
        """Evaluate at points (n, d)."""
        distances = (z[:, None] - self.means).square().sum(dim=-1)
        logs = self.log_weights - distances / 2
        logs = logs - logs.logsumexp(dim=1, keepdim=True)
        mean = logs.exp() @ self.means
        return _Place(logs, mean - z, self.rounding, self.means - mean[:, None])


class _Place(NamedTuple):
    """The landscape at n points."""

    logs: Tensor
    """Logarithms of the posterior weights, shape (n, K)."""
    gradient: Tensor
    """Shape (n, d)."""
    rounding: float
    """Bound on the error of the gradient."""
    centred: Tensor
    """Means of the components relative to the posterior mean, shape (n, K, d)."""

    def of(self, chosen: Tensor) -> _Place:
        """Return the chosen points only."""
        return _Place(self.logs[chosen], self.gradient[chosen], self.rounding, self.centred[chosen])

    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues (n, d) of the Hessian, ascending, and the gradient in its eigenvectors."""
        eigenvalues, basis = self._eigh()
        return eigenvalues, (basis.mT @ self.gradient[..., None])[..., 0]

    def newton(self) -> Tensor:
        """Step (n, d) of Newton's method."""
        eigenvalues, basis = self._eigh()
        along = (basis.mT @ self.gradient[..., None])[..., 0] / eigenvalues
        return -(basis @ along[..., None])[..., 0]

    def _eigh(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues (n, d), ascending, and eigenvectors (n, d, d) of the Hessian."""
        weighted = self.logs.exp()[..., None] * self.centred
        eigenvalues, basis = torch.linalg.eigh(weighted.mT @ self.centred)
        return eigenvalues - 1, basis

    def lipschitz(self, radius: Tensor) -> Tensor:
        """Bound on the Lipschitz constant of the Hessian over balls: a third absolute moment.

        By Jensen no posterior weight grows by more than exp(|y - mean| radius) within the ball.
        """
        away = torch.linalg.vector_norm(self.centred, dim=-1)
        weights = (self.logs + away * radius).exp()
        shift = (weights * away).sum(dim=1, keepdim=True)
        return torch.sum(weights * (away + shift) ** 3, dim=1)


def _search(landscape: _Landscape) -> Tensor:
    """One refined point per cell that is proved to hold one, duplicates included."""
    low, high = landscape.means.amin(dim=0), landscape.means.amax(dim=0)
    # A margin, so that no critical point lies on the border of the box.
    centres, half = _grid(low - 1e-3, high + 1e-3)
    found = []
    for _ in range(_DEPTH):
        rows = max(1, _CELLS // len(landscape.means))
        parts = [_sift(landscape, part, half) for part in torch.split(centres, rows)]
        found += [held for held, _ in parts]
        centres = torch.cat([open_ for _, open_ in parts])
        if not len(centres):
            return _newton(landscape, torch.cat(found))
        half = half / 2
        centres = torch.cat([centres + half * corner for corner in _corners(centres.shape[1])])
    raise ValueError(
        f"density must have no degenerate critical point, found one near "
        f"{(centres[0] * landscape.deviation).tolist()}"
    )


def _grid(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Centres (n, d) and half widths (d,) of cells that are at most one deviation wide."""
    counts = (high - low).ceil().clamp(min=1)
    half = (high - low) / counts / 2
    axes = [
        a + h * (2 * torch.arange(int(n), dtype=torch.float64) + 1)
        for a, h, n in zip(low, half, counts, strict=True)
    ]
    return torch.cartesian_prod(*axes).view(-1, len(axes)), half


def _corners(dimension: int) -> Tensor:
    signs = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    return torch.cartesian_prod(*[signs] * dimension).view(-1, dimension)


def _sift(landscape: _Landscape, centres: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Centres of cells that hold exactly one critical point, and of undecided cells."""
    place, radius = landscape.at(centres), torch.linalg.vector_norm(half)
    undecided = ~_holds_none(place, radius)
    centres, place = centres[undecided], place.of(undecided)
    # Twice the radius, for points on the border between cells.
    one = _holds_one(place, 2 * radius)
    return centres[one], centres[~one]


def _holds_none(place: _Place, radius: Tensor) -> Tensor:
    """Whether the Taylor expansion with its remainder excludes a zero of the gradient from balls.

    Along each eigenvector of the Hessian the gradient changes by its eigenvalue times the radius
    and half the Lipschitz constant times the squared radius at most.
    """
    eigenvalues, slope = place.spectrum()
    change = eigenvalues.abs() * radius + place.lipschitz(radius)[:, None] * radius**2 / 2
    return torch.any(slope.abs() > change + place.rounding, dim=1)


def _holds_one(place: _Place, radius: Tensor) -> Tensor:
    """Whether balls are proved to hold exactly one zero of the gradient, by Krawczyk's test."""
    eigenvalues, slope = place.spectrum()
    contraction = place.lipschitz(radius) * radius / eigenvalues.abs().amin(dim=1)
    step = ((slope.abs() + place.rounding) / eigenvalues).square().sum(dim=1).sqrt()
    return torch.logical_and(contraction < 1, step + contraction * radius <= radius)


def _newton(landscape: _Landscape, z: Tensor) -> Tensor:
    for _ in range(8):  # from within a ball of Krawczyk's test: convergence is quadratic
        z = z + landscape.at(z).newton()
    return z


def _merged(points: Tensor) -> Tensor:
    """Points with duplicates removed, sorted by their first coordinate."""
    kept: list[Tensor] = []
    for z in points[points[:, 0].argsort()]:
        if all(float((z - other).norm()) > _MERGE for other in kept):
            kept.append(z)
    return torch.stack(kept) if kept else points
