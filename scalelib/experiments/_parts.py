"""What has been measured of one model with one seed, at every scale, and of which images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalelib.frechet import Moments

__all__ = ["BLOCK", "Part"]

BLOCK = 32
"""Images that are worked on together and counted together. Part of the format of a store."""

KEPT = 5000
"""Images, the first ones, whose features are kept for the kernel distance."""


@dataclass
class Part:
    """Statistics of one model with one seed over some blocks of images.

    Parts of disjoint sets of blocks merge in any order, to rounding.
    """

    moments: list[Moments]
    """Moments of the features, one entry for each scale 0..m."""
    variances: list[Moments]
    """Moments of the spatial variance of an image (mean over channels), for each scale."""
    rows: dict[int, Tensor] = field(default_factory=dict)
    """Block -> features (m + 1, n, d), float32, of the first images."""
    done: set[int] = field(default_factory=set)
    """Numbers of the blocks."""

    @classmethod
    def empty(cls, scales: int, dimension: int, features: str) -> Self:
        """Return a part of no block."""
        return cls(
            [Moments(dimension, features) for _ in range(scales + 1)],
            [Moments(1, "variance") for _ in range(scales + 1)],
        )

    def __sizeof__(self) -> int:
        """Bytes: a cluster decides by them where to merge, and what to move to a disk."""
        lists = self.moments + self.variances
        gathered = sum(8 * m.dimension * min(m.count, m.dimension) for m in lists)
        return gathered + sum(rows.nbytes for rows in self.rows.values())

    def add(self, block: int, features: Tensor, variances: Tensor) -> None:
        """Take up one block.

        Parameters
        ----------
        block : int
            Its number.
        features : Tensor, shape (m + 1, n, d)
            Features of its images at every scale.
        variances : Tensor, shape (m + 1, n)
            Spatial variances.
        """
        self._claim({block})
        for i, moments in enumerate(self.moments):
            moments.update(features[i])
            self.variances[i].update(variances[i, :, None])
        if block * BLOCK < KEPT:
            self.rows[block] = features.detach().cpu().float()

    def merge(self, other: Part) -> None:
        """Take up all blocks of another part; raise if one is there already."""
        self._claim(other.done)
        for mine, others in (
            (self.moments, other.moments),
            (self.variances, other.variances),
        ):
            for one, another in zip(mine, others, strict=True):
                one.merge(another)
        self.rows |= other.rows

    def _claim(self, blocks: set[int]) -> None:
        twice = sorted(self.done & blocks)
        if twice:
            raise ValueError(f"blocks must be counted once, found {twice} again")
        self.done |= blocks

    def features(self, i: int) -> Tensor:
        """Features of the first images at scale i, in the order of the images, (n, d)."""
        return torch.cat([self.rows[block][i] for block in sorted(self.rows)])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays."""
        arrays: dict[str, NDArray[Any]] = {"done": np.array(sorted(self.done), dtype=np.int64)}
        for kind, listed in (("moments", self.moments), ("variances", self.variances)):
            for i, moments in enumerate(listed):
                found = moments.to_arrays()
                arrays |= {f"{kind}/{i}/{name}": array for name, array in found.items()}
        return arrays | {f"rows/{block}": rows.numpy() for block, rows in self.rows.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the part that :meth:`to_arrays` has put into arrays."""
        nested: dict[str, dict[int, dict[str, NDArray[Any]]]] = {"moments": {}, "variances": {}}
        rows: dict[int, Tensor] = {}
        for name, array in arrays.items():
            match name.split("/"):
                case ["moments" | "variances" as kind, i, key]:
                    nested[kind].setdefault(int(i), {})[key] = array
                case ["rows", block]:
                    rows[int(block)] = torch.from_numpy(array)
        lists = [
            [Moments.from_arrays(found[i]) for i in range(len(found))] for found in nested.values()
        ]
        return cls(lists[0], lists[1], rows, set(arrays["done"].tolist()))
