from types import SimpleNamespace

import pytest
import torch

from scalelib import VariancePreserving
from scalelib.learning import (
    CheckpointError,
    Settings,
    Trained,
    read_checkpoint,
    train,
    write_checkpoint,
)
from scalelib.reverse import NoisePrediction, Posterior, ddim
from scalelib.schedules import cosine_beta, linear_beta

IMAGES = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
VP = VariancePreserving(cosine_beta(10))


@pytest.fixture
def path(tmp_path):
    train(IMAGES, VP, Settings(width=8, batch=4), 3, path=tmp_path / "model")
    return tmp_path / "model"


def test_what_was_trained_is_loaded(path, tmp_path):
    expected = train(IMAGES, VP, Settings(width=8, batch=4), 3)
    found = Trained.load(path)
    assert torch.equal(found.losses, expected.losses)
    assert torch.equal(found.network(IMAGES, 4), expected.network(IMAGES, 4))
    assert repr(found.process) == repr(VP)
    assert not found.network.training
    assert not any(w.requires_grad for w in found.network.parameters())


def test_the_denoiser_takes_the_predicted_noise_off(path):
    found = Trained.load(path)
    factor, variance = VP.direct(4)
    u = IMAGES[:3]
    expected = (u - variance.sqrt().float() * found.network(u, 4)) / factor.float()
    torch.testing.assert_close(found.denoiser.denoise(u, 4), expected)


def test_the_samplers_take_the_denoiser_and_no_gradients_are_kept(path):
    found = ddim(Trained.load(path).denoiser, IMAGES, range(9, -1, -1), eta=0)
    assert found.shape == (10, *IMAGES.shape)
    assert not found.requires_grad


@pytest.mark.parametrize(
    "change",
    [
        lambda c, t: c.pop("process"),
        lambda c, t: c["process"].update(name="os.system"),
        lambda c, t: c["process"].update(betas=[2.0]),
        lambda c, t: c["network"].update(width=16),
        lambda c, t: c["network"].update(generator=0),
        lambda c, t: c.update(network=None),
        lambda c, t: t.pop("averaged.exit.bias"),
        lambda c, t: t.pop("losses"),
    ],
)
def test_what_does_not_fit_is_refused(path, change):
    configuration, tensors = read_checkpoint(path)
    change(configuration, tensors)
    write_checkpoint(path, configuration, tensors)
    with pytest.raises(CheckpointError, match="does not describe a trained network"):
        Trained.load(path)


class Diffusers:
    """Has the signature of diffusers' UNet2DModel and knows the noise of two images exactly.

    Its timesteps count from 0: ``betas[0]`` belongs to timestep 0, which is scale 1.
    """

    def __init__(self, betas, images):
        self.alphas_cumprod = (1 - betas).cumprod(0)
        self.exact = Posterior(VariancePreserving(betas), images)
        self.asked = []

    def __call__(self, sample, timestep, class_labels=None, return_dict=True):
        assert sample.ndim == 4
        self.asked.append(timestep)
        power = self.alphas_cumprod[timestep]
        clean = self.exact.denoise(sample, timestep + 1)
        noise = (sample - power.sqrt() * clean) / (1 - power).sqrt()
        return SimpleNamespace(sample=noise) if return_dict else (noise,)


def test_a_model_of_diffusers_plugs_in():
    betas = linear_beta(50, 1e-3, 0.3)
    images = IMAGES[:2].double()
    model = Diffusers(betas, images)
    process = VariancePreserving(betas)

    denoiser = NoisePrediction(process, lambda u, i: model(u, i - 1).sample)

    noise = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    for i in (1, 20, 50):
        u = process.sample(images[[0, 1] * 3], i, noise=noise)
        torch.testing.assert_close(denoiser.denoise(u, i), model.exact.denoise(u, i))
    assert sorted(set(model.asked)) == [0, 19, 49]
    ends = ddim(denoiser, noise, range(49, -1, -1), eta=0)[-1]
    distances = torch.cdist(ends.flatten(1), images.flatten(1)).min(dim=1).values
    assert float(distances.max()) < 0.05


def test_a_timestep_off_by_one_is_noticed():
    """Negative control of the test above."""
    betas = linear_beta(50, 1e-3, 0.3)
    model = Diffusers(betas, IMAGES[:2].double())
    process = VariancePreserving(betas)
    wrong = NoisePrediction(process, lambda u, i: model(u, min(i, 49)).sample)
    u = process.sample(IMAGES[:2].double(), 20, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(wrong.denoise(u, 20), model.exact.denoise(u, 20), rtol=1e-3)
