"""The lint of the chapters' cells finds what it should, on the line where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

import cells
import lint_cells

HEAD = """---
file_format: mystnb
kernelspec: {display_name: Python 3, name: python3}
---

# Title

"""
GOOD = """```{code-cell}
---
mystnb:
  figure:
    name: fig-a
    caption: A line.
  image:
    alt: A line that rises.
    classes: plot
---
import matplotlib.pyplot as plt

figure, axes = plt.subplots()
axes.plot([0, 1])
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cells, "ROOT", tmp_path)
    monkeypatch.setattr(cells, "BOOK", tmp_path / "book")
    (tmp_path / "book").mkdir()
    return tmp_path / "book/page.md"


def problems(page: Path, body: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    page.write_text(HEAD + body, encoding="utf-8")
    status = lint_cells.main(fix=False)
    lines = capsys.readouterr().out.splitlines()
    assert bool(status) == (lines[-1] != f"{body.count('```{code-cell}')} cells: no problem")
    return lines if status else []


def test_a_good_page_passes(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(page, GOOD, capsys) == []


@pytest.mark.parametrize(
    ("good", "bad", "line", "message"),
    [
        ("    name: fig-a\n", "", 17, "the figure has no name"),
        ("    caption: A line.\n", "", 17, "the figure has no caption"),
        ("    alt: A line that rises.\n", "", 17, "the figure has no alternative text"),
        ("    classes: plot\n", "", 17, "the figure has no look in dark mode"),
        ("plt.subplots()", "plt.subplots( )", 18, "not formatted"),
        ("figure, axes", "import os\nfigure, axes", 20, "F401"),
        ("plt.subplots()", "plt.subplots()\nfigure.nonsense()", 21, 'no attribute "nonsense"'),
        ("axes.plot([0, 1])", "axes.plot([0, missing])", 21, "F821"),
        ("axes.plot([0, 1])", "axes.plot([0, 1])" + 27 * "\naxes.plot([0, 1])", 18, "31 lines"),
    ],
)
def test_a_defect_is_found_on_its_line(
    page: Path, capsys: pytest.CaptureFixture[str], good: str, bad: str, line: int, message: str
) -> None:
    found = problems(page, GOOD.replace(good, bad), capsys)
    assert any(message in text and f"page.md:{line}:" in text for text in found), found


def test_lines_are_those_of_the_page(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "Text.\n\n```{code-cell} python\n:tags: [hide-input]\n\nx = 1\ny = missing\n```\n"
    found = problems(page, body + "\n" + GOOD, capsys)
    line = (HEAD + body).splitlines().index("y = missing") + 1
    assert [text.split(": ")[0] for text in found] == 2 * [f"book/page.md:{line}"]


def test_a_name_defined_in_an_earlier_cell_is_known(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = "\n```{code-cell}\nprint(figure)\n```\n"
    assert problems(page, GOOD + later, capsys) == []


def test_a_name_taken_on_another_page_is_found(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (page.parent / "a-first.md").write_text(HEAD + GOOD, encoding="utf-8")
    page.write_text(HEAD + GOOD, encoding="utf-8")
    assert lint_cells.main(fix=False) == 1
    found = capsys.readouterr().out.splitlines()
    assert found == ["book/page.md:18: the name fig-a is taken: book/a-first.md:18"]


@pytest.mark.parametrize(
    ("hidden", "later", "replaced"),
    [
        ("x = 2", "print(x)", True),
        ("def x() -> None: ...", "print(lambda: x)", True),
        ("y = 2", "print(x)", False),
        ("print([x for x in range(3)])", "print(x)", False),
        ("x = 2", "x = 3\nprint(x)", False),
    ],
)
def test_a_hidden_cell_replaces_no_name_in_use(hidden: str, later: str, replaced: bool) -> None:
    sources = [("x = 1", []), (hidden, ["remove-cell"]), (later, [])]
    page = cells.BOOK / "page.md"
    found = [cells.Cell(page, 10 * i, s, {"tags": tags}) for i, (s, tags) in enumerate(sources)]
    expected = ["book/page.md:10: x is replaced out of sight"] if replaced else []
    assert lint_cells.replaced_names(found) == expected


CONTROLS = """```{code-cell}
:tags: [remove-cell]
from scalelib.figures import Drawing, gallery
from scalelib.provenance import record
from scalelib.widgets import explore


def draw(size: int) -> Drawing:
    return gallery({}, provenance=record("draw", size=size))


explore(draw, size=[1, 2])
```
"""


def test_controls_stay_off_the_page(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert problems(page, CONTROLS, capsys) == []
    found = problems(page, CONTROLS.replace("remove-cell", "hide-cell"), capsys)
    assert found == ["book/page.md:10: controls are dead on the page: tag it remove-cell"]


@pytest.mark.parametrize(
    "source",
    ["import ipywidgets", "from ipywidgets import interact", "scalelib.widgets.explore(draw)"],
)
def test_controls_are_recognised(source: str) -> None:
    assert cells.needs_kernel(source)
    assert not cells.needs_kernel("from scalelib.widgets import BetaBound\n\nBetaBound()")


def test_drawing_through_the_package_is_seen() -> None:
    names = cells.drawing_names("from scalelib.figures import film_strip\nimport math")
    assert names == {"film_strip"}
    assert cells.draws("film_strip(x)", names)
    assert cells.draws("scalelib.figures.film_strip(x)", {"scalelib.figures.film_strip"})
    assert not cells.draws("math.sqrt(2)", names)


def test_formatting_rewrites_only_the_cells(page: Path) -> None:
    ugly = GOOD.replace("plt.subplots()", "plt.subplots( )").replace("[0, 1]", "[0,1]")
    page.write_text(HEAD + "Text  with spaces.\n\n" + ugly, encoding="utf-8")
    assert lint_cells.main(fix=True) == 0
    assert page.read_text(encoding="utf-8") == HEAD + "Text  with spaces.\n\n" + GOOD
