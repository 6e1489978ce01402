"""The key of the execution cache changes with all that outputs depend on, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import content_key

FILES = {
    "scalelib/__init__.py": "x = 1\n",
    "scalelib/processes/base.py": "y = 1\n",
    "scalelib/widgets/explorer.js": "export const z = 1;\n",
    "scalelib/widgets/explorer.css": "p { margin: 0 }\n",
    "book/results.json": "{}\n",
    "book/data/curve.csv": "1,2\n",
    "book/results/compared.nc": "CDF\n",
    "constraints.txt": "numpy==2.0.0\n",
    "requirements-torch.txt": "torch==2.0.0\n",
}
PROSE = {
    "book/intro.md": "# A\n",
    "book/references.bib": "@misc{a}\n",
    "book/_static/book.css": "a {}\n",
    "book/_ext/extension.py": "a = 1\n",
    "book/_vendor/node_modules/a/a.js": "1\n",
    "book/.ipynb_checkpoints/a.json": "{}\n",
    "scalelib/__pycache__/a.pyc": "a\n",
    "README.md": "# A\n",
    "pyproject.toml": "[project]\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {**FILES, **PROSE}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_a_change_of_package_data_or_pins_changes_the_key(root: Path, name: str) -> None:
    before = content_key.content_key(root)
    (root / name).write_text(FILES[name] + "\n")
    assert content_key.content_key(root) != before


@pytest.mark.parametrize("name", PROSE)
def test_a_change_of_prose_keeps_the_key(root: Path, name: str) -> None:
    before = content_key.content_key(root)
    (root / name).write_text(PROSE[name] + "more\n")
    assert content_key.content_key(root) == before


def _add(root: Path) -> None:
    (root / "scalelib/new.py").write_text("")


def _remove(root: Path) -> None:
    (root / "book/results.json").unlink()


def _rename(root: Path) -> None:
    (root / "book/results.json").rename(root / "book/other.json")


@pytest.mark.parametrize("change", [_add, _remove, _rename])
def test_a_change_of_the_set_of_files_changes_the_key(
    root: Path, change: Callable[[Path], None]
) -> None:
    before = content_key.content_key(root)
    change(root)
    assert content_key.content_key(root) != before


def test_installed_versions_and_python_change_the_key(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content_key.content_key(root)
    with monkeypatch.context() as patch:
        patch.setattr(content_key, "installed", lambda: ["numpy==0.1"])
        assert content_key.content_key(root) != before
    with monkeypatch.context() as patch:
        patch.setattr(content_key.sys, "version", "3.99.0")
        assert content_key.content_key(root) != before
    assert content_key.content_key(root) == before


def test_installed_names_torch() -> None:
    release = torch.__version__.split("+")[0]  # the metadata of some builds leave out the build
    assert any(name.startswith(f"torch=={release}") for name in content_key.installed())
