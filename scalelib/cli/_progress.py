"""How far a comparison is: a bar in a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["progress"]

PAUSE = 30.0
"""Seconds between two lines of a log."""


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Give what is to be told model, blocks done and blocks in all."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Comparing", total=None)
        yield lambda model, done, total: bar.update(
            task, description=model, completed=done, total=total
        )


class Lines:
    """A line now and then, and one at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._at, self._done = time.monotonic(), -1

    def __call__(self, model: str, done: int, total: int) -> None:
        """Write a line if the last one is old. The rate is that since then."""
        now = time.monotonic()
        if self._done < 0:  # what an earlier call had measured says nothing about the rate
            self._at, self._done = now, done
        if now - self._at < PAUSE and done < total:
            return
        left = timedelta(
            seconds=round((total - done) * (now - self._at) / max(1, done - self._done))
        )
        self._at, self._done = now, done
        self._console.print(f"{model}: {done} of {total} blocks, {left} left", highlight=False)
