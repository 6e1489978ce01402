import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    VarianceExploding,
    VariancePreserving,
    schedules,
)
from scalelib.schedules import (
    arctan_noise,
    constant_beta,
    cosine_beta,
    geometric_sigma,
    linear_beta,
    log_blur,
    matched_sigma,
    sin2_blur,
)

steps = st.integers(2, 300)


# Every schedule


@given(m=steps)
def test_schedules_are_float64_vectors_that_the_processes_take(m):
    found = {
        "linear": linear_beta(m),
        "cosine": cosine_beta(m),
        "constant": constant_beta(m),
        "geometric": geometric_sigma(m),
        "log": log_blur(m, 20),
        "sin2": sin2_blur(m),
        "alphas": arctan_noise(m)[0],
        "sigmas": arctan_noise(m)[1],
    }
    assert all(x.shape == (m,) and x.dtype == torch.float64 for x in found.values())
    for name in ("linear", "cosine", "constant"):
        VariancePreserving(found[name])
    VarianceExploding(found["geometric"])
    for name in ("log", "sin2"):
        HeatDissipation(found[name], 0.01, (2, 2))
        BlurringDiffusion(found[name], found["alphas"], found["sigmas"], (2, 2))


def test_all_schedules_are_public():
    assert sorted(schedules.__all__) == schedules.__all__
    assert all(callable(getattr(schedules, name)) for name in schedules.__all__)


# Variance preserving


def test_the_published_linear_schedule():
    """beta from 1e-4 to 0.02, T = 1000, alpha_bar_T = 4.04e-5."""
    betas = linear_beta()
    assert len(betas) == 1000
    assert betas[[0, -1]].tolist() == [1e-4, 0.02]
    assert betas.diff().tolist() == pytest.approx([0.0199 / 999] * 999, rel=1e-10)
    assert float((1 - betas).prod()) == pytest.approx(4.04e-5, abs=0.005e-5)


def test_linear_schedules_have_the_ends_asked_for():
    assert linear_beta(3, 0.1, 0.5).tolist() == pytest.approx([0.1, 0.3, 0.5], rel=1e-15)
    assert linear_beta(1, 0.1, 0.5).tolist() == [0.1]
    assert linear_beta(2, 0.5, 0.1).tolist() == [0.5, 0.1]


