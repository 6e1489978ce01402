"""Osmosis up to its steady state: error against time of long steps and of BiCGSTAB with tau = 1."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.contenders import Vector, bicgstab, implicit_matrix
from benchmarks.harness import Result, Seconds, Settings, interleave, ratios
from benchmarks.inputs import photograph
from scalelib import Osmosis
from scalelib.figures import Drawing, curves
from scalelib.provenance import record

RTOL = 1e-8
"""Residual asked of both contenders."""

LOOSE_RTOL = 1e-6
"""A second tolerance of the contender, for information: it stops where a step changes less."""

REFERENCE_RTOL = 1e-12
REFERENCE_ORDER = 6
SPREAD, OFFSET = 63.75, 255.0
"""Protocol of the comparison chapter: contrast 0.5, offset of six standard deviations."""

LEFT = 1e-3
"""What the last time leaves of the slowest mode of homogeneous diffusion."""

SPEED_UP = 50.0
WINDOWS = 10
"""Places along the run at which the contender is timed, in the middle of equal parts."""

Errors = NDArray[np.float64]
Step = Callable[[Osmosis, Tensor, float], Tensor]


@dataclass(frozen=True)
class Case:
    """Photograph, noise guidance and output times of one size."""

    image: Tensor
    guidance: Tensor
    times: NDArray[np.float64]

    @property
    def last(self) -> int:
        """Last time, which is the number of steps of the contender."""
        return int(self.times[-1])

    def osmosis(self, rtol: float, device: str = "cpu") -> Osmosis:
        """Return the filter."""
        return Osmosis(guidance=self.guidance.to(device), offset=OFFSET, rtol=rtol)


def case(size: int, count: int) -> Case:
    """Photograph, noise and ``count`` output times.

    The times are whole numbers, since the contender has no other, spaced logarithmically from 1.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, size, size, dtype=torch.float64, generator=generator)
    slowest = 2 - 2 * math.cos(math.pi / size)
    last = math.ceil(math.log(1 / LEFT) / slowest)
    tries = (np.unique(np.geomspace(1, last, m).round()) for m in range(count, 10 * count))
    times = next(found for found in tries if len(found) >= count)
    return Case(photograph(size)[None], 127.5 + SPREAD * noise, times)


def trajectory(settings: Settings) -> Iterator[Result]:
    """One hundred log-spaced times against the contender's run of steps of length 1."""
    this = case(settings.pick(256, 12), settings.pick(100, 8))
    exact, own = _reference(this)
    states, slow = _contender(this, RTOL, exact)
    found = [_errors(this, name, settings.device, exact) for name in METHODS]
    steady = this.osmosis(RTOL).steady_state(this.image)
    shared = {
        "times": this.times.tolist(),
        "rtol": RTOL,
        "reference_own_error": own.tolist(),
        "contender": slow,
        "contender_at_rtol_1e-6": _contender(this, LOOSE_RTOL, exact)[1],
        "distance_to_steady_state_at_the_end": float((exact[-1] - steady).norm() / steady.norm()),
        "scalelib": {name: _summary(e) for name, e in zip(METHODS, found, strict=True)},
    }
    theirs = np.array(slow["errors"])
    drawing = _plot(this, theirs, dict(zip(METHODS, found, strict=True)), own)
    for goal, measure in GOALS.items():
        good = [name for name, e in zip(METHODS, found, strict=True) if measure(e, theirs)]
        for family in FAMILIES:
            names = [name for name in good if METHODS[name].family == family]
            if names:
                name = min(names, key=lambda x: METHODS[x].solves)
                yield _compare(settings, this, goal, name, states, shared, drawing)
                shared, drawing = {}, None
            elif family == FAMILIES[-1]:
                yield _missed(settings, this, goal, shared, drawing)
                shared, drawing = {}, None


def _missed(
    settings: Settings, this: Case, goal: str, details: dict[str, object], drawing: Drawing | None
) -> Result:
    """No member of the judged family has an error as small as the goal asks for."""
    size = this.image.shape[-1]
    return Result(
        benchmark="osmosis-trajectory",
        setting=f"{size}x{size}, {len(this.times)} times to {this.last}, {goal}, {settings.device}",
        quantity=f"times faster: {FAMILIES[-1]}, goal not reached",
        values=[0.0],
        at_least=SPEED_UP,
        details=details,
        drawing=drawing,
    )


