"""Whether the statistics of a comparison fit in memory."""

from __future__ import annotations

import pytest
import torch

from scalelib.cli import _memory
from scalelib.experiments import Configuration
from scalelib.experiments._parts import Part

PIXELS = Configuration(data="", features="pixels 3 x 64 x 64")


def test_the_matrices_of_large_pixel_features_are_counted() -> None:
    found = _memory.part_bytes(scales=50, dimension=3 * 64**2, images=20_000)
    assert found == 51 * (8 * 12288**2 + 4 * 5000 * 12288)


@pytest.mark.parametrize("images", [8, 96])
def test_a_part_has_the_size_that_is_told(images: int) -> None:
    """Fewer vectors than features are kept as they are, more become a matrix."""
    part = Part.empty(scales=3, dimension=24, features="x")
    for block, x in enumerate(torch.randn(4, images, 24).split(32, dim=1)):
        part.add(block, x, torch.ones(4, x.shape[1]))
    stored = {k: a for k, a in part.to_arrays().items() if not k.startswith("variances")}
    found = sum(a.nbytes for k, a in stored.items() if {"rows", "scatter"} & set(k.split("/")))
    assert found == _memory.part_bytes(3, 24, images)


def test_what_does_not_fit_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "available", lambda _: 8 * 10**9)
    message = r"GB for 12288 features of 20000 images at 51 scales, and 8 GB free: take a smaller"
    with pytest.raises(ValueError, match=message):
        _memory.check_memory(PIXELS, 12288, 20_000)
    _memory.check_memory(PIXELS, 112, 20_000)


def test_workers_on_this_machine_need_more(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Configuration(data="", features="EfficientNet-Lite0, stage 5, unbounded")
    needed = 6 * _memory.part_bytes(50, 112, 2000)
    monkeypatch.setattr(_memory, "available", lambda _: needed)
    _memory.check_memory(network, 112, 2000, workers=2)
    with pytest.raises(ValueError, match="an earlier --stage"):
        _memory.check_memory(network, 112, 2000, workers=3)
