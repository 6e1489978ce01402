"""Read and write the code cells of a MyST Markdown notebook, with their place in the file."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupytext.myst import myst_to_notebook

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
SCOPES = (
    *(ast.FunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


@dataclass(frozen=True)
class Cell:
    """A code cell: its source and the line of the page, counted from 1, on which it starts."""

    page: Path
    line: int
    source: str
    metadata: dict[str, Any]

    def place(self, row: int = 1) -> str:
        """Return page and line of a row of this cell, as compilers write it."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line + row - 1}"


def pages() -> list[Path]:
    """Every page of the book, sorted."""
    found = BOOK.rglob("*.md")
    return sorted(p for p in found if not {"_vendor", ".ipynb_checkpoints"} & set(p.parts))


def _closing_fence(lines: list[str], opening: int) -> int:
    fence = lines[opening][: len(lines[opening]) - len(lines[opening].lstrip("`"))]
    return next(i for i in range(opening + 1, len(lines)) if lines[i].strip() == fence)


def read(page: Path) -> list[Cell]:
    """Return the code cells of a page."""
    text = page.read_text(encoding="utf-8")
    lines = text.splitlines()
    notebook = myst_to_notebook(text, add_source_map=True)
    found = []
    for cell, fence in zip(notebook.cells, notebook.metadata["source_map"], strict=True):
        if cell.cell_type == "code":
            end = _closing_fence(lines, fence - 1)
            start = end - len(cell.source.split("\n")) + 1
            found.append(Cell(page, start, cell.source, dict(cell.metadata)))
    return found


def write(page: Path, sources: dict[int, tuple[int, str]]) -> None:
    """Replace cells of a page: starting line -> (number of old lines, new source)."""
    lines = page.read_text(encoding="utf-8").split("\n")
    for line, (count, source) in sorted(sources.items(), reverse=True):
        lines[line - 1 : line - 1 + count] = source.split("\n")
    fresh = page.with_suffix(".new")
    fresh.write_text("\n".join(lines), encoding="utf-8")
    fresh.replace(page)


def draws(source: str, drawing: set[str]) -> bool:
    """Tell whether a cell calls something that was imported from a drawing module."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(_root(call.func) in drawing for call in calls)


def drawing_names(source: str) -> set[str]:
    """Names that a cell imports from pyplot, ``scalelib.figures`` or ``scalelib.widgets``."""
    modules = {"matplotlib.pyplot", "scalelib.figures", "scalelib.widgets"}
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {a.asname or a.name for a in node.names if a.name in modules}
        elif isinstance(node, ast.ImportFrom):
            inside = node.module in modules
            full = ((f"{node.module}.{a.name}", a.asname or a.name) for a in node.names)
            names |= {name for path, name in full if inside or path in modules}
    return names


def off_the_page(cell: Cell) -> bool:
    """Tell whether the pages leave a cell out, source and output."""
    return "remove-cell" in (cell.metadata.get("tags") or [])


def needs_kernel(source: str) -> bool:
    """Tell whether a cell makes controls that are dead without a kernel."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules = {(node.module or "").split(".")[0]}
        else:
            modules = set()
        calls = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "explore"
        if calls or "ipywidgets" in modules:
            return True
    return False


def _names(node: ast.AST, bound: set[str], used: set[str]) -> None:
    """Collect the names that a node binds in the page, imports aside, and those that it uses."""
    if isinstance(node, ast.Name):
        (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        bound.add(node.name)
    # What a function or a comprehension binds stays inside.
    inside: set[str] = set() if isinstance(node, SCOPES) else bound
    for child in ast.iter_child_nodes(node):
        _names(child, inside, used)


def bound_and_used_first(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell binds, and names that it uses before it binds them."""
    bound: set[str] = set()
    first: set[str] = set()
    for statement in ast.parse(source).body:
        fresh: set[str] = set()
        used: set[str] = set()
        _names(statement, fresh, used)
        first |= used - bound
        bound |= fresh
    return bound, first


def _root(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        whole = ast.unparse(node)
        return whole if whole.startswith(("matplotlib.", "scalelib.")) else _root(node.value)
    return node.id if isinstance(node, ast.Name) else None
