import gzip
import struct

import pytest
import torch

from scalelib.learning import digits, fashion_mnist, split


def test_digits_use_all_of_the_range():
    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == torch.float32
    assert (float(images.min()), float(images.max())) == (-1, 1)
    assert torch.equal(labels.unique(), torch.arange(10))
    assert len(images.unique(dim=0)) == 1797  # no digit twice


def write_idx(path, count, opener=open):
    header = struct.pack(">HBB3I", 0, 8, 3, count, 28, 28)
    pixels = bytes(k % 256 for k in range(count * 28 * 28))
    with opener(path, "wb") as file:
        file.write(header + pixels)


@pytest.mark.parametrize(("suffix", "opener"), [("", open), (".gz", gzip.open)])
def test_fashion_mnist_is_read_from_its_folder(tmp_path, monkeypatch, suffix, opener):
    write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", 3, opener)
    images = fashion_mnist(tmp_path)
    assert images.shape == (3, 1, 28, 28)
    assert (float(images.min()), float(images.max())) == (-1, 1)
    monkeypatch.setenv("SCALELIB_FASHION_MNIST", str(tmp_path))
    assert torch.equal(fashion_mnist(), images)


def test_absent_data_say_where_to_get_them(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"folder must hold train-images.*zalandoresearch"):
        fashion_mnist(tmp_path)
    monkeypatch.delenv("SCALELIB_FASHION_MNIST", raising=False)
    with pytest.raises(ValueError, match="or set SCALELIB_FASHION_MNIST"):
        fashion_mnist()


def test_a_split_is_disjoint_and_complete():
    kept, rest = split(torch.arange(50), 20, seed=1)
    assert (len(kept), len(rest)) == (30, 20)
    assert torch.equal(torch.cat([kept, rest]).sort().values, torch.arange(50))
    assert torch.equal(split(torch.arange(50), 20, seed=1)[1], rest)
    assert not torch.equal(split(torch.arange(50), 20, seed=2)[1], rest)


@pytest.mark.parametrize("count", [0, 50])
def test_both_parts_of_a_split_hold_images(count):
    with pytest.raises(ValueError, match="held_out must be between 1 and 49"):
        split(torch.arange(50), count)
