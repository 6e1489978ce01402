r"""Side information: reverse processes of data of which something is known.

What is observed depends on the image alone, so the scales are the same Markov chain as before, with
another law of the data. For known data only their weights change, and everything stays exact. A
learned denoiser cannot be reweighted; :func:`inpaint` is what is done in its place.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.reverse.denoiser import Denoiser
from scalelib.reverse.posterior import Posterior
from scalelib.reverse.samplers import ancestral

__all__ = ["given_label", "given_pixels", "inpaint"]

_CHUNK = 2**22
"""Numbers of the data set that are worked on at once."""


def given_label(posterior: Posterior, labels: Tensor, label: int) -> Posterior:
    r"""Condition on the class of the image: the images of the class keep their weights.

    .. math:: w_j \mapsto \frac{w_j\, [c_j = c]}{\sum_l w_l\, [c_l = c]}

    Parameters
    ----------
    posterior : Posterior
        Exact reverse process of the N images.
    labels : Tensor, shape (N,), integers
        Classes :math:`c_j` of the images.
    label : int
        Class c that is known.

    Returns
    -------
    Posterior
        Shares the data with ``posterior``.

    Raises
    ------
    TypeError, ValueError
        If ``labels`` are not N integers, or no image that has weight is of that class.

    Notes
    -----
    A class that is known with doubt has the likelihoods :math:`p(y \mid c_j)` instead of 0 and 1:
    :meth:`~scalelib.reverse.Posterior.given` takes their logarithms.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> data = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    >>> posterior = Posterior(VariancePreserving([0.75]), data)
    >>> given_label(posterior, torch.tensor([4, 7, 7]), 7).log_prior.exp()
    tensor([0.0000, 0.5000, 0.5000], dtype=torch.float64)
    """
    count = len(posterior.log_prior)
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels must be a torch.Tensor, found {type(labels).__name__}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be integers, found {labels.dtype}")
    if labels.shape != (count,):
        raise ValueError(f"labels must have shape ({count},), found {tuple(labels.shape)}")
    known = sorted(set(labels.tolist()))
    label = _check.integer("label", label, low=known[0], high=known[-1])
    if label not in known:
        raise ValueError(f"label must be one of {reprlib.repr(known)}, found {label}")
    return posterior.given(torch.where(labels == label, 0.0, -torch.inf).double())


def given_pixels(
    posterior: Posterior, known: Tensor, mask: Tensor, deviation: float = 0.0
) -> Posterior:
    r"""Condition on some pixels of the image, seen exactly or through white Gaussian noise.

    .. math:: y = u_0 + \rho\, G \text{ on the mask}, \qquad
              w_j \mapsto \frac{w_j \exp(-|y - x_j|^2 / 2 \rho^2)}
              {\sum_l w_l \exp(-|y - x_l|^2 / 2 \rho^2)}

    and for components of variance C > 0 (or one :math:`C_j` for each), per pixel of the mask,

    .. math:: w_j \mapsto \frac{w_j N(y;\, x_j, C + \rho^2)}{\sum_l w_l N(y;\, x_l, C + \rho^2)},
              \qquad x_j \mapsto x_j + \frac{C}{C + \rho^2} (y - x_j), \qquad
              C \mapsto \frac{C \rho^2}{C + \rho^2}.

    Parameters
    ----------
    posterior : Posterior
        Exact reverse process. Components with variance need a pixel-wise process.
    known : Tensor, shape of one image
        Observed values y, in the dtype of the data. They are read on the mask only.
    mask : Tensor, shape of one image, bool
        True where the pixel is known; at least once.
    deviation : float
        Standard deviation :math:`\rho` of the noise, not negative.

    Returns
    -------
    Posterior
        Shares the data with ``posterior`` unless the components have variance.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; if pixels are known exactly but no image has these, up to
        rounding (the message tells how far the nearest is off); or if components of a blurring
        process have variance: given pixels they are no longer diagonal in its modes.

    Notes
    -----
    Source: Bayes' rule; the product of two Gaussians. The distances :math:`|y - x_j|^2` are summed
    in double precision and the smallest is taken off before the division by :math:`2 \rho^2`, so
    that likelihoods may be as small as they like.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> data = torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=torch.float64)
    >>> posterior = Posterior(VariancePreserving([0.75]), data)
    >>> known, mask = torch.tensor([0.3, torch.nan]).double(), torch.tensor([True, False])
    >>> given_pixels(posterior, known, mask, 0.5).log_prior.exp()  # logistic(2 * 0.3 / 0.5**2)
    tensor([0.0832, 0.9168], dtype=torch.float64)
    """
    data, variance = posterior.data, posterior.variance.clone()
    y = _observation(known, mask, data)
    rho = _check.non_negative("deviation", deviation)
    if posterior.process.shape is not None and bool(variance.any()):
        raise ValueError(
            f"posterior must have components without variance to be given pixels, since they do "
            f"not stay diagonal in the modes of {posterior.process!r}, "
            f"found variance {float(variance.max()):g}"
        )
    spread = variance[..., mask.to(variance.device)]
    logs = _log_likelihood(posterior.log_prior, data[:, mask], y, spread + rho**2)
    if not bool(spread.any()):
        return posterior.given(logs)
    gain = torch.where(spread > 0, spread / (spread + rho**2), 0.0)
    variance[..., mask.to(variance.device)] = gain * rho**2
    means = data.clone()
    means[:, mask] = data[:, mask].lerp(y, gain.to(data))  # exactly y where the gain is 1
    moved = Posterior(posterior.process, means, variance=variance)
    return moved.given(posterior.log_prior + logs)


def inpaint(
    denoiser: Denoiser,
    u: Tensor,
    scales: Sequence[int],
    known: Tensor,
    mask: Tensor,
    start: int | None = None,
    *,
    repetitions: int = 1,
    generator: torch.Generator,
) -> Tensor:
    r"""Fill in pixels by replacement: an approximation that any denoiser allows.

    At every scale the known pixels are replaced by what the forward process makes of them, with
    fresh noise. The other pixels take a step of :func:`~scalelib.reverse.ancestral`.

    Parameters
    ----------
    denoiser : Denoiser
        Estimate of the image, for a pixel-wise process.
    u : Tensor, shape (..., C, H, W), float32 or float64
        Images at scale ``start``. Known pixels are replaced there, too.
    scales : sequence of int
        Strictly decreasing scales below ``start``, down to 0 at most, where the known pixels are
        exactly as given.
    known : Tensor, shape of one image or of ``u``
        Values of the known pixels. They are read on the mask only.
    mask : Tensor, shape of ``known``, bool
        True where the pixel is known; neither nowhere nor everywhere.
    start : int or None
        Scale of ``u``; None is the last one, m.
    repetitions : int
        How often each step is taken, at least 1. Before it is taken again, a forward step with new
        noise leads back.
    generator : torch.Generator
        Source of the noise, on the device of ``u``.

    Returns
    -------
    Tensor, shape (len(scales), \*u.shape)

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape, device or range, or the process is not pixel-wise:
        blur mixes known pixels with unknown ones.

    Notes
    -----
    Sources: Song et al., Score-based generative modeling through stochastic differential equations,
    ICLR 2021, Appendix I.2; with repetitions Lugmayr et al., RePaint, CVPR 2022, Algorithm 1, with
    jumps of one step.

    Biased, however good the denoiser and however small the steps: a step sees the known pixels
    through their noise only, as the denoiser does not know them. For two Gaussian pixels of
    correlation r the mean of one given the other is estimated as :math:`r / (1 + \sqrt{1 - r^2})`
    times the other, not r times. :func:`given_pixels` is exact.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> data = torch.tensor([[-1.0, 0.5], [1.0, -0.5]], dtype=torch.float64)
    >>> exact = Posterior(VariancePreserving([0.2, 0.5, 0.9]), data)
    >>> known, mask = torch.tensor([1.0, 0.0]).double(), torch.tensor([True, False])
    >>> source = torch.Generator().manual_seed(1)
    >>> noise = torch.randn(3, 2, generator=source).double()
    >>> inpaint(exact, noise, [2, 1, 0], known, mask, generator=source)[-1, :, 0]
    tensor([1., 1., 1.], dtype=torch.float64)
    """
    process = _pixelwise(denoiser.process)
    u = _check.floating("u", u)
    i, scales = _check.way_back(scales, start, process.steps)
    repetitions = _check.integer("repetitions", repetitions, low=1)
    _check.one_noise_source(generator, None, u)
    image = _given_values(known, mask, u)

    def replaced(v: Tensor, scale: int) -> Tensor:
        return torch.where(mask, process.sample(image, scale, generator=generator), v)

    def step(v: Tensor, i: int, k: int) -> Tensor:
        return replaced(ancestral(denoiser, v, [k], i, generator=generator)[0], k)

    result = u.new_empty((len(scales), *u.shape))
    u = replaced(u, i)
    for j, k in enumerate(scales):
        v = step(u, i, k)
        for _ in range(repetitions - 1):
            v = step(process.sample(v, i, k, generator=generator), i, k)
        u = result[j] = v
        i = k
    return result


# Exact: likelihoods


def _log_likelihood(log_prior: Tensor, pixels: Tensor, y: Tensor, total: Tensor) -> Tensor:
    """Log-likelihoods (N,) up to a constant of pixels (N, K), given their variances C + rho^2."""
    total = total.to(y.device).expand(pixels.shape)
    noisy = (total > 0).all(dim=0)
    if bool((total > 0)[:, ~noisy].any()):
        raise ValueError("deviation must be positive if only some components have variance")
    smallest = total[:, noisy].min() if bool(noisy.any()) else total.new_ones(())
    square, off = torch.empty_like(log_prior), torch.zeros_like(log_prior)
    for rows in _rows(pixels):
        gap = (pixels[rows].double() - y.double()).abs()
        ratio = total[rows][:, noisy] / smallest
        square[rows] = (gap[:, noisy].square() / ratio + smallest * ratio.log()).sum(dim=1)
        if not bool(noisy.all()):
            off[rows] = gap[:, ~noisy].amax(dim=1)
    possible = log_prior.isfinite()
    # Pixels as given, before any transform: closer than the modes that a posterior compares.
    rounding = 64 * torch.finfo(pixels.dtype).eps * float(pixels.abs().max())
    fits = possible & (off <= rounding)
    if not bool(fits.any()):
        raise ValueError(
            "known must be the pixels of an image of the data where deviation is 0, found the "
            f"nearest image {float(off[possible].min()):g} off in its worst pixel"
        )
    return torch.where(fits, (square[fits].min() - square) / (2 * smallest), -torch.inf)


def _rows(pixels: Tensor) -> Iterator[slice]:
    size = max(1, _CHUNK // pixels.shape[1])
    return (slice(first, first + size) for first in range(0, len(pixels), size))


# Arguments


def _observation(known: Tensor, mask: Tensor, data: Tensor) -> Tensor:
    """Return the known values, shape (number of known pixels,)."""
    event = tuple(data.shape[1:])
    if _check.dense("known", known).shape != event:
        raise ValueError(f"known must have the shape {event} of one image, found {_size(known)}")
    _check_known(known, mask, data, "data")
    return known[mask]


def _given_values(known: Tensor, mask: Tensor, u: Tensor) -> Tensor:
    """Return the known values, and 0 where nothing is known, in the shape of ``u``."""
    known = _check.dense("known", known)
    if known.ndim > u.ndim or known.shape != u.shape[u.ndim - known.ndim :]:
        expected = f"{_size(u)} or its last dimensions"
        raise ValueError(f"known must have the shape {expected}; found {_size(known)}")
    _check_known(known, mask, u, "image")
    if bool(mask.all()):
        raise ValueError("mask must leave a pixel unknown, found all known")
    return torch.where(mask, known, 0.0).expand_as(u)


def _check_known(known: Tensor, mask: Tensor, u: Tensor, owner: str) -> None:
    """Raise unless known values fit ``u`` and the mask fits them."""
    if known.dtype != u.dtype:
        raise TypeError(f"known must have the {owner}'s dtype {u.dtype}, found {known.dtype}")
    if known.device != u.device:
        raise ValueError(f"known must be on the {owner}'s device {u.device}, found {known.device}")
    _check_mask(mask, known)
    _check.finite("known", known[mask])


def _check_mask(mask: Tensor, known: Tensor) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        found = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask must be a tensor of torch.bool, found {found}")
    if mask.shape != known.shape:
        raise ValueError(f"mask must have the shape {_size(known)} of known, found {_size(mask)}")
    if mask.device != known.device:
        raise ValueError(f"mask must be on the device {known.device} of known, found {mask.device}")
    if not bool(mask.any()):
        raise ValueError("mask must hold a known pixel, found none")


def _pixelwise(process: LinearGaussianScaleSpace) -> LinearGaussianScaleSpace:
    if process.shape is not None:
        raise ValueError(
            f"denoiser must be for a pixel-wise process, since blur mixes known pixels with "
            f"unknown ones, found {process!r}"
        )
    return process


def _size(u: Tensor) -> tuple[int, ...]:
    return tuple(u.shape)
