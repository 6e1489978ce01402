"""Implicit osmosis against SciPy's BiCGSTAB, and the iterations of the cosine preconditioner."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from benchmarks.contenders import (
    Solution,
    Vector,
    bicgstab,
    bicgstab_counted,
    implicit_matrix,
)
from benchmarks.harness import Result, Settings, interleave, ratios
from benchmarks.inputs import GUIDANCES, colour_batch, guidance, photograph
from scalelib import Osmosis
from scalelib.osmosis.symmetric import SymmetricSystem, solve

RTOL = 1e-8
SPEED_UP = {1.0: 2.0, 1e3: 8.0, 1e6: 60.0}
SLOW_TAU = 1e6
SLOW_ROUNDS = 3
MOST_ITERATIONS = 30


def step(settings: Settings) -> Iterator[Result]:
    """One implicit step of a large image."""
    size = settings.pick(512, 96)
    for tau, target in SPEED_UP.items():
        for kind in GUIDANCES:
            yield _step(settings, size, kind, tau, target)


def _step(settings: Settings, size: int, kind: str, tau: float, target: float) -> Result:
    image, v = photograph(size), guidance(kind, size)
    u, v_there = image.to(settings.device), v.to(settings.device)
    osmosis = Osmosis(guidance=v_there, solver="auto", rtol=RTOL)
    matrix, b = implicit_matrix(osmosis.operator(), tau), image.numpy().ravel()
    found, from_old_level = _better_start(matrix, b)
    ours = osmosis.step(u, tau).cpu().numpy().ravel()
    residual = float(np.linalg.norm(b - matrix @ ours) / np.linalg.norm(b))

    def run_ours() -> Tensor:
        return Osmosis(guidance=v_there, solver="auto", rtol=RTOL).step(u, tau)

    def run_scipy() -> Vector:
        return bicgstab(matrix, b, RTOL, from_old_level=from_old_level)

    rounds = min(settings.rounds, SLOW_ROUNDS) if tau >= SLOW_TAU else settings.rounds
    seconds = interleave(
        {"scalelib": run_ours, "SciPy BiCGSTAB": run_scipy},
        rounds,
        warm_up=False,  # both have just run
        device=settings.device,
    )
    return Result(
        benchmark="osmosis",
        setting=f"{size}x{size}, tau = {tau:g}, {kind}, {settings.device}",
        quantity="times faster than SciPy BiCGSTAB",
        values=ratios(seconds["SciPy BiCGSTAB"], seconds["scalelib"]),
        at_least=target,
        seconds=seconds,
        details={
            "rtol": RTOL,
            "bicgstab_start": "old time level" if from_old_level else "zero",
            "bicgstab_iterations": found.iterations,
            "bicgstab_true_residual": found.residual,
            "true_residual": residual,
            "largest_difference": float(np.abs(ours - found.u).max()),
        },
    )


def _better_start(matrix: scipy.sparse.csr_array, b: Vector) -> tuple[Solution, bool]:
    """Contender's solution from the start that takes it fewer iterations."""
    zero, old = (bicgstab_counted(matrix, b, RTOL, from_old_level=x) for x in (False, True))
    return (old, True) if old.iterations <= zero.iterations else (zero, False)


def iterations(settings: Settings) -> Iterator[Result]:
    """Most iterations of dct-cg over all sizes, for each step and guidance."""
    sizes = settings.pick((64, 128, 256, 512, 1024), (64, 128))
    for kind in GUIDANCES:
        counts = {
            f"tau = {tau:g}": {size: _iterations(settings, size, kind, tau) for size in sizes}
            for tau in (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6)
        }
        yield Result(
            benchmark="osmosis-iterations",
            setting=f"{sizes[0]} to {sizes[-1]}, tau = 1 to 1e6, {kind}, {settings.device}",
            quantity="most iterations of dct-cg",
            values=[max(max(of_size.values()) for of_size in counts.values())],
            at_most=MOST_ITERATIONS,
            details={"rtol": RTOL, "iterations": counts},
        )


