"""The work of a comparison: blocks of images, model by model, on one machine or on many."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from scalelib.experiments._memory import available, batch_size
from scalelib.experiments._models import Model, build
from scalelib.experiments._parts import BLOCK, Part
from scalelib.experiments.configuration import Configuration
from scalelib.experiments.store import Store
from scalelib.features import FeatureExtractor
from scalelib.images import Collection

__all__ = ["run"]

PAUSE = 20.0
"""Seconds between two savings, at least."""

SHARE = 0.05
"""Share of the time that saving may take."""


Progress = Callable[[str, int, int], None]
"""Called with model, blocks done and blocks in all of the whole comparison."""


def blocks_of(collection: Collection) -> range:
    """Numbers of the blocks of a collection."""
    return range(-(-len(collection) // BLOCK))


@torch.no_grad()
def measure(
    model: Model,
    collection: Collection,
    extractor: FeatureExtractor,
    block: int,
    seed: int,
    device: torch.device | str = "cpu",
    batch: int = BLOCK,
) -> tuple[Tensor, Tensor]:
    """Features (m + 1, n, d) and spatial variances (m + 1, n) of one block, on the CPU.

    The size of a batch changes the numbers by rounding only: noise belongs to the image.
    """
    indices = range(block * BLOCK, min((block + 1) * BLOCK, len(collection)))
    features, variances = [], []
    for part in (indices[k : k + batch] for k in range(0, len(indices), batch)):
        labels = collection.labels[part.start : part.stop]
        scales = model(collection.load(part).to(device), labels, seed)
        # All scales at once: the extractor makes batches of the size that suits its device.
        found = extractor(scales.flatten(0, 1)).view(len(scales), len(part), -1)
        features.append(found.cpu())
        variances.append(torch.stack([spatial_variance(images) for images in scales]).cpu())
    return torch.cat(features, dim=1), torch.cat(variances, dim=1)


def spatial_variance(images: Tensor) -> Tensor:
    """Return the variance over the pixels of images (N, C, H, W), mean over C: (N,), float64."""
    # Two passes over float64 values are as exact as torch.var of them, in a fifth of the time.
    centred = images.flatten(-2).double()
    centred -= centred.mean(dim=-1, keepdim=True)
    squares: Tensor = torch.linalg.vecdot(centred, centred)
    return squares.mean(dim=-1) / (centred.shape[-1] - 1)


def run(
    configuration: Configuration,
    collection: Collection,
    extractor: FeatureExtractor,
    store: Store,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Measure whatever the store does not have yet, on this machine.

    Parameters
    ----------
    configuration : Configuration
        What is compared.
    collection : Collection
        Images.
    extractor : FeatureExtractor
        Features.
    store : Store
        Results; interrupted at any moment, nothing is lost but the last few blocks and nothing is
        counted twice.
    device : device
        Where models and features are computed.
    progress : callable or None
        Told about every block.
    """
    check(configuration, collection, extractor)
    blocks, models = blocks_of(collection), build(configuration)
    total = len(blocks) * len(models) * len(configuration.seeds)
    batch = batch_size(configuration, available(device))
    finished = 0
    for seed in configuration.seeds:
        for name, model in models.items():
            part = store.load(name, seed) or empty(configuration, extractor)
            finished += len(part.done)
            saved = Clock()
            for block in missing(part, blocks):
                found = measure(model, collection, extractor, block, seed, device, batch)
                part.add(block, *found)
                finished += 1
                if progress is not None:
                    progress(name, finished, total)
                if saved.due():
                    saved.spend(partial(store.save, name, seed, part))
            store.save(name, seed, part)


def empty(configuration: Configuration, extractor: FeatureExtractor) -> Part:
    """Return a part of no block for a configuration."""
    return Part.empty(configuration.scales, extractor.dimension, extractor.name)


def check(
    configuration: Configuration, collection: Collection, extractor: FeatureExtractor
) -> None:
    """Raise unless images and features are those of the configuration."""
    for name, expected, found in (
        ("collection", configuration.data, collection.fingerprint),
        ("extractor", configuration.features, extractor.name),
    ):
        if expected != found:
            raise ValueError(f"{name} must be that of the configuration, {expected}, found {found}")


def missing(part: Part, blocks: Sequence[int]) -> list[int]:
    """Return the blocks that a part does not have."""
    return [block for block in blocks if block not in part.done]


class Clock:
    """What tells when it is time to save again."""

    def __init__(self) -> None:
        self._at, self._pause = time.monotonic(), PAUSE

    def due(self) -> bool:
        """Tell whether it is time."""
        return time.monotonic() - self._at > self._pause

    def spend(self, save: Callable[[], None]) -> None:
        """Save, and wait the longer the longer it takes."""
        begin = time.monotonic()
        save()
        self._at = time.monotonic()
        self._pause = max(PAUSE, (self._at - begin) / SHARE)
