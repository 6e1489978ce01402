"""Standard error of the distance: the jackknife, repeated samples, a closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scalelib.frechet import Moments, frechet_distance, frechet_standard_error


def distance(x: Tensor, y: Tensor) -> float:
    one, other = Moments(x.shape[1]), Moments(x.shape[1])
    one.update(x)
    other.update(y)
    return frechet_distance(one, other).value


def pairs(count: int, dimension: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    mixing = torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    return x, x @ mixing / 2 + 0.3 + 0.3 * noise


def jackknife(x: Tensor, y: Tensor, groups: Tensor) -> float:
    """Leave out one group after the other, from both samples at once."""
    names = groups.unique()
    found = torch.tensor([distance(x[groups != g], y[groups != g]) for g in names])
    spread = (found - found.mean()).square().sum() * (len(names) - 1) / len(names)
    return float(spread.sqrt())


@pytest.mark.parametrize(("count", "dimension"), [(200, 3), (40, 60)])
def test_it_is_the_jackknife_of_small_changes(count: int, dimension: int) -> None:
    # Leaving out one image of N changes the weights by 1/N: both differ by terms of that order.
    x, y = pairs(count, dimension)
    expected = jackknife(x, y, torch.arange(count))
    assert frechet_standard_error(x, y) == pytest.approx(expected, rel=4 / count)


def test_groups_are_left_out_together() -> None:
    x, y = (rows.repeat_interleave(4, dim=0) for rows in pairs(150, 3))
    photographs = torch.arange(150).repeat_interleave(4)
    grouped = frechet_standard_error(x, y, photographs)
    assert grouped == pytest.approx(jackknife(x, y, photographs), rel=4 / 150)
    # Four copies bring no information: taken for independent they halve the error.
    assert frechet_standard_error(x, y) == pytest.approx(grouped / 2, rel=0.01)


def test_names_of_groups_do_not_matter() -> None:
    x, y = pairs(60, 3)
    groups = torch.arange(60) // 5
    renamed = 1000 - 7 * groups
    assert frechet_standard_error(x, y, renamed) == frechet_standard_error(x, y, groups)


def test_it_is_the_spread_of_repeated_samples() -> None:
    # n = 400 repetitions: a standard deviation is known to 1/sqrt(2 n) = 3.5 %, so that four of
    # these, 14 %, fail a right formula with probability 6e-5 and find an error of 30 % (power
    # above 0.99).
    found = [pairs_of_one_law(seed) for seed in range(400)]
    spread = torch.tensor([distance(x, y) for x, y in found]).std()
    errors = torch.tensor([frechet_standard_error(x, y) for x, y in found])
    assert float(errors.square().mean().sqrt() / spread) == pytest.approx(1, abs=0.14)


def pairs_of_one_law(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(400, 2, generator=generator, dtype=torch.float64)
    return x, x @ torch.tensor([[2.0, 0.5], [0.0, 1.0]], dtype=torch.float64) + 0.5


def test_one_dimension_in_closed_form() -> None:
    # d^2 = (2 mu + 1)^2 + 4 s^2 for y = 3 x + 1, to first order 4 (x + x^2 - 1) for each image.
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)[:, None]
    x /= x.std(correction=1)
    influence = (4 * (x + x.square()))[:, 0]
    expected = float(influence.var(correction=1)) ** 0.5 / 101**0.5
    assert frechet_standard_error(x, 3 * x + 1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "groups", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 3), None, r"x must have shape \(N, d\), N >= 3"),
        (torch.zeros(4, 3), torch.zeros(5, 3), None, "y must have the shape of x"),
        (torch.full((4, 3), torch.nan), torch.zeros(4, 3), None, "x must be finite"),
        (torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4).long(), "groups must be two or"),
        (torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(3).long(), "groups must have shape"),
    ],
)
def test_bad_input(x: Tensor, y: Tensor, groups: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frechet_standard_error(x, y, groups)


def test_groups_are_integers() -> None:
    with pytest.raises(TypeError, match="groups must be a tensor of integers"):
        frechet_standard_error(*pairs(4, 2), torch.zeros(4))
