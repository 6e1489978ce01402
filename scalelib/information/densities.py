"""Gaussian mixtures with exact log-density: what a linear Gaussian process makes of known data."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes import LinearGaussianScaleSpace

__all__ = ["Mixture", "marginal"]

_CHUNK = 2**24
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
        self.means = _double("means", means, 2)
        count, dimension = self.means.shape
        shared = isinstance(variances, Tensor) and variances.ndim == 1
        self.variances = _double("variances", variances, 1 if shared else 2)
        expected = (dimension,) if shared else (count, dimension)
        if self.variances.shape != expected:
            raise ValueError(
                f"variances must have shape ({dimension},) or ({count}, {dimension}), "
                f"found {tuple(self.variances.shape)}"
            )
        if bool((self.variances < 0).any()):
            raise ValueError(f"variances must not be negative, found {float(variances.min()):g}")
        if weights is None:
            weights = torch.ones(count, dtype=torch.float64)
        found = _double("weights", weights, 1)
        if found.shape != (count,) or bool((found <= 0).any()):
            raise ValueError(f"weights must be {count} positive numbers, found {weights}")
        self.log_weights = (found / found.sum()).log()

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
            If a variance is 0 (there is no density), or the result is not finite.
        """
        u = _double("u", u, 2)
        if bool((self.variances == 0).any()):
            raise ValueError("variances must be positive for a density, found 0")
        rows = max(1, _CHUNK // len(self.means))
        found = torch.cat([self._log_density(part) for part in torch.split(u, rows)])
        if not bool(found.isfinite().all()):
            raise ValueError("log-density must be finite, found points too far from all means")
        return found

    def _log_density(self, u: Tensor) -> Tensor:
        normaliser = 0.5 * (2 * math.pi * self.variances).log().sum(dim=-1)
        if self.variances.ndim == 1:
            scale = self.variances.rsqrt()
            squares = torch.cdist(
                u * scale, self.means * scale, compute_mode="donot_use_mm_for_euclid_dist"
            ).square()
        else:
            gaps = u[:, None] - self.means
            squares = (gaps.square() / self.variances).sum(dim=-1)
        return torch.logsumexp(self.log_weights - normaliser - squares / 2, dim=1)

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
        """
        count = _check.integer("count", count, low=1)
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


def marginal(process: LinearGaussianScaleSpace, data: Mixture, i: int) -> Mixture:
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
        Scale.

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
    factor, variance = per_coordinate(process, i, data.dimension)
    return Mixture(
        factor * data.means, factor.square() * data.variances + variance, data.log_weights.exp()
    )


def per_coordinate(
    process: LinearGaussianScaleSpace, i: int, dimension: int
) -> tuple[Tensor, Tensor]:
    """Mean factor and variance of the transition 0 -> i, shape (d,): one entry per coordinate."""
    factor, variance = process.direct(i)
    if dimension % max(factor.numel(), 1):
        raise ValueError(
            f"dimension must be a multiple of the {factor.numel()} modes of {process!r}, "
            f"found {dimension}"
        )
    channels = dimension // factor.numel()
    return factor.flatten().repeat(channels), variance.flatten().repeat(channels)


def _double(name: str, values: Tensor, ndim: int) -> Tensor:
    _check.floating(name, values)
    if values.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, found shape {tuple(values.shape)}")
    return values.detach().double()
