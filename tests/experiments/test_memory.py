"""Batches chosen by memory."""

from __future__ import annotations

from experiments.cases import configuration

from scalelib.experiments._memory import available, batch_size
from scalelib.experiments._parts import BLOCK

GIB = 2**30


def test_free_memory_is_told() -> None:
    assert 2**20 < available("cpu") < 2**50


def test_a_batch_has_one_image_at_least_and_a_block_at_most() -> None:
    assert batch_size(configuration(), 10**15) == BLOCK
    assert batch_size(configuration(), 1) == 1


def test_a_batch_fits() -> None:
    large = configuration(size=512, scales=50, channels=3)
    count = batch_size(large, 64 * GIB)
    trajectory = 51 * 3 * 512**2 * 4
    assert 1 < count < BLOCK
    assert 4 * count * trajectory < 64 * GIB
