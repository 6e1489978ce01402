"""Two Gaussian pixels against the sampler itself."""

import math

import pytest
import torch

from scalelib import VarianceExploding, VariancePreserving
from scalelib.information import standard_normal_test
from scalelib.propositions.replacement import GaussianPair, fine_steps, limit, replacement_law
from scalelib.reverse import Posterior, inpaint

MASK = torch.tensor([False, True])
VP = VariancePreserving([0.1, 0.3, 0.75])
VE = VarianceExploding([0.2, 0.6, 1.5])


@pytest.mark.parametrize("process", [VP, VE])
def test_the_denoiser_of_independent_pixels_is_that_of_one_component(process):
    one = Posterior(process, torch.zeros(1, 2, dtype=torch.float64), variance=1.0)
    u = torch.tensor([[0.3, -1.2], [2.0, 0.0]], dtype=torch.float64)
    for i in (1, 2, 3):
        torch.testing.assert_close(GaussianPair(process, 0.0).denoise(u, i), one.denoise(u, i))


@pytest.mark.parametrize("process", [VP, VE])
def test_correlated_pixels_are_independent_in_turned_coordinates(process):
    turn = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64) / math.sqrt(2)
    variances = torch.tensor([1.7, 0.3], dtype=torch.float64)
    one = Posterior(process, torch.zeros(1, 2, dtype=torch.float64), variance=variances)
    u = torch.tensor([[0.3, -1.2], [2.0, 0.0]], dtype=torch.float64)
    found = GaussianPair(process, 0.7).denoise(u, 2)
    torch.testing.assert_close(found, one.denoise(u @ turn, 2) @ turn)


@pytest.mark.parametrize("repetitions", [1, 4])
@pytest.mark.parametrize("process", [VP, VE])
def test_the_recursion_is_what_the_sampler_does(process, repetitions, generator):
    # n = 40000, alpha = 1e-3: a mean or deviation off by 0.04 deviations is found with power 0.99
    pair, n, y = GaussianPair(process, -0.7), 40_000, 2.0
    u = process.direct(3)[1].sqrt() * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    known = torch.tensor([0.0, y], dtype=torch.float64)
    found = inpaint(pair, u, [2, 1, 0], known, MASK, repetitions=repetitions, generator=generator)[
        -1, :, :1
    ]
    mean, variance = replacement_law(pair, repetitions)
    residuals = (found - mean * y) / math.sqrt(variance)
    assert not standard_normal_test(residuals, alpha=1e-3, defect=0.04).rejected
    shifted = (found + mean * y) / math.sqrt(variance)
    assert standard_normal_test(shifted, alpha=1e-3).rejected


def test_the_limit_of_no_correlation_is_exact():
    assert limit(0.0) == (0.0, 1.0)
    assert limit(1e-6) == pytest.approx((5e-7, 1.0))


def test_fine_steps_end_in_noise():
    factor, variance = fine_steps(50).direct(50)
    assert float(factor) == pytest.approx(math.exp(-6))
    assert float(variance) == pytest.approx(1 - math.exp(-12))


@pytest.mark.parametrize("correlation", [-1.0, 1.0, math.nan])
def test_a_correlation_of_one_is_refused(correlation):
    with pytest.raises(ValueError, match="correlation must be finite and in"):
        limit(correlation)
    with pytest.raises(ValueError, match="correlation must be finite and in"):
        GaussianPair(VP, correlation)
