"""The notebooks that the pages offer."""

from __future__ import annotations

import re
from pathlib import Path

import nbclient
import nbformat
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
EXECUTABLE = sorted(
    path.stem
    for path in (ROOT / "book").glob("*.md")
    if "kernelspec:" in path.read_text(encoding="utf-8").split("\n# ", maxsplit=1)[0]
)


def offered(html: Path, name: str) -> list[Path]:
    """Notebooks that a page links."""
    page = html / f"book/{name}.html"
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    addresses = {str(tag["href"]) for tag in soup.select('a[href$=".ipynb"]')}
    return [(page.parent / address).resolve() for address in sorted(addresses)]


def test_there_are_executable_pages() -> None:
    assert {"intro", "osmosis", "distances"} <= set(EXECUTABLE)


@pytest.mark.parametrize("name", EXECUTABLE)
def test_page_offers_its_notebook(html: Path, name: str) -> None:
    paths = offered(html, name)
    assert [path.name for path in paths] == [f"{name}.ipynb"]
    notebook = nbformat.read(paths[0], as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs for cell in code)


def labels() -> set[str]:
    """What references of the book lead to: statements, formulas, figures, sections, sources."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md"))
    sources = (ROOT / "book/references.bib").read_text(encoding="utf-8")
    inside = r"^\s*:label: (\S+)|^\(([\w-]+)\)=|^\s+name: (fig-\S+)"
    found = {name for names in re.findall(inside, pages, re.MULTILINE) for name in names if name}
    return found | set(re.findall(r"^@\w+\{([^,]+),", sources, re.MULTILINE))


@pytest.mark.parametrize("name", EXECUTABLE)
def test_every_reference_of_a_notebook_has_a_meaning(html: Path, name: str) -> None:
    """Without one its label stands in the text; addresses of links have them behind a #."""
    cells = nbformat.read(offered(html, name)[0], as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert not set(re.findall(r"(?<![#\w-])[\w-]+", text)) & labels()


def test_a_notebook_runs_away_from_the_book(html: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(offered(html, "image-credits")[0], as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    assert any(cell.get("outputs") for cell in notebook.cells)
