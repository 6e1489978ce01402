"""Time contenders in turn and compare them round by round."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from scalelib.figures import Drawing

T = TypeVar("T")
Run = Callable[[], object]
Seconds = dict[str, list[float]]

SAMPLE_SECONDS = 0.05
"""A sample of a fast contender repeats it for about this long."""


@dataclass(frozen=True)
class Settings:
    """What every benchmark is told.

    Parameters
    ----------
    rounds : int
        Rounds of every comparison; a median of fewer than 7 is preliminary.
    quick : bool
        Small sizes that only show that everything works. No verdict is given.
    device : str
        "cpu" or "cuda".
    """

    rounds: int = 7
    quick: bool = False
    device: str = "cpu"

    def pick(self, full: T, quick: T) -> T:
        """Return the size for this run."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Result:
    """One row: a quantity, once per round, and what it should be.

    Parameters
    ----------
    benchmark, setting, quantity : str
        What was measured, under which conditions, and what the values are.
    values : sequence of float
        One per round.
    at_least, at_most : float or None
        Target of the median; without one the row is for information.
    seconds : dict
        Times of all contenders, in the order of the rounds.
    details : dict
        Whatever else belongs into the record.
    drawing : Drawing or None
        A plot that is written beside the record.
    """

    benchmark: str
    setting: str
    quantity: str
    values: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None
    seconds: Seconds = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    drawing: Drawing | None = None

    @property
    def median(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        if self.at_least is None and self.at_most is None:
            return None
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.median <= high

    def record(self) -> dict[str, Any]:
        """Everything about the row but its plot, for JSON."""
        return {
            "benchmark": self.benchmark,
            "setting": self.setting,
            "quantity": self.quantity,
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "rounds": len(self.values),
            "at_least": self.at_least,
            "at_most": self.at_most,
            "reached": self.reached,
            "median_seconds": {k: statistics.median(s) for k, s in self.seconds.items()},
            "seconds": self.seconds,
            "details": self.details,
        }


def interleave(
    contenders: Mapping[str, Run],
    rounds: int,
    *,
    warm_up: bool = True,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> Seconds:
    """Seconds per call of every contender, timed in turn: A B A B ...

    Parameters
    ----------
    contenders : mapping of str to callable
        What to time, in this order.
    rounds : int
        Samples per contender.
    warm_up : bool
        Call every contender beforehand, and from the time this takes find out how often to repeat
        it in a sample. False: the caller has run it, and one call makes a sample.
    device : str
        "cuda" waits for the device before the clock is read.
    clock : callable
        Seconds since whenever.
    """

    def sample(run: Run, calls: int) -> float:
        _wait(device)
        begin = clock()
        for _ in range(calls):
            run()
        _wait(device)
        return (clock() - begin) / calls

    calls = dict.fromkeys(contenders, 1)
    if warm_up:
        for name, run in contenders.items():
            sample(run, 1)
            calls[name] = _repetitions(sample(run, 1))
    seconds: Seconds = {name: [] for name in contenders}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, run in contenders.items():
                seconds[name].append(sample(run, calls[name]))
    finally:
        if collecting:
            gc.enable()
    return seconds


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Quotients round by round, so that a disturbance of the machine meets both sides."""
    return [a / b for a, b in zip(above, below, strict=True)]


def _repetitions(seconds: float) -> int:
    return max(1, round(SAMPLE_SECONDS / max(seconds, 1e-6)))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
