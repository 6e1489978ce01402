"""Trainings by name: images, process and settings that go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, final

from torch import Tensor

from scalelib.images import load
from scalelib.learning.data import digits, fashion_mnist
from scalelib.learning.training import Settings
from scalelib.processes import BlurringDiffusion, LinearGaussianScaleSpace, VariancePreserving
from scalelib.schedules import arctan_noise, linear_beta, sin2_blur

__all__ = ["PRESETS", "Preset", "preset_images", "preset_process"]

_BETAS = (0.1, 20.0)
"""First and last noise variance times the number of scales, as published for m = 1000."""

_BLUR = 20 / 32
"""Largest blur over the image size, as published for blurring diffusion of CIFAR-10."""


@final
@dataclass(frozen=True)
class Preset:
    """Size of the images, number of scales, length of the training, and its settings.

    Attributes
    ----------
    size : int
        Height and width in pixels.
    scales : int
        Number of scales m of the process.
    steps : int
        Number of training steps.
    settings : Settings
        Network and optimiser.
    """

    size: int
    scales: int
    steps: int
    settings: Settings


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "digits": Preset(8, 100, 1000, Settings()),
        "fashion-mnist": Preset(
            28,
            500,
            20_000,
            Settings(width=32, multipliers=(1, 2, 2), batch=128, learning_rate=1e-3, average=0.999),
        ),
        "photographs": Preset(
            64,
            1000,
            100_000,
            Settings(
                width=64,
                multipliers=(1, 2, 2, 2),
                blocks=2,
                batch=64,
                learning_rate=2e-4,
                average=0.9999,
            ),
        ),
    }
)
"""Trainings by name. Only ``digits`` is meant for a CPU."""


def preset_images(name: str) -> tuple[Preset, Tensor]:
    """Images of a name, and the preset for them.

    Parameters
    ----------
    name : str
        ``digits``, ``fashion-mnist``, or what :func:`scalelib.images.load` takes: of a name or a
        folder with photographs, 20,000 random grey crops of 64x64 pixels are drawn with seed 0.

    Returns
    -------
    preset : Preset
    images : Tensor, shape (N, 1, size, size), float32

    Raises
    ------
    TypeError, ValueError
        If there are no such images.

    Examples
    --------
    >>> preset, images = preset_images("digits")
    >>> preset.steps, images.shape
    (1000, torch.Size([1797, 1, 8, 8]))
    """
    if name == "digits":
        return PRESETS[name], digits()[0]
    if name == "fashion-mnist":
        return PRESETS[name], fashion_mnist()
    preset = PRESETS["photographs"]
    return preset, load(name, size=preset.size, count=20_000, seed=0)


def preset_process(kind: Literal["vp", "blurring"], preset: Preset) -> LinearGaussianScaleSpace:
    r"""Process of a preset.

    Parameters
    ----------
    kind : {"vp", "blurring"}
        Variance preserving with the published linear schedule, or blurring diffusion with its
        published schedules. The variances :math:`10^{-4}` to 0.02 are for m = 1000 scales and are
        taken in proportion to 1 / m; the largest blur :math:`\sigma_{B,\max} = 20` pixels is for
        32x32 pixels and is taken in proportion to the size.
    preset : Preset
        Size and number of scales.

    Returns
    -------
    LinearGaussianScaleSpace

    Raises
    ------
    ValueError
        If ``kind`` is another one.

    Examples
    --------
    >>> preset_process("vp", PRESETS["digits"])
    VariancePreserving(steps=100)
    """
    m, size = preset.scales, preset.size
    if kind == "vp":
        return VariancePreserving(linear_beta(m, *(beta / m for beta in _BETAS)))
    if kind == "blurring":
        times = sin2_blur(m, sigma_max=_BLUR * size)
        return BlurringDiffusion(times, *arctan_noise(m), shape=(size, size), d_min=1e-3)
    raise ValueError(f"kind must be 'vp' or 'blurring', found {kind!r}")
