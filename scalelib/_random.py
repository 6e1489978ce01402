"""Generators that belong to names: the same name draws the same numbers, in any order of work."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

__all__ = ["generator", "normal"]


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the generator of a name, independent of every other name for all practical purposes.

    The names are joined by a character that no file name holds.
    """
    text = "\0".join(str(name) for name in (seed, *names))
    digest = hashlib.sha256(text.encode()).digest()
    # Eight bytes, the sign bit left out: what every device takes.
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def normal(
    labels: list[str],
    shape: tuple[int, ...],
    seed: int,
    *names: str | int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """White standard normal noise (N, *shape), float32, drawn for each label on its own."""
    noise = torch.empty(len(labels), *shape, device=device)
    for image, label in zip(noise, labels, strict=True):
        image.normal_(generator=generator(seed, label, *names, device=device))
    return noise
