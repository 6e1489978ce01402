"""The command line: scalelib verify and scalelib train."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from scalelib.learning import DivergenceError, preset_images, preset_process, train
from scalelib.propositions import FAMILY_ALPHA, Record, Task, tasks, write_records

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; that of the process by default.

    Returns
    -------
    int
        Exit status: 0; 1 if a check fails, a negative control passes, a training diverges or a file
        cannot be written; 2 for bad arguments; 130 if interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ValueError as error:
        print(f"scalelib: {error}", file=sys.stderr)
        return 2
    except (DivergenceError, OSError) as error:
        print(f"scalelib: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scalelib: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scalelib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="check every proposition and negative control")
    verify.add_argument("--only", action="append", default=[], metavar="LABEL", help="repeatable")
    verify.add_argument("--process", action="append", default=[], metavar="NAME", help="repeatable")
    verify.add_argument("--seed", type=int, default=0, help="of the sampled checks; 0 by default")
    verify.add_argument("--json", type=Path, metavar="FILE", help="write the records")
    verify.set_defaults(run=_verify)
    training = commands.add_parser("train", help="train a denoiser, or go on with its training")
    training.add_argument(
        "--data",
        default="digits",
        metavar="NAME",
        help="digits (default), fashion-mnist, or a name or folder of photographs",
    )
    training.add_argument("--process", choices=("vp", "blurring"), default="vp", help="vp")
    training.add_argument("--out", type=Path, required=True, metavar="FILE", help="checkpoint")
    training.add_argument("--steps", type=int, help="in all; by default those of the preset")
    training.add_argument("--seed", type=int, default=0, help="of everything random; 0 by default")
    training.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    training.set_defaults(run=_train)
    return parser


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


def _train(options: argparse.Namespace) -> int:
    console = Console()
    device = _device(options.device)
    with console.status("Loading the images"):
        preset, images = preset_images(options.data)
    process = preset_process(options.process, preset)
    settings = replace(preset.settings, seed=options.seed)
    steps = preset.steps if options.steps is None else options.steps
    console.print(f"{len(images)} images, {process!r}", highlight=False)
    found = train(images, process, settings, steps, path=options.out, device=device, progress=True)
    recent = found.losses[-100:]
    console.print(
        f"Mean loss of the last {len(recent)} steps: {recent.mean():.4f}", highlight=False
    )
    console.print(f"Written: {options.out}", highlight=False)
    return 0


def _device(name: str) -> torch.device:
    if name not in ("cpu", "cuda"):
        raise ValueError(f"--device must be cpu or cuda, found {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda needs a CUDA device, found none")
    return torch.device(name)


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
