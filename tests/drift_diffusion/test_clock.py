"""Diffusion time of processes."""

import math

import pytest
import torch

from scalelib import HomogeneousDiffusion, VarianceExploding, VariancePreserving
from scalelib.drift_diffusion import duration
from scalelib.schedules import linear_beta


def test_a_step_is_a_transition_of_the_ornstein_uhlenbeck_process():
    betas = torch.tensor([1e-12, 1e-4, 0.02, 0.5, 1 - 1e-9], dtype=torch.float64)
    process = VariancePreserving(betas)
    for i in range(1, 6):
        s = duration(process, i, i - 1)
        factor, variance = process.direct(i, i - 1)
        assert math.isclose(math.exp(-s), factor, rel_tol=1e-14)
        assert math.isclose(-math.expm1(-2 * s), variance, rel_tol=1e-14)


def test_durations_add_up():
    vp, ve = VariancePreserving(linear_beta(1000)), VarianceExploding([0.5, 1.0, 3.0])
    assert math.isclose(duration(vp, 1000), -0.5 * math.log(4.0358e-5), rel_tol=1e-5)
    parts = duration(vp, 400) + duration(vp, 1000, 400)
    assert math.isclose(duration(vp, 1000), parts, rel_tol=1e-14)
    assert duration(ve, 3, 1) == (9 - 0.25) / 2
    assert duration(ve, 2) == 0.5
    assert duration(vp, 7, 7) == duration(ve, 0) == 0


def test_bad_input():
    with pytest.raises(
        TypeError, match=r"^process must be variance preserving or exploding, found"
    ):
        duration(HomogeneousDiffusion([1.0], (2, 2)), 1)
    with pytest.raises(ValueError, match=r"^i must be between 0 and 1, found 2$"):
        duration(VariancePreserving([0.5]), 2)
    with pytest.raises(ValueError, match=r"^start must be between 0 and 1, found 2$"):
        duration(VariancePreserving([0.5, 0.5]), 1, 2)
