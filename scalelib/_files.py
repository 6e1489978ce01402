"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

__all__ = ["replace"]


def replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that its name always stands for the old content or the new one.

    The bytes go to a temporary file beside it, are forced to the disk, and take the name in one
    step of the file system. An error leaves the old file and nothing else. A process that is killed
    may leave the temporary file ``.NAME.*`` behind.

    Parameters
    ----------
    path : Path
        File to write or replace, in an existing folder.
    write : callable
        Writes the content to the stream it is given.

    Raises
    ------
    OSError
        If it cannot be written, for instance because the disk is full.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # mkstemp lets nobody else read
        temporary.replace(path)
    except BaseException:  # Ctrl-C too leaves no temporary file
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk, where folders can be opened at all."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
