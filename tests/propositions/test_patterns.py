"""Small grids and images: sizes and ranges."""

from __future__ import annotations

import pytest
import torch

from scalelib.propositions.patterns import (
    SIZES,
    drift_field,
    guidances,
    images,
    neighbours,
    units,
)


@pytest.mark.parametrize("shape", SIZES)
def test_images_and_guidances_lie_in_their_range(shape: tuple[int, int]) -> None:
    found = images(shape)
    assert found.shape == (4, 1, *shape)
    assert found.amin(dim=(1, 2, 3)).min() >= 1
    assert found.amax() == 255
    for v in guidances(shape).values():
        assert v.shape == (1, *shape)
        assert v.min() >= 1
        assert v.max() <= 255
    dy, dx = drift_field(shape)
    assert dy.shape == (1, shape[0] - 1, shape[1])
    assert dx.shape == (1, shape[0], shape[1] - 1)
    assert torch.cat([dy.flatten(), dx.flatten()]).abs().max() < 1.9


@pytest.mark.parametrize("shape", SIZES)
def test_neighbours_are_at_distance_one_and_none_is_missing(shape: tuple[int, int]) -> None:
    height, width = shape
    pairs = list(neighbours(shape))
    assert len(set(pairs)) == len(pairs) == height * (width - 1) + width * (height - 1)
    for p, q in pairs:
        assert abs(p // width - q // width) + abs(p % width - q % width) == 1


def test_units_give_the_matrix_of_a_linear_map() -> None:
    torch.testing.assert_close(units((2, 3)).flatten(1), torch.eye(6, dtype=torch.float64))
