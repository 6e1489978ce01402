"""The numerics of the widget, against the package."""

from __future__ import annotations

import math

import pytest
import torch
from javascript import call

from scalelib import VariancePreserving
from scalelib.information import (
    Mixture,
    entropy_by_quadrature,
    gaussian_entropy,
    marginal,
)
from scalelib.propositions.entries import beta_bound
from scalelib.widgets import BetaBound

MODULE = "numerics/gaussian.js"
CASES = [(beta, c) for beta in (0.01, 0.3, 0.5, 0.99) for c in (0.1, 1.0, 4.0, 10.0)]


def normal(variance: float) -> Mixture:
    return Mixture(torch.zeros(1, 1).double(), torch.tensor([variance]).double())


def test_the_true_change_is_that_of_the_process() -> None:
    found = call(MODULE, "trueChange", *CASES)
    for (beta, c), change in zip(CASES, found, strict=True):
        after = entropy_by_quadrature(marginal(VariancePreserving([beta]), normal(c), 1))
        assert change == pytest.approx(after - entropy_by_quadrature(normal(c)), abs=1e-6)


def test_the_counterexample_of_the_registry() -> None:
    outcome = beta_bound.change(4.0, 0.5, expected=0.0)
    assert call(MODULE, "trueChange", (0.5, 4.0))[0] == pytest.approx(outcome.value, abs=1e-6)


def test_the_course_is_that_of_the_process() -> None:
    steps = 12
    for beta, c in CASES:
        process = VariancePreserving([beta] * steps)
        found = call(MODULE, "varianceAfter", *((i, beta, c) for i in range(1, steps + 1)))
        for i, variance in enumerate(found, start=1):
            factor, noise = process.direct(i)
            assert variance == pytest.approx(float(factor**2 * c + noise), rel=1e-6)


def test_entropy() -> None:
    variances = [0.1, 1.0, 7.0]
    expected = [gaussian_entropy(torch.tensor([c]).double()) for c in variances]
    assert call(MODULE, "entropy", *((c,) for c in variances)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_the_claim_vanishes_at_the_ends_of_the_printed_bound(n: int) -> None:
    low = call(MODULE, "printedBound", (n,))[0]
    assert low * (1 - low) == pytest.approx((2 * math.pi * math.e) ** -n, rel=1e-6)
    found = call(MODULE, "claimedChange", (low, n), (0.5, n))
    expected = math.log(2 * math.pi * math.e) / 2 + math.log(0.25) / (2 * n)
    assert found == pytest.approx([0.0, expected], abs=1e-6)


def test_the_bound_of_many_pixels_has_a_logarithm() -> None:
    small = call(MODULE, "printedBound", (1,), (2,), (20,))
    logs = call(MODULE, "printedBoundLog10", (1,), (2,), (20,), (65536,))
    assert logs[:3] == pytest.approx([math.log10(low) for low in small], abs=1e-6)
    assert logs[3] == pytest.approx(-65536 * math.log10(2 * math.pi * math.e), rel=1e-12)


def test_the_picture_shows_the_ends_of_the_bound() -> None:
    low = call(MODULE, "printedBound", (1,))[0]
    assert f"{low:.2g}" == "0.062"
    assert BetaBound(n=1).fallback().provenance.parameters["n"] == 1
