"""One hash of everything that a code cell's output depends on, besides the cell itself.

The execution cache of the book and every file computed at build time are keyed by it. It covers the
package, the data under ``book/``, the pins, the installed distributions and the interpreter.
Prose is left out: editing a sentence re-executes nothing.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

PINS = ("constraints.txt", "requirements-torch.txt")
PROSE = frozenset({".md", ".bib", ".ipynb"})  # and notebooks that a reader made from a page
NOT_DATA = frozenset({"_ext", "_inv", "_static", "_vendor"})  # folders of book/ no cell reads


def _files(top: Path, skip: frozenset[str]) -> Iterator[Path]:
    for folder, names, files in os.walk(top):
        names[:] = [n for n in names if n not in skip and not n.startswith(".")]
        yield from (Path(folder, f) for f in files if not f.startswith("."))


def package_files(root: Path) -> list[Path]:
    """Every source file of the package, sorted."""
    return sorted(_files(root / "scalelib", frozenset({"__pycache__"})))


def data_files(root: Path) -> list[Path]:
    """Every file under ``book/`` that a cell may read, sorted."""
    found = _files(root / "book", NOT_DATA | {"__pycache__"})
    return sorted(f for f in found if f.suffix not in PROSE)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def installed() -> list[str]:
    """Name and version of every installed distribution, sorted."""
    return sorted({f"{d.metadata['Name']}=={d.version}" for d in metadata.distributions()})


def content_key(root: Path) -> str:
    """Sixteen hexadecimal digits that change whenever cell outputs could."""
    pins = [root / name for name in PINS]
    parts = [sys.version, platform.machine(), *installed()]
    for path in (*package_files(root), *data_files(root), *pins):
        parts.append(f"{path.relative_to(root).as_posix()} {file_hash(path)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
