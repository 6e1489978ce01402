"""A small comparison that every test of this folder starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scalelib.experiments.configuration import Configuration
from scalelib.features import FeatureExtractor
from scalelib.images import Collection

MEANS = "means"


class Means(FeatureExtractor):
    """Features that cost nothing: means over squares of 4 x 4 pixels."""

    def __init__(self) -> None:
        super().__init__(MEANS, 12, batch=16)

    def _check_shape(self, images: Tensor) -> None:
        assert images.shape[1:] == (3, 8, 8)

    def _of_batch(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, 4).flatten(1)


def collection() -> Collection:
    """42 images: one whole block and one that is not."""
    return Collection("photographs", size=8, crops=6)


def configuration(**changes: Any) -> Configuration:
    small = Configuration(
        data=collection().fingerprint,
        features=MEANS,
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
