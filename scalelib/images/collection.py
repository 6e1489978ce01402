"""Many images, read when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from scalelib import _check, _random
from scalelib.images.crops import centred, drawn
from scalelib.images.decoding import UnreadableImageError, decode, listed
from scalelib.images.loading import Target, checked_channels, find_sources

__all__ = ["Collection"]


@final
class Collection:
    r"""Square crops of the images of a folder, read from disk when they are asked for.

    Parameters
    ----------
    name_or_folder : str or Path
        As for :func:`load`; no IDX file.
    size : int
        Height and width of the crops, in pixels. Images are reduced, never enlarged.
    crops : int
        Crops of each image. One is the designed or the largest centred one; several are random,
        as for :func:`load`.
    seed : int
        Seed of the random crops. Each crop depends on it, on the name of its file and on its
        number alone.
    channels : int
        1 for grey values, 3 for colours.
    skip_bad : bool
        Leave out what cannot be used, and name it in :attr:`skipped`, instead of raising.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, the folder is empty, or there are unusable files: all of
        them are named, with the reason, and counted.

    Notes
    -----
    Every file is decoded once in the beginning, so that a run of hours does not end at the last
    image. Values lie in [-1, 1].

    Examples
    --------
    >>> photographs = Collection("photographs", size=32, crops=2, channels=3)
    >>> len(photographs), photographs.labels[:2]
    (14, ['astronaut#0', 'astronaut#1'])
    >>> photographs.load([0, 5]).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        name_or_folder: str | Path,
        size: int,
        crops: int = 1,
        seed: int = 0,
        channels: int = 3,
        *,
        skip_bad: bool = False,
    ) -> None:
        self._target = Target(
            _check.integer("size", size, low=1), checked_channels(channels), -1.0, 1.0
        )
        self._crops = _check.integer("crops", crops, low=1)
        self._seed = _check.integer("seed", seed, low=0)
        self.skipped: dict[str, str] = {}
        """What was left out, and why."""
        self._sources, digest = [], hashlib.sha256()
        for source in find_sources(name_or_folder):
            try:
                pixels = decode(source.path)
                self._target.values(source.label, pixels, source.crop or centred(pixels))
            except (UnreadableImageError, ValueError) as error:
                self.skipped[source.label] = str(error)
                continue
            self._sources.append(source)
            digest.update(source.label.encode() + b"\0" + source.path.read_bytes())
        self._refuse(skip_bad)
        self.fingerprint = digest.hexdigest()
        """SHA-256 of names and contents of the files."""

    def _refuse(self, skip_bad: bool) -> None:
        if self.skipped and not skip_bad:
            reasons = [f"{label!r} ({reason})" for label, reason in self.skipped.items()]
            raise ValueError(
                f"name_or_folder must hold usable images only, found {len(reasons)} of "
                f"{len(reasons) + len(self._sources)} files that are not: {listed(reasons)}; "
                "skip_bad=True leaves them out"
            )
        if not self._sources:
            raise ValueError(
                f"name_or_folder must hold usable images, found {len(self.skipped)}"
                " files, none of them usable"
            )

    def __len__(self) -> int:
        """Return the number of crops."""
        return len(self._sources) * self._crops

    @property
    def labels(self) -> list[str]:
        """Names of the crops, made of that of the file and a number."""
        return [f"{source.label}#{k}" for source in self._sources for k in range(self._crops)]

    def load(self, indices: Sequence[int]) -> Tensor:
        """Read some crops.

        Parameters
        ----------
        indices : sequence of int
            Numbers of the crops, 0 <= index < len. Crops of one image next to each other are cut
            from one decoding.

        Returns
        -------
        Tensor, shape (len(indices), channels, size, size), float32
            Values in [-1, 1].

        Raises
        ------
        TypeError, ValueError
            If an index is out of range, or a file has become unreadable.
        """
        side = self._target.size
        result = np.empty((len(indices), self._target.channels, side, side), dtype=np.float32)
        at, pixels = -1, None
        for row, index in zip(result, indices, strict=True):
            j, k = divmod(_check.integer("index", index, low=0, high=len(self) - 1), self._crops)
            source = self._sources[j]
            if pixels is None or j != at:
                at, pixels = j, decode(source.path)
            crop = source.crop or centred(pixels)
            if self._crops > 1:
                numbers = _random.generator(self._seed, source.label, k, "crop")
                crop = drawn(pixels, side, torch.rand(3, generator=numbers, dtype=torch.float64))
            row[...] = self._target.values(source.label, pixels, crop)
        return torch.from_numpy(result)
