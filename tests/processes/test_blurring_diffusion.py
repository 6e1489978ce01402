import math

import numpy as np
import pytest
import torch

from scalelib import BlurringDiffusion, HeatDissipation, LinearisedOsmosis
from scalelib.schedules import arctan_noise, log_blur, matched_sigma, sin2_blur
from scalelib.transforms import laplacian_eigenvalues


def published(steps, shape, **options):
    return BlurringDiffusion(sin2_blur(steps), *arctan_noise(steps), shape, **options)


def test_the_published_schedule_ends_close_to_the_standard_normal():
    factor, variance = published(1000, (16, 16)).direct(1000)
    assert float(factor[0, 0]) == pytest.approx(math.cos(math.atan(math.exp(5))), rel=1e-12)
    assert float(factor[0, 0]) == pytest.approx(0.0067, abs=5e-5)
    assert float(factor[15, 15]) == pytest.approx(0.0067e-3, rel=0.01)  # d_min is what remains
    assert bool((variance == variance[0, 0]).all())
    assert float(variance[0, 0]) == pytest.approx(1 - 0.0067**2, abs=1e-6)


@pytest.mark.parametrize("d_min", [0, 1e-12, 1e-3])
def test_fine_schedules_are_markov(d_min):
    process = published(1000, (3, 8), d_min=d_min)
    for i in range(1, 1001):
        factor, variance = process.coefficients(i)
        assert bool((variance > 0).all())
        assert bool(((factor > 0) & (factor <= 1)).all())


@pytest.mark.parametrize("d_min", [1e-300, 1e-12, 1e-3])
def test_blur_stops_at_its_floor(d_min):
    """lambda t = 1e4: d has been d_min for long, so that nothing is blurred any more."""
    process = BlurringDiffusion([5e3, 6e3], [1.0, 0.5], [0.1, 0.2], (1, 2), d_min)
    assert float(process.direct(1)[0][0, 1]) == pytest.approx(d_min, rel=1e-13)
    factor, variance = process.coefficients(2)
    assert float(factor[0, 1]) == pytest.approx(0.5, rel=1e-14)
    assert float(variance[0, 1]) == pytest.approx(0.2**2 - 0.05**2, rel=1e-14)


def test_without_a_floor_blur_goes_on_when_the_signal_is_gone():
    process = BlurringDiffusion([5e3, 5e3 + 0.5], [1.0, 1.0], [0.1, 0.1], (1, 2), d_min=0)
    assert float(process.direct(2)[0][0, 1]) == 0
    factor, variance = process.coefficients(2)
    assert float(factor[0, 1]) == pytest.approx(math.exp(-1), rel=1e-12)
    assert float(variance[0, 1]) == pytest.approx(0.01 * -math.expm1(-2), rel=1e-12)


@pytest.mark.parametrize("d_min", [0, 1e-12, 1e-3, 0.1, 0.3, 0.7])
def test_blur_never_amplifies_and_keeps_the_mean_exactly(d_min):
    times = [1e-6, 1e-3, 0.1, 1, 10, 1e3]
    process = BlurringDiffusion(times, [1.0] * 6, [0.1] * 6, (6, 7), d_min)
    for i in range(1, 7):
        for k in range(1, i):
            factor, _ = process.direct(i, k)
            assert float(factor[0, 0]) == 1
            assert bool((factor <= 1).all())


def test_constant_noise_without_floor_is_heat_dissipation():
    times, shape = log_blur(20, 20), (5, 6)
    blurring = BlurringDiffusion(times, [1.0] * 20, [0.02] * 20, shape, d_min=0)
    heat = HeatDissipation(times, 0.02, shape)
    for i, k in ((1, 0), (20, 0), (2, 1), (20, 7)):
        for found, expected in zip(blurring.direct(i, k), heat.direct(i, k), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)


def test_the_matched_schedule_has_the_variance_of_linearised_osmosis():
    """alphas = 1, d_min = 0, s_i^2 = mean over modes of S_i^2: same mean, same pixel variance."""
    times, shape = log_blur(30, 20), (6, 7)
    osmosis = LinearisedOsmosis(times, 0.5, shape)
    marginals = [osmosis.direct(i) for i in range(1, 31)]
    sigmas = matched_sigma(times, 0.5, shape)
    process = BlurringDiffusion(times, torch.ones(30), sigmas, shape, d_min=0)
    for i, (factor, variance) in enumerate(marginals, start=1):
        found, isotropic = process.direct(i)
        torch.testing.assert_close(found, factor, rtol=1e-13, atol=0)
        assert float(isotropic.sum()) == pytest.approx(float(variance.sum()), rel=1e-13)
        # It minimises KL(osmosis || white noise of variance s^2) = sum (S^2 / s^2 + ln s^2) / 2.
        kl = [
            float((variance / s2 + math.log(s2)).sum()) for s2 in float(sigmas[i - 1]) ** 2 * NEARBY
        ]
        assert int(np.argmin(kl)) == 1


NEARBY = np.array([0.99, 1.0, 1.01])


