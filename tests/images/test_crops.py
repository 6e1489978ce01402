"""Square crops and their reduction."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib.images.crops import centred, drawn, reduced

SIZES = st.integers(1, 40)
UNIFORM = st.lists(st.floats(0, 1, exclude_max=True), min_size=3, max_size=3)


def picture(height, width, colours=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, colours), dtype=np.uint8)


@given(SIZES, SIZES)
def test_the_centred_square_is_the_largest_and_in_the_middle(height, width):
    left, top, side = centred(picture(height, width))
    assert side == min(height, width)
    assert abs((width - side) - 2 * left) <= 1
    assert abs((height - side) - 2 * top) <= 1


@given(SIZES, SIZES, SIZES, UNIFORM)
def test_drawn_squares_lie_inside_and_are_large_enough(height, width, size, uniform):
    left, top, side = drawn(picture(height, width), size, torch.tensor(uniform))
    shorter = min(height, width)
    assert min(left, top) >= 0
    assert left + side <= width
    assert top + side <= height
    assert side >= min(max(size, shorter / 2), shorter)


def test_every_square_can_be_drawn():
    """Sides 2..4 of a 4 x 5 image, at every place."""
    grid = torch.linspace(0, 1 - 1e-9, 40, dtype=torch.float64)
    image = picture(4, 5)
    found = {drawn(image, 1, torch.stack([a, b, c])) for a in grid for b in grid for c in grid[::5]}
    expected = {
        (left, top, side)
        for side in (2, 3, 4)
        for left in range(6 - side)
        for top in range(5 - side)
    }
    assert found == expected


def test_a_crop_at_full_size_is_exact():
    image = picture(8, 9)
    found = reduced(image, (2, 1, 6), 6, 3)
    assert np.array_equal(found, np.moveaxis(image[1:7, 2:8], 2, 0))


@given(st.integers(1, 12), st.integers(0, 5), st.sampled_from([1, 3]))
def test_reduction_neither_overshoots_nor_moves_the_mean_of_a_constant(size, seed, channels):
    image = picture(12, 12, seed=seed) // 255 * 255  # black and white, the worst case
    found = reduced(image, (0, 0, 12), size, channels)
    assert found.shape == (channels, size, size)
    assert found.min() >= 0
    assert found.max() <= 255
    flat = np.full((12, 12, 3), 255, np.uint8)
    assert np.abs(reduced(flat, (0, 0, 12), size, channels) - 255).max() < 1e-4
    assert reduced(flat, (0, 0, 12), size, channels).max() <= 255


def test_reduction_is_by_a_hamming_window():
    """Against the window written out, in one dimension (rows are constant)."""
    row = np.random.default_rng(3).integers(0, 256, 12, dtype=np.uint8)
    image = np.tile(row, (12, 1))
    x = (np.arange(12) + 0.5)[None, :] / 3 - (np.arange(4) + 0.5)[:, None]
    weights = np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)
    expected = weights @ row / weights.sum(axis=1)
    assert np.allclose(reduced(image, (0, 0, 12), 4, 1)[0], expected, atol=2e-4)


def test_reduction_does_not_alias():
    """Stripes of one pixel become an even grey, up to the window's leak."""
    image = np.tile(np.array([0, 255], np.uint8), (64, 32))
    assert np.ptp(reduced(image, (0, 0, 64), 16, 1)) < 0.05 * 255


def test_only_the_crop_counts():
    image = picture(20, 20)
    other = image.copy()
    other[:5] = 255 - other[:5]
    crop = (3, 5, 12)
    assert np.array_equal(reduced(image, crop, 5, 3), reduced(other, crop, 5, 3))


@pytest.mark.parametrize(("colour", "luma"), [(0, 76.245), (1, 149.685), (2, 29.07)])
def test_grey_is_the_luma_of_bt601(colour, luma):
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., colour] = 255
    assert np.allclose(reduced(image, (0, 0, 2), 2, 1), luma)


def test_grey_images_repeat_themselves_in_colours():
    image = picture(4, 4, 1)[..., 0]
    found = reduced(image, (0, 0, 4), 4, 3)
    assert all(np.array_equal(found[c], image) for c in range(3))
