"""The cluster: the same numbers, also when a worker dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest
import torch
from experiments.cases import Means, collection, configuration

from scalelib.experiments import cluster
from scalelib.experiments._parts import Part
from scalelib.experiments.cluster import run_on
from scalelib.experiments.engine import run
from scalelib.experiments.store import Store

SMALL = configuration(models=("osmosis", "vp"))


class Slow(Means):
    """Features that leave time to kill a worker."""

    def _of_batch(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(0.05)
        return super()._of_batch(images)


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=None
        ) as local,
        distributed.Client(local) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("alone"), SMALL)
    run(SMALL, collection(), Means(), store)
    return store


def assert_same(store: Store, other: Store) -> None:
    for model in SMALL.models:
        for seed in SMALL.seeds:
            one, another = store.load(model, seed), other.load(model, seed)
            assert one is not None
            assert another is not None
            assert one.done == another.done
            for a, b in zip(one.moments, another.moments, strict=True):
                torch.testing.assert_close(a.mean(), b.mean(), rtol=1e-12, atol=1e-12)
                torch.testing.assert_close(a.covariance(), b.covariance(), rtol=1e-12, atol=1e-12)


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blocks are all there is: let each be a task, and let them be merged on a worker."""
    monkeypatch.setattr(cluster, "BRANCHES", 1)
    monkeypatch.setattr(cluster, "GROUP", 1)


def test_workers_give_the_same(client: distributed.Client, alone: Store, tmp_path: Path) -> None:
    store = Store(tmp_path, SMALL)
    told: list[int] = []
    run_on(
        client, SMALL, collection(), Means(), store, progress=lambda _, done, __: told.append(done)
    )
    assert_same(store, alone)
    assert told == list(range(1, 9))
    plugins = client.run(lambda dask_worker: list(dask_worker.plugins))
    assert not [name for names in plugins.values() for name in names if "scalelib" in name]


def test_parts_are_merged_on_workers(
    client: distributed.Client, alone: Store, tmp_path: Path, tree: None
) -> None:
    store = Store(tmp_path, SMALL)
    told: list[int] = []
    run_on(
        client, SMALL, collection(), Means(), store, progress=lambda _, done, __: told.append(done)
    )
    assert_same(store, alone)
    assert told == [2, 4, 6, 8]


@pytest.mark.parametrize("count", [1, 2])
def test_killed_workers_change_nothing(
    client: distributed.Client, alone: Store, tmp_path: Path, count: int
) -> None:
    """One of two, and all: those that come instead must get everything they need again."""
    client.wait_for_workers(2)
    store, killed = Store(tmp_path, SMALL), []

    def kill_once(*_: object) -> None:
        if not killed:
            killed.extend(list(client.run(os.getpid).values())[:count])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    run_on(client, SMALL, collection(), Slow(), store, progress=kill_once)
    assert len(killed) == count
    assert_same(store, alone)


def test_workers_may_come_later(alone: Store, tmp_path: Path) -> None:
    """As on a cluster where jobs wait in a queue."""
    store = Store(tmp_path, SMALL)
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address=":0", memory_limit=None
        ) as local,
        distributed.Client(local) as client,
    ):
        later = threading.Timer(0.5, local.scale, [1])
        later.start()
        run_on(client, SMALL, collection(), Means(), store)
        later.join()
    assert_same(store, alone)


def test_a_client_made_later_is_left_alone(
    client: distributed.Client, alone: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each client has an event loop of its own. In that of another one a result may arrive unseen,
    # but rarely, so that the loop itself is looked at.
    loops = []

    class Watched(distributed.as_completed):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            loops.append(self.loop)

    monkeypatch.setattr(distributed, "as_completed", Watched)
    store = Store(tmp_path, SMALL)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as local,
        distributed.Client(local) as other,
    ):
        run_on(client, SMALL, collection(), Means(), store)
        assert loops == [client.loop]
        assert other.loop is not client.loop
    assert_same(store, alone)


def test_little_is_in_memory_at_once(
    client: distributed.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "BRANCHES", 1)
    monkeypatch.setattr(cluster, "AHEAD", 0)
    most, now = 0, 0

    class Watched(Store):
        def load(self, model: str, seed: int) -> Part | None:
            nonlocal most, now
            now += 1
            most = max(most, now)
            return super().load(model, seed)

        def save(self, model: str, seed: int, part: Part) -> None:
            nonlocal now
            now -= 1  # each part arrives at once here, and is saved once
            super().save(model, seed, part)

    many = configuration(seeds=(0, 1, 2))
    run_on(client, many, collection(), Means(), Watched(tmp_path, many))
    assert now == 0
    assert most <= 3  # of nine


def test_batches_fit_the_memory_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = cluster.Shared(SMALL, collection(), Means(), "cpu")
    worker = SimpleNamespace(
        plugins={shared.name: shared},
        memory_manager=SimpleNamespace(memory_limit=3000),
        state=SimpleNamespace(nthreads=3),
    )
    frees: list[int] = []
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    monkeypatch.setattr(cluster, "batch_size", lambda _, free: frees.append(free) or 32)
    assert cluster.measure_group(shared.name, "vp", 0, [1]).done == {1}
    worker.memory_manager.memory_limit = None
    cluster.measure_group(shared.name, "vp", 0, [])
    assert frees[0] == 1000
    assert frees[1] > 1e6


def test_what_is_there_is_not_computed_again(
    client: distributed.Client, alone: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "submit", lambda *_: pytest.fail("measured again"))
    run_on(client, SMALL, collection(), Means(), alone)


def test_parts_merge_as_a_tree() -> None:
    parts = []
    for block in range(3):
        part = Part.empty(1, 2, "f")
        part.add(block, torch.rand(2, 4, 2), torch.rand(2, 4))
        parts.append(part)
    found = cluster.merge(parts)
    assert found.done == {0, 1, 2}
    assert found.moments[0].count == 12