@pytest.mark.parametrize("d_min", [0.0, 1e-3])
def test_the_signal_to_noise_ratio_may_stand_still(d_min):
    """sigma / alpha constant: b^2 = 0 in mode (0, 0) whatever the rounding, never negative."""
    alphas = np.cos(np.linspace(0.1, 1.5, 200))
    process = BlurringDiffusion(log_blur(200, 20), alphas, 0.3 * alphas, (4, 4), d_min)
    lam = laplacian_eigenvalues((4, 4))
    for i in range(2, 201):
        variance = process.coefficients(i)[1]
        assert 0 <= float(variance[0, 0]) <= 1e-15 * (0.3 * alphas[i - 2]) ** 2
        # Elsewhere b^2 = sigma_i^2 (1 - (d_i / d_{i-1})^2).
        d = [(1 - d_min) * torch.exp(-lam * t) + d_min for t in process.times[i - 2 : i]]
        blurred = d[0][0, 1] - d[1][0, 1]
        expected = (0.3 * alphas[i - 1]) ** 2 * blurred * (d[0] + d[1])[0, 1] / d[0][0, 1] ** 2
        assert float(variance[0, 1]) == pytest.approx(float(expected), rel=1e-10)


def test_no_noise_at_all_is_a_deterministic_scale_space(generator):
    process = BlurringDiffusion([1.0, 2.0], [0.9, 0.8], [0.0, 0.0], (4, 4))
    u = torch.randn(1, 4, 4, generator=generator)
    assert torch.equal(process.sample(u, 2, generator=generator), process.mean(u, 2))


NEGATIVE = (
    r"^sigmas / alphas must not decrease, else no Markov chain has these marginals: "
    r"found noise variance b\^2 = -[0-9.e-]+ < 0 at step %d in mode \(0, 0\)$"
)


@pytest.mark.parametrize(
    ("alphas", "sigmas", "step"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.199], 3),
        ([1, 1, 1], [0.2, 0.1, 0.3], 2),
        ([1, 0.5, 0.5], [0.2, 0.0999, 0.3], 2),
        ([1, 0.5, 0.25], [0.1, 0.2, 0.09], 3),
        ([1, 1, 1], [0.2, 0.2 * (1 - 1e-14), 0.3], 2),
        ([1, 1, 1], [0.1, 0, 0.3], 2),
        ([1, 1, 1], [1e-150, 0.9e-150, 1], 2),
    ],
)
def test_a_negative_noise_variance_is_named_with_step_and_mode(alphas, sigmas, step):
    with pytest.raises(ValueError, match=NEGATIVE % step):
        BlurringDiffusion([1.0, 2.0, 3.0], alphas, sigmas, (4, 4))


def test_the_named_variance_is_that_of_the_mode():
    """sigma_2^2 - sigma_1^2 = 0.01 - 0.04 with equal means."""
    with pytest.raises(ValueError, match=r"b\^2 = -0\.03 < 0 at step 2 in mode \(0, 0\)$"):
        BlurringDiffusion([1.0, 2.0], [0.5, 0.5], [0.2, 0.1], (4, 4))


GOOD = {"times": [1.0, 2.0], "alphas": [1.0, 0.5], "sigmas": [0.1, 0.2], "shape": (4, 4)}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"times": [0, 1]}, ValueError, r"^times must hold scales 1\.\.m, all positive; found 0"),
        ({"times": [2, 1]}, ValueError, r"^times must be strictly increasing, found 2\.0 followed"),
        ({"alphas": [1.0, 0.0]}, ValueError, r"^alphas must be in \(0, 1\], found 0\.0 at step 2$"),
        ({"alphas": [1.1, 1.0]}, ValueError, r"^alphas must be in \(0, 1\], found 1\.1 at step 1$"),
        (
            {"alphas": [0.5, 0.6]},
            ValueError,
            r"^alphas must not increase, found 0\.5 followed by 0\.6 at step 2$",
        ),
        (
            {"alphas": [1.0]},
            ValueError,
            r"^alphas must have as many scales as times, found 1 and 2$",
        ),
        (
            {"sigmas": [0.1] * 3},
            ValueError,
            r"^sigmas must have as many scales as times, found 3 and 2$",
        ),
        (
            {"sigmas": [-0.1, 0.2]},
            ValueError,
            r"^sigmas must not be negative, found -0\.1 at step 1",
        ),
        (
            {"sigmas": [0, -0.1]},
            ValueError,
            r"^sigmas must not be negative, found -0\.1 at step 2$",
        ),
        ({"sigmas": [0.1, math.nan]}, ValueError, r"^sigmas must be finite, found nan at step 2$"),
        (
            {"sigmas": ["a", "b"]},
            TypeError,
            r"^sigmas must be a sequence of real numbers, found \[",
        ),
        ({"shape": (4, 4, 1)}, ValueError, r"^shape must be a pair \(H, W\), found \(4, 4, 1\)$"),
        ({"d_min": -1e-9}, ValueError, r"^d_min must not be negative, found -1e-09$"),
        ({"d_min": 1}, ValueError, r"^d_min must be in \[0, 1\), found 1$"),
        ({"d_min": math.nan}, ValueError, r"^d_min must be finite .*found nan$"),
        ({"d_min": False}, TypeError, r"^d_min must be a real number, found False$"),
        ({"d_min": "0"}, TypeError, r"^d_min must be a real number, found '0'$"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    with pytest.raises(error, match=message):
        BlurringDiffusion(**GOOD | change)
