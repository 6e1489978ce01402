"""How far a comparison is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from scalelib.cli import _progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("scalelib.cli._progress.time.monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_now_and_then_with_the_time_left(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=80)
    with _progress.progress(console) as told:
        for done in range(41, 101):  # 40 were measured by an earlier call
            clock[0] += 10.0
            told("vp", done, 100)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert lines[0] == "vp: 44 of 100 blocks, 0:09:20 left"
    assert lines[-1] == "vp: 100 of 100 blocks, 0:00:00 left"
    assert len(lines) == 20


def test_a_terminal_gets_a_bar() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with _progress.progress(console) as told:
        told("osmosis", 2, 3)
    found = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "osmosis" in found
    assert "2/3" in found
