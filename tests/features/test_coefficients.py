"""Pixels and cosine coefficients: distances with closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scalelib import HeatDissipation, VariancePreserving
from scalelib.features import CosineFeatures, FeatureExtractor, PixelFeatures
from scalelib.frechet import Moments, frechet_distance
from scalelib.information import gaussian_wasserstein
from scalelib.processes.base import LinearGaussianScaleSpace
from scalelib.schedules import linear_beta, log_blur
from scalelib.transforms import dct2, idct2

SHAPE = (4, 6)


def normal(shape: Sequence[int], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def moments(features: FeatureExtractor, images: Tensor) -> Moments:
    found = Moments(features.dimension, features.name)
    found.update(features(images))
    return found


@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
def test_the_basis_is_orthonormal(channels: int, height: int, width: int) -> None:
    shape = (channels, height, width)
    images = normal((3, *shape), height + width)
    pixels, cosine = (kind(shape)(images) for kind in (PixelFeatures, CosineFeatures))
    assert pixels.shape == cosine.shape == (3, math.prod(shape))
    assert torch.equal(pixels.view_as(images), images)
    assert torch.allclose(torch.cdist(pixels, pixels), torch.cdist(cosine, cosine), atol=1e-7)


def test_the_lowest_frequencies_are_those_of_the_basis() -> None:
    images = normal((2, 3, 5, 7), 0)
    found = CosineFeatures((3, 5, 7), 2)(images).view(2, 3, 2, 2)
    assert torch.equal(found, dct2(images)[..., :2, :2])
    assert torch.equal(CosineFeatures((3, 5, 7))(images), dct2(images).flatten(1))


def test_the_dtype_is_that_of_the_images() -> None:
    for kind in (PixelFeatures, CosineFeatures):
        for dtype in (torch.float32, torch.float64):
            assert kind((1, 2, 2))(torch.zeros(1, 1, 2, 2, dtype=dtype)).dtype == dtype


def test_values_beyond_white_are_kept() -> None:
    images = torch.full((1, 1, 2, 2), 1e6)
    assert torch.equal(PixelFeatures((1, 2, 2))(images), images.flatten(1))


def exact(mean: Tensor, variances: Tensor, count: int, seed: int) -> Tensor:
    """Images whose coefficients have exactly these moments, not only on average."""
    white = normal((count, mean.numel()), seed)
    white -= white.mean(dim=0)
    white = white @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(white.T))).T
    return idct2((white * variances.flatten().sqrt() + mean.flatten()).view(count, 1, *SHAPE))


@pytest.mark.parametrize("count", [30, 200])
def test_gaussian_moments_have_their_wasserstein_distance(count: int) -> None:
    """No sampling error: the moments are made to be exact."""
    mean, other = normal((2, *SHAPE), 1)
    variances, others = normal((2, *SHAPE), 2).square()
    one, two = exact(mean, variances, count, 3), exact(other, others, count, 4)
    expected = gaussian_wasserstein(*(t.flatten() for t in (mean, variances, other, others))) ** 2
    for features in (PixelFeatures((1, *SHAPE)), CosineFeatures((1, *SHAPE))):
        found = frechet_distance(moments(features, one), moments(features, two))
        assert found.value == pytest.approx(expected, rel=1e-9)
    low = [t[:3, :3].flatten() for t in (mean, variances, other, others)]
    features = CosineFeatures((1, *SHAPE), 3)
    found = frechet_distance(moments(features, one), moments(features, two))
    assert found.value == pytest.approx(gaussian_wasserstein(*low) ** 2, rel=1e-9)


PROCESSES: tuple[LinearGaussianScaleSpace, ...] = (
    VariancePreserving(linear_beta(10, 0.01, 0.3)),
    HeatDissipation(log_blur(10, 2.0), 0.3, SHAPE),
)
SCALE, COUNT, REPEATS, ALPHA_QUANTILE, POWER_QUANTILE = 6, 1000, 40, 3.3, 2.33


def law(process: LinearGaussianScaleSpace, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variances of the modes at the scale, for images of mean 0."""
    factor, variance = process.direct(SCALE)
    found = factor**2 * variances + variance
    return torch.zeros(found.numel(), dtype=torch.float64), found.expand(SHAPE).flatten()


def unbiased(features: FeatureExtractor, one: Tensor, two: Tensor) -> float:
    """Distance without its bias of order 1 / n: twice the whole less the mean of the halves."""
    half = len(one) // 2
    pairs = [(one, two), (one[:half], two[:half]), (one[half:], two[half:])]
    whole, first, last = (
        frechet_distance(moments(features, a), moments(features, b)).value for a, b in pairs
    )
    return 2 * whole - (first + last) / 2


def z_score(dilation: float) -> tuple[float, float]:
    """Deviation from the closed form in standard errors, and the smallest defect found."""
    variances = 1 / (1 + torch.arange(24, dtype=torch.float64).view(SHAPE))
    generator = torch.Generator().manual_seed(11)
    features = CosineFeatures((1, *SHAPE))
    values = []
    for _ in range(REPEATS):
        ends = []
        for process in PROCESSES:
            noise = torch.randn(COUNT, 1, *SHAPE, generator=generator, dtype=torch.float64)
            data = idct2(noise * variances.sqrt())
            ends.append(process.sample(data, SCALE, generator=generator))
        values.append(unbiased(features, ends[0], dilation * ends[1]))
    found = torch.tensor(values, dtype=torch.float64)
    laws = [term for process in PROCESSES for term in law(process, variances)]
    expected = gaussian_wasserstein(*laws) ** 2
    error = float(found.std()) / REPEATS**0.5
    defect = (ALPHA_QUANTILE + POWER_QUANTILE) * error / expected
    return (float(found.mean()) - expected) / error, defect


def test_linear_gaussian_pairs_have_their_wasserstein_distance() -> None:
    """Two processes from the same Gaussian images.

    40 pairs of samples with n = 1,000 in d = 24; two-sided test with alpha = 0.001. A defect of
    2 % of the squared distance is found with 99 % power. A standard deviation that is 1 % too
    large is such a defect, and is noticed.
    """
    score, defect = z_score(1.0)
    assert abs(score) < ALPHA_QUANTILE
    assert defect < 0.02
    assert abs(z_score(1.01)[0]) > ALPHA_QUANTILE


@pytest.mark.parametrize("kind", [PixelFeatures, CosineFeatures])
def test_other_shapes_are_refused(kind: type[PixelFeatures] | type[CosineFeatures]) -> None:
    with pytest.raises(ValueError, match=r"shape \(N, 1, 4, 6\), found \(2, 1, 6, 4\)"):
        kind((1, 4, 6))(torch.zeros(2, 1, 6, 4))
    for bad in ((4, 6), "146", 5, (1, 4, 6, 1)):
        with pytest.raises(ValueError, match="shape must hold C, H and W, found"):
            kind(bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"shape\[1\] must be at least 1, found 0"):
        kind((1, 0, 6))


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (5, ValueError), (2.0, TypeError)])
def test_other_numbers_of_frequencies_are_refused(bad: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="lowest must be"):
        CosineFeatures((1, 4, 6), bad)
