"""Check the code cells of the book: python tools/lint_cells.py [--fix].

Style and format by ruff, types by mypy, and the rules of the house: at most 30 lines; a cell that
draws says name, caption, alternative text and how the picture looks in dark mode; controls that
need a kernel are tagged ``remove-cell``; such a cell replaces no name that later cells use.
Messages point to the line of the page.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cells
from cells import Cell

LONGEST = 30
LOOKS = {"plot", "photo"}
CONFIG = cells.ROOT / "pyproject.toml"
CACHE = cells.ROOT / ".mypy_cache/cells"
EMPTY_CELL: dict[str, Any] = {
    "cell_type": "code",
    "metadata": {},
    "outputs": [],
    "execution_count": None,
}
NOTEBOOK = {"metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 4}
MYPY = "[mypy]\ncheck_untyped_defs = True\nallow_redefinition = True\nfollow_imports = silent\n\
ignore_missing_imports = True\nstrict_equality = True\n"


def _tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # Runs at the root, so that mypy and ruff know which imports are first-party.
    command = [sys.executable, "-m", name, *arguments]
    env = {**os.environ, "MYPYPATH": str(cells.ROOT)}
    return subprocess.run(
        command, cwd=cells.ROOT, capture_output=True, text=True, check=False, env=env
    )


def _notebooks(book: dict[Path, list[Cell]], folder: Path) -> dict[Path, Path]:
    """Write each page's cells as a notebook, which ruff reads; notebook -> page."""
    written = {}
    for number, (page, found) in enumerate(book.items()):
        path = folder / f"page{number}.ipynb"
        code = [{**EMPTY_CELL, "source": cell.source.splitlines(keepends=True)} for cell in found]
        path.write_text(json.dumps({**NOTEBOOK, "cells": code}), encoding="utf-8")
        written[path.resolve()] = page
    return written


def check_style(book: dict[Path, list[Cell]], folder: Path) -> list[str]:
    """Return ruff's findings."""
    written = _notebooks(book, folder)
    done = _tool("ruff", "check", "--config", CONFIG, "--output-format", "json", folder)
    if not done.stdout:
        sys.exit(done.stderr)
    problems = []
    for finding in json.loads(done.stdout):
        page = written[Path(finding["filename"]).resolve()]
        cell = book[page][finding["cell"] - 1]
        place = cell.place(finding["location"]["row"])
        problems.append(f"{place}: {finding['code']} {finding['message']}")
    return problems


def formatted(book: dict[Path, list[Cell]], folder: Path, fix: bool) -> list[tuple[Cell, str]]:
    """Return the cells that ruff would write differently, with the new source."""
    written = _notebooks(book, folder)
    if fix:  # order of imports and the like
        _tool("ruff", "check", "--config", CONFIG, "--fix-only", folder)
    done = _tool("ruff", "format", "--config", CONFIG, folder)
    if done.returncode:
        sys.exit(done.stderr)
    changed = []
    for path, page in written.items():
        after = json.loads(path.read_text(encoding="utf-8"))["cells"]
        pairs = zip(book[page], ("".join(cell["source"]) for cell in after), strict=True)
        changed += [(old, new) for old, new in pairs if old.source != new]
    return changed


