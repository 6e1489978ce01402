"""Each executable page offers its notebook; Colab is offered once the repository is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext
import nbclient
import nbformat
import pytest

import plain_markdown

ROOT = Path(__file__).resolve().parents[2]
LEFT = re.compile(r"\{[a-z][a-z:-]*\}`|^\s*(?::{3,}|`{3,}\{)", re.MULTILINE)
PAGE = """---
file_format: mystnb
kernelspec: {display_name: Python 3, name: python3, language: python}
---
# Title

{eq}`eq-one` on {doc}`page`.

```{math}
:label: eq-one
x = 1
```

```{code-cell} ipython3
:tags: [hide-input]
x = 1
assert x == 1
```
"""
ADDRESS = "https://github.com/someone/companion"


def executable() -> list[Path]:
    pages = sorted((ROOT / "book").glob("*.md"))
    return [page for page in pages if "\nkernelspec:" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", executable(), ids=lambda page: page.stem)
def test_no_role_and_no_directive_is_left(page: Path) -> None:
    cells = jupytext.reads(page.read_text(encoding="utf-8"), fmt="md:myst").cells
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert not [t for t in texts if LEFT.search(plain_markdown.plain(t, lambda _, text: text))]


def test_a_directive_without_end_is_seen() -> None:
    with pytest.raises(ValueError, match="never closed"):
        plain_markdown.plain(":::{note}\ntext", lambda _, text: text)


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_a_page_offers_its_notebook(small_book: Any, address: str) -> None:
    repository = {"url": address, "path_to_book": "", "branch": "main"}
    small_book.configure("repository_buttons", "notebook_files", repository=repository)
    small_book.write("book/page.md", PAGE)
    small_book.build()
    html = small_book.html()
    assert 'href="../_sources/book/page.ipynb"' in html
    colab = "colab.research.google.com/github/someone/companion/blob/notebooks/book/page.ipynb"
    assert (colab in html) == bool(address)
    file = small_book.root / "_build/html/_sources/book/page.ipynb"
    made = nbformat.read(file, as_version=4)
    nbformat.validate(made)
    assert ("git clone" in str(made)) == bool(address)
    assert made.cells[-1].metadata.tags == ["hide-input"]
    assert r"\tag{1}" in str([cell.source for cell in made.cells]).replace("\\\\", "\\")
    nbclient.NotebookClient(made, timeout=60).execute()


def test_a_part_of_the_book_has_notebooks(small_book: Any) -> None:
    """What the references lead to lies on pages that are not built."""
    absent = "{doc}`far away <other>`, {ref}`a-label`, {prf:ref}`thm-a`, {eq}`eq-a`, {doc}`other`"
    repository = {"url": "", "path_to_book": "", "branch": "main"}
    small_book.configure("repository_buttons", "notebook_files", repository=repository)
    small_book.write("book/page.md", PAGE + f"\n{absent}\n")
    small_book.build()
    file = small_book.root / "_build/html/_sources/book/page.ipynb"
    cells = nbformat.read(file, as_version=4).cells
    assert "far away, a-label, thm-a, eq-a, other" in [cell.source.strip() for cell in cells]
