r"""Schedules: the numbers of scales 1..m. Scale 0 is the image itself and is implicit.

Each function returns plain float64 tensors of shape (m,) that the processes of
:mod:`scalelib.processes` take. The unit is part of the name: ``beta`` is a variance, ``sigma`` a
standard deviation, ``times`` are diffusion times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scalelib import _check
from scalelib.transforms import laplacian_eigenvalues

__all__ = [
    "arctan_noise",
    "constant_beta",
    "cosine_beta",
    "geometric_sigma",
    "linear_beta",
    "log_blur",
    "matched_sigma",
    "sin2_blur",
]


def linear_beta(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Tensor:
    r"""Linear noise variances of the variance preserving process.

    .. math:: \beta_i = \beta_1 + \frac{i - 1}{m - 1} (\beta_m - \beta_1)

    Parameters
    ----------
    steps : int
        Number of scales m, at least 1.
    first, last : float
        Variances :math:`\beta_1` and :math:`\beta_m`, in (0, 1).

    Returns
    -------
    Tensor, shape (m,), float64
        Variances, not standard deviations. The defaults end at
        :math:`\bar\alpha_m = 4.04 \cdot 10^{-5}`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Source: Ho, Jain and Abbeel, Denoising diffusion probabilistic models, NeurIPS 2020, Section 4.

    Examples
    --------
    >>> float((1 - linear_beta()).prod())
    4.035829765375...e-05
    """
    steps = _check.integer("steps", steps, low=1)
    first = _check.number("first", first, low=0, high=1)
    last = _check.number("last", last, low=0, high=1)
    return torch.linspace(first, last, steps, dtype=torch.float64)


def cosine_beta(steps: int = 1000, offset: float = 0.008, largest: float = 0.999) -> Tensor:
    r"""Noise variances for which the signal power falls like a squared cosine.

    .. math:: \bar\alpha(t) = \frac{f(t)}{f(0)}, \quad
              f(t) = \cos^2\Big(\frac{t + s}{1 + s} \frac{\pi}{2}\Big), \quad
              \beta_i = \min\Big(1 - \frac{\bar\alpha(i/m)}{\bar\alpha((i-1)/m)},
              \beta_\mathrm{max}\Big)

    Parameters
    ----------
    steps : int
        Number of scales m, at least 1.
    offset : float
        The shift s > 0 that keeps the first variance away from 0.
    largest : float
        The cap :math:`\beta_\mathrm{max}` in (0, 1); part of the published schedule, since
        :math:`f(1) = 0` would make the last variance 1.

    Returns
    -------
    Tensor, shape (m,), float64
        Variances in (0, ``largest``].

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Source: Nichol and Dhariwal, Improved denoising diffusion probabilistic models, ICML 2021,
    equation (17). The division by f(0) cancels in all variances but the first: without it that
    one would be 4.8 times as large (m = 1000).

    Examples
    --------
    >>> cosine_beta(4)
    tensor([0.1530, 0.4170, 0.7079, 0.9990], dtype=torch.float64)
    """
    steps = _check.integer("steps", steps, low=1)
    offset = _check.number("offset", offset, low=0)
    largest = _check.number("largest", largest, low=0, high=1)
    angle = math.pi / 2 / (1 + offset)
    x = (torch.arange(steps + 1, dtype=torch.float64) / steps + offset) * angle
    # 1 - cos^2 y / cos^2 x = sin(y + x) sin(y - x) / cos^2 x, so that nothing cancels.
    betas = torch.sin(x[1:] + x[:-1]) * math.sin(angle / steps) / torch.cos(x[:-1]) ** 2
    return betas.clamp(max=largest)


def constant_beta(steps: int, beta: float = 0.02) -> Tensor:
    r"""Constant noise variances of the variance preserving process.

    .. math:: \beta_i = \beta, \qquad \bar\alpha_i = (1 - \beta)^i

    Parameters
    ----------
    steps : int
        Number of scales m, at least 1.
    beta : float
        Variance in (0, 1); the default is the one of Figure 1 in the 2023 paper.

    Returns
    -------
    Tensor, shape (m,), float64

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Source: Peter, Generalised scale-space properties for probabilistic diffusion models,
    SSVM 2023, Figure 1.

    Examples
    --------
    >>> constant_beta(3)
    tensor([0.0200, 0.0200, 0.0200], dtype=torch.float64)
    """
    steps = _check.integer("steps", steps, low=1)
    beta = _check.number("beta", beta, low=0, high=1)
    return torch.full((steps,), beta, dtype=torch.float64)


def geometric_sigma(steps: int, first: float = 0.01, last: float = 50.0) -> Tensor:
    r"""Geometric standard deviations of the variance exploding process.

    .. math:: \sigma_i = \sigma_1 (\sigma_m / \sigma_1)^{(i-1)/(m-1)}

    Parameters
    ----------
    steps : int
        Number of scales m, at least 2.
    first, last : float
        Standard deviations :math:`0 < \sigma_1 < \sigma_m` of the noise accumulated since scale 0,
        in the unit of the image. The defaults are those for CIFAR-10 in [0, 1]
        (90 for CelebA); images in [-1, 1] need twice as much.

    Returns
    -------
    Tensor, shape (m,), float64

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Source: Song and Ermon, Improved techniques for training score-based generative models,
    NeurIPS 2020, Section 3; as an accumulating chain in Song et al., Score-based generative
    modeling through stochastic differential equations, ICLR 2021, equation (8).

    Examples
    --------
    >>> geometric_sigma(3, 1, 100)
    tensor([  1.,  10., 100.], dtype=torch.float64)
    """
    steps = _check.integer("steps", steps, low=2)
    first, last = _check_interval(first, last, names=("first", "last"))
    return _log_spaced(first, last, steps)


def log_blur(steps: int, sigma_max: float, sigma_min: float = 0.5) -> Tensor:
    r"""Diffusion times of log-spaced blur widths.

    .. math:: t_i = \sigma_{B,i}^2 / 2, \qquad
              \sigma_{B,i} = \sigma_\mathrm{min}
              (\sigma_\mathrm{max} / \sigma_\mathrm{min})^{(i-1)/(m-1)}

    Parameters
    ----------
    steps : int
        Number of scales m, at least 2.
    sigma_max, sigma_min : float
        Standard deviations of the widest and narrowest heat kernel, in pixels.

    Returns
    -------
    Tensor, shape (m,), float64
        Diffusion times in pixel^2.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Source: Rissanen, Heinonen and Solin, Generative modelling with inverse heat dissipation,
    ICLR 2023, Appendix. Published pairs (m, sigma_max): MNIST (100, 20), CIFAR-10 (200, 24),
    FFHQ and AFHQ at 256 pixels (200, 128), LSUN at 128 pixels (400, 64). Their list has an
    additional 0 in front, which is scale 0 here.

    Examples
    --------
    >>> log_blur(3, sigma_max=20, sigma_min=0.2)
    tensor([2.0000e-02, 2.0000e+00, 2.0000e+02], dtype=torch.float64)
    """
    steps = _check.integer("steps", steps, low=2)
    first, last = _check_interval(sigma_min, sigma_max, names=("sigma_min", "sigma_max"))
    return _log_spaced(first, last, steps) ** 2 / 2


def sin2_blur(steps: int, sigma_max: float = 20.0) -> Tensor:
    r"""Diffusion times of blur widths that grow like a squared sine.

    .. math:: t_i = \sigma_{B,i}^2 / 2, \qquad
              \sigma_{B,i} = \sigma_\mathrm{max} \sin^2(\pi i / 2m)

    Parameters
    ----------
    steps : int
        Number of scales m, at least 1.
    sigma_max : float
        Standard deviation of the widest heat kernel, in pixels.

    Returns
    -------
    Tensor, shape (m,), float64
        Diffusion times in pixel^2.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Source: Hoogeboom and Salimans, Blurring diffusion models, ICLR 2023, Section 4.

    Examples
    --------
    >>> sin2_blur(2)
    tensor([ 50.0000, 200.0000], dtype=torch.float64)
    """
    steps = _check.integer("steps", steps, low=1)
    sigma_max = _check.number("sigma_max", sigma_max, low=0)
    i = torch.arange(1, steps + 1, dtype=torch.float64)
    return (sigma_max * torch.sin(i * (math.pi / (2 * steps))) ** 2) ** 2 / 2


def arctan_noise(steps: int, log_snr_max: float = 10.0) -> tuple[Tensor, Tensor]:
    r"""Signal and noise factors whose angle grows linearly.

    .. math:: (\alpha_i, \sigma_i) = (\cos\theta_i, \sin\theta_i), \quad
              \theta_i = c_0 + \tfrac{i}{m} (c_1 - c_0), \quad
              c_0 = \arctan e^{-\ell/2}, \; c_1 = \arctan e^{\ell/2}

    Parameters
    ----------
    steps : int
        Number of scales m, at least 1.
    log_snr_max : float
        Log signal-to-noise ratio :math:`\ell > 0` at t = 0; it ends at :math:`-\ell`.

    Returns
    -------
    alphas, sigmas : Tensor, shape (m,), float64
        Mean factor and standard deviation, :math:`\alpha_i^2 + \sigma_i^2 = 1`. With the default,
        :math:`\alpha_m = 0.0067`: the last scale is close to the standard normal distribution,
        not equal to it.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Source: Hoogeboom and Salimans, Blurring diffusion models, ICLR 2023, Appendix A;
    :math:`\ln(\alpha^2/\sigma^2) = -2 \ln\tan\theta`.

    Examples
    --------
    >>> alphas, sigmas = arctan_noise(2)
    >>> alphas
    tensor([0.7071, 0.0067], dtype=torch.float64)
    """
    steps = _check.integer("steps", steps, low=1)
    start = math.atan(math.exp(-_check.number("log_snr_max", log_snr_max, low=0) / 2))
    fraction = torch.arange(steps + 1, dtype=torch.float64) / steps
    sines = torch.sin(start + fraction * (math.pi / 2 - 2 * start))
    # theta_i and theta_{m-i} add up to pi / 2: the cosine is a sine and keeps its accuracy at 0.
    return sines.flip(0)[1:], sines[1:]


def matched_sigma(times: _check.Numbers, contrast: float, shape: Sequence[int]) -> Tensor:
    r"""Noise for which blurring diffusion comes closest to linearised osmosis.

    .. math:: \sigma_i^2 = \frac{s^2}{H W} \sum_k \big(1 - e^{-\lambda_k t_i}\big)^2

    Parameters
    ----------
    times : sequence of float or Tensor, shape (m,)
        Diffusion times in pixel^2, positive and strictly increasing.
    contrast : float
        Standard deviation s > 0 of the guidance noise of
        :class:`~scalelib.LinearisedOsmosis`, in the unit of the image.
    shape : (int, int)
        Height and width in pixels.

    Returns
    -------
    Tensor, shape (m,), float64
        Standard deviations for ``BlurringDiffusion(times, torch.ones(m), sigmas, shape, d_min=0)``.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.

    Notes
    -----
    Our addition. Both processes then have the same mean, and this is the white noise with the
    variance per pixel of linearised osmosis. The part of the relative entropy that depends on
    the white noise's level is minimal; the whole is infinite, since linearised osmosis has no
    noise in the mode of frequency 0.

    Examples
    --------
    >>> matched_sigma([1e9], contrast=0.5, shape=(2, 2))
    tensor([0.4330], dtype=torch.float64)
    """
    found = _check.increasing_schedule("times", times)
    contrast = _check.number("contrast", contrast, low=0)
    eigenvalues = laplacian_eigenvalues(shape).flatten()
    share = torch.stack([torch.expm1(-eigenvalues * t).square().mean() for t in found])
    return contrast * share.sqrt()


def _check_interval(first: float, last: float, names: tuple[str, str]) -> tuple[float, float]:
    first = _check.number(names[0], first, low=0)
    last = _check.number(names[1], last, low=0)
    if not first < last:
        raise ValueError(f"{names[0]} must be below {names[1]}, found {first!r} and {last!r}")
    return first, last


def _log_spaced(first: float, last: float, steps: int) -> Tensor:
    fraction = torch.arange(steps, dtype=torch.float64) / (steps - 1)
    return first ** (1 - fraction) * last**fraction
