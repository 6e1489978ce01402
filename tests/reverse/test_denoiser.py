"""Denoisers made from predictions of the noise."""

from types import SimpleNamespace

import pytest
import torch

from scalelib import HomogeneousDiffusion, LinearisedOsmosis, VariancePreserving
from scalelib.reverse import Denoiser, NoisePrediction, Posterior, ancestral
from scalelib.schedules import linear_beta


def image(seed=0, *batch):
    source = torch.Generator().manual_seed(seed)
    return torch.rand(*batch, 2, 2, 3, generator=source, dtype=torch.float64) * 2 - 1


def test_the_true_noise_gives_the_image(noisy):
    u0, noise = image(0, 4), image(1, 4)
    for i in range(1, noisy.steps + 1):
        u = noisy.sample(u0, i, noise=noise)
        found = NoisePrediction(noisy, lambda _u, _i: noise).denoise(u, i)
        rounding = 4e-15 / float(noisy.direct(i)[0].min())  # the division by M amplifies it
        torch.testing.assert_close(found, u0, rtol=0, atol=rounding)


def test_the_expected_noise_gives_the_conditional_mean(noisy):
    """Tweedie: the noise to be expected is -S grad ln p, mode by mode."""
    exact = Posterior(noisy, image(2, 5), variance=0.1)

    def expected_noise(u, i):
        score = noisy.to_modes(exact.score(u, i))
        return noisy.from_modes(-noisy.direct(i)[1].sqrt() * score)

    for i in range(1, noisy.steps + 1):
        u = noisy.sample(image(3, 4), i, noise=image(4, 4))
        found = NoisePrediction(noisy, expected_noise).denoise(u, i)
        torch.testing.assert_close(found, exact.denoise(u, i), rtol=1e-10, atol=1e-10)


def test_scale_0_is_the_image_itself(noisy):
    def fail(u, i):
        raise AssertionError("there is nothing to predict")

    u = image(5, 3)
    found = NoisePrediction(noisy, fail).denoise(u, 0)
    assert torch.equal(found, u)
    assert found.data_ptr() != u.data_ptr()


def test_images_and_scales_reach_the_prediction():
    seen = []

    def predict(u, i):
        seen.append((u, i))
        return torch.zeros_like(u)

    u = image(6)
    NoisePrediction(VariancePreserving([0.1, 0.2]), predict).denoise(u, 2)
    assert seen == [(u, 2)]


class UNet:
    """Stands for ``diffusers.UNet2DModel``: batches, time steps 0..T-1, and a result object."""

    def __init__(self, steps, value):
        self.steps, self.value, self.seen = steps, value, []
        self.weight = torch.ones((), requires_grad=True)

    def __call__(self, sample, timestep):
        assert sample.ndim == 4
        assert 0 <= timestep < self.steps
        self.seen.append(timestep)
        return SimpleNamespace(sample=torch.full_like(sample, self.value) * self.weight)


def test_a_model_of_diffusers_plugs_in_by_one_line():
    process = VariancePreserving(linear_beta(10, 0.01, 0.3))
    unet = UNet(10, 0.5)
    denoiser = NoisePrediction(process, torch.no_grad()(lambda u, i: unet(u, i - 1).sample))
    u = image(7, 3).float()
    found = ancestral(denoiser, u, range(9, -1, -1), noise=torch.zeros(10, *u.shape))
    assert unet.seen == list(range(9, -1, -1))
    assert not found.requires_grad
    factor, variance = (float(x) for x in process.direct(10))
    torch.testing.assert_close(denoiser.denoise(u, 10), (u - variance**0.5 * 0.5) / factor**1)


def test_estimates_are_clipped_on_demand_only():
    process = VariancePreserving([0.75])
    u = torch.tensor([-3.0, -0.4, 0.0, 0.2, 3.0])
    free = NoisePrediction(process, lambda u, _: torch.zeros_like(u))
    torch.testing.assert_close(free.denoise(u, 1), 2 * u)
    clipped = NoisePrediction(process, lambda u, _: torch.zeros_like(u), clip=(-1, 0.3))
    expected = torch.tensor([-1.0, -0.8, 0.0, 0.3, 0.3])
    torch.testing.assert_close(clipped.denoise(u, 1), expected)


@pytest.mark.parametrize(
    ("clip", "error", "message"),
    [
        ((1, -1), ValueError, r"^clip must be increasing, found \(1, -1\)"),
        ((1, 1), ValueError, r"^clip must be increasing"),
        ((-1, 0, 1), ValueError, r"^clip must be a pair \(low, high\), found \(-1, 0, 1\)"),
        (1.0, ValueError, r"^clip must be a pair"),
        ((-1, "1"), TypeError, r"^clip\[1\] must be a real number"),
        ((-1, float("nan")), ValueError, r"^clip\[1\] must be finite"),
    ],
)
def test_bad_ranges_are_named(clip, error, message):
    with pytest.raises(error, match=message):
        NoisePrediction(VariancePreserving([0.5]), lambda u, _: u, clip=clip)


@pytest.mark.parametrize(
    ("predict", "error", "message"),
    [
        (lambda u, _: u[..., :1], ValueError, r"^prediction must have shape \(2, 2, 3\), found"),
        (lambda u, _: u.float(), TypeError, r"^prediction must have the image's dtype"),
        (lambda u, _: u / 0, ValueError, r"^prediction must be finite"),
        (lambda _u, _i: None, TypeError, r"^prediction must be a torch.Tensor, found NoneType"),
    ],
)
def test_bad_predictions_are_named(predict, error, message):
    with pytest.raises(error, match=message):
        NoisePrediction(VariancePreserving([0.5]), predict).denoise(image(), 1)


@pytest.mark.parametrize(
    ("process", "missing"),
    [
        (LinearisedOsmosis([1.0], 0.5, (2, 3)), "noise"),
        (HomogeneousDiffusion([1.0], (2, 3)), "noise"),
    ],
)
def test_modes_without_noise_are_refused(process, missing):
    with pytest.raises(ValueError, match=rf"^scale 1 of .* must have {missing} in every mode$"):
        NoisePrediction(process, lambda u, _: u).denoise(image(), 1)


def test_bad_arguments_are_named():
    process = VariancePreserving([0.5])
    with pytest.raises(TypeError, match=r"^process must be a LinearGaussianScaleSpace, found int"):
        NoisePrediction(3, lambda u, _: u)
    with pytest.raises(TypeError, match=r"^predict must be callable, found NoneType"):
        NoisePrediction(process, None)
    denoiser = NoisePrediction(process, lambda u, _: u)
    with pytest.raises(ValueError, match=r"^i must be between 0 and 1, found 2"):
        denoiser.denoise(image(), 2)
    for i in (0, 1):
        with pytest.raises(TypeError, match=r"^u must be a torch.Tensor, found list"):
            denoiser.denoise([1.0], i)
    assert denoiser.process is process


def test_a_denoiser_has_to_denoise():
    with pytest.raises(TypeError, match="abstract"):
        Denoiser(VariancePreserving([0.5]))
