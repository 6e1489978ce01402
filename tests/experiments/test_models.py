"""Models: scale 0 is the image, every scale has the law of its process, nothing knows its batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from experiments.cases import configuration

from scalelib import BlurringDiffusion, Osmosis, _random
from scalelib.experiments._models import DEVIATIONS, build, guidance_noise, processes
from scalelib.experiments.configuration import MODELS
from scalelib.schedules import arctan_noise, log_blur, sin2_blur

LABELS = [f"image {k}" for k in range(6)]
IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
WHOLE = configuration(models=tuple(MODELS))


@pytest.mark.parametrize("name", MODELS)
def test_an_image_does_not_know_its_batch(name: str) -> None:
    model = build(WHOLE)[name]
    together = model(IMAGES, LABELS, 0)
    assert together.shape == (4, 6, 3, 8, 8)
    assert torch.equal(together[0], IMAGES)
    alone = model(IMAGES[2:4], LABELS[2:4], 0)
    if name == "osmosis":  # equal to the residual of its solver
        torch.testing.assert_close(alone, together[:, 2:4], rtol=0, atol=1e-5)
    else:
        assert torch.equal(alone, together[:, 2:4])


@pytest.mark.parametrize("name", ["vp", "ihd", "blurring", "linearised"])
def test_laws(name: str) -> None:
    """Standardised residuals of 400 images: mean and variance within five standard errors."""
    n = 400
    labels = [str(k) for k in range(n)]
    u = torch.zeros(n, 1, 8, 8)
    scales = build(WHOLE)[name](u, labels, 3)
    process = processes(WHOLE)[name]
    for i in range(1, 4):
        _, variance = process.direct(i)
        noisy = variance.expand(8, 8) > 0
        z = (process.to_modes(scales[i].double()) / variance.clamp(min=1e-300).sqrt())[:, 0, noisy]
        assert abs(float(z.mean())) < 5 / z.numel() ** 0.5
        assert abs(float(z.square().mean()) - 1) < 5 * (2 / z.numel()) ** 0.5


def test_osmosis_is_the_filter() -> None:
    found = build(WHOLE)["osmosis"](IMAGES, LABELS, 4)
    guidance = 127.5 + 63.75 * guidance_noise(IMAGES, LABELS, 4)
    times = log_blur(3, 3.0)
    expected = Osmosis(guidance, offset=255.0).exact_trajectory(127.5 * (1 + IMAGES), times)
    torch.testing.assert_close(127.5 * (1 + found[1:]), expected, rtol=0, atol=1e-3)


def test_the_published_schedule_of_blurring_diffusion() -> None:
    published = replace(WHOLE, blurring_schedule="published")
    alphas, sigmas = arctan_noise(WHOLE.scales)
    times = sin2_blur(WHOLE.scales, WHOLE.sigma_max)
    expected = BlurringDiffusion(times, alphas, sigmas, (8, 8), d_min=1e-3)
    factor, variance = processes(published)["blurring"].direct(WHOLE.scales)
    assert torch.equal(factor, expected.direct(WHOLE.scales)[0])
    assert torch.equal(variance, expected.direct(WHOLE.scales)[1])
    other = processes(WHOLE)["blurring"].direct(WHOLE.scales)[1]
    assert not torch.allclose(variance, other)


def test_models_and_seeds_have_noise_of_their_own() -> None:
    u = torch.zeros(1, 3, 8, 8)
    last = {
        (name, seed): model(u, ["one"], seed)[-1].flatten()
        for name, model in build(WHOLE).items()
        for seed in (0, 1)
        if name != "diffusion"
    }
    correlations = torch.corrcoef(torch.stack(list(last.values()))) - torch.eye(len(last))
    assert float(correlations.abs().max()) < 5 / 192**0.5


@pytest.mark.parametrize("name", ["vp", "ihd", "blurring", "linearised"])
def test_noise_belongs_to_image_model_and_scale(name: str) -> None:
    noise = [_random.normal(LABELS, IMAGES.shape[1:], 5, name, i) for i in range(1, 4)]
    expected = processes(WHOLE)[name].trajectory(IMAGES, range(1, 4), noise=torch.stack(noise))
    assert torch.equal(build(WHOLE)[name](IMAGES, LABELS, 5)[1:], expected)


def test_diffusion_draws_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    process = processes(WHOLE)["diffusion"]
    noise = torch.ones(3, *IMAGES.shape)
    expected = process.trajectory(IMAGES, range(1, 4), noise=noise)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("noise was drawn")

    monkeypatch.setattr("scalelib._random.normal", refuse)
    monkeypatch.setattr(torch.Tensor, "normal_", refuse)
    assert torch.equal(build(WHOLE)["diffusion"](IMAGES, LABELS, 5)[1:], expected)
    with pytest.raises(AssertionError, match="noise was drawn"):
        build(WHOLE)["vp"](IMAGES, LABELS, 5)


def test_guidance_beyond_six_deviations_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = guidance_noise(IMAGES, LABELS, 0)
    limit = float(first.flatten(1).amin(dim=1).sort().values[2])
    monkeypatch.setattr("scalelib.experiments._models.DEVIATIONS", -limit)
    found = guidance_noise(IMAGES, LABELS, 0)
    assert float(found.min()) >= limit
    changed = (found != first).flatten(1).any(dim=1)
    assert torch.equal(changed, first.flatten(1).amin(dim=1) < limit)
    assert DEVIATIONS == 6
