"""Octaves against counting, information per octave against the whole."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.information import (
    gaussian_mutual_information,
    octave_information,
    octaves,
    signal_to_noise,
)

SHAPE = (6, 8)
PROCESSES = [
    VariancePreserving([0.3, 0.75]),
    VarianceExploding([0.2, 1.5]),
    HeatDissipation([0.5, 2.0], 0.1, SHAPE),
    BlurringDiffusion([0.5, 2.0], [0.9, 0.5], [0.4, 0.8], SHAPE),
    LinearisedOsmosis([0.5, 2.0], 0.5, SHAPE),
    HomogeneousDiffusion([0.5, 2.0], SHAPE),
]


def spectrum():
    """Variances of modes that are all different."""
    source = torch.Generator().manual_seed(0)
    return torch.rand(SHAPE, generator=source, dtype=torch.float64)


@given(st.integers(1, 40), st.integers(1, 40))
def test_octaves_against_fractions(height, width):
    """Integers only: 4^(j-1) (H W)^2 <= L^2 ((k1 W)^2 + (k2 H)^2) < 4^j (H W)^2."""
    found, longer = octaves((height, width)), max(height, width)
    unit = (height * width) ** 2
    for k1 in range(height):
        for k2 in range(width):
            square = longer**2 * ((k1 * width) ** 2 + (k2 * height) ** 2)
            j = int(found[k1, k2])
            if square == 0:
                assert j == 0
            else:
                assert 4 ** (j - 1) * unit <= square < 4**j * unit


def test_an_edge_is_exact_where_the_sides_share_no_power_of_two():
    """49 * 128 / 98 is 64, and 49 * (128 / 98) is less than that."""
    found = octaves((98, 128))
    assert found[48:50, 0].tolist() == [6, 7]
    assert found[0, 63:65].tolist() == [6, 7]


def test_octaves_of_one_pixel():
    assert octaves((1, 1)).tolist() == [[0]]


@pytest.mark.parametrize("process", PROCESSES[:4], ids=lambda p: type(p).__name__)
def test_octaves_add_up(process):
    c = spectrum()
    parts = octave_information(process, 2, c)
    assert len(parts) == int(octaves(SHAPE).max()) + 1
    whole = gaussian_mutual_information(process, 2, c.flatten())
    assert float(parts.sum()) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: type(p).__name__)
def test_ratio_is_that_of_the_transition(process):
    c = spectrum()
    c[0, 1] = 0.0
    factor, variance = (x.expand(SHAPE) for x in process.direct(1))
    found = signal_to_noise(process, 1, c)
    noisy = (variance > 0) & (c > 0)
    torch.testing.assert_close(found[noisy], (factor**2 * c / variance)[noisy])
    assert bool((found[(variance == 0) & (c > 0)] == math.inf).all())
    assert float(found[0, 1]) == 0


def test_a_mode_without_noise_is_infinite_in_its_octave_only():
    found = octave_information(PROCESSES[4], 1, spectrum())
    assert float(found[0]) == math.inf
    assert bool(found[1:].isfinite().all())


@given(st.floats(0.1, 4.0), st.integers(1, 2))
def test_white_noise_keeps_the_order_of_the_spectrum(exponent, i):
    """Without blur the ratio of two ratios is that of the variances, at every scale."""
    c = (torch.arange(12, dtype=torch.float64).view(3, 4) + 1) ** -exponent
    for process in PROCESSES[:2]:
        found = signal_to_noise(process, i, c)
        torch.testing.assert_close(found / found[0, 0], c / c[0, 0], rtol=1e-12, atol=0)


def test_bad_input():
    with pytest.raises(ValueError, match=r"shape \(6, 8\)"):
        signal_to_noise(PROCESSES[2], 1, torch.ones(8, 6))
    with pytest.raises(ValueError, match="variances must have 2 axes"):
        octave_information(PROCESSES[0], 1, torch.ones(4))
    with pytest.raises(ValueError, match="variances must not be negative"):
        octave_information(PROCESSES[0], 1, -torch.ones(4, 4))
    with pytest.raises(ValueError, match="i must be at least 1"):
        signal_to_noise(PROCESSES[0], 0, torch.ones(4, 4))
    with pytest.raises(ValueError, match="shape must be a pair"):
        octaves((4,))
    with pytest.raises(TypeError, match="process must be a LinearGaussianScaleSpace"):
        signal_to_noise("vp", 1, torch.ones(4, 4))
