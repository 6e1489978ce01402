"""Ticks of the charts and how numbers are written."""

from __future__ import annotations

import pytest
from javascript import call

MODULE = "numerics/ticks.js"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((-1.5, 1.7, 4), [-1, 0, 1]),
        ((0, 12, 4), [0, 2, 4, 6, 8, 10, 12]),
        ((0.25, 0.75, 2), [0.4, 0.6]),
    ],
)
def test_linear_ticks(given: tuple[float, ...], expected: list[float]) -> None:
    assert call(MODULE, "linearTicks", given)[0] == pytest.approx(expected, abs=1e-12)


def test_logarithmic_ticks() -> None:
    cases = (0.1, 1000, 5), (1e-6, 1, 4), (2, 200, 9)
    found = call(MODULE, "logTicks", *cases)
    expected = [0.1, 1, 10, 100, 1000], [1e-6, 1e-4, 1e-2, 1], [10, 100]
    for ticks, places in zip(found, expected, strict=True):
        assert ticks == pytest.approx(places, rel=1e-12)


def test_numbers_as_text() -> None:
    assert call(MODULE, "plain", (-0.12345,), (4.0,), (-1e-30, 2)) == ["−0.123", "4", "−1e−30"]
    assert call(MODULE, "fixed", (-0.5, 2), (-0.001, 2), (3, 0)) == ["−0.50", "0.00", "3"]
    assert call(MODULE, "signed", (0.5, 1), (-0.5, 1), (0.001, 1)) == ["+0.5", "−0.5", "0.0"]


def test_powers_of_ten():
    assert call(MODULE, "power", (1e-12,), (0.001,), (1.0,), (1e6,)) == [
        "10⁻¹²",
        "10⁻³",
        "10⁰",
        "10⁶",
    ]
