"""Run the registry: every check must pass, every negative control must be rejected."""

from __future__ import annotations

import json
import platform
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy
import scipy
import sympy
import torch

from scalelib import _files
from scalelib.propositions.instances import NAMES, SYMBOLIC
from scalelib.propositions.registry import proposition, propositions
from scalelib.propositions.statement import (
    Check,
    Claim,
    Expectation,
    Outcome,
    Proposition,
    Trial,
)

__all__ = ["FAMILY_ALPHA", "Record", "Task", "read_records", "tasks", "write_records"]

FAMILY_ALPHA = 1e-4
"""Probability that any sampled check of the whole registry rejects a true claim."""

VERDICTS = {
    Expectation.HOLDS: "holds",
    Expectation.WEAKLY: "holds weakly",
    Expectation.FAILS: "fails as expected",
    Expectation.NOT_APPLICABLE: "not applicable",
}


@dataclass(frozen=True)
class Record:
    """Result of one check or negative control."""

    label: str
    process: str
    kind: str
    """"check" or "control"."""
    name: str
    """Aspect of a check, or what a control breaks."""
    verdict: str
    """Of a check "holds", "holds weakly", "fails as expected", "not applicable" or "failed"; of a
    control "rejected" or "accepted", which is a failure."""
    passed: bool | None
    """Whether the result is as it must be; None where there was nothing to check."""
    value: float | None
    expected: float | None
    tolerance: float | None
    remark: str
    count: int | None
    """Sample size n of a sampled check."""
    alpha: float | None
    """Probability that a sampled check rejects a true claim."""
    detectable: float | None
    """Smallest defect that a sampled check finds with 99% power."""
    seed: int
    seconds: float
    versions: dict[str, str]
    error: str | None = None
    """What was raised, if the check did not end."""

    def measured(self) -> str:
        """Measured value and what is accepted, such as "3e-16 <= 1e-12"; empty without a value."""
        if self.value is None or self.tolerance is None:
            return ""
        agree = abs(self.value - (self.expected or 0.0)) <= self.tolerance
        if self.expected:
            sign = "=" if agree else "!="
            band = f" +- {self.tolerance:.0e}" if self.tolerance else ""
            return f"{self.value:.4g} {sign} {self.expected:.4g}{band}"
        return f"{self.value:.2g} {'<=' if agree else '>'} {self.tolerance:.2g}"

    def line(self) -> str:
        """One line for a page or a terminal."""
        what = f"control: {self.name}" if self.kind == "control" else self.name
        head = ", ".join(part for part in (self.label, self.process, what) if part)
        if self.error is not None:
            return f"{head}: {self.verdict} ({self.error})"
        if self.value is None:
            return f"{head}: {self.verdict} ({self.remark})"
        power = "" if self.count is None else f", n = {self.count}, finds {self.detectable:.2g}"
        return f"{head}: {self.verdict}, {self.measured()}{power}"


@dataclass(frozen=True)
class Task:
    """One check or negative control that waits to be run."""

    label: str
    kind: str
    name: str
    claim: Claim
    trial: Trial

    @property
    def process(self) -> str:
        """Name of the process."""
        return self.claim.process

    def run(self) -> Record:
        """Run the check.

        Returns
        -------
        Record
            With ``passed`` False and the error if the check raises; a control that raises is
            not rejected but broken.
        """
        start = time.perf_counter()
        blank = self._blank()
        if self.claim.check is None:
            return blank
        try:
            outcome = self.claim.check(self.trial)
        except Exception as error:  # one broken check must not hide the others
            found = f"{type(error).__name__}: {error}"
            failed = replace(blank, verdict="failed", passed=False, error=found)
            return replace(failed, seconds=time.perf_counter() - start)
        return replace(
            blank,
            verdict=self._verdict(outcome),
            passed=outcome.accepted == (self.kind == "check"),
            value=outcome.value,
            expected=outcome.expected,
            tolerance=outcome.tolerance,
            count=outcome.count,
            alpha=None if outcome.count is None else self.trial.alpha,
            detectable=outcome.detectable,
            seconds=time.perf_counter() - start,
        )

    def _verdict(self, outcome: Outcome) -> str:
        if self.kind == "control":
            return "accepted" if outcome.accepted else "rejected"
        return VERDICTS[self.claim.expectation] if outcome.accepted else "failed"

    def _blank(self) -> Record:
        return Record(
            label=self.label,
            process=self.process,
            kind=self.kind,
            name=self.name,
            verdict=VERDICTS[Expectation.NOT_APPLICABLE],
            passed=None,
            value=None,
            expected=None,
            tolerance=None,
            remark=self.claim.remark,
            count=None,
            alpha=None,
            detectable=None,
            seed=self.trial.seed,
            seconds=0.0,
            versions=versions(),
        )