def _compare(
    settings: Settings,
    this: Case,
    goal: str,
    name: str,
    states: list[Vector],
    details: dict[str, object],
    drawing: Drawing | None,
) -> Result:
    """Time a method that reaches a goal, in turn with the contender."""
    theirs, taken = _sampled_run(this, states)
    seconds: Seconds = interleave(
        {"scalelib": _run(this, name, settings.device), "SciPy BiCGSTAB": theirs},
        settings.rounds,
        warm_up=False,
        device=settings.device,
    )
    seconds["SciPy BiCGSTAB"] = [s * this.last / taken for s in seconds["SciPy BiCGSTAB"]]
    size, judged = this.image.shape[-1], METHODS[name].family == FAMILIES[-1]
    return Result(
        benchmark="osmosis-trajectory",
        setting=f"{size}x{size}, {len(this.times)} times to {this.last}, {goal}, {settings.device}",
        quantity=f"times faster: {name}",
        values=ratios(seconds["SciPy BiCGSTAB"], seconds["scalelib"]),
        at_least=SPEED_UP if judged else None,
        seconds=seconds,
        details={"method": name, "contender_steps_timed": taken, **details},
        drawing=drawing,
    )


def _run(this: Case, name: str, device: str) -> Callable[[], Tensor]:
    """Everything from the guidance image to the images at all times."""
    image = this.image.to(device)
    return lambda: torch.stack(METHODS[name].run(this.osmosis(RTOL, device), image, this))


def _errors(this: Case, name: str, device: str, exact: Tensor) -> Errors:
    return _relative(_run(this, name, device)().cpu(), exact)


