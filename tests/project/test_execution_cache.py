"""A book of one page, built for real: what is executed again, and what is not."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import build_book
import execution_cache
import pytest

EXTENSIONS = Path(execution_cache.__file__).parent
CONFIG = f"""
title: t
only_build_toc_files: true
execute: {{execute_notebooks: cache, raise_on_error: true, stderr_output: error}}
sphinx:
  local_extensions: {{execution_cache: {EXTENSIONS.as_posix()}}}
  recursive_update: true
"""
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
    "_config.yml": CONFIG,
    "_toc.yml": "format: jb-book\nroot: book/page\n",
    "book/page.md": PAGE,
    "book/data.csv": "data-one",
    "scalelib/a.py": "code-one",
    "constraints.txt": "",
    "requirements-torch.txt": "",
}


def executed(root: Path) -> bool:
    program = Path(sysconfig.get_path("scripts"), "jupyter-book")
    env = {**os.environ, "IPYTHONDIR": str(root / "ipython")}
    done = subprocess.run(
        [program, "build", "."], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return "Executing notebook" in done.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_only_what_matters_executes_again(root: Path) -> None:
    def page() -> str:
        return (root / "_build/html/book/page.html").read_text(encoding="utf-8")

    assert executed(root)
    assert "data-one code-one" in page()
    assert not executed(root)

    (root / "book/page.md").write_text(PAGE.replace("# Title", "# Another title"))
    assert not executed(root)
    assert "Another title" in page()
    assert "data-one code-one" in page()

    (root / "book/data.csv").write_text("data-two")
    assert executed(root)
    assert "data-two code-one" in page()

    (root / "scalelib/a.py").write_text("code-two")
    assert executed(root)
    assert "data-two code-two" in page()

    (root / "constraints.txt").write_text("numpy==2.0.0")
    assert executed(root)


@pytest.mark.parametrize(
    "code", ["raise ValueError('broken')", "import sys; sys.stderr.write('x')"]
)
def test_a_failing_cell_fails_every_strict_build(
    root: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_book, "ROOT", root)
    monkeypatch.setattr(build_book, "BUILD", root / "_build")
    monkeypatch.setattr(build_book.vendor, "ensure", lambda: None)
    assert build_book.build(strict=True, everything=False) == 0
    (root / "book/page.md").write_text(PAGE.replace("from pathlib", f"{code}\nfrom pathlib"))
    for _ in range(2):  # what the first build leaves behind must not hide the failure
        assert build_book.build(strict=True, everything=False) != 0


def test_prune_keeps_the_most_recently_used(tmp_path: Path) -> None:
    for age, name in enumerate("abcde"):
        folder = tmp_path / name
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    execution_cache.prune(tmp_path, keep=2)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
