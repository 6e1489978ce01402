"""A book of one page in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import execution_cache

EXTENSIONS = Path(execution_cache.__file__).parent.as_posix()
# What Jupyter Book needs at least; its own list has an extension that breaks every page's script.
BASIC = [
    "sphinx_togglebutton",
    "sphinx_copybutton",
    "myst_nb",
    "jupyter_book",
    "sphinx_external_toc",
    "sphinx_comments",
    "sphinx_book_theme",
]


@dataclass(frozen=True)
class SmallBook:
    """Its folder, and how to write its files and build it."""

    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def configure(self, *extensions: str, style: Path | None = None, **settings: object) -> None:
        """Write the configuration, with some of the book's own extensions and its style sheet."""
        execute = {
            "execute_notebooks": "cache",
            "raise_on_error": True,
            "stderr_output": "error",
        }
        sphinx = {
            "local_extensions": dict.fromkeys(extensions, EXTENSIONS),
            "recursive_update": True,
            "config": {
                "extensions": [*BASIC, *extensions],
                "html_context": {"default_mode": "auto"},
            },
        }
        if style:
            sphinx["config"] |= {"html_static_path": [str(style)], "html_css_files": ["book.css"]}
        config = {"title": "t", "only_build_toc_files": True, "execute": execute, "sphinx": sphinx}
        self.write("_config.yml", yaml.safe_dump({**config, **settings}))
        self.write("_toc.yml", "format: jb-book\nroot: book/page\n")

    def build(self) -> str:
        """Build and return what jupyter-book printed."""
        program = str(Path(sysconfig.get_path("scripts"), "jupyter-book"))
        env = {**os.environ, "IPYTHONDIR": str(self.root / "ipython")}
        command = [program, "build", "."]
        done = subprocess.run(
            command, cwd=self.root, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def html(self) -> str:
        return (self.root / "_build/html/book/page.html").read_text(encoding="utf-8")


@pytest.fixture
def small_book(tmp_path: Path) -> SmallBook:
    return SmallBook(tmp_path)
