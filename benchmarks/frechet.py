"""Frechet distance against the usual form, and moments against the product they need.

Operations for two samples larger than d, in units of d^3: two Cholesky factorisations 2/3, the
symmetric matrix with the eigenvalues of the product of both covariances 1, its tridiagonal form
4/3. The last has half of its operations in products of a matrix and a vector; memory bounds them
and they are the floor. The usual form has a Schur form with about 25, another product, and the
root of a triangular matrix. That is a factor of 9 in operations; what the machine makes of it is
measured. Where eigenvalues cannot be trusted a decomposition into singular values follows; one row
has a spectrum for which this happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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


def distance(settings: Settings) -> Iterator[Result]:
    """Distance of two samples; their moments are excluded from both contenders."""
    if settings.device != "cpu":
        return  # both contenders run on the CPU
    d, full, few = settings.pick((DIMENSION, 5000, 500), (128, 250, 25))
    yield from _distance(settings, f"N = {full}, d = {d}", _features, full, d, 10.0)
    yield from _distance(settings, f"N = {few}, d = {d}", _features, few, d, 80.0)
    label = f"N = {full}, d = {d}, variances k^-2"
    yield from _distance(settings, label, _wide, full, d, None)


def _distance(
    settings: Settings,
    label: str,
    features: Callable[[int, int, int], Tensor],
    count: int,
    d: int,
    target: float | None,
) -> Iterator[Result]:
    one, other = (_moments(features(count, d, seed)) for seed in (0, 1))
    usual = [(m.mean().numpy(), m.covariance().numpy()) for m in (one, other)]
    expected, found = _usual(*usual), frechet_distance(one, other).value
    contenders = {
        "scalelib": lambda: frechet_distance(one, other),
        "scipy.linalg.sqrtm": lambda: _usual(*usual),
    }
    seconds = interleave(contenders, settings.rounds, warm_up=False)
    yield Result(
        benchmark="frechet",
        setting=label,
        quantity="times faster than the usual form",
        values=ratios(seconds["scipy.linalg.sqrtm"], seconds["scalelib"]),
        at_least=target,
        seconds=seconds,
        details={"value": found, "usual": expected},
    )
    yield Result(
        benchmark="frechet",
        setting=label,
        quantity="relative difference of the values",
        values=[abs(found / expected - 1)],
        at_most=None if target is None else AGREEMENT,
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


def _wide(count: int, d: int, seed: int) -> Tensor:
    """Features whose covariance has eigenvalues k^-2, so that those of a product have k^-4."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(d, d, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    scales = (1 + 0.2 * seed) / torch.arange(1, d + 1, dtype=torch.float64)
    x = torch.randn(count, d, generator=generator, dtype=torch.float64)
    return x * scales @ torch.linalg.qr(white).Q


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
