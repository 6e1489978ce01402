"""Give each state of package, data and pins its own cache of executed notebooks.

jupyter-cache recognises a notebook by its code alone, so that a change in the package would leave
outdated figures in the book. The folder name carries the rest of what they depend on.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

from content_key import content_key

KEEP = 3  # switching between branches should not cost an execution each time


def prune(folder: Path, keep: int = KEEP) -> None:
    """Remove all but the most recently used caches."""
    used = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in used[keep:]:
        shutil.rmtree(old)


def _use_keyed_cache(app: Sphinx, config: Config) -> None:
    folder = Path(app.outdir).parent / ".jupyter_cache"
    cache = folder / content_key(Path(app.srcdir))
    cache.mkdir(parents=True, exist_ok=True)
    os.utime(cache)
    prune(folder)
    # myst-nb counts this value as part of the environment: a new path re-reads every page.
    config.nb_execution_cache_path = str(cache)


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.connect("config-inited", _use_keyed_cache, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
