"""Stores: atomic, refusing what does not belong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from experiments.cases import configuration, parts_in

from scalelib.experiments._parts import Part
from scalelib.experiments.store import Store


def some() -> Part:
    part = Part.empty(3, 2, "means")
    part.add(0, torch.rand(4, 5, 2), torch.rand(4, 5))
    return part


def test_opened_again_it_is_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path / "r", configuration())
    assert store.load("vp", 0) is None
    store.save("vp", 0, some())
    for again in (Store(tmp_path / "r"), Store(tmp_path / "r", configuration())):
        found = again.load("vp", 0)
        assert found is not None
        assert found.done == {0}
        assert again.configuration == configuration()
    assert parts_in(tmp_path / "r") == ["vp-0.npz"]


def test_another_configuration_is_told_apart(tmp_path: Path) -> None:
    Store(tmp_path, configuration())
    with pytest.raises(ValueError, match=r"scales: 3 there, 4 now; contrast: 0.5 there, 0.4 now"):
        Store(tmp_path, configuration(scales=4, contrast=0.4))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": "other"}', b"\xff"])
def test_a_damaged_configuration_is_refused(content: bytes, tmp_path: Path) -> None:
    Store(tmp_path, configuration())
    (tmp_path / "configuration.json").write_bytes(content)
    with pytest.raises(ValueError, match="must be a folder with results"):
        Store(tmp_path)


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a folder with results, found none"):
        Store(tmp_path / "absent")
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(ValueError, match="must be empty or a folder with results"):
        Store(tmp_path, configuration())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_whose_making_was_cut_off_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("scalelib._files.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            Store(tmp_path / "r", configuration())
    (tmp_path / "r" / ".configuration.json.abc").touch()  # as a killed process leaves it
    store = Store(tmp_path / "r", configuration())
    store.save("vp", 0, some())
    assert store.load("vp", 0) is not None


def test_a_full_disk_leaves_the_previous_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, configuration())
    store.save("vp", 0, some())

    def full(stream: Any, **arrays: Any) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        store.save("vp", 0, Part.empty(3, 2, "means"))
    found = store.load("vp", 0)
    assert found is not None
    assert found.done == {0}
    assert parts_in(tmp_path) == ["vp-0.npz"]


def test_a_damaged_part_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path, configuration())
    store.save("vp", 0, some())
    file = tmp_path / "parts" / "vp-0.npz"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ValueError, match="results must be readable, found"):
        store.load("vp", 0)
