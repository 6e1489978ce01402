import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.learning import NoiseLoss
from scalelib.reverse import NoisePrediction, Posterior
from scalelib.schedules import arctan_noise, cosine_beta, geometric_sigma, log_blur, sin2_blur

SHAPE = (6, 9)
PROCESSES = {
    "variance preserving": VariancePreserving(cosine_beta(12)),
    "variance exploding": VarianceExploding(geometric_sigma(12)),
    "heat dissipation": HeatDissipation(log_blur(12, sigma_max=4), 0.1, SHAPE),
    "blurring": BlurringDiffusion(sin2_blur(12, sigma_max=4), *arctan_noise(12), shape=SHAPE),
}


def drawn(count, *, seed=0, shape=SHAPE):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, 1, *shape, generator=generator) for _ in range(2))


@pytest.mark.parametrize("name", PROCESSES)
@given(seed=st.integers(0, 10**6))
def test_every_image_gets_its_own_scale_as_the_process_would(name, seed):
    process = PROCESSES[name]
    u0, noise = drawn(5, seed=seed)
    i = torch.randint(1, 13, (5,), generator=torch.Generator().manual_seed(seed))
    found = NoiseLoss(process).corrupt(u0, i, noise)
    for k in range(5):
        expected = process.sample(u0[k], int(i[k]), noise=noise[k])
        torch.testing.assert_close(found[k], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_right_noise_has_no_loss_and_none_has_its_mean_square(name):
    u0, noise = drawn(4)
    i = torch.tensor([1, 4, 8, 12])
    loss = NoiseLoss(PROCESSES[name])
    assert float(loss(lambda u, i: noise, u0, i, noise)) == 0
    none = float(loss(lambda u, i: torch.zeros_like(u), u0, i, noise))
    assert none == pytest.approx(float(noise.square().mean()), rel=1e-6)


@pytest.mark.parametrize("name", ["variance preserving", "blurring"])
def test_it_is_the_denoising_error_times_the_signal_to_noise_ratio(name):
    process = PROCESSES[name]
    u0, noise = drawn(6)
    exact = Posterior(process, u0.double())
    scale = 4
    factor, variance = process.direct(scale)

    def predict(u, i):
        modes = process.to_modes(u.double()) - factor * process.to_modes(
            exact.denoise(u.double(), scale)
        )
        return process.from_modes(modes / variance.sqrt()).float()

    i = torch.full((6,), scale)
    loss = NoiseLoss(process)
    u = loss.corrupt(u0, i, noise)
    denoised = NoisePrediction(process, predict).denoise(u, scale)
    error = process.to_modes(denoised - u0).square() * (factor**2 / variance)
    assert float(loss(predict, u0, i, noise)) == pytest.approx(float(error.mean()), rel=1e-3)


@pytest.mark.parametrize(
    "process",
    [HomogeneousDiffusion([1.0, 2.0], SHAPE), LinearisedOsmosis([1.0, 2.0], 0.5, SHAPE)],
    ids=lambda p: type(p).__name__,
)
def test_a_process_without_noise_in_some_mode_is_refused(process):
    with pytest.raises(ValueError, match=r"process must have noise in every mode.*at scale 1"):
        NoiseLoss(process)


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="process must be a LinearGaussianScaleSpace, found str"):
        NoiseLoss("vp")


@pytest.mark.parametrize(
    ("i", "noise", "error", "message"),
    [
        (torch.tensor([1, 13]), torch.zeros(2, 1, *SHAPE), ValueError, "found 1 to 13"),
        (torch.tensor([0, 2]), torch.zeros(2, 1, *SHAPE), ValueError, "between 1 and 12"),
        (torch.tensor([1]), torch.zeros(2, 1, *SHAPE), ValueError, "i must hold 2 integers"),
        (torch.tensor([1.0, 2]), torch.zeros(2, 1, *SHAPE), ValueError, "i must hold 2 integers"),
        (torch.tensor([1, 2]), torch.zeros(2, 1, 3, 3), ValueError, "noise must have shape"),
        (torch.tensor([1, 2]), torch.zeros(2, 1, *SHAPE).double(), TypeError, "noise must have"),
    ],
)
def test_bad_scales_and_noise(i, noise, error, message):
    with pytest.raises(error, match=message):
        NoiseLoss(PROCESSES["blurring"]).corrupt(torch.zeros(2, 1, *SHAPE), i, noise)
