"""scalelib verify: every proposition and every negative control."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from scalelib.propositions import FAMILY_ALPHA, Record, Task, tasks, write_records

__all__ = ["add"]


def add(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument("--only", action="append", default=[], metavar="LABEL", help="repeatable")
    parser.add_argument("--process", action="append", default=[], metavar="NAME", help="repeatable")
    parser.add_argument("--seed", type=int, default=0, help="of the sampled checks; 0 by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records")
    parser.set_defaults(run=_verify, arguments={"label": "--only", "path": "--json"})


def _verify(options: argparse.Namespace) -> int:
    console = Console()
    names = [name.replace("-", " ") for name in options.process]
    records = _run(list(tasks(options.only, names, options.seed)), console)
    console.print(_table(records))
    bad = [record for record in records if record.passed is False]
    for record in bad:
        console.print(_complaint(record), style="bold", highlight=False)
    console.print(_summary(records), highlight=False)
    if options.json is not None:
        write_records(options.json, records)
        console.print(f"Written: {options.json}", highlight=False)
    return 1 if bad else 0


def _run(todo: Sequence[Task], console: Console) -> list[Record]:
    """Run tasks in one thread: the tensors of the checks are small, and threads slow them down."""
    records = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("Verifying", total=len(todo))
            for task in todo:
                progress.update(bar, description=f"{task.label}, {task.process}")
                records.append(task.run())
                progress.advance(bar)
    finally:
        torch.set_num_threads(threads)
    return records


def _table(records: Sequence[Record]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("label", no_wrap=True)
    for heading in ("process", "check or control", "verdict"):
        table.add_column(heading, min_width=11)
    table.add_column("measured", no_wrap=True)
    for found in records:
        what = f"control: {found.name}" if found.kind == "control" else found.name
        verdict = found.verdict if found.passed is not False else f"! {found.verdict}"
        row = (found.label, found.process, what, verdict, found.measured())
        table.add_row(*row, style="bold red" if found.passed is False else None)
    return table


def _complaint(found: Record) -> str:
    where = f"{found.label}, {found.process}"
    if found.error is not None:
        return f"{where}: {found.kind} {found.name!r} raised {found.error}"
    if found.kind == "control":
        return f"{where}: the negative control {found.name!r} was accepted"
    return f"{where}: {found.measured()}"


def _summary(records: Sequence[Record]) -> str:
    checks = [r for r in records if r.kind == "check" and r.passed is not None]
    controls = [r for r in records if r.kind == "control"]
    sampled = sum(r.count is not None for r in checks)
    return (
        f"{sum(bool(r.passed) for r in checks)} of {len(checks)} checks as expected; "
        f"{sum(bool(r.passed) for r in controls)} of {len(controls)} negative controls rejected; "
        f"{sum(r.passed is None for r in records)} not applicable.\n"
        f"{sampled} checks are sampled; family-wise alpha {FAMILY_ALPHA:g}. "
        f"{sum(r.seconds for r in records):.1f} s."
    )
