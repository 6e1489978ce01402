"""Drawing samples and blurring, against the kernels they rest on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.contenders import fft_dct2, fft_idct2
from benchmarks.harness import Result, Settings, interleave, ratios
from benchmarks.inputs import noise_batch
from scalelib import HomogeneousDiffusion, VariancePreserving
from scalelib.schedules import linear_beta
from scalelib.transforms import dct2, idct2

BATCH = (512, 3, 64, 64)
QUICK_BATCH = (32, 3, 64, 64)
SIZES = (64, 128, 256, 512)
BLUR_TIME = 8.0

Array = NDArray[np.float32]


def sampling(settings: Settings) -> Iterator[Result]:
    """Variance preserving samples against the noise alone."""
    u = noise_batch(*settings.pick(BATCH, QUICK_BATCH), device=settings.device)
    process = VariancePreserving(linear_beta(1000))
    generator = torch.Generator(settings.device).manual_seed(0)
    contenders = {
        "scalelib": lambda: process.sample(u, 500, generator=generator),
        "torch.randn": lambda: torch.randn(u.shape, generator=generator, device=u.device),
        "copy": u.clone,
    }
    seconds = interleave(contenders, settings.rounds, device=settings.device)
    setting = f"{_times(u.shape)} float32, {settings.device}"
    yield Result(
        benchmark="sampling",
        setting=setting,
        quantity="throughput relative to torch.randn",
        values=ratios(seconds["torch.randn"], seconds["scalelib"]),
        at_least=0.85,
        seconds=seconds,
    )
    yield _in_copies("sampling", setting, seconds)


def blur(settings: Settings) -> Iterator[Result]:
    """Blur in the cosine basis against the same blur with an FFT-built transform."""
    u = noise_batch(*settings.pick(BATCH, QUICK_BATCH), device=settings.device)
    process = HomogeneousDiffusion([BLUR_TIME], shape=u.shape[-2:])
    factor = process.direct(1)[0].to(u)
    contenders = {
        "scalelib": lambda: process.mean(u, 1),
        "FFT-built DCT": lambda: fft_idct2(factor * fft_dct2(u)),
        "copy": u.clone,
    }
    difference = (contenders["scalelib"]() - contenders["FFT-built DCT"]()).abs().max()
    seconds = interleave(contenders, settings.rounds, device=settings.device)
    setting = f"{_times(u.shape)} float32, {settings.device}"
    yield Result(
        benchmark="blur",
        setting=setting,
        quantity="times faster than an FFT-built DCT",
        values=ratios(seconds["FFT-built DCT"], seconds["scalelib"]),
        at_least=8.0,
        seconds=seconds,
        details={"largest_difference": float(difference)},
    )
    yield _in_copies("blur", setting, seconds)


def scipy_fft(settings: Settings) -> Iterator[Result]:
    """Blur and bare transforms against scipy.fft, on the CPU."""
    if settings.device != "cpu":
        return
    values = settings.pick(512, 32) * 3 * 64 * 64
    for size in SIZES:
        u = noise_batch(max(1, values // size**2), size, size)
        yield from _against_scipy(settings, u, at_most=1.1)
    for size in SIZES:
        yield from _against_scipy(settings, noise_batch(1, size, size), at_most=None)


def _against_scipy(settings: Settings, u: Tensor, at_most: float | None) -> Iterator[Result]:
    process = HomogeneousDiffusion([BLUR_TIME], shape=u.shape[-2:])
    array, factor = u.numpy(), process.direct(1)[0].to(u).numpy()
    workers = torch.get_num_threads()

    def dctn(x: Array) -> Array:
        return scipy.fft.dctn(x, axes=(-2, -1), norm="ortho", workers=workers)

    def idctn(x: Array) -> Array:
        return scipy.fft.idctn(x, axes=(-2, -1), norm="ortho", workers=workers)

    pairs = {
        "blur": (lambda: process.mean(u, 1), lambda: idctn(factor * dctn(array))),
        "DCT and inverse": (lambda: idct2(dct2(u)), lambda: idctn(dctn(array))),
    }
    for name, (ours, theirs) in pairs.items():
        seconds = interleave({"scalelib": ours, "scipy.fft": theirs}, settings.rounds)
        yield Result(
            benchmark="scipy-fft",
            setting=f"{name}, {_times(u.shape)} float32, {workers} workers",
            quantity="time relative to scipy.fft",
            values=ratios(seconds["scalelib"], seconds["scipy.fft"]),
            at_most=at_most,
            seconds=seconds,
        )


def _in_copies(benchmark: str, setting: str, seconds: dict[str, list[float]]) -> Result:
    """Time in units of reading and writing the batch once: the bound of the memory."""
    return Result(
        benchmark=benchmark,
        setting=setting,
        quantity="time relative to a copy of the batch",
        values=ratios(seconds["scalelib"], seconds["copy"]),
    )


def _times(shape: torch.Size) -> str:
    return "x".join(map(str, shape))
