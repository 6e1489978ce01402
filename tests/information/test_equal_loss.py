"""Equal steps: the property itself, closed forms, limits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import VariancePreserving
from scalelib.information import equal_loss_beta, gaussian_mutual_information

from .conftest import double, positive

variances = st.lists(positive(-6, 6), min_size=1, max_size=6)


@given(variances, st.integers(2, 30), st.floats(-6, 2), st.floats(0.5, 12))
def test_every_step_forgets_the_same(c, steps, low, span):
    data = double(c)
    betas = equal_loss_beta(data, steps, math.exp(low + span), math.exp(low))
    chain = VariancePreserving(betas)
    told = double([gaussian_mutual_information(chain, i, data) for i in range(1, steps + 1)])
    falls = told.diff().neg()
    # The sums of beta and the root both carry rounding errors, relative to the information.
    assert float((falls - falls.mean()).abs().max()) <= 1e-9 * float(told[0])


@given(variances, st.integers(2, 30))
def test_the_ends_are_those_asked_for(c, steps):
    powers = (1 - equal_loss_beta(double(c), steps, 50.0, 0.02)).cumprod(0)
    ratios = powers / (1 - powers)
    assert float(ratios[0]) == pytest.approx(50.0, rel=1e-9)
    assert float(ratios[-1]) == pytest.approx(0.02, rel=1e-9)


def test_one_mode_in_closed_form():
    """1 + gamma c is geometric for one mode."""
    c, first, last = 3.0, 40.0, 0.1
    powers = (1 - equal_loss_beta(double([c]), 5, first, last)).cumprod(0)
    found = 1 + c * powers / (1 - powers)
    expected = torch.linspace(math.log1p(c * first), math.log1p(c * last), 5).double().exp()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_weak_noise_makes_the_logarithm_of_the_ratio_linear():
    """All modes far above the noise lose the same in the same interval of ln gamma."""
    powers = (1 - equal_loss_beta(double([1e9, 1e12]), 9, 1e4, 1.0)).cumprod(0)
    gaps = (powers / (1 - powers)).log().diff()
    torch.testing.assert_close(gaps, gaps.mean().expand(8), rtol=1e-6, atol=0)


def test_weights_count_modes():
    """A mode with weight 2 is two modes; a mode with weight 0 is none."""
    c = double([4.0, 0.5, 9.0])
    weighted = equal_loss_beta(c, 7, 100.0, 0.01, weights=double([2.0, 1.0, 0.0]))
    counted = equal_loss_beta(double([4.0, 4.0, 0.5]), 7, 100.0, 0.01)
    torch.testing.assert_close(weighted, counted, rtol=1e-9, atol=1e-14)


def test_a_linear_schedule_is_not_equal():
    """The measure used above does reject: negative control."""
    data = double([4.0, 0.5])
    chain = VariancePreserving([0.1, 0.2, 0.3, 0.4])
    told = double([gaussian_mutual_information(chain, i, data) for i in range(1, 5)])
    falls = told.diff().neg()
    assert float((falls - falls.mean()).abs().max()) > 0.05 * float(told[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 1}, "steps must be at least 2"),
        ({"first": 0.005}, r"first must be finite and in \(0.01, inf\)"),
        ({"last": 0.0}, "last must be finite"),
        ({"variances": torch.zeros(3)}, "variances must be positive where weights are"),
        ({"variances": torch.tensor([-1.0])}, "variances must not be negative"),
        ({"weights": torch.ones(2)}, "weights must hold 3 numbers"),
        ({"weights": torch.zeros(3)}, "variances must be positive where weights are"),
    ],
)
def test_bad_input(change, message):
    arguments = {"variances": torch.ones(3), "steps": 4, "first": 100.0, "last": 0.01, **change}
    with pytest.raises(ValueError, match=message):
        equal_loss_beta(**arguments)
