"""Small PNGs that change nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from scalelib import _png

TEXT = {"scalelib": '{"seed": 0}'}


def noise(channels, zoom):
    """Clipped normal noise, every value a square of pixels."""
    values = np.random.default_rng(0).normal(127.5, 127.5, (64, 64, channels))
    shown = np.broadcast_to(values.clip(0, 255).astype(np.uint8), (64, 64, 3))
    return shown.repeat(zoom, axis=0).repeat(zoom, axis=1)


def ramp():
    across, down = np.arange(200)[:, None, None], np.arange(150)[None, :, None]
    return np.broadcast_to(across // 2 + down // 3, (200, 150, 3)).astype(np.uint8) + np.uint8(
        [0, 5, 9]
    )


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def usual(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png", optimize=True)
    return len(buffer.getvalue())


@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)),
        elements=st.sampled_from([0, 1, 255]),
    ),
    st.integers(1, 3),
)
@settings(deadline=None)
def test_every_pixel_stays(pixels, zoom):
    pixels = pixels.repeat(zoom, axis=0)
    read = opened(_png.encode(pixels, TEXT, 192)).convert("RGB")
    np.testing.assert_array_equal(np.asarray(read), pixels)


@pytest.mark.parametrize("pixels", [noise(3, 3), noise(1, 3), ramp()])
def test_pixels_text_and_resolution_of_either_kind(pixels):
    image = opened(_png.encode(pixels, TEXT, 192))
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), pixels)
    assert image.info["scalelib"] == TEXT["scalelib"]
    assert image.info["dpi"] == pytest.approx((192, 192), abs=0.01)


def test_coloured_noise_is_a_tenth_smaller_than_usual():
    pixels = noise(3, 3)
    assert len(_png.encode(pixels, {}, 192)) < 0.9 * usual(pixels)


def test_a_ramp_is_stored_by_differences():
    pixels = ramp()
    assert len(_png.encode(pixels, {}, 192)) <= usual(pixels) + 21  # the chunk of the resolution


def test_a_grey_picture_has_one_channel():
    assert opened(_png.encode(noise(1, 2), {}, 192)).mode == "L"
    assert opened(_png.encode(noise(3, 2), {}, 192)).mode == "RGB"
