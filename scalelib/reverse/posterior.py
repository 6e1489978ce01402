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
from scalelib.reverse.likelihood import Likelihood, Scale

__all__ = ["Posterior"]

_PAIRS = 2**22
"""Pairs of an image and an image of the data whose weights are held in memory at once."""


@final
class Posterior(Denoiser):
    r"""Exact reverse process for data that are a finite set, or a mixture of Gaussians around it.

    .. math:: p(u_0) = \sum_j w_j\, N(x_j, C_j), \qquad
              w_j(u) \propto w_j\, N(u;\, M_i x_j, P_{i,j}), \qquad
              P_{i,j} = M_i^2 C_j + S_i^2

    and the reverse kernel from scale i to scale k < i is the mixture, with the weights w_j(u), of

    .. math:: N\Big(\frac{M_k S_{k,i}^2}{P_{i,j}}\, x_j + \frac{M_{k,i} P_{k,j}}{P_{i,j}}\, u,\;
              \frac{P_{k,j} S_{k,i}^2}{P_{i,j}}\Big)

    everything per mode of the process.

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Forward process.
    data : Tensor, shape (N, C, H, W) or (N, d), float32 or float64
        Images :math:`x_j`; points of :math:`R^d` for pixel-wise processes. Not copied if the
        process is pixel-wise, and must not be changed then.
    weights : Tensor, shape (N,), or None
        Positive or zero weights :math:`w_j`, normalised here; None for equal ones.
    variance : float or Tensor, shape of one image or of ``data``
        Variances of the components per mode, not negative: C for all, or a :math:`C_j` for each.
        0 for a finite data set.
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

    A mixture m of :mod:`scalelib.information` has its means and variances in the basis V already:
    ``Posterior(process, process.from_modes(m.means.view(shape)), weights=m.log_weights.exp(),
    variance=m.variances.view(shape))`` with the shape (N, C, H, W).

    Precision: a log-weight less than 40 nats below the largest one is right to :math:`2^{-7}` nats
    for float32 data and to :math:`2^{-24}` for float64 data, given the modes as they are rounded,
    however small the noise. All others are below :math:`e^{-40}` of the largest. This supposes the
    default of torch, full precision of float32 matrix products on CUDA as well.

    Memory: beside data and result :math:`2^{22}` weights and a few chunks of the data. One product
    with the data is needed for a sample, two for a mean; variances for each component take
    differences from every component instead. No gradients are recorded.

    Where a mode has no variance at scale i (:math:`P_i = 0`), the weight is the indicator that the
    modes match up to rounding, and :math:`U_k \sim N(M_k x_j, P_k)` there. Components with variance
    under a process without noise are inverse diffusion: well defined and ill posed, rounding errors
    grow by :math:`1 / M_{k,i}`.

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
        data = _check.floating("data", data).detach()
        if data.ndim < 2:
            raise ValueError(
                f"data must have shape (N, C, H, W) or (N, d), found {tuple(data.shape)}"
            )
        self._event = data.shape[1:]
        self._modes = process.to_modes(data).reshape(len(data), -1).contiguous()
        self._log_weights = _log_weights(weights, len(data)).to(data.device)
        self._variance = _variances(variance, data)
        self._kept = self._kept_coordinates(without_mean).to(data.device)
        self._likelihood = Likelihood(self._modes, _rounding(process, data.dtype))

    def __repr__(self) -> str:
        """Tell the process and the size of the data set."""
        return f"Posterior({self.process!r}, images={len(self._modes)})"

    @property
    def data(self) -> Tensor:
        """Images x_j, shape (N, C, H, W); those of a blurring process are transformed back."""
        return self.process.from_modes(self._modes.view(-1, *self._event))

    @property
    def variance(self) -> Tensor:
        """Variances of the components per mode, float64, shape of one image or of the data."""
        return self._variance.view(*self._variance.shape[:-1], *self._event)

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
        modes = self._flat(u)
        found = modes.new_empty(len(modes), len(self._modes), dtype=torch.float64)
        for rows, logs in self._log_weights_of(modes, i):
            torch.sub(logs, logs.logsumexp(dim=1, keepdim=True), out=found[rows])
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
        own, gain, _ = self._kernel(i, 0)
        return self._average(u, i, own, gain)

    def score(self, u: Tensor, i: int) -> Tensor:
        r"""Compute the gradient of the log-density, :math:`\nabla \ln p_i(u)`.

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
        scale = self._scale(i)
        if bool((scale.spread[..., self._kept] == 0).any()):
            raise ValueError(f"scale {i} of {self.process!r} must have variance in every mode")
        inverse = scale.scaling.square()
        return self._average(u, i, scale.factor * inverse, -inverse)

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
        uniform = _uniform(len(modes), generator, modes.device)
        chosen = torch.cat(
            [_chosen(logs, uniform[rows]) for rows, logs in self._log_weights_of(modes, i)]
        )
        own, gain, variance = (_of(x, chosen) for x in self._kernel(i, k))
        found = own.to(modes) * self._modes[chosen] + gain.to(modes) * modes
        noise = torch.empty_like(found).normal_(generator=generator)
        found.addcmul_(variance.sqrt().to(modes).expand_as(noise), noise)
        return self._images(found, u)

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
        i, scales = _check.way_back(scales, start, self.process.steps)
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
        uniform = _uniform(count, generator, self._modes.device)
        chosen = _chosen(self._log_weights, uniform)
        scale = self._scale(i)
        modes = scale.factor.to(self._modes) * self._modes[chosen]
        noise = torch.empty_like(modes).normal_(generator=generator)
        modes.addcmul_(_of(scale.spread.sqrt(), chosen).to(modes).expand_as(noise), noise)
        return self._images(modes, modes.new_empty((count, *self._event)))

    # Coefficients, one per coordinate

    def _scale(self, i: int) -> Scale:
        factor, variance = (self._coordinates(x) for x in self.process.direct(i))
        return Scale(factor, factor.square() * self._variance + variance, self._kept)

    def _kernel(self, i: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Factors of image and :math:`U_i` in the mean of the kernel i -> k, and its variance."""
        early, late = self._scale(k), self._scale(i).spread
        factor, added = (self._coordinates(x) for x in self.process.direct(i, k))
        noisy = late > 0
        own = early.factor * torch.where(noisy, added / late, 1.0)
        gain = torch.where(noisy, factor * early.spread / late, 0.0)
        # Without variance at scale i nothing is known beyond the image.
        variance = early.spread * torch.where(noisy, added / late, 1.0)
        out = ~self._kept
        own[..., out], gain[..., out], variance[..., out] = 0.0, 1.0, 0.0
        if float(gain.abs().max()) > torch.finfo(self._modes.dtype).max:
            raise ValueError(
                f"{self._modes.dtype} cannot hold the gain {float(gain.abs().max()):g} "
                f"from scale {i} to scale {k}: some modes are all but lost"
            )
        return own, gain, variance

    def _coordinates(self, values: Tensor) -> Tensor:
        return values.expand(self._event).flatten().to(self._modes.device)

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

    def _log_weights_of(self, modes: Tensor, i: int) -> Iterator[tuple[slice, Tensor]]:
        """Chunks of rows and their log-weights (rows, N), float64, not normalised."""
        scale, rows = self._scale(i), max(1, _PAIRS // len(self._modes))
        for first in range(0, len(modes), rows):
            part = slice(first, min(first + rows, len(modes)))
            logs = self._likelihood(modes[part], scale, self._log_weights)
            if not bool(logs.amax(dim=1).isfinite().all()):
                raise ValueError(f"u must be what an image of the data can become at scale {i}")
            yield part, logs

    def _average(self, u: Tensor, i: int, own: Tensor, gain: Tensor) -> Tensor:
        """Mean of own x_j + gain u over the posterior, as images."""
        modes = self._flat(u)
        found = torch.empty_like(modes)
        for rows, logs in self._log_weights_of(modes, i):
            weights = logs.softmax(dim=1)
            if own.ndim == 1:
                mean = own * self._likelihood.average(weights) + gain * modes[rows]
            else:
                mean = self._likelihood.average(weights, own) + (weights @ gain) * modes[rows]
            found[rows] = mean.to(found)
        return self._images(found, u)

    # Images and modes

    def _flat(self, u: Tensor) -> Tensor:
        u = _check.floating("u", u).detach()
        if u.shape[u.ndim - len(self._event) :] != self._event:
            expected = ", ".join(map(str, self._event))
            raise ValueError(f"u must have shape (..., {expected}), found {tuple(u.shape)}")
        if u.dtype != self._modes.dtype:
            raise TypeError(f"u must have the dtype {self._modes.dtype} of data, found {u.dtype}")
        if u.device != self._modes.device:
            raise ValueError(
                f"u must be on the device {self._modes.device} of data, found {u.device}"
            )
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
    logs = weights.log()
    return logs - logs.logsumexp(dim=0)


def _variances(variance: float | Tensor, data: Tensor) -> Tensor:
    """Variances (d,) or (N, d), float64, on the device of the data."""
    event, device = data.shape[1:], data.device
    if not isinstance(variance, Tensor):
        found = _check.non_negative("variance", variance)
        return torch.full((event.numel(),), found, dtype=torch.float64, device=device)
    given = _check.floating("variance", variance).detach().to(device, torch.float64)
    if given.shape not in (event, data.shape) or bool((given < 0).any()):
        raise ValueError(
            f"variance must have the shape {tuple(event)} of one image or {tuple(data.shape)} of "
            f"the data and no negative number, found shape {tuple(given.shape)} and minimum "
            f"{float(given.min()):g}"
        )
    return given.reshape(*given.shape[: given.ndim - len(event)], -1)


def _rounding(process: LinearGaussianScaleSpace, dtype: torch.dtype) -> float:
    """Relative rounding error, in the Euclidean norm, of modes of a known image at a scale.

    A fast transform of length n errs by less than 8 log2(n) units (Higham, Accuracy and stability
    of numerical algorithms, 2002, Theorem 24.2); up to two lie behind either of the two modes.
    """
    length = 1 if process.shape is None else 4 * math.prod(process.shape)
    return (2 + 2 * 8 * math.log2(length)) * torch.finfo(dtype).eps / 2


def _of(values: Tensor, chosen: Tensor) -> Tensor:
    """Values of the chosen components: the same for all, or each its own."""
    return values if values.ndim == 1 else values[chosen]


def _uniform(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.rand(count, generator=generator, dtype=torch.float64, device=device)


def _chosen(logs: Tensor, uniform: Tensor) -> Tensor:
    """Draw indices with probabilities exp(logs), up to a factor, by inverting their sums.

    ``logs`` are (N,) for all or (B, N). Unlike ``torch.multinomial``, which draws N numbers for
    each, this takes one, and N may exceed 2^24.
    """
    sums = logs.softmax(dim=-1).cumsum_(dim=-1)  # several times faster than exp far below 0
    total = sums[..., -1:]
    # Rounding must not reach the total, behind which there is no index.
    place = torch.minimum(
        uniform * total[..., 0], torch.nextafter(total, total.new_zeros(()))[..., 0]
    )
    if logs.ndim == 1:
        return torch.searchsorted(sums, place, right=True)
    return torch.searchsorted(sums, place[:, None], right=True)[:, 0]
