"""Extrapolation: a straight line over 1 / N, less biased than every sample."""

from __future__ import annotations

import pytest
import torch

from scalelib.frechet import Moments, extrapolate, frechet_distance
from scalelib.frechet import extrapolation as module


def normal(count: int, seed: int, d: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, d, generator=generator, dtype=torch.float64)


def reference(d: int = 16) -> Moments:
    """Moments of N(0, I) itself, up to rounding: an exact reference has no bias of its own."""
    white = normal(400, 7, d)
    white -= white.mean(dim=0)
    found = Moments(d)
    found.update(white @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(white.T))).T)
    return found


def test_a_straight_line_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Line:
        def __init__(self, count: int) -> None:
            self.value = 2.5 + 40 / count

    monkeypatch.setattr(module, "frechet_distance", lambda growing, _: Line(growing.count))
    found = extrapolate(normal(200, 0, 2), Moments(2), 8, generator=torch.Generator())
    assert found.value == pytest.approx(2.5, rel=1e-12)
    assert found.slope == pytest.approx(40, rel=1e-12)
    assert found.residual < 1e-12
    assert found.sizes[0] == 20
    assert found.sizes[-1] == 200


def test_the_bias_of_equal_laws_is_removed() -> None:
    """Equal laws: d^2_N is about (d + d (d + 1) / 4) / N; 20 repetitions of N = 3000 and d = 16."""
    n, d = 3000, 16
    found = [
        extrapolate(normal(n, seed), reference(), generator=torch.Generator().manual_seed(seed))
        for seed in range(20)
    ]
    bias = sum(f.distances[-1] for f in found) / len(found)
    rest = sum(f.value for f in found) / len(found)
    expected = (d + d * (d + 1) / 4) / n
    assert bias == pytest.approx(expected, rel=0.1)
    assert abs(rest) < 0.1 * bias


def test_the_last_size_is_the_whole_sample() -> None:
    x, whole = normal(300, 1), Moments(16)
    whole.update(x)
    found = extrapolate(x, reference(), 3, generator=torch.Generator())
    assert found.sizes == (30, 165, 300)
    assert found.distances[-1] == pytest.approx(
        frechet_distance(whole, reference()).value, rel=1e-12
    )


def test_the_features_are_those_of_the_reference() -> None:
    named = Moments(2, "pixels")
    named.update(normal(30, 3, 2))
    found = extrapolate(normal(40, 2, 2), named, 2, generator=torch.Generator())
    assert found.sizes == (4, 40)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"shape \(N, d\), found \(3,\)"):
        extrapolate(torch.zeros(3), reference(), generator=torch.Generator())
    with pytest.raises(ValueError, match="sizes must be at least 2"):
        extrapolate(normal(300, 1), reference(), 1, generator=torch.Generator())
    with pytest.raises(ValueError, match="ten vectors for each of 15 sizes, found 30"):
        extrapolate(normal(30, 1), reference(), generator=torch.Generator())
    with pytest.raises(ValueError, match="same dimension, found 3 and 2"):
        extrapolate(normal(300, 1, 3), Moments(2), generator=torch.Generator())
