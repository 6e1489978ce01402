"""The steps and times of the trajectory benchmark."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.osmosis_trajectory import OFFSET, case, euler, krylov, second_order
from scalelib import Osmosis


@pytest.mark.parametrize(("size", "count"), [(256, 100), (12, 8)])
def test_times_are_distinct_whole_numbers_from_one_on(size, count):
    times = case(size, count).times
    assert len(times) == count
    assert times[0] == 1
    assert (np.diff(times) >= 1).all()
    assert (times == times.round()).all()


@pytest.mark.parametrize(("step", "expected"), [(euler, 1), (second_order, 2)])
def test_steps_have_their_order(step, expected):
    draws = torch.rand(2, 1, 6, 5, generator=torch.Generator().manual_seed(0)).double()
    osmosis, f = Osmosis(guidance=50 + 100 * draws[0], rtol=1e-13), 50 + 100 * draws[1]
    counts, errors = np.array([8, 16, 32, 64]), []
    for n in counts.tolist():
        u = f
        for _ in range(n):
            u = step(osmosis, u, 2.0 / n)
        errors.append(float((u - osmosis.exact(f, 2.0)).norm()))
    order = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert order == pytest.approx(expected, abs=0.15)


def test_second_order_damps_long_steps():
    f = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)
    flat = Osmosis(guidance=torch.full_like(f, 2.0))
    torch.testing.assert_close(
        second_order(flat, f, 1e9), torch.full_like(f, 2.0), rtol=0, atol=1e-7
    )


def test_krylov_approaches_the_exponential_for_all_times_at_once():
    this = case(12, 8)
    osmosis, durations = this.osmosis(1e-13), np.array([0.5, 2.0, 5.0])
    weight = 1 / (this.guidance + OFFSET)
    exact = torch.stack([osmosis.exact(this.image, t) for t in durations.tolist()])
    errors = [
        float((torch.stack(krylov(osmosis, this.image, weight, 0.5, m, durations)) - exact).norm())
        for m in (4, 8, 16)
    ]
    assert errors[1] < 0.1 * errors[0]
    assert errors[2] < 0.01 * errors[1]
    assert errors[2] < 1e-6 * float(exact.norm())