def _relative(found: Tensor, exact: Tensor) -> Errors:
    """Relative error in the Euclidean norm at each time."""
    gap = (found - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    return np.asarray(gap.numpy())


def _summary(errors: Errors) -> dict[str, object]:
    return {"max": errors.max(), "mean": errors.mean(), "errors": errors.tolist()}


# Methods: images at all times

Run = Callable[[Osmosis, Tensor, Case], list[Tensor]]


@dataclass(frozen=True)
class Method:
    """A way through all output times, and how many systems it solves for 100 (Krylov: at 128²)."""

    family: str
    run: Run
    solves: int


def stepwise(step: Step, count: int) -> Run:
    """Return a run of ``count`` equal steps from each output time to the next."""

    def run(osmosis: Osmosis, u: Tensor, this: Case) -> list[Tensor]:
        before, found = 0.0, []
        for t in this.times.tolist():
            for _ in range(count):
                u = step(osmosis, u, (t - before) / count)
            found.append(u)
            before = t
        return found

    return run


def euler(osmosis: Osmosis, u: Tensor, tau: float) -> Tensor:
    """Implicit Euler."""
    return osmosis.step(u, tau)


def second_order(osmosis: Osmosis, u: Tensor, tau: float) -> Tensor:
    """L-stable step of order 2, made of two implicit Euler steps E of length (1 - 1/sqrt 2) tau.

    (1 + sqrt 2) E^2 - sqrt 2 E: the SDIRK method with (1 + (1 - 2 g) z) / (1 - g z)^2.
    """
    once = osmosis.step(u, (1 - math.sqrt(0.5)) * tau)
    twice = osmosis.step(once, (1 - math.sqrt(0.5)) * tau)
    return (1 + math.sqrt(2)) * twice - math.sqrt(2) * once


def lanczos(rtol: float) -> Run:
    """Return the run of ``Osmosis.exact_trajectory`` with this accuracy."""

    def run(osmosis: Osmosis, u: Tensor, this: Case) -> list[Tensor]:
        return list(osmosis.exact_trajectory(u, this.times.tolist(), rtol=rtol))

    return run


METHODS = {
    f"{family}, {n} an interval": Method(family, stepwise(step, n), solves * n)
    for family, step, solves, counts in (
        ("implicit Euler", euler, 100, (1, 2, 3, 4, 6)),
        ("second order", second_order, 200, (1, 2, 3, 4, 6)),
    )
    for n in counts
}
METHODS |= {
    f"Krylov, rtol {rtol:g}": Method("Krylov", lanczos(rtol), solves)
    for rtol, solves in ((1e-2, 29), (3e-3, 37), (1e-3, 38), (1e-4, 43), (1e-5, 53), (1e-6, 61))
}
FAMILIES = ("implicit Euler", "second order", "Krylov")
"""Steps of ``Osmosis.trajectory``; two such steps combined; ``Osmosis.exact_trajectory``."""

GOALS: dict[str, Callable[[Errors, Errors], bool]] = {
    "equal largest error": lambda ours, theirs: bool(ours.max() <= theirs.max() * (1 + 1e-6)),
    "equal mean error": lambda ours, theirs: bool(ours.mean() <= theirs.mean()),
    "not worse at any time": lambda ours, theirs: bool((ours <= theirs).all()),
}
"""When an error counts as equal: a method of ours with at most that of the contender."""


# The reference


def _reference(this: Case) -> tuple[Tensor, Errors]:
    """Images at all times, and the distance to those with steps twice as long."""
    coarse, fine = (_extrapolated(this, refinement) for refinement in (1, 2))
    return fine, _relative(coarse, fine)


def _extrapolated(this: Case, refinement: int) -> Tensor:
    """Extrapolated implicit Euler of order 6; more steps where an interval is long for its time."""
    osmosis, u, before, found = this.osmosis(REFERENCE_RTOL), this.image, 0.0, []
    for t in this.times.tolist():
        count = refinement * math.ceil(8 * (t - before) / t)
        for _ in range(count):
            u = _high_order(osmosis, u, (t - before) / count)
        found.append(u)
        before = t
    return torch.stack(found)


def _high_order(osmosis: Osmosis, u: Tensor, tau: float) -> Tensor:
    """Combine 1, 2, ..., 6 implicit Euler steps over the same time, by Aitken and Neville."""
    numbers = range(1, REFERENCE_ORDER + 1)
    total = torch.zeros_like(u)
    for n in numbers:
        weight = math.prod(n / (n - k) for k in numbers if k != n)
        state = u
        for _ in range(n):
            state = osmosis.step(state, tau / n)
        total += weight * state
    return total


# The contender


def _contender(this: Case, rtol: float, exact: Tensor) -> tuple[list[Vector], dict[str, object]]:
    """Run all steps of length 1 once: states to start windows from, errors and time."""
    matrix = implicit_matrix(this.osmosis(rtol).operator(), 1.0)
    u = (this.image + OFFSET).numpy().ravel()
    outputs, starts = set(this.times.tolist()), set(_starts(this))
    found, states, first, begin = [], [], 0.0, time.perf_counter()
    for k in range(1, this.last + 1):
        u = bicgstab(matrix, u, rtol, from_old_level=True)
        if k in outputs:
            found.append(u)
        if k in starts:
            states.append(u)
        if k == min(1000, this.last):
            first = (time.perf_counter() - begin) * this.last / k
    seconds = time.perf_counter() - begin
    errors = _relative(torch.from_numpy(np.stack(found)).view_as(exact) - OFFSET, exact)
    return states, {
        **_summary(errors),
        "rtol": rtol,
        "steps": this.last,
        "seconds_of_the_whole_run": seconds,
        "seconds_extrapolated_from_the_first_1000_steps": first,
    }


def _starts(this: Case) -> list[int]:
    return [int((j + 0.5) * this.last / WINDOWS) for j in range(WINDOWS)]


def _sampled_run(this: Case, states: list[Vector]) -> tuple[Callable[[], None], int]:
    """Return a run of 1,000 steps spread over the whole time, and their number.

    Early steps take up to 15 iterations, late ones a single one: the first 1,000 do not tell the
    rate.
    """
    matrix = implicit_matrix(this.osmosis(RTOL).operator(), 1.0)
    length = min(100, this.last // (2 * WINDOWS))

    def run() -> None:
        for u in states:
            for _ in range(length):
                u = bicgstab(matrix, u, RTOL, from_old_level=True)  # noqa: PLW2901 - it evolves

    return run, length * len(states)


# The plot


def _plot(this: Case, theirs: Errors, ours: dict[str, Errors], own: Errors) -> Drawing:
    """Errors of both over time, and that of the reference."""
    chosen = ("implicit Euler, 1 an interval", "second order, 1 an interval", "Krylov, rtol 0.0001")
    lines = {"SciPy BiCGSTAB, steps of 1": theirs, **{name: ours[name] for name in chosen}}
    lines["reference, steps doubled"] = own
    return curves(
        torch.from_numpy(this.times),
        {name: torch.from_numpy(np.maximum(e, 1e-16)) for name, e in lines.items()},
        x_label="diffusion time in pixel²",
        y_label="relative error",
        log_x=True,
        log_y=True,
        provenance=record(
            trajectory, seed=0, size=list(this.image.shape), offset=OFFSET, spread=SPREAD
        ),
    )
