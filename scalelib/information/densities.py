"""Gaussian mixtures with exact log-density: what a linear Gaussian process makes of known data."""

from __future__ import annotations

import math
from typing import final

import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from scalelib import _check
from scalelib.information import _arguments
from scalelib.information._arguments import double, nonnegative
from scalelib.processes import LinearGaussianScaleSpace

__all__ = ["Mixture", "marginal"]

_CHUNK = 2**22
"""Pairs of a point and a component whose distances are held in memory at once."""


@final
class Mixture:
    r"""Gaussian mixture with diagonal covariances.

    .. math:: p(u) = \sum_j w_j\, N(u;\, \mu_j, \mathrm{diag}(c_j))

    A finite data set is the mixture with its images as means and variance 0: it has no density, but
    its :func:`marginal` at a scale with noise has.

    Parameters
    ----------
    means : Tensor, shape (K, d), float64
        Component means.
    variances : Tensor, shape (d,) or (K, d), float64
        Component variances (not deviations), not negative; (d,) is shared by all components.
    weights : Tensor, shape (K,), or None
        Positive weights, normalised here; None for equal ones.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, or a variance is negative or a weight not positive.

    Examples
    --------
    >>> import torch
    >>> two = Mixture(torch.tensor([[-2.0], [2.0]]).double(), torch.tensor([0.25]).double())
    >>> round(float(two.log_density(torch.zeros(1, 1).double())), 4)
    -8.2258
    """

    def __init__(self, means: Tensor, variances: Tensor, weights: Tensor | None = None) -> None:
        self.means = double("means", means, 2)
        count, dimension = self.means.shape
        shared = isinstance(variances, Tensor) and variances.ndim == 1
        self.variances = nonnegative("variances", variances, 1 if shared else 2)
        if self.variances.shape != ((dimension,) if shared else (count, dimension)):
            raise ValueError(
                f"variances must have shape ({dimension},) or ({count}, {dimension}), "
                f"found {tuple(self.variances.shape)}"
            )
        found = double("weights", torch.ones(count).double() if weights is None else weights, 1)
        if found.shape != (count,) or bool((found <= 0).any()):
            raise ValueError(
                f"weights must be {count} positive numbers, found shape {tuple(found.shape)} "
                f"and minimum {float(found.min()):g}"
            )
        self.log_weights = found.log() - found.log().logsumexp(dim=0)

    def __repr__(self) -> str:
        """Tell the number of components and the dimension."""
        return f"Mixture(components={len(self.means)}, dimension={self.dimension})"

    @property
    def dimension(self) -> int:
        """Dimension d."""
        return self.means.shape[1]

    def log_density(self, u: Tensor) -> Tensor:
        r"""Natural logarithm of the density, in log-space throughout.

        Parameters
        ----------
        u : Tensor, shape (n, d), float64
            Points.

        Returns
        -------
        Tensor, shape (n,), float64

        Raises
        ------
        ValueError
            If ``u`` does not fit, a variance is 0 (there is no density), or the result is not
            finite.
        """
        u = double("u", u, 2)
        if u.shape[1] != self.dimension:
            raise ValueError(f"u must have shape (n, {self.dimension}), found {tuple(u.shape)}")
        if bool((self.variances == 0).any()):
            raise ValueError("variances must be positive for a density, found 0")
        rows = max(1, _CHUNK // len(self.means))
        found = torch.cat([self._log_density(part) for part in torch.split(u, rows)])
        if not bool(found.isfinite().all()):
            raise ValueError("log-density must be finite, found u too far from all means")
        return found

    def _log_density(self, u: Tensor) -> Tensor:
        normaliser = 0.5 * (2 * math.pi * self.variances).log().sum(dim=-1)
        return torch.logsumexp(self.log_weights - normaliser - self._squares(u) / 2, dim=1)

    def _squares(self, u: Tensor) -> Tensor:
        """Squared distances (n, K) of points and means in units of the deviations."""
        if self.variances.ndim == 1:
            # SciPy sums squared differences: no cancellation, unlike a product of matrices.
            scale = self.variances.rsqrt()
            return torch.from_numpy(cdist(u * scale, self.means * scale, "sqeuclidean"))
        pairs = zip(self.means, self.variances, strict=True)
        return torch.stack([((u - m).square() / c).sum(dim=1) for m, c in pairs], dim=1)

    def sample(self, count: int, *, generator: torch.Generator) -> Tensor:
        """Draw independent points.

        Parameters
        ----------
        count : int
            Number of points, at least 1.
        generator : torch.Generator
            Source of randomness.

        Returns
        -------
        Tensor, shape (count, d), float64

        Raises
        ------
        TypeError, ValueError
            If ``count`` is no positive integer or ``generator`` is no CPU generator.
        """
        count = _check.integer("count", count, low=1)
        _arguments.generator("generator", generator)
        chosen = torch.multinomial(
            self.log_weights.exp(), count, replacement=True, generator=generator
        )
        noise = torch.randn(count, self.dimension, generator=generator, dtype=torch.float64)
        variances = self.variances if self.variances.ndim == 1 else self.variances[chosen]
        return self.means[chosen] + variances.sqrt() * noise

    def mean(self) -> Tensor:
        """Mean of the mixture, shape (d,)."""
        return self.log_weights.exp() @ self.means

    def covariance_trace(self) -> float:
        r"""Trace of the covariance: variance within the components plus that of their means."""
        weights = self.log_weights.exp()[:, None]
        within = (weights * self.variances).sum()
        return float(within + (weights * (self.means - self.mean()).square()).sum())


def marginal(
    process: LinearGaussianScaleSpace, data: Mixture, i: int, *, without_mean: bool = False
) -> Mixture:
    r"""Distribution of :math:`V^\top U_i` for data that are a mixture in the basis V.

    .. math:: p(u_i) = \sum_j w_j\, N(M_i \mu_j,\; M_i^2 c_j + S_i^2)

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        A process; for a blurring process d is H W or a multiple (channels) of it.
    data : Mixture
        Law of the coefficients :math:`V^\top U_0`, see
        :meth:`~scalelib.LinearGaussianScaleSpace.to_modes`.
    i : int
        Scale, 0 <= i <= m.
    without_mean : bool
        Project out the constants: leave out mode 0 of every channel of a blurring process. For
        linearised osmosis and homogeneous diffusion, which keep the mean grey value exactly.

    Returns
    -------
    Mixture

    Raises
    ------
    TypeError, ValueError
        If the dimension does not fit the process, or ``i`` is out of range.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> data = Mixture(torch.tensor([[-1.0], [1.0]]).double(), torch.zeros(1).double())
    >>> marginal(VariancePreserving([0.75]), data, 1).variances
    tensor([0.7500], dtype=torch.float64)
    """
    factor, variance = per_coordinate(process, i, mixture("data", data).dimension)
    kept = kept_coordinates(process, data.dimension, without_mean)
    return Mixture(
        (factor * data.means)[:, kept],
        (factor.square() * data.variances + variance)[..., kept],
        data.log_weights.exp(),
    )


def mixture(name: str, density: Mixture) -> Mixture:
    """Return ``density`` if it is a mixture."""
    if not isinstance(density, Mixture):
        raise TypeError(f"{name} must be a Mixture, found {type(density).__name__}")
    return density


def per_coordinate(
    process: LinearGaussianScaleSpace, i: int, dimension: int
) -> tuple[Tensor, Tensor]:
    """Mean factor and variance of the transition 0 -> i, shape (d,): one entry per coordinate."""
    if not isinstance(process, LinearGaussianScaleSpace):
        expected, found = LinearGaussianScaleSpace.__name__, type(process).__name__
        raise TypeError(f"process must be a {expected}, found {found}")
    dimension = _check.integer("dimension", dimension, low=1)
    factor, variance = process.direct(i)
    if dimension % factor.numel():
        raise ValueError(
            f"dimension must be a multiple of the {factor.numel()} modes of {process!r}, "
            f"found {dimension}"
        )
    channels = dimension // factor.numel()
    return factor.flatten().repeat(channels), variance.flatten().repeat(channels)


def kept_coordinates(
    process: LinearGaussianScaleSpace, dimension: int, without_mean: bool
) -> Tensor:
    """Mask (d,) of the coordinates that remain: all of them unless ``without_mean``."""
    kept = torch.ones(dimension, dtype=torch.bool)
    if not without_mean:
        return kept
    if process.shape is None or math.prod(process.shape) == 1:
        raise ValueError(f"without_mean needs a process with modes beside 0, found {process!r}")
    kept[:: math.prod(process.shape)] = False
    return kept
