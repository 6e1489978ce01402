"""Metrics: batches, merges and resets lead to the distance of everything that was seen."""

from __future__ import annotations

import pytest
import torch

from scalelib.frechet import (
    FrechetMetric,
    KernelMetric,
    Moments,
    frechet_distance,
    kernel_distance,
)

X = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
Y = torch.randn(80, 3, generator=torch.Generator().manual_seed(1)) + 0.3


def fed(metric: FrechetMetric | KernelMetric) -> FrechetMetric | KernelMetric:
    other = type(metric)(3)
    for k, part in enumerate(X.split(7)):
        (other if k % 2 else metric).update(part, reference=True)
    for part in Y.split(9):
        other.update(part, reference=False)
    metric.merge(other)  # type: ignore[arg-type]
    return metric


def test_frechet_metric() -> None:
    one, other = Moments(3), Moments(3)
    one.update(X)
    other.update(Y)
    found = fed(FrechetMetric(3)).compute()
    expected = frechet_distance(one, other)
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert found.counts == (60, 80)


def test_kernel_metric() -> None:
    """The order of the rows differs, the law of the subsets does not: compare equal batches."""
    metric = KernelMetric(3, subsets=4, seed=5)
    metric.update(X, reference=True)
    for part in Y.split(9):
        metric.update(part, reference=False)
    generator = torch.Generator().manual_seed(5)
    assert metric.compute() == kernel_distance(X, Y, subsets=4, generator=generator)
    assert metric.compute() == metric.compute()
    assert fed(KernelMetric(3)).compute().sizes == (6, 8)


@pytest.mark.parametrize("kind", [FrechetMetric, KernelMetric])
def test_reset_forgets(kind: type[FrechetMetric] | type[KernelMetric]) -> None:
    metric = fed(kind(3))
    metric.reset()
    with pytest.raises(ValueError, match=r"found (0|shape \(0, 3\))"):
        metric.compute()
    assert fed(metric).compute() == fed(kind(3)).compute()


def test_reset_keeps_the_name_of_the_features() -> None:
    metric = FrechetMetric(3, "pixels")
    metric.reset()
    assert (metric.reference.features, metric.sample.features) == ("pixels", "pixels")


def test_batches_may_be_overwritten() -> None:
    batch, metric = X.double(), KernelMetric(3)
    metric.update(batch, reference=True)
    metric.update(Y, reference=False)
    before = metric.compute()
    batch.zero_()
    assert metric.compute() == before


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"x must have shape \(n, 3\), found \(60, 2\)"):
        KernelMetric(3).update(X[:, :2], reference=True)
    with pytest.raises(ValueError, match=r"x must have shape \(n, 3\), found \(60, 2\)"):
        FrechetMetric(3).update(X[:, :2], reference=True)
    with pytest.raises(ValueError, match="other must have the dimension 3, found 2"):
        KernelMetric(3).merge(KernelMetric(2))
    with pytest.raises(ValueError, match="same features, found 'a' and 'b'"):
        FrechetMetric(3, "a").merge(FrechetMetric(3, "b"))
    with pytest.raises(ValueError, match="subsets must be at least 2"):
        KernelMetric(3, subsets=1)
