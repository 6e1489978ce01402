"""A small comparison that every test of this folder starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scalelib.experiments.configuration import Configuration
from scalelib.images import Collection


class Means:
    """Features that cost nothing: means over squares of 4 x 4 pixels."""

    name = "means"
    dimension = 12

    def __call__(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, 4).flatten(1)


def collection() -> Collection:
    """42 images: one whole block and one that is not."""
    return Collection("photographs", size=8, crops=6)


def configuration(**changes: Any) -> Configuration:
    small = Configuration(
        data=collection().fingerprint,
        features=Means.name,
        models=("vp", "osmosis", "blurring"),
        scales=3,
        size=8,
        crops=6,
        seeds=(0, 1),
        sigma_max=3.0,
    )
    return replace(small, **changes)


def parts_in(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "parts").iterdir())
