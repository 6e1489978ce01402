"""A book of one page, built for real: what is executed again, and what is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import build_book
import execution_cache

PAGE = """---
file_format: mystnb
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# Title

```{code-cell}
from pathlib import Path
print(Path("data.csv").read_text(), Path("../scalelib/a.py").read_text())
```
"""
FILES = {
    "book/page.md": PAGE,
    "book/data.csv": "data-one",
    "scalelib/a.py": "code-one",
    "constraints.txt": "",
    "requirements-torch.txt": "",
}


@pytest.fixture
def book(small_book: Any) -> Any:
    small_book.configure("execution_cache")
    for name, text in FILES.items():
        small_book.write(name, text)
    return small_book


def executed(book: Any) -> bool:
    return "Executing notebook" in book.build()


def test_only_what_matters_executes_again(book: Any) -> None:
    assert executed(book)
    assert "data-one code-one" in book.html()
    assert not executed(book)

    book.write("book/page.md", PAGE.replace("# Title", "# Another title"))
    assert not executed(book)
    assert "Another title" in book.html()
    assert "data-one code-one" in book.html()

    book.write("book/data.csv", "data-two")
    assert executed(book)
    assert "data-two code-one" in book.html()

    book.write("scalelib/a.py", "code-two")
    assert executed(book)
    assert "data-two code-two" in book.html()

    book.write("constraints.txt", "numpy==2.0.0")
    assert executed(book)


@pytest.mark.parametrize(
    "code", ["raise ValueError('broken')", "import sys; sys.stderr.write('x')"]
)
def test_a_failing_cell_fails_every_strict_build(
    book: Any, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_book, "ROOT", book.root)
    monkeypatch.setattr(build_book, "BUILD", book.root / "_build")
    monkeypatch.setattr(build_book.vendor, "ensure", lambda: None)
    assert build_book.build(strict=True, everything=False) == 0
    book.write("book/page.md", PAGE.replace("from pathlib", f"{code}\nfrom pathlib"))
    for _ in range(2):  # what the first build leaves behind must not hide the failure
        assert build_book.build(strict=True, everything=False) != 0


def test_prune_keeps_the_most_recently_used(tmp_path: Path) -> None:
    for age, name in enumerate("abcde"):
        folder = tmp_path / name
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    execution_cache.prune(tmp_path, keep=2)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
