"""Frechet distance: closed forms, the usual form, and the cases in which that one fails."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scalelib import HeatDissipation, VariancePreserving
from scalelib.frechet import Moments, frechet_distance
from scalelib.frechet import distance as module
from scalelib.information import gaussian_wasserstein
from scalelib.schedules import linear_beta, log_blur

TOLERANCE = 1e-10


def normal(count: int, dimension: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimension, generator=generator, dtype=torch.float64)


def moments(x: Tensor) -> Moments:
    found = Moments(x.shape[1])
    found.update(x)
    return found


def with_moments(mean: Tensor, covariance: Tensor, count: int = 200) -> Tensor:
    """Sample whose mean and covariance are exactly the given ones."""
    white = normal(count, len(mean), 3)
    white -= white.mean(dim=0)
    whitening = torch.linalg.inv(torch.linalg.cholesky(torch.cov(white.T)))
    return white @ whitening.T @ torch.linalg.cholesky(covariance).T + mean


def usual(x: Tensor, y: Tensor) -> float:
    """The common form by a matrix square root of the product."""
    d = x.shape[1]
    one, other = (torch.cov(z.T).reshape(d, d).numpy() for z in (x, y))
    root = scipy.linalg.sqrtm(one @ other)
    means = float((x.mean(dim=0) - y.mean(dim=0)).square().sum())
    return means + float(np.trace(one + other - 2 * root.real))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 8), st.integers(20, 60), st.integers(20, 60), st.integers(0, 99))
def test_agrees_with_the_usual_form(d: int, n: int, m: int, seed: int) -> None:
    mixing = normal(d, d, seed + 2)
    x, y = normal(n, d, seed) @ mixing, normal(m, d, seed + 1) + 0.5
    found = frechet_distance(moments(x), moments(y))
    assert found.value == pytest.approx(usual(x, y), rel=1e-8)
    assert found.counts == (n, m)
    assert found.clipped == 0
    assert found.value == found.mean_term + found.covariance_term


@settings(deadline=None, max_examples=25)
@given(st.sampled_from([(10, 12), (10, 200), (200, 10), (50, 50)]), st.integers(0, 99))
def test_thin_and_full_form_agree(counts: tuple[int, int], seed: int) -> None:
    """The usual form knows nothing of thin samples; a dilated dimension forces the full one."""
    d = 30
    x, y = normal(counts[0], d, seed), 2 * normal(counts[1], d, seed + 1)
    found = frechet_distance(moments(x), moments(y)).value
    one, other = torch.cov(x.T), torch.cov(y.T)
    left, values = torch.linalg.eigh(one)[::-1]
    root = left * values.clamp(min=0).sqrt() @ left.T
    inner = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum()
    expected = float(means + one.trace() + other.trace() - 2 * inner)
    assert found == pytest.approx(expected, rel=1e-6)  # the roots of rounded zeros


def test_gaussians_with_known_moments() -> None:
    mean = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    c, e = (torch.tensor(v, dtype=torch.float64) for v in ([4.0, 1.0, 0.25], [1.0, 9.0, 0.04]))
    rotation = torch.linalg.qr(normal(3, 3, 5)).Q
    x = with_moments(mean, rotation @ torch.diag(c) @ rotation.T)
    y = with_moments(torch.zeros_like(mean), rotation @ torch.diag(e) @ rotation.T)
    expected = float(mean.square().sum() + (c.sqrt() - e.sqrt()).square().sum())
    assert frechet_distance(moments(x), moments(y)).value == pytest.approx(expected, rel=TOLERANCE)


def test_covariances_that_do_not_commute() -> None:
    """For 2 x 2, tr (AB)^(1/2) = sqrt(tr AB + 2 sqrt(det AB))."""
    a = torch.tensor([[2.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, -0.5], [-0.5, 3.0]], dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    found = frechet_distance(moments(with_moments(zero, a)), moments(with_moments(zero, b))).value
    product = a @ b
    root = math.sqrt(float(product.trace()) + 2 * math.sqrt(float(torch.linalg.det(product))))
    assert found == pytest.approx(float(a.trace() + b.trace()) - 2 * root, rel=1e-9)


@pytest.mark.parametrize("count", [8, 300])
@pytest.mark.parametrize("constant", [False, True])
def test_equal_samples_have_distance_zero(count: int, constant: bool) -> None:
    x = normal(count, 12, 0)
    x[:, 3:] *= 1e-6 * (not constant)
    found = frechet_distance(moments(x), moments(x))
    assert 0 <= found.value <= 1e-13
    assert found.clipped <= 1e-13


def test_a_tiny_distance_is_resolved() -> None:
    """Distances 1e-10 of the traces are there, for the singular values are not squared."""
    x = normal(400, 6, 1) * torch.logspace(0, -7, 6, dtype=torch.float64)
    moved = frechet_distance(moments(x), moments(x * (1 + 1e-5)))
    trace = float(torch.cov(x.T).trace())
    mean = float(x.mean(dim=0).square().sum()) * 1e-10
    assert moved.value == pytest.approx(1e-10 * trace + mean, rel=1e-4)


def decompositions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the matrices whose singular values are asked for from now on."""
    shapes, whole = [], torch.linalg.svdvals

    def counted(matrix: Tensor) -> Tensor:
        shapes.append(tuple(matrix.shape))
        return whole(matrix)

    monkeypatch.setattr(torch.linalg, "svdvals", counted)
    return shapes


