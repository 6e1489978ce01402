r"""Reverse trajectories driven by a denoiser.

Between two scales k < i the law of :math:`U_k` given image and :math:`U_i` is known:

.. math:: U_k \mid U_0, U_i \sim N\Big(M_k U_0 + \frac{M_{k,i} S_k^2}{S_i^2} (U_i - M_i U_0),\;
          \frac{S_k^2 S_{k,i}^2}{S_i^2}\Big) \quad\text{per mode.}

A sampler puts the denoiser's estimate in the place of the image. That is exact only in the limit of
small steps: the true kernel is a mixture, see :class:`~scalelib.reverse.Posterior`.

No sampler records gradients. Scale 0 is reached without noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scalelib import _check
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.reverse.denoiser import Denoiser

__all__ = ["ancestral", "ddim", "deblurring"]


def ancestral(
    denoiser: Denoiser,
    u: Tensor,
    scales: Sequence[int],
    start: int | None = None,
    *,
    generator: torch.Generator | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    r"""Reverse trajectory with all the noise of the reverse process.

    Parameters
    ----------
    denoiser : Denoiser
        Estimate of the image.
    u : Tensor, shape (..., C, H, W), float32 or float64
        Images at scale ``start``.
    scales : sequence of int
        Strictly decreasing scales below ``start``, down to 0 at most.
    start : int or None
        Scale of ``u``; None is the last one, m.
    generator : torch.Generator
        Source of the noise, on the device of ``u``.
    noise : Tensor, shape (len(scales), \*u.shape)
        White standard normal noise in the pixel domain. Exactly one of ``generator`` and ``noise``
        is given.

    Returns
    -------
    Tensor, shape (len(scales), \*u.shape)

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape, device or range.

    Notes
    -----
    Source: Ho, Jain and Abbeel, Denoising diffusion probabilistic models, NeurIPS 2020, equations
    (6), (7) and (15), for consecutive scales of the variance preserving process; here for every
    linear Gaussian process and any two scales.
    """
    return ddim(denoiser, u, scales, start, eta=1.0, generator=generator, noise=noise)


def ddim(
    denoiser: Denoiser,
    u: Tensor,
    scales: Sequence[int],
    start: int | None = None,
    *,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    r"""Reverse trajectory with a share of the noise of the reverse process.

    .. math:: U_k = M_k \hat u_0 + \frac{\sqrt{S_k^2 - \sigma^2}}{S_i} (U_i - M_i \hat u_0)
              + \sigma G, \qquad \sigma = \eta\, \frac{S_k S_{k,i}}{S_i}

    Parameters
    ----------
    denoiser : Denoiser
        Estimate :math:`\hat u_0` of the image.
    u : Tensor, shape (..., C, H, W), float32 or float64
        Images at scale ``start``.
    scales : sequence of int
        Strictly decreasing scales below ``start``, down to 0 at most.
    start : int or None
        Scale of ``u``; None is the last one, m.
    eta : float
        Share in [0, 1]. 0 is deterministic: a discretisation of the probability flow. 1 is
        :func:`ancestral`.
    generator : torch.Generator
        Source of the noise, on the device of ``u``.
    noise : Tensor, shape (len(scales), \*u.shape)
        White standard normal noise in the pixel domain. Exactly one of ``generator`` and ``noise``
        is given, and neither if ``eta = 0``.

    Returns
    -------
    Tensor, shape (len(scales), \*u.shape)

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape, device or range.

    Notes
    -----
    Source: Song, Meng and Ermon, Denoising diffusion implicit models, ICLR 2021, equations (12)
    and (16), for the variance preserving process; here for every linear Gaussian process.

    Modes without noise at scale i follow the denoiser: :math:`U_k = M_k \hat u_0` there.
    """
    eta = _share(eta)
    process = _process(denoiser)

    def step(modes: Tensor, estimate: Tensor, i: int, k: int) -> tuple[Tensor, Tensor]:
        (M_i, V_i), (M_k, V_k) = process.direct(i), process.direct(k)
        factor, added = process.direct(i, k)
        share = torch.where(V_i > 0, V_k / V_i, 0.0)
        # S_k^2 - sigma^2 without cancellation: S_i^2 = M_{k,i}^2 S_k^2 + S_{k,i}^2.
        gain = share.sqrt() * _ratio((factor.square() * V_k + (1 - eta**2) * added), V_i).sqrt()
        mean = M_k.to(modes) * estimate + gain.to(modes) * (modes - M_i.to(modes) * estimate)
        return mean, (eta * (share * added).sqrt()).to(modes)

    silent = eta == 0
    return _trajectory(denoiser, u, scales, start, step, generator, noise, silent=silent)


def deblurring(
    denoiser: Denoiser,
    u: Tensor,
    scales: Sequence[int],
    delta: float,
    start: int | None = None,
    *,
    generator: torch.Generator | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    r"""Reverse trajectory of inverse heat dissipation as published.

    .. math:: U_k = M_k \hat u_0 + \delta\, G

    Parameters
    ----------
    denoiser : Denoiser
        Estimate of the image; :math:`M_k \hat u_0` estimates the less blurred one.
    u : Tensor, shape (..., C, H, W), float32 or float64
        Images at scale ``start``.
    scales : sequence of int
        Strictly decreasing scales below ``start``, down to 0 at most. Scale 0 is reached without
        noise.
    delta : float
        Standard deviation of the noise, not negative; 1.25 times the sigma of the forward process
        is published.
    start : int or None
        Scale of ``u``; None is the last one, m.
    generator : torch.Generator
        Source of the noise, on the device of ``u``.
    noise : Tensor, shape (len(scales), \*u.shape)
        White standard normal noise in the pixel domain. Exactly one of ``generator`` and ``noise``
        is given, and neither if ``delta = 0``.

    Returns
    -------
    Tensor, shape (len(scales), \*u.shape)

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape, device or range.

    Notes
    -----
    Source: Rissanen, Heinonen and Solin, Generative modelling with inverse heat dissipation, ICLR
    2023, Algorithm 2. It is not the reversal of the Markov form of the process: even with the exact
    denoiser its marginals differ from the forward ones.
    """
    delta = _check.non_negative("delta", delta)
    process = _process(denoiser)

    def step(modes: Tensor, estimate: Tensor, i: int, k: int) -> tuple[Tensor, Tensor]:
        factor, _ = process.direct(k)
        return factor.to(modes) * estimate, modes.new_tensor(delta if k else 0.0)

    return _trajectory(denoiser, u, scales, start, step, generator, noise, silent=delta == 0)


_Step = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]
"""Modes and estimated modes at scale i -> mean and deviation of the modes at scale k."""


@torch.no_grad()
def _trajectory(
    denoiser: Denoiser,
    u: Tensor,
    scales: Sequence[int],
    start: int | None,
    step: _Step,
    generator: torch.Generator | None,
    noise: Tensor | None,
    *,
    silent: bool,
) -> Tensor:
    process = denoiser.process
    u = _check.floating("u", u)
    i, scales = _check.way_back(scales, start, process.steps)
    if not silent:
        _check.one_noise_source(generator, noise, u)
    elif generator is not None or noise is not None:
        raise ValueError("a trajectory without noise must get neither generator nor noise")
    if noise is not None:
        _check.like("noise", noise, u, (len(scales), *u.shape))
    result = u.new_empty((len(scales), *u.shape))
    for j, k in enumerate(scales):
        estimate = process.to_modes(denoiser.denoise(u, i))
        mean, deviation = step(process.to_modes(u), estimate, i, k)
        if not silent and bool(deviation.any()):
            given = result[j].normal_(generator=generator) if noise is None else noise[j]
            mean = mean + deviation * process.to_modes(given)
        result[j] = process.from_modes(mean)
        u, i = result[j], k
    return result


def _process(denoiser: Denoiser) -> LinearGaussianScaleSpace:
    if not isinstance(denoiser, Denoiser):
        raise TypeError(f"denoiser must be a Denoiser, found {type(denoiser).__name__}")
    return denoiser.process


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below, 0.0)


def _share(eta: float) -> float:
    eta = _check.non_negative("eta", eta)
    if eta > 1:
        raise ValueError(f"eta must be in [0, 1], found {eta!r}")
    return eta
