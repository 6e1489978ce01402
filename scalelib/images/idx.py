"""IDX files: the format of MNIST and Fashion-MNIST."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["read_idx"]

_UNSIGNED_BYTE = 0x08


def read_idx(path: str | Path) -> Tensor:
    """Read an IDX file of unsigned bytes, plain or compressed by gzip.

    Parameters
    ----------
    path : str or Path
        The file. Compression is recognised by content, not by name.

    Returns
    -------
    Tensor, uint8
        Images of shape (N, H, W) or labels of shape (N,), as the file says.

    Raises
    ------
    ValueError
        If the file does not exist, is damaged, is no IDX file of unsigned bytes, or is shorter or
        longer than its header says.

    Notes
    -----
    Layout: two zero bytes, one byte for the type, one for the number of axes, then each length as
    four bytes, most significant first, then the data, last axis fastest.
    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    tensor([7, 2, 1], dtype=torch.uint8)
    """
    path = Path(path)
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[3] == 0:
        raise ValueError(f"{path} must start with an IDX header, found {content[:4]!r}")
    if content[2] != _UNSIGNED_BYTE:
        raise ValueError(
            f"{path} must hold unsigned bytes (IDX type 0x08), found type {content[2]:#04x}"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{path} must have a header of {start} bytes, found {len(content)} bytes")
    shape = [int.from_bytes(content[k : k + 4], "big") for k in range(4, start, 4)]
    if len(content) - start != math.prod(shape):
        raise ValueError(
            f"{path} must hold {math.prod(shape)} bytes of data for shape {tuple(shape)}, "
            f"found {len(content) - start}"
        )
    if 0 in shape:
        raise ValueError(f"{path} must hold at least one value, found shape {tuple(shape)}")
    return torch.frombuffer(bytearray(content[start:]), dtype=torch.uint8).reshape(shape)


def is_idx(path: Path) -> bool:
    """Tell by its name whether a file is meant to be IDX: ``...-idx3-ubyte``, maybe ``.gz``."""
    return path.name.removesuffix(".gz").endswith("-ubyte")


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"path must be an existing IDX file, found none at {path}")
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} must be a complete gzip file, found: {error}") from error
