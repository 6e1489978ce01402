"""The registry is complete, points at things that exist, and every entry holds."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

from scalelib.propositions import Expectation, proposition, propositions, tasks
from scalelib.propositions.entries.transition import ROWS
from scalelib.propositions.instances import NAMES, PROCESSES

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
ENTRIES = propositions()
TASKS = list(tasks())
PROMISED = {
    *("P-valid", "P-init", "P-trans", "P-semi", "P-H", "P-Hc", "P-MI", "P-contract", "P-mmse"),
    *("P-KL", "P-perm", "C-perm", "P-steady", "P-causal", "P-osm-L"),
    *(f"E-{n}" for n in range(1, 14)),
}
STATEMENT = re.compile(r"^:{3,}\{prf:(theorem|proposition|corollary|property)\}", re.MULTILINE)


def task_name(task):
    return "-".join(part for part in (task.label, task.process, task.kind, task.name) if part)


@pytest.mark.parametrize("task", TASKS, ids=task_name)
def test_the_claim_holds_and_the_control_is_rejected(task):
    record = task.run()
    assert record.error is None
    assert record.passed is not False, record.line()
    assert (record.passed is None) == (task.claim.expectation is Expectation.NOT_APPLICABLE)
    if task.kind == "check":
        assert (record.count is not None) == task.claim.sampled, "sampled must say so"


def test_every_promised_label_is_there():
    assert set(ENTRIES) >= PROMISED


def test_tasks_have_names_of_their_own():
    assert [name for name, n in Counter(map(task_name, TASKS)).items() if n > 1] == []


@pytest.mark.parametrize("label", ENTRIES)
def test_what_an_entry_names_exists(label):
    entry = ENTRIES[label]
    page = BOOK / f"{entry.chapter}.md"
    assert page.is_file()
    unknown = set(entry.anchors) - labels_of_the_book().keys()
    assert unknown == set(), "no page of the book has these labels"
    pages = {labels_of_the_book()[anchor].name for anchor in entry.anchors}
    assert page.name in pages, "its own chapter must state it"
    assert entry.functions, "name the public functions that are checked"
    for name in entry.functions:
        assert resolves(name), f"{name} does not exist"
    for test in entry.tests:
        assert names_a_test(test), f"{test} does not exist"


@pytest.mark.parametrize(
    "label", [name for name in ENTRIES if name[:2] in ("P-", "C-") and name != "P-osm-L"]
)
def test_a_proposition_says_something_of_every_process(label):
    silent = set(PROCESSES) - {claim.process for claim in ENTRIES[label].claims}
    assert silent == set(), f"give {label} a claim for each; NOT_APPLICABLE with a remark is one"


def test_every_process_has_a_closed_form():
    without = {type(build()).__name__ for build in PROCESSES.values()} - ROWS.keys()
    assert without == set(), "add its row to ROWS in scalelib/propositions/entries/transition.py"


def test_claims_and_controls_name_known_processes():
    for entry in ENTRIES.values():
        for part in (*entry.claims, *entry.controls):
            assert part.process in NAMES, f"{entry.label}: {part.process}"


def test_every_statement_of_the_book_is_in_the_registry():
    covered = {anchor for entry in ENTRIES.values() for anchor in entry.anchors}
    stated = [label for page in sorted(BOOK.glob("*.md")) for label in statements(page)]
    assert stated
    assert set(stated) <= covered, "name the label in `anchors` of an entry of the registry"


def test_a_statement_without_entry_or_label_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("::::{prf:theorem} New\n:label: thm-new\n\nText\n::::\n")
    assert statements(page) == ["thm-new"]
    page.write_text("::::{prf:theorem} New\n\nText\n::::\n")
    with pytest.raises(AssertionError, match="label"):
        statements(page)


def test_names_that_do_not_exist_are_seen():
    assert not resolves("scalelib.VariancePreserving.nothing")
    assert not resolves("scalelib.nothing")
    assert not names_a_test("tests/propositions/test_registry.py::test_nothing")
    assert not names_a_test("tests/nothing.py::test_nothing")


def test_an_unknown_label_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"label must be one of .*P-semi.*found 'P-none'"):
        proposition("P-none")


def labels_of_the_book():
    """Label -> page, of directives (:label: x) and of targets ((x)=)."""
    pattern = re.compile(r"^:label: (\S+)$|^\(([^)\s]+)\)=$", re.MULTILINE)
    return {
        found[1] or found[2]: page
        for page in BOOK.glob("*.md")
        for found in pattern.finditer(page.read_text(encoding="utf-8"))
    }


def statements(page):
    """Labels of theorems, propositions, corollaries and properties of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in STATEMENT.finditer(text):
        lines = text[match.start() :].splitlines()[1:3]
        labels = [line.removeprefix(":label: ") for line in lines if line.startswith(":label: ")]
        assert labels, f"{page.name}: a statement has no label: {lines}"
        found += labels
    return found


def resolves(name):
    """Whether a dotted public name leads somewhere."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def names_a_test(node):
    """Whether a pytest node such as tests/test_x.py::test_y exists."""
    file, _, function = node.partition("::")
    if not (ROOT / file).is_file():
        return False
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    name = function.partition("[")[0].rpartition("::")[2]
    return any(isinstance(n, ast.FunctionDef) and n.name == name for n in ast.walk(tree))
