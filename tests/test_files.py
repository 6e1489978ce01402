"""Files are whole or not there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

import pytest

from scalelib import _files


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_new_content_takes_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for content in (b"first", b"second"):
        _files.replace(path, lambda stream, c=content: stream.write(c))
        assert path.read_bytes() == content
    assert names(tmp_path) == ["a.bin"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("function", ["fsync", "replace", "chmod"])
def test_an_error_leaves_the_old_content(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if function == "fsync" else type(path), function, full)
        with pytest.raises(OSError, match="No space left"):
            _files.replace(path, lambda stream: stream.write(b"new"))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_an_interrupted_writer_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def interrupted(stream: IO[bytes]) -> None:
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _files.replace(path, interrupted)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]