@pytest.mark.parametrize("m", [1, 2, 1000])
@pytest.mark.parametrize("offset", [0.008, 1e-9])
def test_the_cosine_schedule_follows_its_formula(m, offset):
    """Also for the first variances, where 1 - f(t) / f(t - 1/m) in double precision cancels."""
    betas = cosine_beta(m, offset)
    with mpmath.workdps(50):

        def f(i):
            s = mpmath.mpf(offset)
            return mpmath.cos((mpmath.mpf(i) / m + s) / (1 + s) * mpmath.pi / 2) ** 2

        for i in {1, 2, m // 2, m - 1, m} & set(range(1, m + 1)):
            expected = float(min(1 - f(i) / f(i - 1), 0.999))
            assert float(betas[i - 1]) == pytest.approx(expected, rel=1e-12), i


def test_the_cosine_schedule_divides_by_its_start():
    """Without the division by f(0) the first variance is 4.8 times too large."""

    def f(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    assert (1 - f(1 / 1000)) / float(cosine_beta()[0]) == pytest.approx(4.8, abs=0.05)
    alpha_bar = (1 - cosine_beta()).cumprod(0)
    expected = [f(i / 1000) / f(0) for i in range(1, 1000)]
    assert alpha_bar[:-1].tolist() == pytest.approx(expected, rel=1e-10)


def test_the_cosine_schedule_is_capped():
    assert float(cosine_beta()[-1]) == 0.999
    assert float(cosine_beta(largest=0.5).max()) == 0.5
    assert int((cosine_beta(largest=0.5) == 0.5).sum()) < 5


def test_constant_beta():
    assert constant_beta(3).tolist() == [0.02] * 3
    assert constant_beta(1, 0.5).tolist() == [0.5]


# Variance exploding


def test_the_published_geometric_schedule():
    sigmas = geometric_sigma(232)
    assert sigmas[[0, -1]].tolist() == [0.01, 50]
    ratios = (sigmas[1:] / sigmas[:-1]).tolist()
    assert ratios == pytest.approx([5000 ** (1 / 231)] * 231, rel=1e-13)
    assert float(geometric_sigma(2311, last=90)[-1]) == 90


def test_geometric_schedules_do_not_overflow():
    assert geometric_sigma(3, 1e-200, 1e200).tolist() == pytest.approx([1e-200, 1, 1e200])


# Blur


@pytest.mark.parametrize(("m", "sigma_max"), [(100, 20), (200, 24), (200, 128), (400, 64)], ids=str)
def test_the_published_blur_schedules(m, sigma_max):
    """K log-spaced widths in [0.5, sigma_max] as diffusion times sigma_B^2 / 2."""
    times = log_blur(m, sigma_max)
    widths = (2 * times).sqrt()
    assert len(times) == m
    assert [float(widths[0]), float(widths[-1])] == pytest.approx([0.5, sigma_max], rel=1e-14)
    assert widths.log().diff().numpy() == pytest.approx(
        np.full(m - 1, math.log(2 * sigma_max) / (m - 1)), rel=1e-10
    )


@pytest.mark.parametrize("m", [1, 2, 7])
def test_the_squared_sine_of_the_blur_width(m):
    expected = [(20 * math.sin(math.pi / 2 * i / m) ** 2) ** 2 / 2 for i in range(1, m + 1)]
    assert sin2_blur(m).tolist() == pytest.approx(expected, rel=1e-14)
    assert float(sin2_blur(m, 10)[-1]) == pytest.approx(50, rel=1e-15)


@pytest.mark.parametrize("m", [1, 2, 7, 1000])
@pytest.mark.parametrize("log_snr_max", [10.0, 60.0, 2000.0])
def test_the_angle_grows_linearly(m, log_snr_max):
    """Against the formula in high precision, also where the cosine of an angle near pi/2 loses."""
    alphas, sigmas = arctan_noise(m, log_snr_max)
    with mpmath.workdps(1000):
        low = mpmath.atan(mpmath.exp(-mpmath.mpf(log_snr_max) / 2))
        high = mpmath.atan(mpmath.exp(mpmath.mpf(log_snr_max) / 2))
        for i in {1, (m + 1) // 2, m}:
            theta = low + mpmath.mpf(i) / m * (high - low)
            assert float(alphas[i - 1]) == pytest.approx(
                float(mpmath.cos(theta)), rel=1e-13, abs=1e-320
            )
            assert float(sigmas[i - 1]) == pytest.approx(float(mpmath.sin(theta)), rel=1e-14)


def test_the_published_noise_schedule():
    alphas, sigmas = arctan_noise(1000)
    assert float(alphas[-1]) == pytest.approx(0.0067, abs=5e-5)
    assert float(2 * (alphas[-1] / sigmas[-1]).log()) == pytest.approx(-10, rel=1e-13)
    assert float(2 * (alphas[499] / sigmas[499]).log()) == pytest.approx(0, abs=1e-14)
    # Not (1, 0) at t = 0: the first step of a long schedule starts from (0.99998, 0.0067).
    alphas, sigmas = arctan_noise(10**6)
    assert float(alphas[0]) == pytest.approx(0.99998, abs=5e-6)
    assert float(sigmas[0]) == pytest.approx(0.0067, abs=5e-5)
    assert (alphas**2 + sigmas**2 - 1).abs().max() < 1e-15


# Matched noise


@pytest.mark.parametrize("times", [[1e-9, 0.125, 3, 200, 1e5], [0.5]])
@pytest.mark.parametrize("shape", [(5, 7), (1, 2), (3, 1)])
def test_matched_noise_has_the_mean_variance_of_the_modes(times, shape):
    """s_i^2 = mean over all modes, mode 0 included, of S_i^2 = s^2 (1 - exp(-lambda t))^2."""
    found = matched_sigma(times, 0.5, shape)
    assert (found.dtype, found.shape) == (torch.float64, (len(times),))
    with mpmath.workdps(40):
        axes = [[2 - 2 * mpmath.cos(mpmath.pi * k / n) for k in range(n)] for n in shape]
        for sigma, t in zip(found, times, strict=True):
            S2 = [(1 - mpmath.exp(-(a + b) * t)) ** 2 for a in axes[0] for b in axes[1]]
            expected = mpmath.mpf(0.5) * mpmath.sqrt(mpmath.fsum(S2) / len(S2))
            assert float(sigma) == pytest.approx(float(expected), rel=1e-14)


def test_matched_noise_scales_with_the_contrast():
    one, two = (matched_sigma([1, 2], contrast, (4, 4)) for contrast in (0.25, 0.5))
    assert (2 * one).tolist() == two.tolist()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 1], 0.5, (4, 4)), ValueError, r"^times must hold scales 1\.\.m, all positive; found"),
        (([2, 1], 0.5, (4, 4)), ValueError, r"^times must be strictly increasing, found 2\.0 foll"),
        (([1], 0, (4, 4)), ValueError, r"^contrast must be finite and in \(0, inf\), found 0$"),
        (([1], "1", (4, 4)), TypeError, r"^contrast must be a real number, found '1'$"),
        (([1], 0.5, 4), ValueError, r"^shape must be a pair \(H, W\), found 4$"),
    ],
)
def test_bad_arguments_of_matched_noise_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        matched_sigma(*arguments)


