"""The five scale-spaces of the widget, against the package."""

from __future__ import annotations

import pytest
import torch
from javascript import call

from scalelib.information import conditional_entropy
from scalelib.widgets import ScaleExplorer, scale_explorer

MODULE = "numerics/explorer.js"
SIDE = 12
KEYS = {
    "preserving": "variance preserving",
    "heat": "inverse heat dissipation",
    "diffusion": "homogeneous diffusion",
    "blurring": "blurring diffusion",
}


@pytest.fixture
def image(generator):
    return torch.rand(1, SIDE, SIDE, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.fixture(scope="module")
def protocol():
    return call(MODULE, "protocol", (SIDE,))[0]


@pytest.fixture
def noise(generator):
    return torch.randn(1, SIDE, SIDE, generator=generator, dtype=torch.float64)


def numbers(values):
    return torch.tensor(values, dtype=torch.float64).view(1, SIDE, SIDE)


@pytest.mark.parametrize("scale", [1, 22, 50])
def test_samples_are_those_of_the_package(protocol, image, noise, scale):
    given = call(MODULE, "prepared", (image.flatten().tolist(), noise.flatten().tolist(), SIDE))[0]
    found = call(MODULE, "linearScales", (protocol, given, scale))[0]
    for key, name in KEYS.items():
        process = scale_explorer._processes(SIDE)[name]
        expected = process.sample(image, scale, noise=noise)
        torch.testing.assert_close(numbers(found[key]), expected, rtol=0, atol=1e-6)


def test_osmosis_is_that_of_the_package(protocol, image, noise):
    expected = scale_explorer._osmosis(image, noise)
    state = call(MODULE, "lifted", (image.flatten().tolist(),))[0]
    towards = call(MODULE, "guidance", (noise.flatten().tolist(),))[0]
    for i in range(50):
        state = call(MODULE, "osmosisNext", (protocol, state, towards, i))[0]
        if i in (0, 10, 49):
            found = numbers(call(MODULE, "grey", (state,))[0])
            torch.testing.assert_close(found, expected[i], rtol=0, atol=1e-6)


def test_conditional_entropy_is_that_of_the_package(protocol):
    for key in ("preserving", "heat", "blurring"):
        process = scale_explorer._processes(SIDE)[KEYS[key]]
        found = call(MODULE, "conditionalEntropy", *((protocol, key, i) for i in (1, 22, 50)))
        expected = [conditional_entropy(process, i, SIDE**2) / SIDE**2 for i in (1, 22, 50)]
        assert found == pytest.approx(expected, abs=1e-6)
    calls = ("diffusion", 5), ("osmosis", 5), ("preserving", 0)
    found = call(MODULE, "conditionalEntropy", *((protocol, *given) for given in calls))
    assert found == [None, None, None]


def test_spatial_variance(image):
    found = call(MODULE, "spatialVariance", (image.flatten().tolist(),))[0]
    assert found == pytest.approx(float(image.var()), abs=1e-12)


def test_the_photographs_are_those_of_the_catalogue():
    widget = ScaleExplorer(own=bytes(96**2), photograph="own")
    assert torch.equal(widget.image(), -torch.ones(1, 96, 96).double())
    assert torch.equal(ScaleExplorer().image(), ScaleExplorer(photograph="chelsea").image())
    assert ScaleExplorer(photograph="coffee").image().std() > 0.1


def test_a_missing_photograph_is_refused():
    with pytest.raises(ValueError, match="without the bytes"):
        ScaleExplorer(photograph="own")
    with pytest.raises(ValueError, match="0 or 9216 bytes, found 3"):
        ScaleExplorer(own=b"abc")
