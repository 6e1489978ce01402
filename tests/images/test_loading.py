"""Photographs as tensors."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scalelib.images import PHOTOGRAPHS, list_names, load
from scalelib.provenance import fingerprint

NAMES = [photograph.name for photograph in PHOTOGRAPHS]


@pytest.fixture
def folder(tmp_path):
    """Twelve images of different sizes, in two subfolders."""
    rng = np.random.default_rng(5)
    top = tmp_path / "photos"
    for k in range(12):
        name = top / "ab"[k % 2] / f"{k:02}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        array = rng.integers(0, 256, (20 + k, 31 - k, 3), dtype=np.uint8)
        Image.fromarray(array if k % 3 else array[..., 0]).save(name)
    return top


CHELSEA = "5f4dd5e348b8d2e5586ade9cfea07782aacfc74ea960503e4f6f1595c6917222"
THREE_CATS = "d3a86f0e41252cef32ffd2d4f116e2eeaf62f2f375a40a30b49fbda77814a83b"


# What is loaded


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_photograph_fills_the_range(name, channels):
    u = load(name, channels=channels)
    assert u.shape == (1, channels, 64, 64)
    assert u.dtype == torch.float32
    assert u.is_contiguous()
    assert u.min() >= -1
    assert u.max() <= 1
    assert u.var() > 0.005  # a picture, not a constant


def test_all_photographs_come_in_the_order_of_the_catalogue():
    u = load("photographs", size=48, channels=3)
    assert len(u) == len(PHOTOGRAPHS)
    for k, name in enumerate(NAMES):
        assert torch.equal(u[k : k + 1], load(name, size=48, channels=3))


def test_the_data_are_the_same_everywhere():
    """A PNG without loss, and arithmetic whose order no machine chooses."""
    assert fingerprint(load("chelsea")) == CHELSEA
    assert fingerprint(load("chelsea", count=3, seed=1, channels=3)) == THREE_CATS


def test_the_range_is_applied_exactly(folder):
    unit = load(folder, size=16, value_range=(0, 1), channels=3)
    byte = load(folder, size=16, value_range=(0, 255), channels=3)
    signed = load(folder, size=16, channels=3)
    assert torch.allclose(byte, 255 * unit, atol=1e-4)
    assert torch.allclose(signed, 2 * unit - 1, atol=1e-6)


def test_black_and_white_are_the_ends_of_the_range(tmp_path):
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).save(tmp_path / "a.png")
    u = load(tmp_path, size=2, value_range=(-3, 5))
    assert u.flatten().tolist() == [-3, 5, 5, -3]


def test_a_folder_gives_one_centred_crop_a_file_in_sorted_order(folder):
    u = load(folder, size=20, value_range=(0, 255), channels=3)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    assert len(u) == len(files) == 12
    for one, name in zip(u, files, strict=True):
        assert torch.equal(one, load(folder / name, 20, value_range=(0, 255), channels=3)[0])
    pixels = np.asarray(Image.open(folder / "a/00.png").convert("RGB"))  # 20 x 31
    assert np.array_equal(u[0].numpy(), np.moveaxis(pixels[:, 5:25], 2, 0))


def test_the_order_is_not_that_of_the_file_system(folder, tmp_path):
    files = [p.relative_to(folder) for p in folder.rglob("*.png")]
    random.Random(1).shuffle(files)
    for name in files:
        (tmp_path / "again" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, tmp_path / "again" / name)
    for count in (None, 30):
        assert torch.equal(load(folder, 10, count), load(tmp_path / "again", 10, count))


def test_hidden_files_are_ignored(folder):
    before = load(folder, 10)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "notes.txt").write_text("no image")
    (folder / "a" / ".DS_Store").write_text("no image")
    assert torch.equal(load(folder, 10), before)


def test_a_hidden_parent_hides_nothing(folder, tmp_path):
    hidden = tmp_path / ".hidden"
    shutil.copytree(folder, hidden / "photos")
    assert torch.equal(load(hidden / "photos", 10), load(folder, 10))


# Random crops


@given(st.integers(0, 2**63 - 1))
def test_the_seed_decides(seed):
    one = load("chelsea", 16, count=2, seed=seed)
    assert torch.equal(one, load("chelsea", 16, count=2, seed=seed))
    assert not torch.equal(one, load("chelsea", 16, count=2, seed=(seed + 1) % 2**63))
    assert not torch.equal(one[0], one[1])


def test_the_global_generator_is_left_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one = load("chelsea", 16, count=2)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    assert torch.equal(load("chelsea", 16, count=2), one)


@pytest.mark.parametrize("count", [1, 6, 7, 8, 30])
def test_a_smaller_count_gives_the_first_images(count):
    assert torch.equal(load("photographs", 16, count), load("photographs", 16, 40)[:count])


def test_all_images_are_used_before_one_is_used_again(tmp_path):
    for k in range(5):
        Image.fromarray(np.full((9, 9), 50 * k, np.uint8)).save(tmp_path / f"{k}.png")
    u = load(tmp_path, size=4, count=15, seed=8, value_range=(0, 255)).mean(dim=(1, 2, 3))
    rounds = [sorted(u[k : k + 5].tolist()) for k in (0, 5, 10)]
    assert rounds == [[0, 50, 100, 150, 200]] * 3


def test_images_are_used_in_a_random_order(tmp_path):
    for k in range(5):
        Image.fromarray(np.full((9, 9), 50 * k, np.uint8)).save(tmp_path / f"{k}.png")
    orders = {tuple(load(tmp_path, 4, 5, seed).mean((1, 2, 3)).tolist()) for seed in range(20)}
    assert len(orders) > 10


def test_random_crops_differ_in_place_and_scale():
    u = load("grass", 32, count=200, seed=2)
    assert len({fingerprint(one) for one in u}) > 190  # the whole image may come up twice
    assert load("grass", 512, count=1).shape == (1, 1, 512, 512)


# Where the photographs of BSDS500 are


@pytest.mark.bsds500
@pytest.mark.skipif(not os.environ.get("SCALELIB_BSDS500"), reason="SCALELIB_BSDS500 is not set")
def test_bsds500_has_400_photographs_for_training_and_test():
    u = load("bsds500", channels=3)
    assert u.shape == (400, 3, 64, 64)
    assert len({fingerprint(one) for one in u}) == 400
    assert torch.equal(u, load(os.environ["SCALELIB_BSDS500"], channels=3))
    with pytest.raises(ValueError, match=r"size must be at most 321, .* found 322"):
        load("bsds500", size=322, count=2)


def test_bsds500_is_found_through_its_variable(monkeypatch, folder):
    monkeypatch.setenv("SCALELIB_BSDS500", str(folder))
    assert torch.equal(load("bsds500", 10), load(folder, 10))


@pytest.mark.parametrize("value", [None, "", "no/such/folder"])
def test_bsds500_says_how_to_get_it(monkeypatch, value):
    if value is None:
        monkeypatch.delenv("SCALELIB_BSDS500", raising=False)
    else:
        monkeypatch.setenv("SCALELIB_BSDS500", value)
    with pytest.raises(ValueError, match=r"variable SCALELIB_BSDS500 names: get BSDS500 from htt"):
        load("bsds500")


# What is refused


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 0}, ValueError, "size must be at least 1, found 0"),
        ({"size": 32.0}, TypeError, "size must be an integer, found 32.0"),
        (
            {"size": 301},
            ValueError,
            r"at most 300, .* of 'chelsea' \(451 x 300 pixels\), found 301",
        ),
        ({"size": 301, "count": 2}, ValueError, "size must be at most 300"),
        ({"count": 0}, ValueError, "count must be at least 1, found 0"),
        ({"count": True}, TypeError, "count must be an integer, found True"),
        ({"seed": -1}, ValueError, "seed must be between 0 and 9223372036854775807, found -1"),
        ({"channels": 2}, ValueError, "channels must be 1 or 3, found 2"),
        ({"channels": 4}, ValueError, "channels must be between 1 and 3, found 4"),
        ({"channels": "RGB"}, TypeError, "channels must be an integer, found 'RGB'"),
        ({"value_range": (1, -1)}, ValueError, r"must be increasing, found \(1, -1\)"),
        ({"value_range": (0, 0)}, ValueError, "must be increasing"),
        ({"value_range": (0, float("inf"))}, ValueError, r"value_range\[1\] must be finite"),
        ({"value_range": (0, 1, 2)}, TypeError, r"must be a pair \(low, high\), found \(0, 1, 2\)"),
        ({"value_range": 255}, TypeError, r"must be a pair \(low, high\), found 255"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        load("chelsea", **arguments)


@pytest.mark.parametrize("name", ["lena", "no/such/folder", ""])
def test_unknown_names_list_the_known(name):
    with pytest.raises(
        ValueError, match=r"must be one of photographs, astronaut, .*, bsds500, or "
    ):
        load(name)
    assert all(known in list_names() for known in ("photographs", "bsds500", *NAMES))


@pytest.mark.parametrize("name", [None, 3, b"chelsea", ["chelsea"]])
def test_names_of_another_type_are_named(name):
    with pytest.raises(TypeError, match="name_or_folder must be a string or a Path, found"):
        load(name)


def test_a_path_is_never_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="found 'chelsea'"):
        load(Path("chelsea"))


def test_an_empty_folder_is_named(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / ".hidden.png").write_bytes(b"")
    with pytest.raises(
        ValueError, match=f"must be a folder with images, found no file in {tmp_path}"
    ):
        load(tmp_path)


@pytest.mark.parametrize("count", [None, 12])
def test_bad_files_are_named_and_the_others_listed(folder, count):
    good = (folder / "a/00.png").read_bytes()
    (folder / "b/notes.txt").write_text("no image")
    (folder / "b/torn.png").write_bytes(good[: len(good) // 2])
    (folder / "z").symlink_to(folder / "gone")
    with pytest.raises(ValueError, match="found 3 of 15 files that are not") as caught:
        load(folder, 10, count=count and 15)
    message = str(caught.value)
    assert all(name in message for name in ("'b/notes.txt'", "'b/torn.png'", "'z'"))
    assert "the other 12 are readable: 'a/00.png', 'a/02.png'" in message
    assert message.endswith("and 2 more")


def test_a_small_image_is_named(folder):
    with pytest.raises(ValueError, match=r"of 'a/00.png' \(31 x 20 pixels\), found 24"):
        load(folder, size=24)


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"1 of 1 files .*'notes.txt' \(cannot identify"):
        load(tmp_path / "notes.txt")