# Bad input


STEPS = [
    (0, ValueError, r"^steps must be at least \d, found 0$"),
    (-3, ValueError, r"^steps must be at least \d, found -3$"),
    (2.0, TypeError, r"^steps must be an integer, found 2\.0$"),
    (True, TypeError, r"^steps must be an integer, found True$"),
    ("3", TypeError, r"^steps must be an integer, found '3'$"),
    (None, TypeError, r"^steps must be an integer, found None$"),
    (torch.tensor(2.0), TypeError, r"^steps must be an integer, found tensor"),
]
CALLS = {
    "linear_beta": linear_beta,
    "cosine_beta": cosine_beta,
    "constant_beta": constant_beta,
    "geometric_sigma": geometric_sigma,
    "log_blur": lambda steps: log_blur(steps, 20),
    "sin2_blur": sin2_blur,
    "arctan_noise": arctan_noise,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize(("bad", "error", "message"), STEPS)
def test_bad_numbers_of_steps_are_named(call, bad, error, message):
    with pytest.raises(error, match=message):
        call(bad)


@pytest.mark.parametrize("call", [geometric_sigma, CALLS["log_blur"]])
def test_a_ratio_needs_two_steps(call):
    with pytest.raises(ValueError, match=r"^steps must be at least 2, found 1$"):
        call(1)


VARIANCES = {
    "first": lambda x: linear_beta(3, first=x),
    "last": lambda x: linear_beta(3, last=x),
    "largest": lambda x: cosine_beta(3, largest=x),
    "beta": lambda x: constant_beta(3, x),
}
POSITIVE = {
    "offset": lambda x: cosine_beta(3, offset=x),
    "first": lambda x: geometric_sigma(3, first=x),
    "last": lambda x: geometric_sigma(3, last=x),
    "sigma_max": lambda x: log_blur(3, x),
    "sigma_min": lambda x: log_blur(3, 20, x),
    "sigma_max ": lambda x: sin2_blur(3, x),
    "log_snr_max": lambda x: arctan_noise(3, x),
}


@pytest.mark.parametrize("bad", [0, 1, -0.1, 1.5, math.nan, math.inf])
@pytest.mark.parametrize(("name", "call"), VARIANCES.items(), ids=VARIANCES.keys())
def test_variances_must_be_between_0_and_1(name, call, bad):
    with pytest.raises(ValueError, match=rf"^{name} must be finite and in \(0, 1\), found {bad}$"):
        call(bad)


@pytest.mark.parametrize("bad", [0, -1, -0.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("name", "call"), POSITIVE.items(), ids=POSITIVE.keys())
def test_widths_must_be_positive(name, call, bad):
    message = rf"^{name.strip()} must be finite and in \(0, inf\), found {bad}$"
    with pytest.raises(ValueError, match=message):
        call(bad)


@pytest.mark.parametrize("bad", ["0.1", None, True, [0.1], 0.1 + 0j])
@pytest.mark.parametrize(
    ("name", "call"), [*VARIANCES.items(), *POSITIVE.items()], ids=[*VARIANCES, *POSITIVE]
)
def test_arguments_must_be_numbers(name, call, bad):
    with pytest.raises(TypeError, match=rf"^{name.strip()} must be a real number, found "):
        call(bad)


def test_ends_must_be_in_order():
    with pytest.raises(ValueError, match=r"^first must be below last, found 3\.0 and 2\.0$"):
        geometric_sigma(4, 3, 2)
    with pytest.raises(ValueError, match=r"^first must be below last, found 2\.0 and 2\.0$"):
        geometric_sigma(4, 2, 2)
    with pytest.raises(
        ValueError, match=r"^sigma_min must be below sigma_max, found 0\.5 and 0\.2"
    ):
        log_blur(4, 0.2)
