"""The cluster: the same numbers, also when a worker dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

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
            n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=None
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
def groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blocks are all there is: let each be a task, and each task a merger of its own."""
    monkeypatch.setattr(cluster, "GROUP", 1)
    monkeypatch.setattr(cluster, "FAN", 1)


def test_workers_give_the_same(
    client: distributed.Client, alone: Store, tmp_path: Path, groups: None
) -> None:
    store = Store(tmp_path, SMALL)
    told: list[int] = []
    run_on(
        client, SMALL, collection(), Means(), store, progress=lambda _, done, __: told.append(done)
    )
    assert_same(store, alone)
    assert sorted(told) == told
    assert told[-1] == 8


def test_a_killed_worker_changes_nothing(
    client: distributed.Client, alone: Store, tmp_path: Path, groups: None
) -> None:
    store, killed = Store(tmp_path, SMALL), []

    def kill_once(*_: object) -> None:
        if not killed:
            pid = next(iter(client.run(os.getpid).values()))
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    run_on(client, SMALL, collection(), Slow(), store, progress=kill_once)
    assert killed
    assert_same(store, alone)


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
