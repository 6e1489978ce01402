"""IDX files, and the images of Fashion-MNIST where they are installed."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scalelib.images import load, read_idx
from scalelib.images.idx import is_idx

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
needs_fashion = pytest.mark.skipif(
    not FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)


def idx(array, kind=8):
    """An array of bytes as the format prescribes it."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return head + array.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 4), dtype=np.uint8)


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4)), st.booleans())
def test_what_was_written_is_read(tmp_path_factory, array, packed):
    path = tmp_path_factory.mktemp("idx") / "x-ubyte"
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    found = read_idx(path)
    assert found.dtype == torch.uint8
    assert np.array_equal(found.numpy(), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must start with an IDX header, found b''"),
        (b"\0\0\x08", "must start with an IDX header"),
        (b"\x89PNG\r\n", "must start with an IDX header, found b'.x89PNG'"),
        (b"\0\0\x08\0", "must start with an IDX header"),
        (idx(IMAGES, kind=0x0D), r"must hold unsigned bytes \(IDX type 0x08\), found type 0x0d"),
        (idx(IMAGES)[:9], "must have a header of 16 bytes, found 9"),
        (idx(IMAGES)[:-1], r"must hold 120 bytes of data for shape \(5, 6, 4\), found 119"),
        (idx(IMAGES) + b"\0", "must hold 120 bytes of data .* found 121"),
        (idx(IMAGES[:0]), r"must hold at least one value, found shape \(0, 6, 4\)"),
        (gzip.compress(idx(IMAGES))[:-9], "must be a complete gzip file"),
        (gzip.compress(idx(IMAGES))[:12] + b"\xff" * 40, "must be a complete gzip file"),
        (b"\x1f\x8b", "must be a complete gzip file"),
    ],
)
def test_damaged_files_are_named(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path)
    assert path.name in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    for read in (read_idx, load):
        with pytest.raises(ValueError, match=r"found none at .*train-images-idx3-ubyte"):
            read(tmp_path / "train-images-idx3-ubyte")


def test_idx_files_are_recognised_by_name():
    assert is_idx(Path("train-images-idx3-ubyte"))
    assert is_idx(Path("folder/train-images.idx3-ubyte.gz"))
    assert not is_idx(Path("folder-ubyte/photograph.png"))


# load


@pytest.fixture
def images_file(tmp_path):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(idx(IMAGES[:, :4]))
    return path


def test_images_are_loaded_in_the_order_of_the_file(images_file):
    u = load(images_file, size=4, value_range=(0, 255))
    assert u.shape == (5, 1, 4, 4)
    assert np.array_equal(u[:, 0].numpy(), IMAGES[:, :4])
    assert torch.equal(load(str(images_file), size=4, value_range=(0, 255), channels=3)[:, 2:], u)


def test_a_count_draws_without_repetition(images_file):
    everything = load(images_file, size=4)
    drawn = load(images_file, size=4, count=5, seed=3)
    assert torch.equal(drawn.flatten(1).sum(1).sort()[0], everything.flatten(1).sum(1).sort()[0])
    assert not torch.equal(drawn, everything)
    assert torch.equal(load(images_file, size=4, count=2, seed=3), drawn[:2])
    with pytest.raises(ValueError, match="count must be between 1 and 5, found 6"):
        load(images_file, size=4, count=6)


def test_the_ending_gz_may_be_left_out(tmp_path, images_file):
    packed = tmp_path / "packed-idx3-ubyte.gz"
    packed.write_bytes(gzip.compress(images_file.read_bytes()))
    expected = load(images_file, size=4)
    assert torch.equal(load(packed, size=4), expected)
    assert torch.equal(load(tmp_path / "packed-idx3-ubyte", size=4), expected)


def test_images_are_not_enlarged(images_file):
    with pytest.raises(ValueError, match=r"'images-idx3-ubyte' \(4 x 4 pixels\), found 64"):
        load(images_file)


def test_labels_are_no_images(tmp_path):
    path = tmp_path / "labels-idx1-ubyte"
    path.write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(ValueError, match=r"must hold images \(N, H, W\), found shape \(3,\)"):
        load(path)


def test_a_folder_of_idx_files_lists_them(images_file):
    with pytest.raises(ValueError, match=r"one of the IDX files in .*: images-idx3-ubyte"):
        load(images_file.parent)


@needs_fashion
def test_fashion_mnist():
    labels = read_idx(FASHION / "t10k-labels-idx1-ubyte.gz")
    assert labels.bincount().tolist() == [1000] * 10
    u = load(FASHION / "t10k-images-idx3-ubyte", size=28, value_range=(0, 1))
    assert u.shape == (10000, 1, 28, 28)
    assert abs(float(u.mean()) - 0.2868) < 1e-4  # as tabulated for the test images
    assert load(FASHION / "t10k-images-idx3-ubyte", size=14, count=7).shape == (7, 1, 14, 14)
