import pytest
import torch

from scalelib.learning import PRESETS, Settings, UNet, fashion_mnist, preset_images, preset_process
from scalelib.learning import presets as module
from scalelib.schedules import linear_beta


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("kind", ["vp", "blurring"])
def test_every_preset_builds_a_process_and_a_network_for_its_images(name, kind):
    preset = PRESETS[name]
    process = preset_process(kind, preset)
    assert process.steps == preset.scales
    settings = preset.settings
    network = UNet(
        preset.scales,
        width=settings.width,
        multipliers=settings.multipliers,
        blocks=settings.blocks,
        generator=torch.Generator(),
    )
    image = torch.zeros(1, 1, preset.size, preset.size)
    assert network(process.mean(image, 1), 1).shape == image.shape


def test_digits_are_the_default_settings():
    preset, images = preset_images("digits")
    assert preset.settings == Settings()
    assert images.shape == (1797, 1, preset.size, preset.size)


def test_photographs_of_a_name_or_a_folder(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "load", lambda name, **options: asked.append((name, options)))
    assert preset_images("chelsea")[0] is PRESETS["photographs"]
    assert asked == [("chelsea", {"size": 64, "count": 20_000, "seed": 0})]


def test_fashion_mnist_is_looked_for(monkeypatch):
    monkeypatch.setattr(module, "fashion_mnist", lambda: torch.zeros(2, 1, 28, 28))
    preset, images = preset_images("fashion-mnist")
    assert (preset, len(images)) == (PRESETS["fashion-mnist"], 2)
    assert fashion_mnist is not module.fashion_mnist


def test_blur_grows_with_the_size_as_published_for_32_pixels():
    for preset in PRESETS.values():
        process = preset_process("blurring", preset)
        assert float((2 * process.times[-1]).sqrt()) == pytest.approx(20 * preset.size / 32)


def test_noise_grows_as_published_for_1000_scales():
    betas = preset_process("vp", PRESETS["photographs"]).betas
    torch.testing.assert_close(betas, linear_beta())
    powers = [float((1 - preset_process("vp", p).betas).prod()) for p in PRESETS.values()]
    assert max(powers) < 5e-5  # so that N(0, I) is the right start


def test_unknown_data_and_processes():
    with pytest.raises(ValueError, match="no such folder"):
        preset_images("no such folder")
    with pytest.raises(ValueError, match="kind must be 'vp' or 'blurring', found 've'"):
        preset_process("ve", PRESETS["digits"])
