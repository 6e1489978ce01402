"""Exact reverse steps of known data against the matrix products they need, and their memory.

As a program it prints the peak memory of one trajectory:
python -m benchmarks.reverse PROCESS IMAGES BATCH DEVICE.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.harness import Result, Run, Settings, interleave, ratios
from benchmarks.inputs import grey_crops
from benchmarks.peak import peak
from benchmarks.trajectories import ROOT, processes
from scalelib import LinearGaussianScaleSpace
from scalelib.reverse import Posterior

LIMIT = 2.0
"""Time of a step over that of its matrix products."""

GIGABYTES = 2.0
"""Memory of a whole program with 60,000 images, data and PyTorch included."""

PROCESSES = ("VariancePreserving", "HeatDissipation", "BlurringDiffusion")
STEPS = 1000
SCALES = (1, 100, 300, 1000)
"""Little noise, much noise, and in between where many images may have led to an image."""


def step(settings: Settings) -> Iterator[Result]:
    """Draw from the reverse kernel, and denoise, 64 images given 10,000."""
    data = grey_crops(settings.pick(10_000, 500), 28).to(settings.device)
    for name in PROCESSES:
        process = processes(STEPS, (28, 28))[name]
        for i in SCALES:
            yield from _step(settings, data, process, i)


def _step(
    settings: Settings, data: Tensor, process: LinearGaussianScaleSpace, i: int
) -> Iterator[Result]:
    exact = Posterior(process, data)
    generator = torch.Generator(settings.device).manual_seed(i)
    u = process.sample(data[:64], i, generator=generator)
    for quantity, run, products in (
        ("sample over u X^T", lambda: exact.sample(u, i - 1, i, generator=generator), 1),
        ("denoise over u X^T and w X", lambda: exact.denoise(u, i), 2),
    ):
        contenders = {"scalelib": run, "products": _products(u, data, products)}
        seconds = interleave(contenders, settings.rounds, device=settings.device)
        yield Result(
            benchmark="reverse",
            setting=f"{type(process).__name__}, scale {i} of {STEPS}, {len(u)} images given "
            f"{len(data)}, 28x28 float32, {settings.device}",
            quantity=quantity,
            values=ratios(seconds["scalelib"], seconds["products"]),
            at_most=LIMIT,
            seconds=seconds,
        )


def _products(u: Tensor, data: Tensor, count: int) -> Run:
    """Products of matrices alone: images with data, weights with data."""
    images, matrix = u.flatten(1), data.flatten(1)
    weights = torch.rand(len(u), len(data), device=u.device)
    if count == 1:
        return lambda: images @ matrix.T
    return lambda: (images @ matrix.T, weights @ matrix)


def memory(settings: Settings) -> Iterator[Result]:
    """Peak memory of a program that draws a trajectory of 10 scales given 60,000 images."""
    count = settings.pick(60_000, 2_000)
    for name in PROCESSES:
        for batch in (64, settings.pick(1024, 256)):
            command = [sys.executable, "-m", "benchmarks.reverse", name, str(count), str(batch)]
            run = subprocess.run(
                [*command, settings.device], check=True, capture_output=True, text=True, cwd=ROOT
            )
            yield Result(
                benchmark="reverse-memory",
                setting=f"{name}, 10 scales of {batch} images given {count}, 28x28 float32, "
                f"{settings.device}",
                quantity="peak memory of the program, GB",
                values=[int(run.stdout) / 1e9],
                at_most=GIGABYTES,
                details={
                    "data_gb": count * 28 * 28 * 4 / 1e9,
                    "batch_gb": batch * 28 * 28 * 4 / 1e9,
                },
            )


def _trajectory(name: str, count: int, batch: int, device: str) -> None:
    process = processes(10, (28, 28))[name]
    exact = Posterior(process, grey_crops(count, 28).to(device))
    generator = torch.Generator(device).manual_seed(0)
    start = exact.draw(batch, 10, generator=generator)
    exact.trajectory(start, range(9, -1, -1), generator=generator)


if __name__ == "__main__":
    _trajectory(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    print(peak(sys.argv[4]))
