"""The osmosis of the widget, against the package."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from javascript import call

from scalelib.osmosis import Osmosis
from scalelib.widgets import OsmosisPlayground

MODULE = "numerics/playground.js"
PAINTING = "numerics/painting.js"
SIDE = 12
OFFSET = 16.0


@pytest.fixture
def images(generator):
    """Initial image and guidance image, grey values in [0, 255], of high contrast."""
    return 255 * torch.rand(2, 1, SIDE, SIDE, generator=generator, dtype=torch.float64)


def numbers(values):
    return torch.tensor(values, dtype=torch.float64).view(1, SIDE, SIDE)


def raised(image):
    return call(MODULE, "raised", (image.flatten().tolist(), OFFSET))[0]


@pytest.fixture
def states(images):
    """All 31 states of the widget, with the offset."""
    state, v = raised(images[0]), raised(images[1])
    found = [state]
    for k in range(30):
        state = call(MODULE, "nextState", (v, state, k))[0]
        found.append(state)
    return found


def test_states_are_those_of_the_package(images, states):
    times = OsmosisPlayground.times()
    expected = Osmosis(images[1], offset=OFFSET, rtol=1e-12).trajectory(images[0], times[1:])
    for found, wanted in zip(states[1:], expected, strict=True):
        torch.testing.assert_close(numbers(found) - OFFSET, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("offset", [1.0, 1000.0])
@pytest.mark.parametrize("k", [0, 15, 29])
def test_steps_in_full_size_are_those_of_the_package(k, offset):
    """The widget's own images: noise becomes a photograph."""
    widget = OsmosisPlayground()
    image, guidance = widget.image("noise"), widget.image("chelsea")
    state, v = ((x.flatten() + offset).tolist() for x in (image, guidance))
    tau = widget.times()[k + 1] - widget.times()[k]
    found = call(MODULE, "nextState", (v, state, k))[0]
    expected = Osmosis(guidance, offset=offset, rtol=1e-13).trajectory(image, tau.view(1))[0]
    found = torch.tensor(found, dtype=torch.float64).view(1, 64, 64) - offset
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_mass_positivity_and_relative_entropy(images, states):
    v = raised(images[1])
    steady = call(MODULE, "steadyState", (v, states[0]))[0]
    masses = call(MODULE, "average", *((state,) for state in states))
    distances = call(MODULE, "relativeEntropy", *((state, steady) for state in states))
    assert max(masses) - min(masses) < 1e-7
    assert min(min(state) for state in states) > 0
    # Solves leave an error of 1e-10 of the image, squared in the relative entropy.
    assert all(b < a for a, b in itertools.pairwise(distances) if a > 1e-18)
    p, q = (numbers(x) / numbers(x).sum() for x in (states[5], steady))
    assert distances[5] == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-10)
    assert distances[0] > 0.1
    assert distances[-1] < 1e-15


def test_steady_state_is_that_of_the_package(images):
    found = call(MODULE, "steadyState", (raised(images[1]), raised(images[0])))[0]
    expected = Osmosis(images[1], offset=OFFSET).steady_state(images[0])
    torch.testing.assert_close(numbers(found) - OFFSET, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("gap", [0.5, 1e-2, 1e-3 * (1 - 1e-9), 1e-3 * (1 + 1e-9), 1e-6, 0.0])
def test_small_relative_entropies_do_not_cancel(gap):
    """Two pixels, 1 + g and 1 - g, against 1 and 1: atanh gives the same without cancelling."""
    found = call(MODULE, "relativeEntropy", ([1 + gap, 1 - gap], [1, 1]))[0]
    expected = gap * math.atanh(gap) + math.log1p(-gap * gap) / 2
    # The expected value itself loses digits: g^2 - g^2 / 2.
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-18)


def test_times_are_those_of_the_browser():
    start = [1.0, 1.0, 1.0, 1.0]
    guide = [1.0, 2.0, 3.0, 4.0]
    one = call(MODULE, "nextState", (guide, start, 4))[0]
    tau = float(OsmosisPlayground.times()[5] - OsmosisPlayground.times()[4])
    filtering = Osmosis(torch.tensor(guide).double().view(1, 2, 2), rtol=1e-12)
    expected = filtering.trajectory(torch.ones(1, 2, 2).double(), [tau])[0]
    assert one == pytest.approx(expected.flatten().tolist(), abs=1e-9)


def test_a_stroke_paints_the_pixels_near_its_line():
    blank = [7] * 64
    found = call(PAINTING, "stroke", (blank, 8, [1.5, 2.5], [5.5, 2.5], 1.0, 200))[0]
    rows = [found[8 * j : 8 * j + 8] for j in range(8)]
    assert rows[2] == [200] * 7 + [7]
    assert rows[1] == rows[3] == [7] + [200] * 5 + [7, 7]
    assert rows[0] == rows[4] == [7] * 8
    dot = call(PAINTING, "stroke", (blank, 8, [4.0, 4.0], [4.0, 4.0], 0.8, 0))[0]
    assert sum(value == 0 for value in dot) == 4


def test_arrow_keys_move_the_brush_within_the_image():
    places = [([4, 4], "ArrowLeft", 2, 8), ([1, 4], "ArrowLeft", 2, 8), ([4, 7], "ArrowDown", 2, 8)]
    assert call(PAINTING, "moved", *places) == [[2, 4], [0.5, 4], [4, 7.5]]
    assert call(PAINTING, "moved", ([4, 4], "a", 2, 8)) == [None]


def test_images_by_name():
    widget = OsmosisPlayground(own=bytes(range(256)) * 16, guidance="own")
    assert widget.image("own")[0, 3, 63] == 255
    assert widget.image("flat").unique() == 128
    assert widget.image("noise").std() > 60
    assert not torch.equal(widget.image("coffee"), widget.image("chelsea"))


def test_a_missing_or_odd_image_is_refused():
    with pytest.raises(ValueError, match="without the bytes"):
        OsmosisPlayground(guidance="own")
    with pytest.raises(ValueError, match="0 or 4096 bytes, found 3"):
        OsmosisPlayground(own=b"abc")
    with pytest.raises(ValueError, match="offset"):
        OsmosisPlayground(offset=0.0)