def tasks(only: Sequence[str] = (), processes: Sequence[str] = (), seed: int = 0) -> Iterator[Task]:
    """List checks, derivations and negative controls in the order of the registry.

    Parameters
    ----------
    only : sequence of str
        Labels of propositions; empty for all.
    processes : sequence of str
        Names of processes; empty for all. "symbolic" is the name of derivations.
    seed : int
        Seed of all sampled checks; each draws a stream of its own.

    Yields
    ------
    Task

    Raises
    ------
    ValueError
        If a label or a process is unknown; the message lists the valid ones.

    Examples
    --------
    >>> next(iter(tasks(["P-semi"], ["variance preserving"]))).run().verdict
    'holds'
    """
    chosen = [proposition(label) for label in only] or list(propositions().values())
    known = (*NAMES, SYMBOLIC)
    for name in processes:
        if name not in known:
            raise ValueError(f"process must be one of {', '.join(known)}; found {name!r}")
    share = FAMILY_ALPHA / max(1, _sampled_checks())
    for entry in chosen:
        listed = list(_of(entry, seed, share))
        yield from (task for task in listed if not processes or task.process in processes)
        for name in processes:
            if all(task.process != name for task in listed):
                silent = Claim(name, Expectation.NOT_APPLICABLE, remark="nothing is claimed here")
                yield _task(entry, silent, "check", "", seed, share)


def _of(entry: Proposition, seed: int, alpha: float) -> Iterator[Task]:
    """Tasks of one proposition."""
    if entry.derivation is not None:
        remark = "steps of the derivation that do not hold"
        derived = Claim(SYMBOLIC, Expectation.HOLDS, _derive(entry.derivation), remark)
        yield _task(entry, derived, "check", "", seed, alpha)
    for claim in entry.claims:
        yield _task(entry, claim, "check", claim.aspect, seed, alpha)
    for control in entry.controls:
        broken = Claim(control.process, Expectation.HOLDS, control.check)
        yield _task(entry, broken, "control", control.name, seed, alpha)


def _task(entry: Proposition, claim: Claim, kind: str, name: str, seed: int, alpha: float) -> Task:
    """One task; its seed depends on its name, not on what else was chosen."""
    own = zlib.crc32(f"{seed} {entry.label} {claim.process} {kind} {name}".encode())
    return Task(entry.label, kind, name, claim, Trial(own, alpha))


def _derive(derivation: Callable[[], object]) -> Check:
    def check(trial: Trial) -> Outcome:
        del trial
        derivation()  # raises at the first step that does not hold
        return Outcome(0.0, 0.0)

    return check


def _sampled_checks() -> int:
    return sum(claim.sampled for entry in propositions().values() for claim in entry.claims)


def versions() -> dict[str, str]:
    """Versions that the numbers depend on."""
    modules = {"numpy": numpy, "scipy": scipy, "sympy": sympy, "torch": torch}
    found = {name: str(module.__version__) for name, module in modules.items()}
    return {"python": platform.python_version(), **found}


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as a JSON list, to a temporary name first.

    Parameters
    ----------
    path : Path
        File; its folder is created.
    records : iterable of Record
        Results.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [asdict(record) for record in records]
    text = json.dumps(listed, indent=1, allow_nan=False) + "\n"
    _files.replace(path, lambda stream: stream.write(text.encode()))


def read_records(path: Path) -> list[Record]:
    """Read what :func:`write_records` wrote.

    Parameters
    ----------
    path : Path
        File.

    Returns
    -------
    list of Record

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    try:
        return [Record(**found) for found in json.loads(path.read_text(encoding="utf-8"))]
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"path must name a file of records, found {path}: {error}") from error
