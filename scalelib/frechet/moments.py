"""Mean and covariance of features, gathered bit by bit: they stream, resume and distribute."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalelib import _check, _files

__all__ = ["Moments"]

FORMAT = "scalelib moments 1"
"""First entry of every file, so that a foreign one is told apart."""

NEGATIVE = 1e-8
"""Share of the trace by which a covariance may fail to be positive semidefinite."""


@final
class Moments:
    r"""Number, mean and scatter of feature vectors, gathered in any order.

    .. math:: \mu = \frac1N \sum_j x_j, \qquad
              C = \frac1{N-1} \sum_j (x_j - \mu)(x_j - \mu)^\top

    Up to d vectors are kept as they are, for the covariance has no more information and their
    N x N products are the faster way to a distance. From then on the d x d scatter is updated.

    Parameters
    ----------
    dimension : int
        Number d of features.
    features : str
        Name of the features. Moments of different features are never mixed.

    Raises
    ------
    TypeError, ValueError
        If ``dimension`` is no positive integer, or ``features`` no string.

    Notes
    -----
    Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing
    sample variances, 1979, equation (2.1). All arithmetic is in float64 on the CPU, whatever the
    dtype and device of the features.

    Examples
    --------
    >>> import torch
    >>> found = Moments(2)
    >>> found.update(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
    >>> found.mean()
    tensor([1., 1.], dtype=torch.float64)
    >>> found.covariance()
    tensor([[2., 0.],
            [0., 0.]], dtype=torch.float64)
    """

    def __init__(self, dimension: int, features: str = "") -> None:
        self.dimension = _check.integer("dimension", dimension, low=1)
        if not isinstance(features, str):
            raise TypeError(f"features must be a string, found {type(features).__name__}")
        self.features = features
        self.count = 0
        self._mean = torch.zeros(self.dimension, dtype=torch.float64)
        self._rows: list[Tensor] | None = []
        self._scatter: Tensor | None = None

    def __repr__(self) -> str:
        """Tell dimension, number of vectors and features."""
        name = f", features={self.features!r}" if self.features else ""
        return f"Moments(dimension={self.dimension}, count={self.count}{name})"

    def update(self, x: Tensor) -> None:
        """Take up feature vectors.

        Parameters
        ----------
        x : Tensor, shape (n, d), float32 or float64
            Features, on any device.

        Raises
        ------
        TypeError, ValueError
            If ``x`` has the wrong shape or dtype or is not finite. Nothing is taken up then.
        """
        x = _check.floating("x", x)
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ValueError(f"x must have shape (n, {self.dimension}), found {tuple(x.shape)}")
        rows = x.detach().to("cpu", torch.float64)
        if self._rows is not None:
            # A copy: the caller may reuse the memory of the batch.
            self._keep([rows.clone() if rows.data_ptr() == x.data_ptr() else rows], len(rows))
            return
        mean = rows.mean(dim=0)
        self._absorb(rows - mean, mean, len(rows))

    def merge(self, other: Moments) -> None:
        """Take up everything that other moments have seen.

        Parameters
        ----------
        other : Moments
            Moments of the same features; they are not changed.

        Raises
        ------
        TypeError, ValueError
            If ``other`` is none, or has another dimension or other features.
        """
        check_same_features(self, other)
        if other._rows is not None:
            if self._rows is not None:
                self._keep(list(other._rows), other.count)
            elif other.count:
                self.update(torch.cat(other._rows))
            return
        mine, count, mean = self._rows, self.count, self._mean
        if mine is not None:
            # The larger side is there as a scatter: start from it and add the few rows.
            self._rows, self._scatter = None, _scatter_of(other).clone()
            self.count, self._mean = other.count, other._mean.clone()
            if count:
                self.update(torch.cat(mine))
            return
        self._scatter = _scatter_of(self).add_(_scatter_of(other))
        self._shift(other._mean - mean, other.count)

    def mean(self) -> Tensor:
        """Return the mean, shape (d,), float64.

        Raises
        ------
        ValueError
            If there are no features yet.
        """
        self._need(1)
        if self._rows is not None:
            return torch.cat(self._rows).mean(dim=0)
        return self._mean.clone()

    def covariance(self) -> Tensor:
        """Return the unbiased covariance, shape (d, d), float64.

        Raises
        ------
        ValueError
            If there are fewer than two feature vectors.
        """
        self._need(2)
        if self._rows is not None:
            centred = self._centred()
            return centred.T @ centred / (self.count - 1)
        return _scatter_of(self) / (self.count - 1)

    def trace(self) -> float:
        """Return the trace of the covariance, without forming it.

        Raises
        ------
        ValueError
            If there are fewer than two feature vectors.
        """
        self._need(2)
        whole = self._centred().square() if self._rows is not None else _scatter_of(self).diagonal()
        return float(whole.sum()) / (self.count - 1)

    def factor(self) -> tuple[Tensor, float]:
        r"""Factor F of the covariance, :math:`C = F^\top F`, with as few rows as possible.

        For N <= d these are N - 1 combinations of the centred features, else the rows of a
        Cholesky factor with pivoting, which ends where only rounding is left.

        Returns
        -------
        factor : Tensor, shape (rank, d), float64
        rest : float
            Trace of :math:`C - F^\top F`; what rounding left over, negative mass included.

        Raises
        ------
        ValueError
            If there are fewer than two feature vectors, or the covariance is not positive
            semidefinite beyond rounding, as in a file that was tampered with.
        """
        self._need(2)
        if self._rows is not None:
            centred = self._centred() / (self.count - 1) ** 0.5
            # They sum to 0. A reflection makes this the first row, and the others are all.
            return centred[1:] - centred[0] / (self.count**0.5 + 1), 0.0
        covariance = self.covariance()
        # Fortran's lower triangle is the upper one here: rows of the factor come out contiguous.
        packed, pivots, rank, _ = scipy.linalg.lapack.dpstrf(covariance.numpy(), lower=0)
        factor = np.zeros((rank, self.dimension))
        factor[:, pivots - 1] = np.triu(packed)[:rank]
        found = torch.from_numpy(factor)
        trace = float(covariance.diagonal().sum())
        rest = trace - float(found.square().sum())
        if abs(rest) > NEGATIVE * trace:
            raise ValueError(
                "moments must have a positive semidefinite covariance, found "
                f"{rest:.3g} of the trace {trace:.3g} outside of every Cholesky factor"
            )
        return found, rest

    def save(self, path: str | Path) -> None:
        """Write the moments to a file: to a temporary name first, then moved into place.

        Parameters
        ----------
        path : str or Path
            File; its folder must exist.

        Raises
        ------
        OSError
            If it cannot be written. A file that was there before is unchanged then.
        """
        arrays: dict[str, Any] = {"format": FORMAT, **self.to_arrays()}
        _files.replace(Path(path), lambda stream: np.savez(stream, **arrays))

    @classmethod
    def load(cls, path: str | Path) -> Moments:
        """Read moments that :meth:`save` has written. No code of the file is executed.

        Parameters
        ----------
        path : str or Path
            File.

        Returns
        -------
        Moments

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is damaged or no file of moments.
        """
        path = Path(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            if str(arrays.pop("format", "")) != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            return cls.from_arrays(arrays)
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError) as error:
            raise ValueError(f"path must name a file of moments, found {path}: {error}") from error

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays, to be stored among others.

        Returns
        -------
        dict
            Name -> array. Those of the features may share memory with the moments.
        """
        arrays: dict[str, NDArray[Any]] = {
            "features": np.array(self.features),
            "count": np.array(self.count),
            "mean": self._mean.numpy(),
        }
        if self._rows is None:
            return arrays | {"scatter": _scatter_of(self).numpy()}
        none = self._mean.new_empty(0, self.dimension)
        return arrays | {"rows": torch.cat([none, *self._rows]).numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Moments:
        """Return the moments that :meth:`to_arrays` has put into arrays.

        Parameters
        ----------
        arrays : mapping
            Name -> array.

        Returns
        -------
        Moments

        Raises
        ------
        KeyError, TypeError, ValueError
            If arrays are missing, do not fit each other or are not finite.
        """
        mean = _check.floating("mean", torch.from_numpy(arrays["mean"]))
        found = cls(len(mean), str(arrays["features"]))
        if "rows" in arrays:
            if len(arrays["rows"]):
                found.update(torch.from_numpy(arrays["rows"]))
        else:
            scatter = _check.floating("scatter", torch.from_numpy(arrays["scatter"]))
            if scatter.shape != (found.dimension, found.dimension):
                raise ValueError(f"scatter must fit the mean, found {tuple(scatter.shape)}")
            found._rows, found._scatter, found._mean = None, scatter.clone(), mean.clone()
            found.count = _check.integer("count", int(arrays["count"]), low=2)
        if found.count != int(arrays["count"]):
            raise ValueError(f"count must be {found.count}, found {int(arrays['count'])}")
        return found

    def _keep(self, rows: list[Tensor], count: int) -> None:
        """Keep rows as they are, up to d of them."""
        kept = [] if self._rows is None else self._rows
        kept.extend(rows)
        self.count += count
        if self.count > self.dimension:
            centred = torch.cat(kept)
            self._mean = centred.mean(dim=0)
            centred -= self._mean
            self._rows, self._scatter = None, centred.T @ centred

    def _absorb(self, centred: Tensor, mean: Tensor, count: int) -> None:
        """Add centred rows to the scatter; the shift of the mean is one more row of the product."""
        shift = mean - self._mean
        weight = (self.count * count / (self.count + count)) ** 0.5
        rows = torch.cat([centred, weight * shift[None]])
        _scatter_of(self).addmm_(rows.T, rows)
        self.count += count
        self._mean += shift * (count / self.count)

    def _shift(self, shift: Tensor, count: int) -> None:
        """Account for the distance of two means, after their scatters have been added."""
        total = self.count + count
        _scatter_of(self).addr_(shift, shift, alpha=self.count * count / total)
        self.count = total
        self._mean += shift * (count / total)

    def _centred(self) -> Tensor:
        rows = torch.cat(self._rows or [])
        return rows - rows.mean(dim=0)

    def _need(self, count: int) -> None:
        if self.count < count:
            raise ValueError(f"moments need at least {count} feature vectors, found {self.count}")


def check_same_features(one: Moments, other: Moments) -> None:
    """Raise unless two moments belong to the same features."""
    if not isinstance(other, Moments):
        raise TypeError(f"other must be Moments, found {type(other).__name__}")
    for name in ("dimension", "features"):
        expected, found = getattr(one, name), getattr(other, name)
        if expected != found:
            raise ValueError(f"moments must have the same {name}, found {expected!r} and {found!r}")


def _scatter_of(moments: Moments) -> Tensor:
    assert moments._scatter is not None
    return moments._scatter
