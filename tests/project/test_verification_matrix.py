"""The page of the verification matrix, built from records."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sphinx.errors import ExtensionError

import verification_matrix
from scalelib.propositions import Record, propositions, tasks, write_records
from verification_matrix import block, cell, matrices, overview, pretty, single, verdict, verify

LABEL = "P-semi"
RECORDS = [task.run() for task in tasks([LABEL])]


def found(**changes: Any) -> Record:
    blank = next(r for r in RECORDS if r.process == "variance preserving" and r.kind == "check")
    return replace(blank, **changes)


@pytest.mark.parametrize("name", ["holds", "holds weakly", "fails as expected", "not applicable"])
def test_a_verdict_is_told_in_words_and_by_a_sign(name: str) -> None:
    shown = verdict([found(verdict=name)])
    assert re.search(rf"<b>[✓≈✗–] {name}</b>", shown)


def test_a_cell_holds_value_and_tolerance() -> None:
    two = [found(value=2e-16, name=""), found(value=0.1, name="samples")]
    shown = cell(propositions()[LABEL], "variance preserving", two)
    assert shown.count("✓ holds") == 1
    assert "<small>2e−16 ≤ 1e−12</small> <small>samples</small>" in shown
    mixed = [*two, found(verdict="fails as expected", name="coupling")]
    assert "✗ fails" in cell(propositions()[LABEL], "variance preserving", mixed)
    assert cell(propositions()[LABEL], "osmosis", []) == "not stated"


def test_signs_are_typographic() -> None:
    assert pretty("0.25 != -0.3 +- 1e-02 > 1") == "0.25 ≠ −0.3 ± 1e−02 &gt; 1"


def test_the_matrix_has_a_column_for_every_process() -> None:
    lines = [line for line in matrices(RECORDS) if line.startswith("|")]
    assert {line.count("|") for line in lines if "---" not in line} == {9}
    assert any(f"**{LABEL}**" in line for line in lines)


def test_statements_about_one_object_have_a_list() -> None:
    assert any("Reading notes" in line for line in single(RECORDS))


def test_a_block_lists_every_record_with_its_links() -> None:
    text = "\n".join(block(propositions()[LABEL], RECORDS))
    assert text.count("\n- ") == len(RECORDS)
    for part in ("{doc}`/book/semigroup`", "{py:obj}`scalelib.", "negative control", "*Source.*"):
        assert part in text


def test_the_overview_counts() -> None:
    text = next(overview(RECORDS))
    controls = sum(r.kind == "control" for r in RECORDS)
    assert f"{controls} negative controls were rejected" in text


def test_records_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    monkeypatch.setattr(
        verification_matrix, "ARGUMENTS", ["verify", "--only", LABEL, "--process", "osmosis"]
    )
    verify(path)
    made = path.stat().st_ino
    verify(path)
    assert path.stat().st_ino == made
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_a_failure_ends_the_build_and_leaves_no_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification_matrix, "ARGUMENTS", ["verify", "--only", "P-none"])
    with pytest.raises(ExtensionError, match="--only must be one of"):
        verify(tmp_path / "state.json")
    assert list(tmp_path.iterdir()) == []


def test_old_records_are_removed(tmp_path: Path) -> None:
    for age in range(5):
        path = tmp_path / f"{age}.json"
        write_records(path, RECORDS)
        os.utime(path, (1000 - age, 1000 - age))
    verify(tmp_path / "4.json")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.json", "1.json", "4.json"]
