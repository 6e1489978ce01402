"""The network of the FID: its structure against a peer, its resizing against Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from scalelib.features import FID_FEATURES, FIDInception, InceptionFeatures, download_inception
from scalelib.features import inception as module
from scalelib.features._weights import load_into, sha256_of
from scalelib.features.inception import RENAMED, clean_resize
from scalelib.images import load

# Features 3, 259, ... and the mean of all for the stand-in: pytorch-fid 0.3.0, torchvision 0.28.
PEER = [0.76403, 4e-05, 0.0024, 0.35423, 0.0, 0.00528, 0.05367, 0.03882]
PEER_MEAN = 0.31671798


@pytest.fixture(scope="module")
def network(stand_in: dict[str, Tensor]) -> FIDInception:
    found = FIDInception()
    load_into(found, stand_in, RENAMED)
    return found


def wave(side: int) -> Tensor:
    """An image that everybody can compute."""
    c, y, x = np.meshgrid(np.arange(1, 4), np.arange(side), np.arange(side), indexing="ij")
    return torch.from_numpy((np.sin(0.1 * c * y) * np.cos(0.07 * x)).astype(np.float32))[None]


def deviation(network: nn.Module) -> float:
    found = network(wave(299))[0]
    return max(
        abs(float(found.mean()) - PEER_MEAN),
        float((found[3::256] - torch.tensor(PEER)).abs().max()),
    )


def test_agrees_with_a_peer(network: FIDInception) -> None:
    with torch.no_grad():
        assert deviation(network) < 1e-4


def test_the_pooling_of_the_graph_matters(network: FIDInception) -> None:
    """Negative control: the pooling of the published network is noticed."""
    block, maximum = network.Mixed_7c, nn.MaxPool2d(3, stride=1, padding=1)
    padded = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=True)
    with torch.no_grad():
        for mixed, mutant, proper in (
            (block, module._average(), maximum),
            (network.Mixed_5b, padded, module._average()),
        ):
            mixed.branch_pool[0] = mutant
            assert deviation(network) > 1e-3
            mixed.branch_pool[0] = proper


def test_the_file_leads_to_all_parameters_once(stand_in: dict[str, Tensor]) -> None:
    """566 names of 24 million parameters: 94 convolutions with normalisation, one product."""
    assert len(stand_in) == 94 * 6 + 2
    network = FIDInception()
    assert sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) == 94
    with pytest.raises(ValueError, match="found 1 misfits"):
        load_into(network, {k: v for k, v in stand_in.items() if k != "fc.bias"}, RENAMED)


def by_pillow(grey: Tensor) -> Tensor:
    """As clean-fid does it: each channel in float32, then cut to the range."""
    channels = [
        np.asarray(Image.fromarray(c.numpy()).resize((299, 299), Image.Resampling.BICUBIC))
        for c in grey
    ]
    return torch.from_numpy(np.stack(channels).clip(0, 255))


@settings(max_examples=15)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 99))
def test_images_are_resized_as_by_pillow(height: int, width: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    grey = torch.from_numpy(random.integers(0, 256, (2, height, width)).astype(np.float32))
    assert (clean_resize(grey, 299) - by_pillow(grey)).abs().max() < 2e-3


def test_the_resizing_cuts_overshoots() -> None:
    edge = torch.zeros(1, 1, 8, 8)
    edge[..., 4:] = 255
    found = clean_resize(edge, 299)
    assert found.min() == 0
    assert found.max() == 255
    assert torch.equal(
        clean_resize(torch.full((1, 1, 299, 299), 7.0), 299)[0, 0, 0, :2] - 7, torch.zeros(2)
    )


def test_features_are_those_of_8_bit_images(
    fid_features: InceptionFeatures, network: FIDInception
) -> None:
    """The whole way, as one would do it with files: save, read, resize, compute."""
    images = load("chelsea", channels=3)
    saved = ((images + 1) * 127.5).round().to(torch.uint8)
    resized = by_pillow(saved[0].float())
    with torch.no_grad():
        expected = network((resized[None] - 128) / 128)
    found = fid_features(images)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()
    of_file = saved.float() / 127.5 - 1
    assert torch.equal(found, fid_features(of_file))
    assert torch.equal(found, fid_features(of_file + 1e-3))  # an eighth of a grey value


def test_values_outside_raise_or_are_clipped(published: Path) -> None:
    images = 1.2 * load("chelsea")
    raising = InceptionFeatures(published)
    assert raising.name == FID_FEATURES
    with pytest.raises(ValueError, match=r"images must lie in \[-1, 1\], found values from"):
        raising(images)
    clipping = InceptionFeatures(published, outside="clip")
    assert torch.equal(clipping(images), raising(images.clamp(-1, 1)))
    with pytest.raises(ValueError, match="outside must be one of raise, clip, found 'keep'"):
        InceptionFeatures(published, outside="keep")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"fc.bias": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"SHA-256 6726825d.*download_inception\(\) fetches it"):
        InceptionFeatures(path)
    with pytest.raises(ValueError, match=r"must be a file, found none at .*download_inception"):
        InceptionFeatures(tmp_path / "none.pth")


def test_right_content_with_other_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.pth"
    torch.save({"fc.bias": torch.zeros(2)}, path)
    monkeypatch.setattr(module, "SHA256", sha256_of(path))
    with pytest.raises(ValueError, match="weights must fit the network, found 566 misfits"):
        InceptionFeatures(path)


def test_the_published_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its name carries the first digits of its checksum."""
    asked: list[object] = []
    monkeypatch.setattr(module, "fetch", lambda *args: asked.extend(args) or tmp_path)
    assert download_inception(tmp_path) == tmp_path
    url, sha256, folder = asked
    assert str(url).endswith(f"/pt_inception-2015-12-05-{str(sha256)[:8]}.pth")
    assert len(str(sha256)) == 64
    assert folder == tmp_path
