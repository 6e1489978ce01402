"""Files of weights are checked before they are read, and nothing in them is executed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from scalelib.features._weights import exact_float32, load_into, read_weights, sha256_of


class Malicious:
    """Unpickles to a call of a function."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_the_checksum_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # the example of FIPS 180-4
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(path) == expected


def test_a_pickle_with_code_is_refused_and_not_executed(tmp_path: Path) -> None:
    path, trace = tmp_path / "w.pth", tmp_path / "executed"
    torch.save({"weight": Malicious(trace)}, path)
    with pytest.raises(ValueError, match="must be a file of tensors, found"):
        read_weights(path, sha256_of(path), "")
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 torn"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="must be a file of tensors, found"):
        read_weights(path, sha256_of(path), "")


def test_another_content_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.pth"
    torch.save({"weight": torch.ones(2)}, path)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=r"must have the SHA-256 00, found .*; get it again"):
        read_weights(path, "00", "get it again")


def test_tensors_are_renamed_into_the_network() -> None:
    network = nn.Linear(2, 1)
    weight, bias = torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])
    load_into(network, {"_fc.w": weight, "_fc.bias": bias}, [(r"^_fc\.", ""), (r"^w$", "weight")])
    assert torch.equal(network.weight, weight)
    assert torch.equal(network.bias, bias)
    assert not network.training
    assert not network.weight.requires_grad


@pytest.mark.parametrize(
    ("state", "first"),
    [
        ({"weight": torch.ones(1, 2)}, "1 misfits: bias"),
        (
            {"weight": torch.ones(1, 2), "bias": torch.ones(1), "more": torch.ones(1)},
            "misfits: more",
        ),
        ({"weight": torch.ones(2, 1), "bias": torch.ones(1)}, "misfits: weight"),
    ],
)
def test_other_names_and_shapes_are_refused(state: dict[str, torch.Tensor], first: str) -> None:
    with pytest.raises(ValueError, match=f"weights must fit the network, found .*{first}"):
        load_into(nn.Linear(2, 1), state, ())


def test_settings_are_put_back() -> None:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    with exact_float32():
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.deterministic
    assert before == (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark)
