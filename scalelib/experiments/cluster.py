"""The same work on a cluster: groups of blocks, shared out by Dask and merged as a tree."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

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

BRANCHES = 64
"""Parts that the client merges of one model and seed, unless there are very many images."""

GROUP = 8
"""Blocks that a worker measures in one task, at most: what is lost when it dies."""

FAN = 8
"""Parts that are merged on a worker before they travel on."""

AHEAD = 2
"""Tasks that each thread of the workers finds waiting."""

RETRIES = 2
"""How often a task is tried again after an error: the images may lie on a network."""

Key = tuple[str, int]
"""Model and seed."""


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
        Its workers reach the images under the same path. They may come and go.
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
        Told about every part that arrives.
    """
    check(configuration, collection, extractor)
    ledger = _Ledger(configuration, blocks_of(collection), extractor, store)
    shared = Shared(configuration, collection, extractor, device)
    client.register_plugin(shared)
    try:
        for key in _arriving(client, shared.name, ledger):
            if progress is not None:
                progress(key[0], ledger.finished, ledger.total)
    finally:
        client.unregister_worker_plugin(shared.name)


def _arriving(client: distributed.Client, name: str, ledger: _Ledger) -> Iterator[Key]:
    """Submit the branches bit by bit; enter what arrives, and tell of which model and seed."""
    # The loop of this client: the default is that of the client that was made last.
    futures: Any = distributed.as_completed(loop=client.loop, with_results=True)
    owner: dict[Any, Key] = {}
    waiting = 0

    def take() -> Key:
        future, found = next(futures)
        key = owner.pop(future)
        ledger.enter(key, found)
        return key

    for key, branch in ledger.branches():
        future = _submit(client, name, key, branch)
        owner[future] = key
        futures.add(future)
        waiting += len(branch)
        # A second branch is always there, so that no worker waits for the end of the first.
        while len(owner) > 1 and waiting > _room(client):
            before = ledger.finished
            yield take()
            waiting -= ledger.finished - before
    while owner:
        yield take()


def _room(client: distributed.Client) -> int:
    """Blocks that are in work or wait for it; some, too, for workers that have yet to come."""
    threads: dict[str, int] = client.nthreads()
    return max(BRANCHES, AHEAD * GROUP * sum(threads.values()))


def _submit(client: distributed.Client, name: str, key: Key, branch: list[int]) -> Any:
    """Submit some blocks of one model and seed; return the future of their merged part."""
    groups = [branch[k : k + GROUP] for k in range(0, len(branch), GROUP)]
    tasks = [client.submit(measure_group, name, *key, g, retries=RETRIES) for g in groups]
    while len(tasks) > 1:
        parts = [tasks[k : k + FAN] for k in range(0, len(tasks), FAN)]
        tasks = [client.submit(merge, some, priority=1) for some in parts]
    return tasks[0]


class Shared(distributed.WorkerPlugin):
    """What every task needs. Workers that join later, or again, get it as well."""

    def __init__(
        self,
        configuration: Configuration,
        collection: Collection,
        extractor: FeatureExtractor,
        device: torch.device | str,
    ) -> None:
        self.name = f"scalelib-{uuid.uuid4().hex}"  # comparisons may share the workers
        self.configuration, self.collection = configuration, collection
        self.extractor, self.device = extractor, device


def measure_group(name: str, model: str, seed: int, blocks: Sequence[int]) -> Part:
    """Measure some blocks on a worker."""
    worker = distributed.get_worker()
    shared = cast(Shared, worker.plugins[name])
    free, limit = available(shared.device), worker.memory_manager.memory_limit
    if torch.device(shared.device).type == "cpu" and limit:
        free = min(free, limit // worker.state.nthreads)
    batch = batch_size(shared.configuration, free)
    found = empty(shared.configuration, shared.extractor)
    chosen, given = build(shared.configuration)[model], (shared.collection, shared.extractor)
    for block in blocks:
        found.add(block, *measure(chosen, *given, block, seed, shared.device, batch))
    return found


def merge(parts: Sequence[Part]) -> Part:
    """Merge parts on a worker: one branching of the tree."""
    found = Part.empty(
        len(parts[0].moments) - 1, parts[0].moments[0].dimension, parts[0].moments[0].features
    )
    for part in parts:
        found.merge(part)
    return found


@dataclass
class _Open:
    """A part that is being worked on."""

    part: Part
    left: int
    """Branches that have not arrived."""
    clock: Clock = field(default_factory=Clock)


class _Ledger:
    """Parts on their way from the store and back to it: in memory while they are worked on."""

    def __init__(
        self,
        configuration: Configuration,
        blocks: Sequence[int],
        extractor: FeatureExtractor,
        store: Store,
    ) -> None:
        self._keys = [(m, s) for s in configuration.seeds for m in configuration.models]
        self._blocks, self._store = blocks, store
        self._empty = partial(empty, configuration, extractor)
        self._open: dict[Key, _Open] = {}
        self.total = len(blocks) * len(self._keys)
        self.finished = 0

    def branches(self) -> Iterator[tuple[Key, list[int]]]:
        """Yield what is missing, model by model; the store is read when it is their turn."""
        for key in self._keys:
            part = self._store.load(*key) or self._empty()
            self.finished += len(part.done)
            todo = missing(part, self._blocks)
            size = min(max(1, len(todo) // BRANCHES), GROUP * FAN**2)
            found = [todo[k : k + size] for k in range(0, len(todo), size)]
            if found:
                self._open[key] = _Open(part, len(found))
            for branch in found:
                yield key, branch

    def enter(self, key: Key, found: Part) -> None:
        """Take up a part that has arrived; save when it is time, and let go what is whole."""
        entry = self._open[key]
        entry.part.merge(found)
        entry.left -= 1
        self.finished += len(found.done)
        if not entry.left or entry.clock.due():
            entry.clock.spend(partial(self._store.save, *key, entry.part))
        if not entry.left:
            del self._open[key]
