"""The processes of the widget before and after a permutation, against the package."""

from __future__ import annotations

import pytest
import torch
from javascript import call

from scalelib.widgets import PermutationInvariance

MODULE = "numerics/permutations.js"
SIDE = 8
PROCESSES = ["preserving", "heat", "blurring"]
KINDS = ["tiles", "pixels", "shift", "mirror", "turn"]


@pytest.fixture
def image(generator):
    return torch.rand(1, SIDE, SIDE, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("scale", [1, 12, 20])
def test_samples_are_those_of_the_package(image, generator, process, scale):
    noise = torch.randn(image.shape, generator=generator, dtype=torch.float64)
    widget = PermutationInvariance(image, process=process, scale=scale)
    expected = widget._process(SIDE).sample(image, scale, noise=noise).flatten()
    given = process, scale, image.flatten().tolist(), noise.flatten().tolist(), SIDE
    found = torch.tensor(call(MODULE, "sampled", given)[0], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_orders_are_permutations(kind):
    for side in (8, 16):
        order = call(MODULE, "order", (kind, side))[0]
        assert sorted(order) == list(range(side**2))
        assert order != list(range(side**2))


def test_moves_are_those_of_the_package(image):
    for kind in ("shift", "mirror", "turn"):
        order = call(MODULE, "order", (kind, SIDE))[0]
        expected = PermutationInvariance(image, permutation=kind)._permuted(image)
        assert torch.equal(image.flatten()[order].view_as(image), expected)


def test_tiles_stay_whole():
    order = torch.tensor(call(MODULE, "order", ("tiles", 16))[0]).view(16, 16)
    tiles = order.unfold(0, 4, 4).unfold(1, 4, 4).reshape(16, 4, 4)
    inside = tiles - tiles[:, :1, :1]
    assert torch.equal(inside, inside[:1].expand_as(inside))


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_agrees(image, generator, process, kind):
    noise = torch.randn(image.shape, generator=generator, dtype=torch.float64).flatten()
    order = call(MODULE, "order", (kind, SIDE))[0]
    u, rest = image.flatten(), (SIDE,)
    pairs = (u, noise), (u[order], noise[order])
    calls = [(process, 12, a.tolist(), g.tolist(), *rest) for a, g in pairs]
    straight, before = call(MODULE, "sampled", *calls)
    after = [straight[p] for p in order]
    found = call(MODULE, "compared", (before, after))[0]
    if process == "preserving":
        assert found == {"largest": 0, "rms": 0, "equal": True}
    elif kind in ("mirror", "turn"):
        assert found["largest"] < 1e-12
    else:
        assert found["rms"] > 0.01


def test_the_picture_follows_the_state(image):
    for process in PROCESSES:
        for kind in KINDS:
            widget = PermutationInvariance(image, process=process, permutation=kind)
            assert widget.fallback().kind == "png"


@pytest.mark.parametrize(
    ("shape", "factor", "message"),
    [((1, 8, 12), 1, "side a multiple of 4"), ((3, 8, 8), 1, "shape"), ((1, 8, 8), 2, "2 in magn")],
)
def test_images_out_of_range_are_refused(shape, factor, message):
    with pytest.raises(ValueError, match=message):
        PermutationInvariance(factor * torch.ones(shape))
