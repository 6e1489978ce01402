"""What holds for all feature extractors, and the names of distances."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scalelib.features import (
    FID_FEATURES,
    CosineFeatures,
    FeatureExtractor,
    InceptionFeatures,
    LiteFeatures,
    PixelFeatures,
    distance_label,
)
from scalelib.frechet import FrechetMetric, Moments, frechet_distance
from scalelib.images import load

KINDS = ("lite", "head", "pixels", "cosine", "inception")


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    return load("photographs", count=5, seed=3, channels=3)


@pytest.fixture(params=KINDS)
def features(request: pytest.FixtureRequest) -> FeatureExtractor:
    if request.param == "inception":
        found: FeatureExtractor = request.getfixturevalue("fid_features")
        return found
    makers = {
        "lite": lambda: LiteFeatures(batch=2),
        "head": lambda: LiteFeatures(8, batch=2),
        "pixels": lambda: PixelFeatures((3, 64, 64), batch=2),
        "cosine": lambda: CosineFeatures((3, 64, 64), 5, batch=2),
    }
    return makers[request.param]()


def close(found: Tensor, expected: Tensor) -> bool:
    """Equal up to the rounding of a deep network in float32."""
    return bool((found - expected).abs().max() <= 1e-5 * expected.abs().max())


def test_features_of_an_image_are_its_own(
    features: FeatureExtractor, photographs: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those of the batch: neither its size, nor order, nor the other images matter."""
    images = photographs[:3]
    found = features(images)
    assert found.shape == (3, features.dimension)
    assert found.isfinite().all()
    assert torch.equal(found[:2], features(images[:2]))
    monkeypatch.setattr(features, "batch", 3)
    assert close(features(images.flip(0)).flip(0), found)
    assert not close(found[0], found[1])


class Sizes(FeatureExtractor):
    """Notes how many images it is given together."""

    def __init__(self, batch: int) -> None:
        super().__init__("sizes", 1, batch)
        self.seen: list[int] = []

    def _check_shape(self, images: Tensor) -> None:
        """Take all shapes."""

    def _of_batch(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return images.mean(dim=(1, 2, 3))[:, None]


def test_images_are_worked_on_batch_by_batch() -> None:
    features, images = Sizes(3), torch.arange(7.0).view(7, 1, 1, 1)
    assert torch.equal(features(images), torch.arange(7.0)[:, None])
    assert features.seen == [3, 3, 1]


def test_there_is_no_gradient(features: FeatureExtractor, photographs: Tensor) -> None:
    images = photographs[:1].clone().requires_grad_()
    assert not features(images).requires_grad


def test_images_stay_as_they_are(features: FeatureExtractor, photographs: Tensor) -> None:
    before = photographs[:1].clone()
    features(photographs[:1])
    assert torch.equal(photographs[:1], before)


def test_moments_take_name_and_dimension(features: FeatureExtractor, photographs: Tensor) -> None:
    moments = Moments(features.dimension, features.name)
    moments.update(features(photographs[:1]))
    assert repr(features.name) in repr(features)
    assert str(features.dimension) in repr(features)


def test_strided_images_do_as_well(features: FeatureExtractor, photographs: Tensor) -> None:
    mirrored = photographs[:2].flip(-1)
    strided = mirrored.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert close(features(strided), features(mirrored))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(
    features: FeatureExtractor, photographs: Tensor, value: float
) -> None:
    images = photographs[:3].clone()
    images[2, 1, 5, 5] = value
    with pytest.raises(ValueError, match="images must be finite, found 1 NaN or infinite"):
        features(images)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 64, 64), "must have shape"),
        ((2, 1, 3, 64, 64), "must have shape"),
        ((0, 3, 64, 64), "must not be empty"),
        ((1, 2, 64, 64), "1 or 3 channels, found 2|must have shape"),
        ((1, 4, 64, 64), "1 or 3 channels, found 4|must have shape"),
    ],
)
def test_other_shapes_are_refused(
    features: FeatureExtractor, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=f"images .*({message})"):
        features(torch.zeros(shape))


def test_other_types_are_refused(features: FeatureExtractor) -> None:
    with pytest.raises(TypeError, match=r"float32 or float64, found torch\.uint8"):
        features(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"images must be a torch\.Tensor, found ndarray"):
        features(torch.zeros(1, 3, 64, 64).numpy())  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["lite", "inception"])
def test_a_grey_image_is_one_of_three_equal_colours(
    kind: str, fid_features: InceptionFeatures
) -> None:
    features = fid_features if kind == "inception" else LiteFeatures()
    grey, colours = load("coffee"), load("coffee", channels=3)
    repeated = grey.expand(-1, 3, -1, -1).contiguous()
    assert close(features(grey), features(repeated))
    assert not close(features(grey), features(colours))


@pytest.mark.parametrize("bad", [0, -1])
def test_a_batch_has_an_image(bad: int) -> None:
    with pytest.raises(ValueError, match="batch must be at least 1"):
        PixelFeatures((1, 2, 2), batch=bad)


@pytest.mark.cuda
@pytest.mark.parametrize("stage", [5, 8])
def test_cuda_agrees_with_the_cpu(stage: int, photographs: Tensor) -> None:
    on_cpu = LiteFeatures(stage)(photographs)
    features = LiteFeatures(stage, device="cuda")
    found = features(photographs)
    assert found.device.type == "cpu"
    assert features(photographs.cuda()).device.type == "cuda"
    assert (found - on_cpu).abs().max() <= 1e-4 * on_cpu.abs().max()


def test_different_features_are_never_mixed() -> None:
    one = LiteFeatures(5)
    clipped = LiteFeatures(5, outside="clip")
    names = {one.name, clipped.name, LiteFeatures(5, outside="keep").name, LiteFeatures(4).name}
    names |= {PixelFeatures((1, 8, 8)).name, PixelFeatures((1, 8, 4)).name}
    names |= {CosineFeatures((1, 8, 8)).name, CosineFeatures((1, 8, 8), 4).name}
    assert len(names) == 8
    with pytest.raises(ValueError, match="moments must have the same features"):
        frechet_distance(Moments(112, one.name), Moments(112, clipped.name))
    assert FrechetMetric(112, one.name).sample.features == one.name


def test_only_the_features_of_the_fid_make_one(fid_features: InceptionFeatures) -> None:
    assert fid_features.name == f"{FID_FEATURES}, clipped"
    assert distance_label(fid_features.name) == "FID (clipped images)"
    assert distance_label(fid_features.name, kernel=True) == "KID (clipped images)"
    assert distance_label(FID_FEATURES) == "FID"
    assert distance_label(FID_FEATURES, kernel=True) == "KID"


@pytest.mark.parametrize(
    "name",
    ["", "FID", "Inception v3", FID_FEATURES.lower(), f"{FID_FEATURES}, unbounded", "pixels"],
)
def test_other_names_make_no_fid(name: str) -> None:
    for kernel in (False, True):
        label = distance_label(name, kernel=kernel)
        assert label.startswith(("kernel distance", "Frechet distance"))
        assert name in label
        assert label.count("(") == (name != "")


def test_a_name_is_a_string() -> None:
    with pytest.raises(TypeError, match="features must be a string, found Moments"):
        distance_label(Moments(2))  # type: ignore[arg-type]
