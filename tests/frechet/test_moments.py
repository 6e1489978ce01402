"""Moments: exact, in any order, and safe on disk."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scalelib.frechet import Moments

TOLERANCE = 1e-12


def features(count: int, dimension: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.logspace(0, -2, dimension, dtype=torch.float64)
    return torch.randn(count, dimension, generator=generator, dtype=torch.float64) * scales + 3


def gathered(x: Tensor, *parts: int) -> Moments:
    found = Moments(x.shape[1])
    for part in x.split(list(parts) if parts else [len(x)]):
        found.update(part)
    return found


def assert_moments_of(found: Moments, x: Tensor) -> None:
    assert found.count == len(x)
    torch.testing.assert_close(found.mean(), x.mean(dim=0), rtol=TOLERANCE, atol=TOLERANCE)
    expected = torch.cov(x.T).reshape(x.shape[1], x.shape[1])
    torch.testing.assert_close(found.covariance(), expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert found.trace() == pytest.approx(float(expected.diagonal().sum()), rel=TOLERANCE)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=6),
    st.integers(1, 12),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.permutations(range(6)),
)
def test_any_division_and_order_gives_the_same(
    sizes: list[int], dimension: int, first: list[bool], order: list[int]
) -> None:
    x = features(sum(sizes), dimension)
    parts = x.split(sizes)
    one, other = Moments(dimension), Moments(dimension)
    for k in order:
        if k < len(parts):
            (one if first[k] else other).update(parts[k])
    one.merge(other)
    assert_moments_of(one, x)


@pytest.mark.parametrize(("mine", "others"), [(2, 3), (2, 30), (30, 3), (30, 40), (0, 30), (30, 0)])
def test_merging_leaves_the_other_as_it_was(mine: int, others: int) -> None:
    x = features(mine + others, 5)
    one, other = Moments(5), Moments(5)
    for moments, part in ((one, x[:mine]), (other, x[mine:])):
        if len(part):
            moments.update(part)
    before = other.count, other.covariance() if others else None
    one.merge(other)
    one.update(x)
    assert_moments_of(one, torch.cat([x, x]))
    assert other.count == before[0]
    if others:
        assert torch.equal(other.covariance(), before[1])


def test_a_tree_of_merges_gives_the_same_as_a_stream() -> None:
    x = features(64, 4)
    level = [gathered(part) for part in x.split(4)]
    while len(level) > 1:
        for left, right in zip(level[::2], level[1::2], strict=True):
            left.merge(right)
        level = level[::2]
    assert_moments_of(level[0], x)


def test_a_far_mean_costs_no_digits() -> None:
    """The sum of squares minus the square of the sum would lose all of them."""
    x = features(500, 3)
    found = gathered(x + 1e8, 100, 100, 300)
    torch.testing.assert_close(found.covariance(), torch.cov(x.T), rtol=1e-6, atol=1e-9)


def test_float32_features_are_summed_in_float64() -> None:
    x = features(50, 3).float()
    assert_moments_of(gathered(x, 20, 30), x.double())


def test_the_batch_may_be_overwritten() -> None:
    x = features(4, 9)
    found = Moments(9)
    batch = x.clone()
    found.update(batch)
    batch.zero_()
    assert_moments_of(found, x)


@pytest.mark.parametrize("count", [2, 3, 5, 6, 50])
def test_the_factor_has_the_covariance(count: int) -> None:
    x = features(count, 5)
    x[:, 2] = 7  # a feature that never changes
    found = gathered(x)
    factor, rest = found.factor()
    torch.testing.assert_close(factor.T @ factor, found.covariance(), rtol=1e-12, atol=1e-14)
    assert abs(rest) < 1e-13
    assert len(factor) == min(count - 1, 4)


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_a_file_keeps_everything(count: int, tmp_path: Path) -> None:
    x = features(count + 2, 5)
    found = Moments(5, "pixels")
    if count:
        found.update(x[:count])
    found.save(tmp_path / "m.npz")
    again = Moments.load(tmp_path / "m.npz")
    again.update(x[count:])
    assert again.features == "pixels"
    assert_moments_of(again, x)
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_a_failed_write_leaves_the_previous_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.npz"
    gathered(features(3, 2)).save(path)
    before = path.read_bytes()

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        gathered(features(9, 2)).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def _stored(path: Path, count: int = 9) -> dict[str, Any]:
    gathered(features(count, 2)).save(path)
    with np.load(path) as stored:
        return dict(stored)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("code of the file was executed",)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no archive"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(pickle.dumps(Bomb())),
        lambda path: np.savez(path, format="other"),
        lambda path: np.savez(path, **(_stored(path, 2) | {"count": 3})),
        lambda path: np.savez(path, **(_stored(path) | {"count": 1})),
        lambda path: np.savez(path, **(_stored(path) | {"mean": np.zeros(3)})),
        lambda path: np.savez(path, **(_stored(path) | {"scatter": np.full((2, 2), np.nan)})),
        lambda path: np.savez(path, **(_stored(path) | {"scatter": np.array([Bomb()])})),
    ],
    ids=["text", "cut", "pickle", "format", "rows", "count", "shape", "nan", "object"],
)
def test_a_damaged_file_is_refused(damage: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    gathered(features(9, 2)).save(path)
    damage(path)
    with pytest.raises(ValueError, match="must name a file of moments"):
        Moments.load(path)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.zeros(3), ValueError, r"shape \(n, 2\), found \(3,\)"),
        (torch.zeros(3, 4), ValueError, r"shape \(n, 2\), found \(3, 4\)"),
        (torch.zeros(3, 2).long(), TypeError, "must be float32 or float64"),
        (torch.tensor([[1.0, float("nan")]]), ValueError, "must be finite, found 1 NaN"),
        (torch.zeros(0, 2), ValueError, "must not be empty"),
    ],
)
def test_bad_features_change_nothing(x: Tensor, error: type[Exception], message: str) -> None:
    found = gathered(features(4, 2))
    with pytest.raises(error, match=message):
        found.update(x)
    assert_moments_of(found, features(4, 2))


def test_other_features_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="same features, found 'pixels' and 'lite0'"):
        Moments(2, "pixels").merge(Moments(2, "lite0"))
    with pytest.raises(ValueError, match="same dimension, found 2 and 3"):
        Moments(2).merge(Moments(3))
    with pytest.raises(TypeError, match="must be Moments, found int"):
        Moments(2).merge(3)  # type: ignore[arg-type]


def test_too_few_vectors_are_named() -> None:
    with pytest.raises(ValueError, match="at least 1 feature vectors, found 0"):
        Moments(2).mean()
    for method in ("covariance", "trace", "factor"):
        with pytest.raises(ValueError, match="at least 2 feature vectors, found 1"):
            getattr(gathered(features(1, 2)), method)()


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="dimension must be at least 1, found 0"):
        Moments(0)
    with pytest.raises(TypeError, match="features must be a string, found int"):
        Moments(1, 3)  # type: ignore[arg-type]
    assert repr(Moments(2, "x")) == "Moments(dimension=2, count=0, features='x')"
    assert repr(Moments(2)) == "Moments(dimension=2, count=0)"
