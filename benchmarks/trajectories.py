"""Trajectories of every process: time against its floor, and peak memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from benchmarks.harness import Result, Run, Settings, interleave, ratios
from benchmarks.inputs import noise_batch
from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.schedules import arctan_noise, geometric_sigma, linear_beta, log_blur, sin2_blur
from scalelib.transforms import dct2, idct2

ROOT = Path(__file__).resolve().parent.parent
FLOOR_LIMIT = 1.3
"""Time of a trajectory over that of its noise and transforms."""

MEMORY_LIMIT = 8.0
"""Batches of its working precision that a trajectory may hold beside image and result."""


def processes(steps: int, shape: tuple[int, int]) -> dict[str, LinearGaussianScaleSpace]:
    """Every process with its usual schedule."""
    times = log_blur(steps, sigma_max=20)
    members = [
        VariancePreserving(linear_beta(steps)),
        VarianceExploding(geometric_sigma(steps)),
        HeatDissipation(times, sigma=0.02, shape=shape),
        BlurringDiffusion(sin2_blur(steps), *arctan_noise(steps), shape=shape),
        LinearisedOsmosis(times, contrast=0.5, shape=shape),
        HomogeneousDiffusion(times, shape=shape),
    ]
    return {type(process).__name__: process for process in members}


def floors(settings: Settings) -> Iterator[Result]:
    """Trajectories against the noise and the transforms that they cannot do without."""
    u = noise_batch(settings.pick(64, 8), 3, 64, 64, device=settings.device)
    for name, process in processes(10, (64, 64)).items():
        generator = torch.Generator(settings.device).manual_seed(0)
        scales = range(1, process.steps + 1)
        seconds = interleave(
            {
                "scalelib": _trajectory(process, u, scales, generator),
                "floor": _floor(process, u, generator),
            },
            settings.rounds,
            device=settings.device,
        )
        yield Result(
            benchmark="trajectories",
            setting=f"{name}, 10 scales, {'x'.join(map(str, u.shape))}, {settings.device}",
            quantity="time relative to the floor",
            values=ratios(seconds["scalelib"], seconds["floor"]),
            at_most=FLOOR_LIMIT,
            seconds=seconds,
        )


def _trajectory(
    process: LinearGaussianScaleSpace, u: Tensor, scales: range, generator: torch.Generator
) -> Run:
    return lambda: process.trajectory(u, scales, generator=generator)


def _floor(process: LinearGaussianScaleSpace, u: Tensor, generator: torch.Generator) -> Run:
    """Work that no implementation saves: see README.md."""
    forward, inverse = _transforms(u)
    noise = torch.empty_like(u)
    steps = range(process.steps)
    if process.shape is None:

        def draw_into_result() -> None:
            result = u.new_empty((process.steps, *u.shape))
            for level in result:
                level.normal_(generator=generator)

        return draw_into_result
    if not bool(process.direct(1)[1].any()):

        def transform_image() -> None:
            forward(u)
            for _ in steps:
                inverse(u)

        return transform_image

    def draw_and_transform() -> None:
        for _ in steps:
            forward(noise.normal_(generator=generator))
            inverse(u)

    return draw_and_transform


def _transforms(u: Tensor) -> tuple[Callable[[Tensor], object], Callable[[Tensor], object]]:
    """Bare transforms of the device: scipy.fft on the CPU, the two matrix products elsewhere."""
    if u.is_cuda:
        return dct2, idct2
    workers = torch.get_num_threads()

    def forward(x: Tensor) -> np.ndarray:
        return scipy.fft.dctn(x.numpy(), axes=(-2, -1), norm="ortho", workers=workers)

    def inverse(x: Tensor) -> np.ndarray:
        return scipy.fft.idctn(x.numpy(), axes=(-2, -1), norm="ortho", workers=workers)

    return forward, inverse


def memory(settings: Settings) -> Iterator[Result]:
    """Peak memory of a trajectory beyond its result, in batches, for two numbers of scales."""
    count = settings.pick(512, 64)
    size = count * 3 * 64 * 64 * 4
    scales = (10, settings.pick(40, 20))
    base = {m: _peak(settings, "nothing", count, m) for m in scales}
    for name in (*processes(2, (64, 64)), "Osmosis"):
        extra = [(_peak(settings, name, count, m) - base[m]) / size for m in scales]
        yield Result(
            benchmark="memory",
            setting=f"{name}, {count}x3x64x64 float32, {scales[0]} and {scales[1]} scales, "
            f"{settings.device}",
            quantity="batches held beside image and result",
            values=[max(extra)],
            at_most=2 * MEMORY_LIMIT if name == "Osmosis" else MEMORY_LIMIT,  # it works in float64
            details={"scales": scales, "batches": extra},
        )


def _peak(settings: Settings, name: str, count: int, steps: int) -> int:
    """Peak memory in bytes of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peak", name, str(count), str(steps)]
    run = subprocess.run(
        [*command, settings.device], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return int(run.stdout)
