"""Files of weights: checked before they are read, and read without executing anything."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path, sha256: str, advice: str) -> dict[str, Tensor]:
    """Read the tensors of a file whose SHA-256 is known.

    Parameters
    ----------
    path : Path
        File that :func:`torch.save` has written.
    sha256 : str
        What the file must have.
    advice : str
        What to do if it is missing or damaged.

    Raises
    ------
    ValueError
        If it is missing, or another file.
    """
    if not path.is_file():
        raise ValueError(f"weights must be a file, found none at {path}; {advice}")
    found = sha256_of(path)
    if found != sha256:
        raise ValueError(
            f"weights must have the SHA-256 {sha256}, found {found} for {path}: "
            f"it is damaged or another file; {advice}"
        )
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"weights must be a file of tensors, found {path}: {error}") from error
    return state


def load_into(
    network: nn.Module, state: dict[str, Tensor], renamed: Sequence[tuple[str, str]]
) -> None:
    """Copy tensors into a network, after renaming; raise unless names and shapes all match."""
    names = {}
    for key, tensor in state.items():
        name = key
        for pattern, replacement in renamed:
            name = re.sub(pattern, replacement, name)
        names[name] = tensor
    expected = network.state_dict()
    wrong = sorted(names.keys() ^ expected.keys())
    wrong += [n for n in names if n not in wrong and names[n].shape != expected[n].shape]
    if wrong:
        raise ValueError(f"weights must fit the network, found {len(wrong)} misfits: {wrong[0]}")
    network.load_state_dict(names)
    network.eval().requires_grad_(requires_grad=False)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Compute convolutions in float32 proper, always by the same algorithm."""
    # On CUDA the default is TF32, which rounds to 11 bits.
    with torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    ):
        yield
