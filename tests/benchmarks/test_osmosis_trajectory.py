"""The steps and times of the trajectory benchmark."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import osmosis_trajectory
from benchmarks.harness import Settings
from benchmarks.osmosis_trajectory import METHODS, OFFSET, case, euler, second_order
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


@pytest.mark.parametrize("rtol", [1e-2, 1e-4, 1e-6])
def test_the_krylov_contender_meets_its_tolerance_at_all_times(rtol):
    this = case(12, 8)
    osmosis, weight = this.osmosis(1e-8), 1 / (this.guidance + OFFSET)
    found = METHODS[f"Krylov, rtol {rtol:g}"].run(osmosis, this.image, this)
    for u, t in zip(found, this.times.tolist(), strict=True):
        exact = osmosis.exact(this.image, t)
        error = ((u - exact).square() * weight).sum().sqrt()
        assert error <= rtol * ((exact + OFFSET).square() * weight).sum().sqrt()


def test_a_goal_that_no_member_reaches_is_reported(monkeypatch):
    never = {"not worse at any time": lambda ours, theirs: False}
    monkeypatch.setattr(osmosis_trajectory, "GOALS", never)
    (found,) = osmosis_trajectory.trajectory(Settings(rounds=1, quick=True))
    assert found.reached is False
    assert "goal not reached" in found.quantity
