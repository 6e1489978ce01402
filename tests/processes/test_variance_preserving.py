import math

import numpy as np
import pytest
import torch

from scalelib import VariancePreserving
from scalelib.schedules import constant_beta, cosine_beta, linear_beta


def test_the_published_schedule_ends_close_to_the_standard_normal():
    factor, variance = VariancePreserving(linear_beta()).direct(1000)
    assert float(factor**2) == pytest.approx(4.04e-5, rel=2e-3)
    assert float(variance) == pytest.approx(1 - 4.04e-5, abs=1e-7)


def test_constant_beta_has_the_closed_form():
    process = VariancePreserving(constant_beta(400, 0.02))
    for k, i in ((0, 1), (0, 400), (37, 250)):
        factor, variance = process.direct(i, k)
        assert float(factor) == pytest.approx(0.98 ** ((i - k) / 2), rel=1e-13)
        assert float(variance) == pytest.approx(1 - 0.98 ** (i - k), rel=1e-13)


def test_unit_variance_is_kept_by_every_transition():
    process = VariancePreserving(cosine_beta(50))
    for k in range(51):
        for i in range(k, 51):
            factor, variance = process.direct(i, k)
            assert float(factor**2 + variance) == pytest.approx(1, abs=1e-15)


def test_late_transitions_are_exact_when_the_signal_is_gone():
    """alpha_bar is 2^-996 = 1.5e-300 at scale 996 and underflows from scale 1075 on."""
    process = VariancePreserving([0.5] * 3000)
    for i, start in ((996, 0), (1000, 990), (3000, 2999), (3000, 2990), (2000, 1004)):
        factor, variance = process.direct(i, start)
        assert float(factor) == pytest.approx(2 ** (-(i - start) / 2), rel=1e-12)
        assert float(variance) == pytest.approx(1 - 2.0 ** -(i - start), rel=1e-15)
    assert [float(x) for x in process.direct(3000)] == [0, 1]


@pytest.mark.parametrize("beta", [1e-300, 1e-17, 1e-12, 1e-4])
def test_small_variances_add_up_without_cancellation(beta):
    _, variance = VariancePreserving([beta] * 8).direct(8, 3)
    expected = -math.expm1(5 * math.log1p(-beta))
    assert float(variance) == pytest.approx(expected, rel=1e-14)
    assert float(variance) > 0


def test_permuted_noise_gives_the_permuted_trajectory(generator):
    """P-perm, bit for bit: a pixel-wise process knows no neighbours."""
    u0, noise = (torch.randn(n, 6, 5, generator=generator).double() for n in (1, 3))
    noise = noise[:, None]
    order = torch.randperm(30, generator=generator)

    def permute(x):
        return x.flatten(-2)[..., order].reshape(x.shape)

    process = VariancePreserving(linear_beta(10))
    found = process.trajectory(permute(u0), [2, 3, 10], noise=permute(noise))
    assert torch.equal(found, permute(process.trajectory(u0, [2, 3, 10], noise=noise)))


@pytest.mark.parametrize(
    "betas",
    [
        (0.1, 0.2),
        np.array([0.1, 0.2]),
        np.array([0.2, 0.1])[::-1],
        torch.tensor([0.1, 0.2], dtype=torch.float64),
        torch.tensor([0.1, 0.2], dtype=torch.float64, requires_grad=True),
        [torch.tensor(0.1, dtype=torch.float64), 0.2],
        [np.float64(0.1), 0.2],
    ],
)
def test_any_sequence_of_numbers_is_a_schedule(betas):
    process = VariancePreserving(betas)
    assert process.steps == 2
    assert process.betas.tolist() == [0.1, 0.2]
    assert process.betas.dtype == torch.float64
    assert not process.betas.requires_grad


@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_the_process_does_not_follow_later_changes_of_the_schedule(kind):
    betas = kind([0.1, 0.2])
    process = VariancePreserving(betas)
    betas[0] = 0.9
    assert float(process.coefficients(1)[1]) == pytest.approx(0.1, rel=1e-7)


@pytest.mark.parametrize(
    ("betas", "error", "message"),
    [
        ([0.1, 0.0], ValueError, r"^betas must be in \(0, 1\), found 0\.0 at step 2$"),
        ([0.1, 0.2, 1.0], ValueError, r"^betas must be in \(0, 1\), found 1\.0 at step 3$"),
        ([-0.1], ValueError, r"^betas must be in \(0, 1\), found -0\.1 at step 1$"),
        ([0.1, 20.0], ValueError, r"^betas must be in \(0, 1\), found 20\.0 at step 2$"),
        ([0.1, math.nan], ValueError, r"^betas must be finite, found nan at step 2$"),
        ([0.1, math.inf], ValueError, r"^betas must be finite, found inf at step 2$"),
        ([], ValueError, r"^betas must have shape \(m,\) with m >= 1, found \(0,\)$"),
        (0.1, ValueError, r"^betas must have shape \(m,\) with m >= 1, found \(\)$"),
        ([[0.1]], ValueError, r"^betas must have shape \(m,\) with m >= 1, found \(1, 1\)$"),
        (["0.1"], TypeError, r"^betas must be a sequence of real numbers, found \['0\.1'\]$"),
        (None, TypeError, r"^betas must be a sequence of real numbers, found None$"),
    ],
)
def test_bad_betas_are_named_with_their_step(betas, error, message):
    with pytest.raises(error, match=message):
        VariancePreserving(betas)
