"""Kernel distance: unbiased, with an honest standard error."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scalelib.frechet import kernel_distance


def normal(count: int, dimension: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, dimension, generator=generator, dtype=torch.float64)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def kernel(a: Tensor, b: Tensor) -> float:
    return (float(a @ b) / len(a) + 1) ** 3


def test_one_subset_by_sums_over_pairs() -> None:
    """Both subsets of equal samples of equal rows are known whatever their order."""
    x, y = torch.tensor([[1.0, 2.0]] * 4), torch.tensor([[0.0, -1.0]] * 6)
    found = kernel_distance(x, y, subsets=2, generator=source())
    expected = kernel(x[0], x[0]) + kernel(y[0], y[0]) - 2 * kernel(x[0], y[0])
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.standard_error == 0
    assert found.sizes == (2, 3)


def test_the_diagonal_is_left_out() -> None:
    x, y = torch.eye(4).double(), torch.zeros(4, 4).double()
    found = kernel_distance(x, y, subsets=2, generator=source())
    # Off the diagonal x.x' = 0, so that every kernel is 1.
    assert found.value == pytest.approx(0, abs=1e-15)


def closed_form(dimension: int, shift: float) -> float:
    """Expectation for N(0, I) and N(shift, I) features.

    With s = x.y / d for independent x, y: E s^3 over 1 + 3 E s + 3 E s^2 + E s^3, by the moments
    of x.y given y, which is Gaussian with mean shift sum(y) and variance |y|^2.
    """
    d, a = dimension, shift

    def mean(first: float, second: float) -> float:
        # E x.y, E (x.y)^2, E (x.y)^3 for coordinates x ~ N(first, 1), y ~ N(second, 1).
        f, s = first, second
        m1 = f * s
        m2 = (1 + f * f) * (1 + s * s)
        m3 = (f**3 + 3 * f) * (s**3 + 3 * s)
        one = d * m1
        two = d * m2 + d * (d - 1) * m1**2
        three = d * m3 + 3 * d * (d - 1) * m2 * m1 + d * (d - 1) * (d - 2) * m1**3
        return 1 + 3 * one / d + 3 * two / d**2 + three / d**3

    return mean(0, 0) + mean(a, a) - 2 * mean(0, a)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_unbiased_and_covered_by_its_error(shift: float) -> None:
    """200 repetitions with n = 40: z-test of the mean, alpha = 1e-5 (4.42 standard errors).

    It finds a bias of 6.7 standard errors with 99% power; the biased estimator, which keeps the
    diagonal, is off by far more and must be rejected.
    """
    repetitions, n, d = 200, 40, 3
    generator = source(1)
    found = [
        kernel_distance(
            normal(n, d, generator), normal(n, d, generator) + shift, generator=generator
        )
        for _ in range(repetitions)
    ]
    values = torch.tensor([f.value for f in found])
    errors = torch.tensor([f.standard_error for f in found])
    expected = closed_form(d, shift)
    uncertainty = float(values.std()) / repetitions**0.5
    assert abs(float(values.mean()) - expected) < 4.42 * uncertainty
    diagonal = 2 * ((1 + 1) ** 3 - 1) / (n // 10)  # at least what the diagonal would add
    assert diagonal > 6.7 * uncertainty
    # The spread of the values is what their standard errors say: chi-square with 199 x 9 degrees.
    assert float(errors.square().mean().sqrt() / values.std()) == pytest.approx(1, abs=0.35)


def test_two_subsets_have_the_error_of_two_values() -> None:
    """Their mean has half of their difference, |a - b| / 2, for its standard error.

    Each of two subsets takes two rows of x, which is one pair; y is constant.
    """
    x, y = torch.tensor([[1.0], [2.0], [3.0], [5.0]]), torch.zeros(4, 1)
    found = kernel_distance(x, y, subsets=2, generator=source())
    pairs = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    values = [[kernel(x[i], x[j]) + 1 - 2 for i, j in pair] for pair in pairs]
    expected = [(sum(v) / 2, abs(v[0] - v[1]) / 2) for v in values]
    assert (found.value, found.standard_error) in [pytest.approx(e, rel=1e-12) for e in expected]


def test_float32_features_are_taken_in_float64() -> None:
    x, y = normal(40, 2, source(1)).float(), normal(50, 2, source(2)).float()
    single, double = (
        kernel_distance(*p, generator=source()) for p in ((x, y), (x.double(), y.double()))
    )
    assert single == double


def test_the_generator_decides() -> None:
    x, y = normal(40, 2, source(1)), normal(50, 2, source(2))
    first, again, other = (kernel_distance(x, y, generator=source(k)) for k in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize(
    ("x", "y", "subsets", "message"),
    [
        (torch.zeros(9), torch.zeros(9, 1), 2, r"x must have shape \(N, d\)"),
        (torch.zeros(9, 1), torch.zeros(9), 2, r"y must have shape \(N, d\)"),
        (torch.zeros(9, 1), torch.zeros(9, 2), 2, "same d, found 1 and 2"),
        (torch.zeros(9, 1), torch.zeros(3, 1), 2, "found 2 subsets of 3 vectors"),
        (torch.zeros(9, 1), torch.zeros(9, 1), 1, "subsets must be at least 2"),
    ],
)
def test_bad_input(x: Tensor, y: Tensor, subsets: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel_distance(x, y, subsets=subsets, generator=source())
