"""The same work on a cluster: groups of blocks, shared out by Dask and merged as a tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import distributed
import torch

from scalelib.experiments._memory import available, batch_size
from scalelib.experiments._models import build
from scalelib.experiments._parts import Part
from scalelib.experiments.configuration import Configuration
from scalelib.experiments.engine import (
    Clock,
    Progress,
    blocks_of,
    check,
    empty,
    measure,
    missing,
)
from scalelib.experiments.store import Store
from scalelib.features import FeatureExtractor
from scalelib.images import Collection

__all__ = ["run_on"]

GROUP = 2
"""Blocks that a worker measures in one task."""

FAN = 4
"""Tasks whose parts are merged on a worker before they travel."""


def run_on(
    client: distributed.Client,
    configuration: Configuration,
    collection: Collection,
    extractor: FeatureExtractor,
    store: Store,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Measure whatever the store does not have yet, on the workers of a Dask client.

    Parameters
    ----------
    client : distributed.Client
        Its workers reach the images under the same path.
    configuration : Configuration
        What is compared.
    collection : Collection
        Images.
    extractor : FeatureExtractor
        Features; it is sent to each worker once.
    store : Store
        Results, on the machine of the client. A worker that is lost changes nothing in them.
    device : device
        Where each worker computes.
    progress : callable or None
        Told about every merged group of blocks.
    """
    check(configuration, collection, extractor)
    blocks = blocks_of(collection)
    parts = {
        (model, seed): store.load(model, seed) or empty(configuration, extractor)
        for seed in configuration.seeds
        for model in configuration.models
    }
    shared = client.scatter([configuration, collection, extractor], broadcast=True)
    owner: dict[Any, tuple[str, int]] = {}
    for key, part in parts.items():
        for future in _submit(client, shared, key, missing(part, blocks), device):
            owner[future] = key
    waiting = Counter(owner.values())
    total = len(blocks) * len(parts)
    clocks = {key: Clock() for key in parts}
    for future, found in distributed.as_completed(list(owner), with_results=True):
        key = owner.pop(future)
        parts[key].merge(found)
        waiting[key] -= 1
        if progress is not None:
            progress(key[0], sum(len(part.done) for part in parts.values()), total)
        if not waiting[key] or clocks[key].due():
            clocks[key].spend(partial(store.save, key[0], key[1], parts[key]))


def _submit(
    client: distributed.Client,
    shared: list[Any],
    key: tuple[str, int],
    todo: list[int],
    device: torch.device | str,
) -> list[Any]:
    """Submit the blocks of one model and seed; return the futures of their merged parts."""
    groups = [todo[k : k + GROUP] for k in range(0, len(todo), GROUP)]
    tasks = [client.submit(measure_group, *shared, *key, group, device) for group in groups]
    return [client.submit(merge, tasks[k : k + FAN]) for k in range(0, len(tasks), FAN)]


def measure_group(
    configuration: Configuration,
    collection: Collection,
    extractor: FeatureExtractor,
    model: str,
    seed: int,
    blocks: Sequence[int],
    device: torch.device | str,
) -> Part:
    """Measure some blocks on a worker."""
    found, chosen = empty(configuration, extractor), build(configuration)[model]
    batch = batch_size(configuration, available(device))
    for block in blocks:
        found.add(block, *measure(chosen, collection, extractor, block, seed, device, batch))
    return found


def merge(parts: Sequence[Part]) -> Part:
    """Merge parts on a worker: one branching of the tree."""
    found = Part.empty(
        len(parts[0].moments) - 1, parts[0].moments[0].dimension, parts[0].moments[0].features
    )
    for part in parts:
        found.merge(part)
    return found
