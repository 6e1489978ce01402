"""The exact reverse process of known data: posterior, denoiser, score and kernel."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.reverse.denoiser import Denoiser

__all__ = ["Posterior"]

_CHUNK = 2**22
"""Numbers of the data set that are worked on at once."""


@final
class Posterior(Denoiser):
    r"""Exact reverse process for data that are a finite set, or a mixture of Gaussians around it.

    .. math:: p(u_0) = \sum_j w_j\, N(x_j, C), \qquad
              w_j(u) \propto w_j\, N(u;\, M_i x_j, P_i), \qquad P_i = M_i^2 C + S_i^2

    and the reverse kernel from scale i to scale k < i is the mixture, with the weights w_j(u), of

    .. math:: N\Big(M_k x_j + \frac{M_{k,i} P_k}{P_i} (u - M_i x_j),\;
              \frac{P_k S_{k,i}^2}{P_i}\Big)

    everything per mode of the process.

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Forward process.
    data : Tensor, shape (N, C, H, W) or (N, d), float32 or float64
        Images :math:`x_j`; points of :math:`R^d` for pixel-wise processes.
    weights : Tensor, shape (N,), or None
        Positive or zero weights :math:`w_j`, normalised here; None for equal ones.
    variance : float or Tensor, shape of one image
        Variances C of the components per mode, not negative; 0 for a finite data set.
    without_mean : bool
        Project out the constants: weights do not look at the mean grey value, and the trajectory
        keeps that of its start. For processes that keep the mean exactly, where it would tell the
        image at once.

    Raises
    ------
    TypeError, ValueError
        If the data are empty or do not fit the process, or weights or variances are negative.

    Notes
    -----
    Sources: the posterior of a Gaussian mixture; our addition for all processes of the family.
    Sampling the kernel from the exact law of scale i gives the exact law of scale k, with no
    discretisation error, unlike :func:`~scalelib.reverse.ancestral` with the same denoiser.

    Where a mode has no variance at scale i (:math:`P_i = 0`), the weight is the indicator that the
    modes match up to rounding, and :math:`u_k = M_k x_j` there.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> data = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    >>> exact = Posterior(VariancePreserving([0.75]), data)
    >>> exact.denoise(torch.tensor([0.3], dtype=torch.float64), 1)  # tanh(0.3 * 0.5 / 0.75)
    tensor([0.1974], dtype=torch.float64)
    """

    def __init__(
        self,
        process: LinearGaussianScaleSpace,
        data: Tensor,
        *,
        weights: Tensor | None = None,
        variance: float | Tensor = 0.0,
        without_mean: bool = False,
    ) -> None:
        super().__init__(process)
        data = _check.floating("data", data)
        if data.ndim < 2:
            raise ValueError(f"data must have shape (N, C, H, W) or (N, d), found {data.shape}")
        self._event = data.shape[1:]
        self._modes = process.to_modes(data).reshape(len(data), -1)
        self._log_weights = _log_weights(weights, len(data)).to(data.device)
        self._variance = _variances(variance, self._event).flatten()
        self._kept = self._kept_coordinates(without_mean)

    def __repr__(self) -> str:
        """Tell the process and the size of the data set."""
        return f"Posterior({self.process!r}, images={len(self._modes)})"

    @property
    def data(self) -> Tensor:
        """Images x_j, shape (N, C, H, W); those of a blurring process are transformed back."""
        return self.process.from_modes(self._modes.view(-1, *self._event))

    @property
    def variance(self) -> Tensor:
        """Variances C of the components per mode, shape of one image, float64."""
        return self._variance.view(self._event)

    @property
    def log_prior(self) -> Tensor:
        """Logarithms of the weights w_j, shape (N,), float64."""
        return self._log_weights

    def given(self, log_likelihood: Tensor) -> Posterior:
        r"""Condition on something that was observed and depends on the image alone.

        .. math:: w_j \mapsto \frac{w_j\, p(y \mid x_j)}{\sum_l w_l\, p(y \mid x_l)}

        Parameters
        ----------
        log_likelihood : Tensor, shape (N,)
            :math:`\ln p(y \mid x_j)` up to a constant; minus infinity excludes an image.

        Returns
        -------
        Posterior
            Shares the data with this one.

        Raises
        ------
        TypeError, ValueError
            If the numbers are not N logarithms, or exclude every image.

        Notes
        -----
        Everything is done with logarithms: likelihoods may be as small as they like.

        Examples
        --------
        >>> import torch
        >>> from scalelib import VariancePreserving
        >>> data = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
        >>> posterior = Posterior(VariancePreserving([0.75]), data)
        >>> posterior.given(torch.tensor([-10000.0, -10001.0])).log_prior.exp()
        tensor([0.7311, 0.2689], dtype=torch.float64)
        """
        given = _check.dense("log_likelihood", log_likelihood).detach().to(self._log_weights)
        if given.shape != self._log_weights.shape or bool((given.isnan() | given.isposinf()).any()):
            raise ValueError(
                f"log_likelihood must be {len(self._modes)} logarithms, finite or minus infinity, "
                f"found shape {tuple(given.shape)} and maximum {float(given.max()):g}"
            )
        logs = self._log_weights + given
        total = logs.logsumexp(dim=0)
        if not bool(total.isfinite()):
            raise ValueError("log_likelihood must leave an image of the data possible, found none")
        found = copy.copy(self)
        found._log_weights = logs - total
        return found

    def log_weights(self, u: Tensor, i: int) -> Tensor:
        r"""Logarithms of the posterior weights :math:`w_j(u)`.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W)
            Images at scale ``i``, in the dtype and on the device of the data.
        i : int
            Scale, 0 <= i <= m.

        Returns
        -------
        Tensor, shape (..., N), float64

        Raises
        ------
        TypeError, ValueError
            If ``u`` or ``i`` does not fit, or no image of the data can have led to ``u``.
        """
        found = self._log_weights_of(self._flat(u), i)
        return found.view(*u.shape[: u.ndim - len(self._event)], -1)

    def denoise(self, u: Tensor, i: int) -> Tensor:
        r"""Conditional mean :math:`E[U_0 \mid U_i = u]`.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W)
            Images at scale ``i``, in the dtype and on the device of the data.
        i : int
            Scale, 0 <= i <= m.

        Returns
        -------
        Tensor, shape of ``u``

        Raises
        ------
        TypeError, ValueError
            If ``u`` or ``i`` does not fit, or no image of the data can have led to ``u``.
        """
        modes = self._flat(u)
        centre = self._average(self._log_weights_of(modes, i))
        mean, gain, _ = self._kernel(i, 0)
        return self._images(mean * centre + gain * (modes - self._factor(i) * centre), u)

    def score(self, u: Tensor, i: int) -> Tensor:
        r"""Gradient of the log-density, :math:`\nabla \ln p_i(u) = V (M_i \bar x - u) / P_i`.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W)
            Images at scale ``i``, in the dtype and on the device of the data.
        i : int
            Scale, 1 <= i <= m, with variance in every mode (0 in a mode that is projected out).

        Returns
        -------
        Tensor, shape of ``u``

        Raises
        ------
        TypeError, ValueError
            If ``u`` or ``i`` does not fit, or a mode has no variance: there is no density.
        """
        spread = self._spread(i)
        if bool((spread[self._kept] == 0).any()):
            raise ValueError(f"scale {i} of {self.process!r} must have variance in every mode")
        modes = self._flat(u)
        centre = self._average(self._log_weights_of(modes, i))
        score = (self._factor(i) * centre - modes) / spread.to(modes)
        score[:, ~self._kept] = 0
        return self._images(score, u)

    def sample(self, u: Tensor, k: int, i: int, *, generator: torch.Generator) -> Tensor:
        r"""Draw :math:`U_k` given :math:`U_i = u` from the exact reverse kernel.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W)
            Images at scale ``i``, in the dtype and on the device of the data.
        k, i : int
            Scales, 0 <= k < i <= m.
        generator : torch.Generator
            Source of randomness, on the device of ``u``.

        Returns
        -------
        Tensor, shape of ``u``

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit, or no image of the data can have led to ``u``.
        """
        i = _check.integer("i", i, low=1, high=self.process.steps)
        k = _check.integer("k", k, low=0, high=i - 1)
        modes = self._flat(u)
        _check.one_noise_source(generator, None, u)
        chosen = torch.multinomial(self._log_weights_of(modes, i).exp(), 1, generator=generator)
        centre = self._modes[chosen[:, 0]]
        mean, gain, deviation = self._kernel(k=k, i=i)
        found = mean * centre + gain * (modes - self._factor(i) * centre)
        noise = torch.empty_like(found).normal_(generator=generator)
        return self._images(found.addcmul_(deviation.expand_as(noise), noise), u)

    def trajectory(
        self,
        u: Tensor,
        scales: Sequence[int],
        start: int | None = None,
        *,
        generator: torch.Generator,
    ) -> Tensor:
        r"""Draw one trajectory of the exact reverse process through decreasing scales.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W)
            Images at scale ``start``, in the dtype and on the device of the data.
        scales : sequence of int
            Strictly decreasing scales below ``start``, down to 0 at most.
        start : int or None
            Scale of ``u``; None is the last one, m.
        generator : torch.Generator
            Source of randomness, on the device of ``u``.

        Returns
        -------
        Tensor, shape (len(scales), \*u.shape)

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit, or no image of the data can have led to ``u``.
        """
        last = self.process.steps
        i = _check.integer("start", last if start is None else start, low=1, high=last)
        scales = _check.decreasing_integers("scales", scales, low=0, high=i - 1)
        self._flat(u)
        result = u.new_empty((len(scales), *u.shape))
        for j, k in enumerate(scales):
            u = result[j] = self.sample(u, k, i, generator=generator)
            i = k
        return result

    def draw(self, count: int, i: int, *, generator: torch.Generator) -> Tensor:
        r"""Draw from the exact law of :math:`U_i`.

        Parameters
        ----------
        count : int
            Number of images, at least 1.
        i : int
            Scale, 0 <= i <= m.
        generator : torch.Generator
            Source of randomness, on the device of the data.

        Returns
        -------
        Tensor, shape (count, C, H, W)

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, device or range.
        """
        count = _check.integer("count", count, low=1)
        _check.one_noise_source(generator, None, self._modes)
        chosen = torch.multinomial(
            self._log_weights.exp(), count, replacement=True, generator=generator
        )
        modes = self._factor(i) * self._modes[chosen]
        noise = torch.empty_like(modes).normal_(generator=generator)
        modes = modes.addcmul_(self._spread(i).sqrt().to(modes).expand_as(noise), noise)
        return self._images(modes, modes.new_empty((count, *self._event)))

    # Coefficients, one per coordinate

    def _factor(self, i: int) -> Tensor:
        return self._coordinates(self.process.direct(i)[0]).to(self._modes)

    def _spread(self, i: int) -> Tensor:
        """P_i, float64."""
        factor, variance = (self._coordinates(x) for x in self.process.direct(i))
        return factor.square() * self._variance + variance

    def _kernel(self, i: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Mean factor, gain and deviation of the kernel i -> k given the component."""
        early, late = self._spread(k), self._spread(i)
        factor, added = (self._coordinates(x) for x in self.process.direct(i, k))
        # Equal to 1 where i = k or no noise comes in between, also where there is no variance.
        ratio = torch.where(late > 0, early / late, 0.0)
        gain, deviation = factor * ratio, (ratio * added).sqrt()
        gain[~self._kept] = 1
        return self._factor(k), gain.to(self._modes), deviation.to(self._modes)

    def _coordinates(self, values: Tensor) -> Tensor:
        return values.expand(self._event).flatten()

    def _kept_coordinates(self, without_mean: bool) -> Tensor:
        kept = torch.ones(self._event, dtype=torch.bool)
        if without_mean:
            self._check_keeps_mean()
            kept[..., 0, 0] = False
        return kept.flatten()

    def _check_keeps_mean(self) -> None:
        factor, variance = self.process.direct(self.process.steps)
        if self.process.shape is None or factor[0, 0] != 1 or variance[0, 0] != 0:
            raise ValueError(f"without_mean needs a process that keeps it, found {self.process!r}")

    # Weights

    def _log_weights_of(self, modes: Tensor, i: int) -> Tensor:
        """Posterior log-weights of flat modes (B, d), shape (B, N), float64."""
        spread, factor = self._spread(i), self._coordinates(self.process.direct(i)[0])
        noisy = self._kept & (spread > 0)
        silent = self._kept & (spread == 0)
        scale = torch.where(noisy, spread.rsqrt(), 0.0)
        left = modes.double() * scale
        logs = torch.empty(len(modes), len(self._modes), dtype=torch.float64)
        for rows, part in self._parts():
            right = part.double() * (factor * scale)
            logs[:, rows] = left @ right.T - right.square().sum(dim=1) / 2
            if bool(silent.any()):
                gap = (modes[:, None, silent] - (factor.to(part) * part)[:, silent]).abs().amax(-1)
                logs[:, rows].masked_fill_(gap > self._rounding(), -math.inf)
        logs += self._log_weights
        total = logs.logsumexp(dim=1, keepdim=True)
        if not bool(total.isfinite().all()):
            raise ValueError(f"u must be what an image of the data can become at scale {i}")
        return logs - total

    def _rounding(self) -> float:
        eps = torch.finfo(self._modes.dtype).eps
        return 64 * eps * float(self._modes.abs().max())

    def _average(self, log_weights: Tensor) -> Tensor:
        found = self._modes.new_zeros(len(log_weights), self._modes.shape[1])
        for rows, part in self._parts():
            found.addmm_(log_weights[:, rows].exp().to(part), part)
        return found

    def _parts(self) -> Iterator[tuple[slice, Tensor]]:
        rows = max(1, _CHUNK // self._modes.shape[1])
        for first in range(0, len(self._modes), rows):
            chosen = slice(first, min(first + rows, len(self._modes)))
            yield chosen, self._modes[chosen]

    # Images and modes

    def _flat(self, u: Tensor) -> Tensor:
        u = _check.floating("u", u)
        if u.shape[u.ndim - len(self._event) :] != self._event:
            expected = ", ".join(map(str, self._event))
            raise ValueError(f"u must have shape (..., {expected}), found {tuple(u.shape)}")
        if u.dtype != self._modes.dtype:
            raise TypeError(f"u must have the dtype {self._modes.dtype} of data, found {u.dtype}")
        return self.process.to_modes(u).reshape(-1, self._modes.shape[1])

    def _images(self, modes: Tensor, u: Tensor) -> Tensor:
        return self.process.from_modes(modes.view(u.shape))


def _log_weights(weights: Tensor | None, count: int) -> Tensor:
    if weights is None:
        return torch.full((count,), -math.log(count), dtype=torch.float64)
    weights = _check.floating("weights", weights).detach().double()
    if weights.shape != (count,) or bool((weights < 0).any()) or not bool(weights.any()):
        raise ValueError(
            f"weights must be {count} numbers, none negative and not all 0, "
            f"found shape {tuple(weights.shape)} and minimum {float(weights.min()):g}"
        )
    return weights.log() - weights.sum().log()


def _variances(variance: float | Tensor, event: torch.Size) -> Tensor:
    if not isinstance(variance, Tensor):
        variance = torch.tensor(_check.non_negative("variance", variance), dtype=torch.float64)
        return variance.expand(event)
    found = _check.floating("variance", variance).detach().to("cpu", torch.float64)
    if found.shape != event or bool((found < 0).any()):
        raise ValueError(
            f"variance must have the shape {tuple(event)} of one image and no negative number, "
            f"found shape {tuple(found.shape)} and minimum {float(found.min()):g}"
        )
    return found
