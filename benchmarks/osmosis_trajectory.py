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


# Methods: images at all times, from implicit Euler steps alone

Run = Callable[[Osmosis, Tensor, Case], list[Tensor]]


@dataclass(frozen=True)
class Method:
    """A way through all output times, and how many linear systems it solves for 100 of them."""

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


def windows(ratio: float, dimension: int, pole: float) -> Run:
    """Return a run through windows of times whose ends have the given ratio, by :func:`krylov`.

    One window serves all its output times. Its implicit steps have ``pole`` times its length.
    """

    def run(osmosis: Osmosis, u: Tensor, this: Case) -> list[Tensor]:
        weight = 1 / (this.guidance.to(u) + OFFSET)
        start, found = 0.0, []
        while len(found) < len(this.times):
            rest = this.times[len(found) :]
            inside = rest[rest <= max(ratio * start, rest[0])] - start
            found += krylov(osmosis, u, weight, pole * float(inside[-1]), dimension, inside)
            start, u = float(start + inside[-1]), found[-1]
        return found

    return run


def krylov(
    osmosis: Osmosis, u: Tensor, weight: Tensor, gamma: float, dimension: int, durations: Errors
) -> list[Tensor]:
    """Shift-and-invert Lanczos approximation of the exponential, for several durations at once.

    Osmosis is symmetric in the inner product weighted by 1 / (v + offset). E, the implicit step of
    length gamma, is projected onto the space of x, E x, E^2 x, ...; x is the distance to the steady
    state. Source: van den Eshof and Hochbruck, SIAM J. Sci. Comput. 27(4), 2006.
    """
    steady = osmosis.steady_state(u)
    size = _length(u - steady, weight)
    basis, projected = [(u - steady) / size], np.zeros((dimension, dimension))
    for j in range(dimension):
        # Osmosis takes positive images only: E is applied to the steady state plus a multiple.
        share = 0.5 * float(((steady + OFFSET) / basis[j].abs()).min())
        image = (osmosis.step(steady + share * basis[j], gamma) - steady) / share
        for _ in range(2):  # orthogonal to working precision
            for i, direction in enumerate(basis):
                part = float((direction * image * weight).sum())
                projected[i, j] += part
                image = image - part * direction
        basis.append(image / _length(image, weight))
    values, vectors = np.linalg.eigh(projected, UPLO="U")
    rates = (1 / values.clip(1e-300, 1) - 1) / gamma
    fades = np.exp(-np.outer(durations, rates)) * vectors[0]
    weights = torch.from_numpy(size * fades @ vectors.T).to(u)
    return list(steady + torch.tensordot(weights, torch.stack(basis[:-1]), dims=1))


def _length(x: Tensor, weight: Tensor) -> float:
    return float((x.square() * weight).sum().sqrt())


METHODS = {
    f"{family}, {n} {per}": Method(family, run(n), solves * n)
    for family, per, run, solves, counts in (
        ("implicit Euler", "an interval", lambda n: stepwise(euler, n), 100, (1, 2, 3, 4, 6)),
        ("second order", "an interval", lambda n: stepwise(second_order, n), 200, (1, 2, 3, 4, 6)),
        ("Krylov", "a window", lambda n: windows(3, n, 0.8 / n), 11, (4, 6, 8)),
    )
    for n in counts
}
FAMILIES = ("implicit Euler", "second order", "Krylov")
"""Steps of ``Osmosis.trajectory``; two such steps combined; many such steps combined."""

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
    chosen = ("implicit Euler, 1 an interval", "second order, 1 an interval", "Krylov, 6 a window")
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
