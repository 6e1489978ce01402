"""Checkpoints: tensors and a configuration in one file that is either whole or refused.

The file has the format of safetensors: the length of a header in 8 bytes, the header in JSON, the
bytes of the tensors. It holds numbers and text alone. Reading it runs no code of the file's.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scalelib import _files

__all__ = ["CheckpointError", "differences", "read_checkpoint", "write_checkpoint"]

_FORMAT = "scalelib.learning"
_VERSION = "1"
_LENGTH = 8  # bytes that hold the length of the header
_DTYPES = {
    "F32": (torch.float32, np.float32),
    "F64": (torch.float64, np.float64),
    "I64": (torch.int64, np.int64),
    "U8": (torch.uint8, np.uint8),
}
_NAMES = {dtype: name for name, (dtype, _) in _DTYPES.items()}


class CheckpointError(ValueError):
    """A file is no checkpoint, is damaged, or belongs to another configuration."""


def write_checkpoint(
    path: str | Path, configuration: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint. What was there before stays until the new one is safely on the disk.

    Parameters
    ----------
    path : str or Path
        File to write or replace, in an existing folder.
    configuration : Mapping[str, object]
        Values of JSON: numbers, strings, booleans, None, lists and dictionaries.
    tensors : Mapping[str, Tensor]
        Named tensors, float32, float64, int64 or uint8, on any device.

    Raises
    ------
    OSError
        If the file cannot be written, for instance because the disk is full. The previous file is
        intact then, and nothing is left behind.
    TypeError, ValueError
        If a value is not of JSON, or a tensor of another type.

    Notes
    -----
    The bytes go to a temporary file beside ``path``, are forced to the disk, and take its name in
    one step of the file system. A process that is killed leaves the old file or the new one. If
    that happens while it writes, the temporary file ``.NAME.*`` stays behind; delete it.

    Examples
    --------
    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_checkpoint(f"{folder}/a", {"width": 8}, {"weights": torch.ones(2)})
    ...     read_checkpoint(f"{folder}/a")
    ({'width': 8}, {'weights': tensor([1., 1.])})
    """
    content = _content(configuration, tensors)
    _files.replace(Path(path), lambda stream: stream.write(content))


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint, all of it or nothing.

    Parameters
    ----------
    path : str or Path
        File that :func:`write_checkpoint` wrote.

    Returns
    -------
    configuration : dict
        As it was written.
    tensors : dict
        On the CPU.

    Raises
    ------
    OSError
        If the file cannot be read.
    CheckpointError
        If it is no checkpoint of this package and version, or a byte of it has changed or is
        missing; the message says which.
    """
    path = Path(path)
    content = path.read_bytes()
    header, body = _header(path, content)
    metadata = header.pop("__metadata__")
    if metadata.get("version") != _VERSION:
        raise CheckpointError(
            f"{path} must be a checkpoint of version {_VERSION}, found {metadata.get('version')!r}"
        )
    expected = metadata.pop("sha256", None)
    if expected != _digest(header, metadata, body):
        raise CheckpointError(
            f"{path} is damaged: its bytes do not have the SHA-256 that it states"
        )
    try:
        tensors = {name: _tensor(entry, body) for name, entry in header.items()}
        configuration = dict(json.loads(metadata["configuration"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path} does not describe its tensors correctly: {error}") from error
    return configuration, tensors


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """List where two configurations differ, one line for each value.

    Parameters
    ----------
    found, expected : Mapping[str, object]
        Configurations.

    Returns
    -------
    list of str
        Names with dots, and both values.

    Examples
    --------
    >>> differences({"training": {"batch": 64, "seed": 0}}, {"training": {"batch": 32, "seed": 0}})
    ['training.batch is 64, not 32']
    """
    return list(_differences(found, expected, ""))


def _differences(
    found: Mapping[str, Any], expected: Mapping[str, Any], prefix: str
) -> Iterator[str]:
    names = list(dict.fromkeys([*found, *expected]))
    if found.get("name") != expected.get("name"):
        names = ["name"]  # two kinds of thing: their parts cannot be compared
    for name in names:
        left, right = found.get(name, "missing"), expected.get(name, "missing")
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            yield from _differences(left, right, f"{prefix}{name}.")
        elif left != right:
            yield f"{prefix}{name} is {_short(left)}, not {_short(right)}"


def _content(configuration: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> bytes:
    header: dict[str, Any] = {}
    parts, end = [], 0
    for name, tensor in tensors.items():
        if tensor.dtype not in _NAMES:
            expected = ", ".join(str(dtype) for dtype in _NAMES)
            raise TypeError(f"tensors[{name!r}] must be one of {expected}, found {tensor.dtype}")
        part = tensor.detach().cpu().contiguous().numpy().tobytes()
        begin, end = end, end + len(part)
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
        parts.append(part)
    body = b"".join(parts)
    text = json.dumps(configuration, allow_nan=False)
    metadata = {"format": _FORMAT, "version": _VERSION, "configuration": text}
    metadata["sha256"] = _digest(header, metadata, body)
    encoded = json.dumps({"__metadata__": metadata, **header}).encode()
    encoded += b" " * (-len(encoded) % _LENGTH)  # aligns the tensors
    return len(encoded).to_bytes(_LENGTH, "little") + encoded + body


def _digest(header: Mapping[str, Any], metadata: Mapping[str, str], body: bytes) -> str:
    digest = hashlib.sha256(json.dumps([metadata, header], sort_keys=True).encode())
    digest.update(body)
    return digest.hexdigest()


def _header(path: Path, content: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a file into header and body; raise unless it is one of ours, of any version."""
    begin = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    try:
        header = json.loads(content[_LENGTH:begin])
        ours = header["__metadata__"]["format"] == _FORMAT
    except (ValueError, KeyError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise CheckpointError(
            f"{path} must be a checkpoint of {_FORMAT}, found {len(content)} bytes that do not "
            "begin as one: another kind of file, or its beginning is damaged or missing"
        )
    return header, content[begin:]


def _tensor(entry: Mapping[str, Any], body: bytes) -> Tensor:
    _, kind = _DTYPES[entry["dtype"]]
    begin, end = entry["data_offsets"]
    shape = entry["shape"]
    if (
        not 0 <= begin <= end <= len(body)
        or end - begin != math.prod(shape) * np.dtype(kind).itemsize
    ):
        raise ValueError(f"bytes {begin} to {end} for shape {shape}")
    values = np.frombuffer(body[begin:end], dtype=kind).reshape(shape)
    return torch.from_numpy(values.copy())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 70 else f"{text[:60]}..."