def _iterations(settings: Settings, size: int, kind: str, tau: float) -> int:
    v, b = (x[None].to(settings.device) for x in (guidance(kind, size), photograph(size)))
    _, residual, count = solve(SymmetricSystem(v, tau), b, RTOL, cosine=True)
    if float(residual.max()) > RTOL:
        raise RuntimeError(f"dct-cg stopped at the residual {float(residual.max()):.3g}")
    return count


def batch(settings: Settings) -> Iterator[Result]:
    """Scale-spaces of a batch, a guidance per image, against one solve after the other."""
    count, subset = settings.pick(64, 4), settings.pick(8, 1)
    # The protocol of the comparison: contrast 0.5, offset of six standard deviations.
    spread, offset = 63.75, 255.0
    images = colour_batch(count)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(images.shape, dtype=torch.float64, generator=generator)
    v = 127.5 + spread * noise
    times = np.geomspace(0.125, 200, settings.pick(50, 10))
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:subset])
    systems = _prepare(images[chosen], v[chosen], offset, times)

    def run_ours() -> Tensor:
        u, guide = images.to(settings.device), v.to(settings.device)
        return Osmosis(guidance=guide, offset=offset, rtol=RTOL).trajectory(u, times)

    from_old_level = _faster_start(systems)

    def run_scipy() -> list[Vector]:
        return _solve_all(systems, from_old_level)

    difference = _compare(run_ours()[:, chosen], run_scipy(), offset)
    seconds = interleave(
        {"scalelib": run_ours, "SciPy BiCGSTAB": run_scipy},
        settings.rounds,
        warm_up=False,
        device=settings.device,
    )
    seconds["SciPy BiCGSTAB"] = [s * count / subset for s in seconds["SciPy BiCGSTAB"]]
    yield Result(
        benchmark="osmosis-batch",
        setting=f"{count} colour images 64x64, {len(times)} scales, {settings.device}",
        quantity="times faster than SciPy BiCGSTAB",
        values=ratios(seconds["SciPy BiCGSTAB"], seconds["scalelib"]),
        at_least=3.0,
        seconds=seconds,
        details={
            "rtol": RTOL,
            "aim": 6.0,
            "offset": offset,
            "guidance": f"127.5 + {spread} g",
            "solves": count * 3 * len(times),
            "images_timed_with_scipy": [int(k) for k in chosen],
            "scipy_seconds": f"those of {subset} images, times {count / subset:g}",
            "bicgstab_start": "old time level" if from_old_level else "zero",
            "largest_difference": difference,
        },
    )


def _prepare(
    images: Tensor, v: Tensor, offset: float, times: np.ndarray
) -> list[tuple[list[scipy.sparse.csr_array], Vector]]:
    """Matrices of all scales and the starting vector, for every channel of every image."""
    steps = np.diff(times, prepend=0.0)
    systems = []
    for u, guide in zip(images.flatten(0, 1), v.flatten(0, 1), strict=True):
        operator = Osmosis(guidance=guide, offset=offset).operator()
        matrices = [implicit_matrix(operator, tau) for tau in steps]
        systems.append((matrices, (u + offset).numpy().ravel()))
    return systems


def _solve_all(
    systems: list[tuple[list[scipy.sparse.csr_array], Vector]], from_old_level: bool
) -> list[Vector]:
    """Solutions at all scales, (scales, pixels) for every channel of every image."""
    results = []
    for matrices, u in systems:
        level = u
        levels = []
        for matrix in matrices:
            level = bicgstab(matrix, level, RTOL, from_old_level=from_old_level)
            levels.append(level)
        results.append(np.stack(levels))
    return results


def _faster_start(systems: list[tuple[list[scipy.sparse.csr_array], Vector]]) -> bool:
    """Whether the contender is faster from the old time level than from zero."""
    seconds = {}
    for from_old_level in (True, False):
        begin = time.perf_counter()
        _solve_all(systems[:3], from_old_level)
        seconds[from_old_level] = time.perf_counter() - begin
    return seconds[True] <= seconds[False]


def _compare(ours: Tensor, theirs: list[Vector], offset: float) -> float:
    """Largest difference of grey values between the two results."""
    stacked = np.stack(theirs, axis=1).reshape(ours.shape) - offset
    return float(np.abs(ours.cpu().numpy() - stacked).max())
