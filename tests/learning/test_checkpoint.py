import errno
import json
import os
import pickle
import signal
import stat

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib.learning import (
    CheckpointError,
    differences,
    read_checkpoint,
    write_checkpoint,
)

CONFIGURATION = {"network": {"width": 8, "multipliers": [1, 2]}, "rate": 0.1, "note": "ö"}
TENSORS = {
    "weights": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "losses": torch.tensor([0.5, float("inf")], dtype=torch.float64),
    "order": torch.tensor([3, 1]),
    "generator": torch.Generator().get_state(),
    "empty": torch.zeros(0, 4),
    "scalar": torch.tensor(7.0),
}


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "model.safetensors"
    write_checkpoint(found, CONFIGURATION, TENSORS)
    return found


def forged(path, change):
    """Change the header of a file and state the right SHA-256 again."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + content[8 + length :])


def test_what_is_written_is_read(path):
    configuration, tensors = read_checkpoint(path)
    assert configuration == CONFIGURATION
    assert list(tensors) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert torch.equal(tensors[name], tensor)


def test_strides_do_not_matter(tmp_path):
    write_checkpoint(tmp_path / "a", {}, {"x": TENSORS["weights"].T})
    assert torch.equal(read_checkpoint(tmp_path / "a")[1]["x"], TENSORS["weights"].T)


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    write_checkpoint(tmp_path / "again", CONFIGURATION, TENSORS)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_others_may_read_it_and_nothing_is_left_over(path):
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_every_truncation_is_refused(path):
    content = path.read_bytes()
    for length in (*range(0, len(content), 53), len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"model.safetensors"):
            read_checkpoint(path)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_changed_bit_is_noticed(tmp_path_factory, place, bit):
    path = tmp_path_factory.getbasetemp() / "flipped"
    write_checkpoint(path, CONFIGURATION, TENSORS)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_appended_bytes_are_noticed(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="SHA-256"):
        read_checkpoint(path)


@given(content=st.binary(max_size=200))
def test_random_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"must be a checkpoint of scalelib.learning"):
        read_checkpoint(path)


class Trap:
    """Runs a command when unpickled."""

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    trap = Trap()
    trap.folder = str(tmp_path / "sprung")
    path = tmp_path / "model"
    for write in (lambda: path.write_bytes(pickle.dumps(trap)), lambda: torch.save(trap, path)):
        write()
        with pytest.raises(CheckpointError, match=r"must be a checkpoint of scalelib.learning"):
            read_checkpoint(path)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(trap))  # the trap does work
    assert (tmp_path / "sprung").exists()


def test_the_same_format_of_another_package_is_refused(path):
    forged(path, lambda header: header["__metadata__"].update(format="pt"))
    with pytest.raises(CheckpointError, match=r"must be a checkpoint of scalelib.learning"):
        read_checkpoint(path)


def test_another_version_is_refused(path):
    forged(path, lambda header: header["__metadata__"].update(version="2"))
    with pytest.raises(CheckpointError, match="must be a checkpoint of version 1, found '2'"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 10**9]},
        {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]},
        {"dtype": "OBJECT", "shape": [2, 3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [24, 0]},
        {"dtype": "F32", "shape": [2, 3]},
        [1, 2],
    ],
)
def test_tensors_that_do_not_fit_are_refused(path, monkeypatch, entry):
    forged(path, lambda header: header.update(weights=entry))
    # The SHA-256 would say it first; a forger would get that right.
    monkeypatch.setattr("scalelib.learning.checkpoint._digest", lambda *_: self_stated(path))
    with pytest.raises(CheckpointError, match="does not describe its tensors correctly"):
        read_checkpoint(path)


def self_stated(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])["__metadata__"]["sha256"]


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_the_previous_file(path, monkeypatch, function):
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        target = os if function == "fsync" else type(path)
        patch.setattr(target, function, full_disk)
        with pytest.raises(OSError, match="No space left"):
            write_checkpoint(path, {}, {"x": torch.zeros(1000)})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_write_that_stops_half_way_leaves_the_previous_file(path):
    """The system itself refuses to write more than 1000 bytes."""
    resource = pytest.importorskip("resource", reason="no limits of file size on this system")
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            write_checkpoint(path, {}, {"x": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_is_no_number_is_not_written(path):
    before = path.read_bytes()
    with pytest.raises(TypeError, match=r"found torch.complex64"):
        write_checkpoint(path, {}, {"x": torch.zeros(2, dtype=torch.complex64)})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_checkpoint(path, {"x": object()}, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_checkpoint(path, {"x": float("nan")}, {})
    assert path.read_bytes() == before


def test_differences_name_both_values():
    other = {"network": {"width": 16, "multipliers": [1, 2]}, "rate": 0.1, "extra": None}
    assert differences(CONFIGURATION, other) == [
        "network.width is 8, not 16",
        "note is ö, not missing",
        "extra is missing, not null",
    ]
    assert differences(CONFIGURATION, CONFIGURATION) == []


def test_things_of_two_kinds_differ_by_their_name():
    assert differences({"p": {"name": "A", "x": 1}}, {"p": {"name": "B", "y": 2}}) == [
        "p.name is A, not B"
    ]
