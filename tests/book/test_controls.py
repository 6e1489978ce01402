"""Controls of the chapters: they draw with a kernel, and the pages do not show them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import ipywidgets
import pytest

import cells
from cells import Cell

CONTROLS = [
    (page.stem, number)
    for page in cells.pages()
    for number, cell in enumerate(cells.read(page))
    if cells.needs_kernel(cell.source)
]
SCRIPT = r'<script type="application/vnd\.jupyter\.widget-{}\+json">(.*?)</script>'
VIEW, STATE = (re.compile(SCRIPT.format(kind), re.DOTALL) for kind in ("view", "state"))
NEED_KERNEL = {"@jupyter-widgets/output", "@jupyter-widgets/controls"}
"""Packages of widgets whose callbacks are Python; those of ours compute in the browser."""


def bound(source: str) -> set[str]:
    """Names that a cell defines, those inside its functions among them."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def wanted(source: str) -> set[str]:
    """Names that a cell reads and does not define."""
    nodes = ast.walk(ast.parse(source))
    return {node.id for node in nodes if isinstance(node, ast.Name)} - bound(source)


def needed(found: list[Cell], last: int) -> list[str]:
    """Return a cell and the earlier ones that define what it uses."""
    chosen, missing = [found[last].source], wanted(found[last].source)
    for cell in reversed(found[:last]):
        if missing & bound(cell.source):
            chosen.insert(0, cell.source)
            missing = missing - bound(cell.source) | wanted(cell.source)
    return chosen


def explored(page: str, number: int) -> ipywidgets.VBox:
    """Run a cell with controls and what it needs, and return what it shows."""
    *earlier, last = needed(cells.read(cells.BOOK / f"{page}.md"), number)
    space: dict[str, Any] = {}
    for source in earlier:
        exec(source, space)
    tree = ast.parse(last)
    shown = tree.body.pop()
    assert isinstance(shown, ast.Expr)
    exec(compile(tree, page, "exec"), space)
    return eval(compile(ast.Expression(shown.value), page, "eval"), space)


def ends(control: Any) -> list[Any]:
    """First and last value of a control."""
    if isinstance(control, ipywidgets.IntSlider):
        return [control.min, control.max]
    values = [option[1] if isinstance(option, tuple) else option for option in control.options]
    return [values[0], values[-1]]


@pytest.mark.parametrize(("page", "number"), CONTROLS)
def test_controls_draw_from_end_to_end(page: str, number: int) -> None:
    *controls, output = explored(page, number).children
    seen = set()
    for control in controls:
        start = control.value
        for value in [*ends(control), start]:
            control.value = value
            (shown,) = output.outputs
            assert shown["output_type"] == "display_data", shown.get("traceback")
            seen.add(str(shown["data"]))
    assert len(seen) > len(controls)


@pytest.mark.parametrize(("page", "number"), CONTROLS)
def test_the_cell_explains_itself_and_stays_off_the_page(page: str, number: int) -> None:
    cell = cells.read(cells.BOOK / f"{page}.md")[number]
    assert cell.source.startswith("# With a kernel: ")
    assert cells.off_the_page(cell)


def test_the_guide_names_the_chapters() -> None:
    guide = (cells.BOOK / "reading-guide.md").read_text(encoding="utf-8")
    (sentence,) = re.findall(r"controls for a kernel: (.*?)\.\n", guide, re.DOTALL)
    assert sorted(re.findall(r"\{doc\}`([a-z-]+)`", sentence)) == sorted(
        {page for page, _ in CONTROLS}
    )


def dead(page: str) -> list[str]:
    """What a built page holds of widgets that only a kernel can serve."""
    models: dict[str, Any] = {}
    for state in STATE.findall(page):
        models |= json.loads(state)["state"]
    views = {json.loads(view)["model_id"] for view in VIEW.findall(page)}
    found = [f"no state of {view}" for view in views - models.keys()]
    found += [m["model_name"] for m in models.values() if m["model_module"] in NEED_KERNEL]
    found += ["a manager without widgets"] if not views and "embed-amd.js" in page else []
    return found + (["source of controls"] if "explore" in page and "With a kernel" in page else [])


def test_no_page_shows_controls_of_a_kernel(html: Path) -> None:
    pages = html.glob("book/*.html")
    found = {page.name: dead(page.read_text(encoding="utf-8")) for page in pages}
    assert len(found) > len(CONTROLS)
    assert not {name: problems for name, problems in found.items() if problems}


def script(kind: str, content: object) -> str:
    return (
        f'<script type="application/vnd.jupyter.widget-{kind}+json">{json.dumps(content)}</script>'
    )


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (script("view", {"model_id": "a"}), "no state of a"),
        ("<script src='../_static/vendor/embed-amd.js'>", "a manager without widgets"),
        ("# With a kernel: explore(draw)", "source of controls"),
        (
            script(
                "state",
                {
                    "state": {
                        "a": {
                            "model_module": "@jupyter-widgets/output",
                            "model_name": "OutputModel",
                        }
                    }
                },
            ),
            "OutputModel",
        ),
    ],
)
def test_a_dead_control_is_seen(page: str, problem: str) -> None:
    assert dead(page) == [problem]
