import math

import numpy as np
import pytest
import torch

from scalelib import HeatDissipation, HomogeneousDiffusion
from scalelib.schedules import log_blur


def test_the_conditional_variance_is_the_same_at_every_scale():
    process = HeatDissipation(log_blur(30, 20), 0.01, (6, 9))
    for i in range(1, 31):
        assert bool((process.direct(i)[1] == 0.01**2).all())


def test_the_mean_grey_value_takes_noise_in_the_first_step_only(generator):
    process = HeatDissipation([0.5, 1.0, 8.0], 0.1, (4, 5))
    assert float(process.coefficients(1)[1][0, 0]) == 0.1**2
    assert [float(process.coefficients(i)[1][0, 0]) for i in (2, 3)] == [0, 0]
    u0 = torch.randn(1, 4, 5, generator=generator).double()
    means = process.trajectory(u0, [0, 1, 2, 3], generator=generator).mean(dim=(-2, -1)).flatten()
    assert abs(means[1] - means[0]) > 1e-3
    assert means[1:].tolist() == pytest.approx([float(means[1])] * 3, abs=1e-14)


def test_the_mean_is_homogeneous_diffusion(generator):
    times, u = [0.3, 4.0, 1e4], torch.randn(2, 7, 5, generator=generator)
    ihd, diffusion = HeatDissipation(times, 0.02, (7, 5)), HomogeneousDiffusion(times, (7, 5))
    for i, start in ((1, 0), (3, 0), (3, 1)):
        assert torch.equal(ihd.mean(u, i, start), diffusion.mean(u, i, start))


@pytest.mark.parametrize(("k1", "k2"), [(0, 1), (3, 0), (5, 6), (2, 4)])
def test_continuous_eigenvalues_damp_cosines_as_the_plane_does(k1, k2):
    """cos(pi k1 (y + 1/2) / H) cos(pi k2 (x + 1/2) / W), the Neumann modes of the rectangle."""
    y, x = torch.arange(6)[:, None] + 0.5, torch.arange(7) + 0.5
    u = (torch.cos(math.pi * k1 * y / 6) * torch.cos(math.pi * k2 * x / 7)).double()[None]
    process = HeatDissipation([0.1, 0.35], 0.02, (6, 7), eigenvalues="continuous")
    damping = math.exp(-(math.pi**2) * (k1**2 / 36 + k2**2 / 49) * 0.35)
    torch.testing.assert_close(process.mean(u, 2), damping * u, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(float(process.direct(2)[0][k1, k2]), damping, rtol=1e-14)


@pytest.mark.parametrize(
    ("size", "steps", "sigma_max", "left"),
    [(28, 100, 20, 0.08), (32, 200, 24, 0.06), (256, 200, 128, 0.29)],
    ids=["MNIST", "CIFAR-10", "FFHQ"],
)
def test_the_published_schedules_stop_before_the_image_is_flat(size, steps, sigma_max, left):
    process = HeatDissipation(log_blur(steps, sigma_max), 0.01, (size, size), "continuous")
    assert float(process.direct(steps)[0][0, 1]) == pytest.approx(left, abs=0.005)


def test_vanishing_blur_renews_vanishing_noise():
    """1 - exp(-2 lambda dt) for lambda dt = 2e-12; a plain difference would be 1e-5 off."""
    process = HeatDissipation([1.0, 1.0 + 2**-40], 1.0, (1, 2))
    variance = float(process.coefficients(2)[1][0, 1])
    assert variance == pytest.approx(-math.expm1(-4 * 2**-40), rel=1e-13)  # lambda = 2


def test_late_steps_are_exact_when_the_signal_is_gone():
    process = HeatDissipation([1e5, 1e5 + 0.25], 0.02, (4, 4))
    factor, variance = process.coefficients(2)
    lam = 4 * math.sin(math.pi * 3 / 8) ** 2 * 2
    assert float(process.direct(2)[0][3, 3]) == 0
    assert float(factor[3, 3]) == pytest.approx(math.exp(-lam / 4), rel=1e-14)
    assert float(variance[3, 3]) == pytest.approx(-(0.02**2) * math.expm1(-lam / 2), rel=1e-14)


SHAPE_ERROR = r"^shape must be a pair \(H, W\), found "


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0], 0, (4, 4)), ValueError, r"^sigma must be finite and in \(0, inf\), found 0$"),
        (
            ([1.0], -0.1, (4, 4)),
            ValueError,
            r"^sigma must be finite and in \(0, inf\), found -0\.1$",
        ),
        (([1.0], math.nan, (4, 4)), ValueError, r"^sigma must be finite .* found nan$"),
        (([1.0], math.inf, (4, 4)), ValueError, r"^sigma must be finite .* found inf$"),
        (([1.0], "0.1", (4, 4)), TypeError, r"^sigma must be a real number, found '0\.1'$"),
        (([1.0], True, (4, 4)), TypeError, r"^sigma must be a real number, found True$"),
        (([1.0], [0.1], (4, 4)), TypeError, r"^sigma must be a real number, found \[0\.1\]$"),
        (
            ([0, 1], 0.1, (4, 4)),
            ValueError,
            r"^times must hold scales 1\.\.m, all positive; found 0",
        ),
        (([2, 1], 0.1, (4, 4)), ValueError, r"^times must be strictly increasing, found 2\.0 foll"),
        (([1.0], 0.1, 4), ValueError, SHAPE_ERROR + "4$"),
        (([1.0], 0.1, (1, 4, 4)), ValueError, SHAPE_ERROR + r"\(1, 4, 4\)$"),
        (([1.0], 0.1, (4.0, 4)), TypeError, r"^shape\[0\] must be an integer, found 4\.0$"),
        (([1.0], 0.1, (4, 0)), ValueError, r"^shape\[1\] must be at least 1, found 0$"),
        (
            ([1.0], 0.1, (4, 4), "cosine"),
            ValueError,
            r"^eigenvalues must be one of .*found 'cosine'",
        ),
        (([1.0], 0.1, (4, 4), None), ValueError, r"^eigenvalues must be one of .*found None$"),
        (([1.0], 0.1, (4, 4), []), ValueError, r"^eigenvalues must be one of .*found \[\]$"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        HeatDissipation(*arguments)