@pytest.mark.parametrize("counts", [(7, 11), (11, 7), (7, 90), (90, 7), (80, 90), (20, 21)])
def test_both_ways_agree(counts: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = moments(normal(counts[0], 20, 1)), moments(2 * normal(counts[1], 20, 2))
    shapes = decompositions(monkeypatch)
    fast = frechet_distance(one, other)
    assert not shapes
    monkeypatch.setattr(module, "TRUSTED", 0.0)
    careful = frechet_distance(one, other)
    assert len(shapes) == 1
    assert fast.value == pytest.approx(careful.value, rel=1e-12)
    assert fast.covariance_term == pytest.approx(careful.covariance_term, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([(60, 80), (8, 80), (8, 9)]),
    st.floats(0, 9),
    st.floats(-9, 0),
    st.integers(0, 99),
)
def test_the_value_is_right_for_all_spectra_and_distances(
    counts: tuple[int, int], range_: float, gap: float, seed: int
) -> None:
    """Standard deviations down to 1e-9 of the largest, relative distances down to 1e-9.

    Whatever way is chosen, it agrees with singular values to the tolerance that is promised.
    """
    scales = torch.logspace(0, -range_, 12, dtype=torch.float64)
    rotation = torch.linalg.qr(normal(12, 12, seed)).Q
    x = normal(counts[0], 12, seed + 1) * scales @ rotation
    y = normal(counts[1], 12, seed + 2) * scales @ rotation
    if counts[0] == 60:
        y = torch.cat([x, x + 10**gap * normal(60, 12, seed + 3) * scales @ rotation])
    one, other = moments(x), moments(y)
    found = frechet_distance(one, other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TRUSTED", 0.0)
        expected = frechet_distance(one, other)
    rounding = 1e-14 * (one.trace() + other.trace())
    assert found.value == pytest.approx(expected.value, rel=1e-7, abs=rounding)


@pytest.mark.parametrize(("x", "y", "careful"), [
    (1.0, 2.0, False),
    (1.0, 1.0 + 1e-3, False),
    (1.0, 1.0 + 1e-7, True),
    (1.0, 1.0, True),
])  # fmt: skip
@pytest.mark.parametrize("count", [5, 60])
def test_the_distance_decides_on_the_way(
    x: float, y: float, careful: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = normal(count, 12, 4)
    shapes = decompositions(monkeypatch)
    found = frechet_distance(moments(x * sample), moments(y * sample))
    expected = (y - x) ** 2 * float(torch.cov(sample.T).trace())
    assert found.covariance_term == pytest.approx(expected, rel=1e-6, abs=1e-13)
    assert bool(shapes) is careful


def test_a_single_square_of_rounding_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its root is at most that of the rounding, 1e-8 of the largest; the distance is large."""
    x, y = normal(8, 20, 1), 3 * normal(9, 20, 2)
    x[1] = x[0]
    shapes = decompositions(monkeypatch)
    fast = frechet_distance(moments(x), moments(y))
    assert not shapes
    monkeypatch.setattr(module, "TRUSTED", 0.0)
    assert fast.value == pytest.approx(frechet_distance(moments(x), moments(y)).value, rel=1e-7)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_covariance_without_full_rank_has_no_eigenvalues_to_trust(
    swapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feature that never changes leaves its factor one row less."""
    x, y = normal(60, 12, 4), normal(50, 12, 5)
    x[:, 3] = 7
    shapes = decompositions(monkeypatch)
    pair = (moments(x), moments(y))
    found = frechet_distance(*(reversed(pair) if swapped else pair))
    assert shapes == [(12, 11) if swapped else (11, 12)]
    other = torch.cov(y.T)
    inner = torch.linalg.cholesky(other).T @ torch.cov(x.T) @ torch.linalg.cholesky(other)
    norm = float(torch.linalg.eigvalsh(inner)[1:].sqrt().sum())
    traces = float((torch.cov(x.T) + other).trace())
    assert found.covariance_term == pytest.approx(traces - 2 * norm, rel=1e-10)


@pytest.mark.parametrize("i", [1, 5, 10])
def test_linear_gaussian_pairs_have_their_wasserstein_distance(i: int) -> None:
    """Pixels as features: the distance tends to the closed form with the size of the sample.

    n = 20,000 in d = 12. The estimate's spread is about 2 W2 sqrt(mean variance / n) plus a bias of
    about d / n; five times both is allowed, and a bound of the size of the bias alone is beaten.
    """
    shape, n = (3, 4), 20_000
    generator = torch.Generator().manual_seed(i)
    data = torch.linspace(-1, 1, 12, dtype=torch.float64).view(1, *shape)
    ends, law = [], []
    for process in (
        VariancePreserving(linear_beta(10, 0.01, 0.3)),
        HeatDissipation(log_blur(10, 2.0), 0.3, shape),
    ):
        image = data.expand(n, 1, *shape)
        ends.append(process.sample(image, i, generator=generator).flatten(1))
        modes, (factor, variance) = process.to_modes(data), process.direct(i)
        mean = process.from_modes(factor * modes).flatten()
        law += [mean, variance.expand(shape).flatten()]
    # Both covariances are multiples of the identity here, so that pixels do as well as modes.
    expected = gaussian_wasserstein(*law) ** 2
    found = frechet_distance(*(moments(x) for x in ends)).value
    spread = 5 * (2 * math.sqrt(expected / n) + 12 / n)
    assert abs(found - expected) < spread < 0.2 * expected


def test_a_covariance_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    moments(normal(9, 2, 0)).save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["scatter"] = np.diag([2.0, -1.0])
    np.savez(path, **arrays)
    broken = Moments.load(path)
    with pytest.raises(ValueError, match="must have a positive semidefinite covariance, found"):
        broken.factor()
    with pytest.raises(ValueError, match="must have a positive semidefinite covariance, found"):
        frechet_distance(broken, moments(normal(9, 2, 1)))


@pytest.mark.parametrize("excess", [1e-9, 1e-7])
def test_negative_mass_is_reported_or_refused(
    excess: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = moments(normal(30, 4, 0))
    trace = found.trace()
    monkeypatch.setattr(module, "_nuclear_norm", lambda *_: (trace * (1 + excess), 0.0))
    if excess < module.NEGATIVE:
        clipped = frechet_distance(found, found)
        assert clipped.value == 0
        assert clipped.clipped == pytest.approx(2 * excess * trace, rel=1e-5)
        return
    with pytest.raises(ValueError, match="must lead to a nonnegative distance, found -"):
        frechet_distance(found, found)


def test_other_features_are_refused() -> None:
    with pytest.raises(ValueError, match="same features, found 'a' and 'b'"):
        frechet_distance(Moments(2, "a"), Moments(2, "b"))
    with pytest.raises(ValueError, match="at least 2 feature vectors, found 1"):
        frechet_distance(moments(normal(1, 2, 0)), moments(normal(3, 2, 0)))
