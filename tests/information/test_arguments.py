"""Checks at the boundary that all information measures share."""

import pytest
import torch

from scalelib.information import _arguments


def test_doubles_are_float64_and_detached():
    given = torch.ones(2, 3, requires_grad=True)
    found = _arguments.double("x", given, 2)
    assert found.dtype == torch.float64
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("check", "given", "error", "message"),
    [
        (_arguments.double, [1.0], TypeError, "x must be a torch.Tensor, found list"),
        (_arguments.double, torch.ones(2).int(), TypeError, "float32 or float64"),
        (_arguments.double, torch.ones(0), ValueError, "x must not be empty"),
        (_arguments.double, torch.tensor([1.0, torch.nan]), ValueError, "x must be finite"),
        (_arguments.nonnegative, -torch.ones(2), ValueError, "x must not be negative, found -1"),
        (_arguments.generator, 7, TypeError, "x must be a torch.Generator, found int"),
        (_arguments.generator, None, TypeError, "x must be a torch.Generator, found NoneType"),
        (_arguments.probability, 0.0, ValueError, r"x must be finite and in \(0, 1\), found 0.0"),
        (_arguments.probability, 1.0, ValueError, r"in \(0, 1\), found 1.0"),
        (_arguments.probability, "5%", TypeError, "x must be a real number"),
    ],
)
def test_bad_input_is_named(check, given, error, message):
    with pytest.raises(error, match=message):
        check("x", given)


def test_the_number_of_axes_is_checked():
    with pytest.raises(ValueError, match=r"x must have 2 axes, found shape \(3,\)"):
        _arguments.double("x", torch.ones(3), 2)


@pytest.mark.cuda
def test_generators_of_other_devices_are_refused():
    with pytest.raises(ValueError, match="x must be on the CPU, found cuda"):
        _arguments.generator("x", torch.Generator("cuda"))
