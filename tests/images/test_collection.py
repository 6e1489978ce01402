"""Collections: the same crops whatever is asked for, and bad files named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scalelib.images import Collection, load


def save(path: Path, shape: tuple[int, ...] = (20, 30, 3), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k, name in enumerate(("a.png", "b.png", "inner/c.png")):
        save(tmp_path / name, (20 + k, 30), k)
    return tmp_path


def test_one_crop_is_that_of_load() -> None:
    found = Collection("photographs", size=32, channels=1)
    assert torch.equal(found.load(range(len(found))), load("photographs", size=32))


def test_crops_do_not_depend_on_order_or_company(folder: Path) -> None:
    found = Collection(folder, size=8, crops=3)
    assert len(found) == 9
    assert found.labels[2:4] == ["a.png#2", "b.png#0"]
    everything = found.load(range(9))
    assert torch.equal(found.load([7, 0, 7]), everything[[7, 0, 7]])
    assert len({image.numpy().tobytes() for image in everything}) == 9
    assert everything.abs().max() <= 1


def test_another_file_changes_no_other_crop(folder: Path) -> None:
    before = Collection(folder, size=8, crops=2)
    save(folder / "ab.png", seed=9)
    after = Collection(folder, size=8, crops=2)
    assert torch.equal(after.load([0, 1, 4, 5]), before.load([0, 1, 2, 3]))
    assert before.fingerprint != after.fingerprint


def test_the_fingerprint_is_that_of_the_content(folder: Path, tmp_path: Path) -> None:
    before = Collection(folder, size=8).fingerprint
    assert Collection(folder, size=8, crops=5).fingerprint == before
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("a.png", "b.png", "inner/c.png"):
        (moved / name).parent.mkdir(exist_ok=True)
        (folder / name).rename(moved / name)
    assert Collection(moved, size=8).fingerprint == before
    save(moved / "a.png", (20, 30), seed=5)
    assert Collection(moved, size=8).fingerprint != before


def test_the_seed_decides_the_crops(folder: Path) -> None:
    first, again, other = (Collection(folder, 8, crops=2, seed=s).load([3]) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_bad_files_are_named_counted_and_skipped_on_request(folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"no image")
    save(folder / "small.png", (5, 50))
    with pytest.raises(ValueError, match=r"found 2 of 5 files that are not: .*broken.*small"):
        Collection(folder, size=8)
    found = Collection(folder, size=8, skip_bad=True)
    assert sorted(found.skipped) == ["broken.png", "small.png"]
    assert "at most 5" in found.skipped["small.png"]
    assert len(found) == 3


def test_nothing_usable(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="found 1 files, none of them usable"):
        Collection(tmp_path, size=8, skip_bad=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "size must be at least 1"),
        ({"crops": 0}, "crops must be at least 1"),
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_bad_arguments(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Collection("photographs", **({"size": 8} | changes))
    with pytest.raises(ValueError, match="index must be between 0 and 6, found 7"):
        Collection("photographs", size=8).load([7])