def check_types(book: dict[Path, list[Cell]], folder: Path) -> list[str]:
    """Return mypy's findings: a page becomes a module with the cells on their own lines."""
    modules = {}
    for number, (page, found) in enumerate(book.items()):
        lines = [""] * len(page.read_text(encoding="utf-8").splitlines())
        for cell in found:
            source = cell.source.split("\n")
            lines[cell.line - 1 : cell.line - 1 + len(source)] = source
        modules[f"page{number}"] = page
        (folder / f"page{number}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = folder / "mypy.ini"
    config.write_text(MYPY)
    done = _tool(
        "mypy", "--config-file", config, "--cache-dir", CACHE, "--no-error-summary", folder
    )
    if done.returncode not in (0, 1):
        sys.exit(done.stdout + done.stderr)
    name = re.compile(r"^\S*?(page\d+)\.py(?=:)")
    return [
        name.sub(lambda m: modules[m[1]].relative_to(cells.ROOT).as_posix(), line)
        for line in done.stdout.splitlines()
    ]


def check_rules(found: list[Cell]) -> list[str]:
    """Apply the rules of the house to the cells of one page."""
    problems = []
    drawing: set[str] = set()
    for cell in found:
        count = len(cell.source.split("\n"))
        if count > LONGEST:
            problems.append(f"{cell.place()}: {count} lines, more than {LONGEST}: move code down")
        drawing |= cells.drawing_names(cell.source)
        if cells.off_the_page(cell):
            continue
        if cells.needs_kernel(cell.source):
            problems.append(f"{cell.place()}: controls are dead on the page: tag it remove-cell")
        elif cells.draws(cell.source, drawing):
            problems += [f"{cell.place()}: the figure has no {what}" for what in missing(cell)]
    return problems


def replaced_names(found: list[Cell]) -> list[str]:
    """Find names that a cell off the page binds anew and that a later cell uses.

    Readers of the page would take them for the values that they have seen.
    """
    names = [cells.bound_and_used_first(cell.source) for cell in found]
    problems = []
    for at, cell in enumerate(found):
        if not cells.off_the_page(cell):
            continue
        before = set().union(*(bound for bound, _ in names[:at]))
        hidden = names[at][0] & before
        for bound, first in names[at + 1 :]:
            problems += [
                f"{cell.place()}: {name} is replaced out of sight" for name in hidden & first
            ]
            hidden -= bound | first
    return problems


def repeated_names(book: dict[Path, list[Cell]]) -> list[str]:
    """Find figures that carry the name of an earlier one, on any page."""
    first: dict[str, Cell] = {}
    problems = []
    for cell in (cell for found in book.values() for cell in found):
        name = ((cell.metadata.get("mystnb") or {}).get("figure") or {}).get("name")
        if name and first.setdefault(name, cell) is not cell:
            problems.append(f"{cell.place()}: the name {name} is taken: {first[name].place()}")
    return problems


def missing(cell: Cell) -> list[str]:
    """List what a drawing cell lacks in its metadata."""
    notes = cell.metadata.get("mystnb") or {}
    figure, image = notes.get("figure") or {}, notes.get("image") or {}
    looks = LOOKS & set(str(image.get("classes", "")).split())
    wanted = {
        "name (mystnb: figure: name)": figure.get("name"),
        "caption (mystnb: figure: caption)": figure.get("caption"),
        "alternative text (mystnb: image: alt)": image.get("alt"),
        "look in dark mode (mystnb: image: classes: plot or photo)": looks,
    }
    return [what for what, value in wanted.items() if not value]


def rewrite(changed: list[tuple[Cell, str]]) -> int:
    """Write the new sources into their pages; always succeeds."""
    for page in {cell.page for cell, _ in changed}:
        mine = [(cell, source) for cell, source in changed if cell.page == page]
        cells.write(page, {c.line: (len(c.source.split("\n")), s) for c, s in mine})
    print(f"{len(changed)} cells rewritten")
    return 0


def main(fix: bool) -> int:
    """Check or format all pages; returns the exit status."""
    book = {page: found for page in cells.pages() if (found := cells.read(page))}
    if not book:
        print("no code cells yet")
        return 0
    with tempfile.TemporaryDirectory() as style, tempfile.TemporaryDirectory() as types:
        changed = formatted(book, Path(style), fix)
        if fix:
            return rewrite(changed)
        problems = check_style(book, Path(style)) + check_types(book, Path(types))
    problems += repeated_names(book)
    for found in book.values():
        problems += check_rules(found) + replaced_names(found)
    problems += [f"{c.place()}: not formatted (make fmt)" for c, _ in changed]
    print("\n".join(sorted(problems)) or f"{sum(map(len, book.values()))} cells: no problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main("--fix" in sys.argv))
