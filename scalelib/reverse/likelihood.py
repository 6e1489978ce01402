r"""Log-likelihoods of a whole data set, right to a stated bound, at the cost of a matrix product.

With :math:`a = P^{-1/2} (u - M c)` and :math:`b_j = P^{-1/2} M (x_j - c)`, c the mean of the data,

.. math:: \ln N(u;\, M x_j, P) = a \cdot b_j - \tfrac12 |b_j|^2 - \tfrac12 |a|^2 + \mathrm{const.}

The product :math:`a \cdot b_j` is fast and cancels: its rounding error grows with
:math:`|a| |b_j|`, that is with the inverse square of the noise. It finds out which images can have
led to u at all. Those for which the bound of its error is too large are compared again by
differences :math:`u - M x_j` in double precision, which do not cancel. If they are many, as among
near duplicates, a product in double precision comes in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

TAIL = 40.0
"""Nats below the largest weight from where on a weight is negligible."""

TOLERANCE = {torch.float32: 2.0**-7, torch.float64: 2.0**-24}
"""Largest error, in nats, of a log-weight that is not negligible, by the dtype of the data."""

_WIDTH = 128
"""Coordinates that are summed at once: sums of sums have smaller errors than one long sum."""

_DEARER = 16
"""Time of a pair by differences over that of a pair in a product of matrices, roughly."""

_CHUNK = 2**20
"""Numbers of the data set that are worked on at once: they stay in the cache."""


@dataclass(frozen=True)
class Scale:
    """What a scale makes of images, per coordinate of the modes, float64 on their device."""

    factor: Tensor
    """Mean factors M, shape (d,)."""
    spread: Tensor
    """Variances P of the components, shape (d,), or (N, d) if each has its own."""
    kept: Tensor
    """Mask (d,) of the coordinates that are not projected out."""

    @property
    def silent(self) -> Tensor:
        """Mask (d,) of the coordinates that are kept and have no variance."""
        none = self.spread == 0
        if none.ndim == 2:
            if bool((none.any(dim=0) & self.kept & ~none.all(dim=0)).any()):
                raise ValueError(
                    "variance must be 0 for all components of a mode, or for none, at a scale "
                    "without noise in that mode"
                )
            none = none.all(dim=0)
        return none & self.kept

    @property
    def scaling(self) -> Tensor:
        """Inverse deviations, shape of the variances; 0 where there are none to compare."""
        noisy = self.kept & (self.spread > 0)
        return torch.where(noisy, self.spread.rsqrt(), 0.0)


@final
class Likelihood:
    r"""Logarithms of :math:`w_j N(u;\, M x_j, P_j)` for all images :math:`x_j` of a data set.

    Parameters
    ----------
    modes : Tensor, shape (N, d), float32 or float64
        Images in the basis of the process.
    rounding : float
        Relative rounding error of the modes of an image, for the modes without variance.
    tolerance : float or None
        Largest error in nats, None for that of the dtype.
    """

    def __init__(self, modes: Tensor, rounding: float, tolerance: float | None = None) -> None:
        self._modes = modes
        self._rounding = rounding
        self._tolerance = TOLERANCE[modes.dtype] if tolerance is None else tolerance
        self._centre = modes.mean(dim=0, dtype=torch.float64).to(modes)
        low, high = (float(x) for x in modes.aminmax())
        # A power of two: the division is exact, and squares neither over- nor underflow.
        self._unit = 2.0 ** math.frexp(high - low)[1] if high > low else 1.0

    def __call__(self, u: Tensor, scale: Scale, log_prior: Tensor) -> Tensor:
        """Log-weights (B, N), float64, up to a number per image of flat modes ``u`` (B, d)."""
        if scale.spread.ndim == 2:
            every = torch.ones(len(u), len(self._modes), dtype=torch.bool, device=u.device)
            logs = self._by_differences(u, scale, *every.nonzero().unbind(dim=1)).view(every.shape)
            return self._matching(logs.add_(log_prior), u, scale)
        logs, own, far = self._by_products(u, scale, log_prior)
        logs = self._matching(logs, u, scale)
        rows, images = self._doubtful(logs, own, far)
        if not len(rows):
            return logs
        some, several = _distinct(rows, len(u)), _distinct(images, len(self._modes))
        if u.dtype == torch.float64 or _DEARER * len(rows) <= len(some) * len(several):
            logs[rows, images] = self._by_differences(u, scale, rows, images) + log_prior[images]
            return logs
        for first in range(0, len(several), self._rows()):
            part = several[first : first + self._rows()]
            again = Likelihood(self._modes[part].double(), self._rounding, self._tolerance)
            logs[some[:, None], part] = again(u[some].double(), scale, log_prior[part])
        return logs

    def average(self, weights: Tensor, scaling: Tensor | None = None) -> Tensor:
        """Sum the images, or (N, d) multiples of them, with weights (B, N): (B, d), float64."""
        modes = self._modes
        found = torch.zeros(len(weights), modes.shape[1], dtype=torch.float64, device=modes.device)
        for rows in self._parts():
            if scaling is None:
                found += weights[:, rows].to(modes) @ modes[rows]
            else:
                found += weights[:, rows] @ (modes[rows] * scaling[rows])
        return found

    def _by_products(
        self, u: Tensor, scale: Scale, log_prior: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights (B, N) with the norms |a|, shape (B,), and |b_j|, shape (N,)."""
        noise = scale.factor * scale.scaling
        gap = (u - scale.factor * self._centre) * scale.scaling
        left, largest = _normalised(gap * noise * self._unit)
        weights, heaviest = _normalised((noise * self._unit).square()[None])
        left, weights = self._sliced(left.to(u)), self._sliced(weights.to(u))
        own = gap.square().sum(dim=1, keepdim=True)
        logs = own.new_empty(len(u), len(self._modes))
        squares = own.new_empty(len(self._modes))
        for rows, part in self._centred_parts():
            products = torch.bmm(left, part).sum(dim=0).double()
            # The part is not needed any more: no second pass through the data.
            squares[rows] = torch.bmm(weights, part.square_()).sum(dim=0)[0]
            squares[rows] *= heaviest[0]
            torch.addcmul(own / -2, products, largest, out=products)
            torch.add(products, log_prior[rows] - squares[rows] / 2, out=logs[:, rows])
        return logs, own[:, 0].sqrt(), squares.sqrt_()

    def _centred_parts(self) -> Iterator[tuple[slice, Tensor]]:
        """Chunks of the centred images in units, (slices, width, n); may be overwritten."""
        dimension, (slices, width) = self._modes.shape[1], self._slices()
        unit = self._modes.new_tensor(1 / self._unit)
        shift = self._centre * -unit
        room = self._modes.new_zeros(self._rows(), slices * width)
        for rows in self._parts():
            part = room[: rows.stop - rows.start]
            torch.addcmul(shift, self._modes[rows], unit, out=part[:, :dimension])
            yield rows, part.view(-1, slices, width).permute(1, 2, 0)

    def _doubtful(self, logs: Tensor, own: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs, as rows and images, that may count and whose error may exceed the tolerance."""
        if float(self._error(own.max(), far.max())) <= self._tolerance:
            return 2 * (torch.empty(0, dtype=torch.long, device=logs.device),)
        largest, image = logs.max(dim=1)
        least = largest - self._error(own, far[image]) - TAIL
        # First with one bound for a row, since each pass over all pairs costs time.
        below = (least - self._error(own, far.max())).clamp(min=torch.finfo(torch.float64).min)
        rows, images = (logs >= below[:, None]).nonzero().unbind(dim=1)
        error = self._error(own[rows], far[images])
        wrong = ~(error <= self._tolerance) & ~(logs[rows, images] + error < least[rows])
        return rows[wrong], images[wrong]

    def _error(self, own: Tensor, far: Tensor) -> Tensor:
        """Bound of the error of a log-weight, in nats, from the norms of a and b_j."""
        relative, few = self._units
        return relative * far * (own + far / 2) + few * own.square()

    @property
    def _units(self) -> tuple[float, float]:
        r"""Relative errors of sums in the precision of the data, and of what is done in double.

        A sum of n products of rounded numbers errs by at most n + 2 units of the sum of their
        absolute values, here of :math:`|a| |b_j|` and :math:`|b_j|^2` (Higham, Accuracy and
        stability of numerical algorithms, 2002, equation (3.7)). What is done in double precision
        errs by a few units of :math:`(|a| + |b_j|)^2`.
        """
        unit, double = (torch.finfo(x).eps / 2 for x in (self._modes.dtype, torch.float64))
        few = 8 * double
        return (sum(self._slices()) + 8) * unit + 2 * few, few

    def _by_differences(self, u: Tensor, scale: Scale, rows: Tensor, images: Tensor) -> Tensor:
        """Log-likelihoods of pairs of an image and an image of the data, float64."""
        found = u.new_empty(len(rows), dtype=torch.float64)
        shared, count = scale.spread.ndim == 1, max(1, _CHUNK // (4 * u.shape[1]))
        scaling, exact = scale.scaling, u.double()
        normaliser = None if shared else scaling.where(scaling > 0, 1.0).log().sum(dim=1)
        for first in range(0, len(rows), count):
            b, j = rows[first : first + count], images[first : first + count]
            gap = self._modes[j].double().mul_(scale.factor).sub_(exact[b])
            gap.mul_(scaling if shared else scaling[j])
            logs = gap.square_().sum(dim=1).div_(-2)
            found[first : first + count] = logs if normaliser is None else logs + normaliser[j]
        return found

    def _matching(self, logs: Tensor, u: Tensor, scale: Scale) -> Tensor:
        """Exclude images that differ from u in a mode without variance by more than rounding."""
        silent = scale.silent
        if not bool(silent.any()):
            return logs
        left, size = u[:, silent].double(), u.double().norm(dim=1, keepdim=True)
        for rows in self._parts():
            part = self._modes[rows].double()
            # Not by products, which cancel.
            right, compute = (scale.factor * part)[:, silent], "donot_use_mm_for_euclid_dist"
            gap = torch.cdist(left, right, compute_mode=compute)
            off = gap > self._rounding * (size + part.norm(dim=1))
            logs[:, rows].masked_fill_(off, -math.inf)
        return logs

    def _sliced(self, x: Tensor) -> Tensor:
        """Vectors (n, d) as (slices, n, width), filled up with zeros."""
        slices, width = self._slices()
        padded = x.new_zeros(len(x), slices * width)
        padded[:, : x.shape[1]] = x
        return padded.view(len(x), slices, width).transpose(0, 1).contiguous()

    def _slices(self) -> tuple[int, int]:
        """Slices that the coordinates are summed in: how many, and how wide."""
        dimension = self._modes.shape[1]
        slices = -(-dimension // _WIDTH)
        return slices, -(-dimension // slices)

    def _rows(self) -> int:
        return min(len(self._modes), max(64, _CHUNK // self._modes.shape[1]))

    def _parts(self) -> Iterator[slice]:
        for first in range(0, len(self._modes), self._rows()):
            yield slice(first, min(first + self._rows(), len(self._modes)))


def _normalised(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows brought to at most 1 by a factor, and that factor."""
    largest = x.abs().amax(dim=1, keepdim=True)
    largest = torch.where(largest > 0, largest, 1.0)
    return x / largest, largest


def _distinct(indices: Tensor, count: int) -> Tensor:
    found = torch.zeros(count, dtype=torch.bool, device=indices.device)
    found[indices] = True
    return found.nonzero()[:, 0]
