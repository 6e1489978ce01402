"""Frechet distance against the usual form, and moments against the product they need."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from benchmarks.harness import Result, Settings, interleave, ratios
from scalelib.frechet import Moments, frechet_distance

DIMENSION = 2048
"""Features of the standard Inception network."""

AGREEMENT = 1e-6
"""Relative difference of both forms."""

TARGETS = {5000: 10.0, 500: 80.0}
"""Size of both samples -> how many times faster."""


def distance(settings: Settings) -> Iterator[Result]:
    """Distance of two samples; their moments are excluded from both contenders."""
    if settings.device != "cpu":
        return  # both contenders run on the CPU
    d = settings.pick(DIMENSION, 128)
    for full, target in TARGETS.items():
        count = settings.pick(full, max(20, full // 20))
        one, other = (_moments(_features(count, d, seed)) for seed in (0, 1))
        usual = [(m.mean().numpy(), m.covariance().numpy()) for m in (one, other)]
        expected, found = _usual(*usual), frechet_distance(one, other).value
        contenders = {
            "scalelib": lambda a=one, b=other: frechet_distance(a, b),
            "scipy.linalg.sqrtm": lambda pair=usual: _usual(*pair),
        }
        seconds = interleave(contenders, settings.rounds, warm_up=False)
        yield Result(
            benchmark="frechet",
            setting=f"N = {count}, d = {d}",
            quantity="times faster than the usual form",
            values=ratios(seconds["scipy.linalg.sqrtm"], seconds["scalelib"]),
            at_least=target,
            seconds=seconds,
            details={"value": found, "usual": expected},
        )
        yield Result(
            benchmark="frechet",
            setting=f"N = {count}, d = {d}",
            quantity="relative difference of the values",
            values=[abs(found / expected - 1)],
            at_most=AGREEMENT,
        )


def moments(settings: Settings) -> Iterator[Result]:
    """Time updates of moments against the product of matrices that each of them needs."""
    if settings.device != "cpu":
        return  # moments are gathered on the CPU
    d = settings.pick(DIMENSION, 256)
    for count in (256, 1024):
        x = _features(count, d, 2)
        gathered, scatter = _moments(_features(d + 1, d, 3)), torch.zeros(d, d).double()
        contenders = {
            "scalelib": lambda m=gathered, x=x: m.update(x),
            "product": lambda s=scatter, x=x: s.addmm_(x.T, x),
        }
        seconds = interleave(contenders, settings.rounds)
        yield Result(
            benchmark="moments",
            setting=f"{count} vectors, d = {d}, float64",
            quantity="throughput relative to the product",
            values=ratios(seconds["product"], seconds["scalelib"]),
            at_least=0.7,
            seconds=seconds,
        )


def _features(count: int, d: int, seed: int) -> Tensor:
    """Correlated features, nonnegative like those behind a rectifier, with a decaying spectrum."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    mixing *= torch.arange(1, d + 1, dtype=torch.float64).pow(-0.5)[:, None]
    white = torch.randn(count, d, generator=generator, dtype=torch.float64)
    return (white @ mixing + 0.1 * seed).clamp(min=0)


def _moments(x: Tensor) -> Moments:
    found = Moments(x.shape[1])
    found.update(x)
    return found


def _usual(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Take the common form: a matrix square root of the product of both covariances."""
    (mean, covariance), (other_mean, other_covariance) = one, other
    root = scipy.linalg.sqrtm(covariance @ other_covariance)
    gap = mean - other_mean
    return float(gap @ gap + np.trace(covariance) + np.trace(other_covariance)) - 2 * float(
        np.trace(root).real
    )
