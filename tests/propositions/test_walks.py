"""Osmosis matrices: the rebuilt ones are those of the filter, each broken one is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.grid import osmosis_matrix
from scalelib.propositions.patterns import SIZES, drift_field, guidances, images
from scalelib.propositions.walks import (
    arithmetic,
    euler,
    filters,
    harmonic,
    leaky,
    matrix,
    null_image,
    of_drift,
    one_sided,
    resolvent,
)

EXACT = {"rtol": 0, "atol": 1e-13}


@pytest.mark.parametrize("shape", SIZES)
def test_rebuilt_matrices_are_those_of_the_filter(shape: tuple[int, int]) -> None:
    for v in guidances(shape).values():
        torch.testing.assert_close(osmosis_matrix(v[0]), matrix(Osmosis(guidance=v)), **EXACT)
        torch.testing.assert_close(
            -osmosis_matrix(v[0]) * v.flatten(), harmonic(v), rtol=1e-13, atol=0
        )
    field = drift_field(shape)
    torch.testing.assert_close(of_drift(*field), matrix(Osmosis(drift=field)), **EXACT)


@pytest.mark.parametrize("broken", [arithmetic, leaky, one_sided])
def test_broken_matrices_differ(broken: Callable[[Tensor], Tensor]) -> None:
    v = guidances((4, 3))["mild"]
    assert (broken(v) - osmosis_matrix(v[0])).abs().max() > 1e-3


def test_a_leak_loses_grey_value_and_a_wrong_drift_does_not() -> None:
    v = guidances((4, 3))["mild"]
    assert leaky(v).sum(dim=0).min() < -0.5
    assert one_sided(v).sum(dim=0).abs().max() < 1e-13
    assert arithmetic(v).sum(dim=0).abs().max() < 1e-13


@pytest.mark.parametrize("shape", SIZES)
def test_steps_are_those_of_the_filter(shape: tuple[int, int]) -> None:
    f = images(shape)
    for osmosis in filters(shape).values():
        walk = matrix(osmosis)
        torch.testing.assert_close(
            resolvent(walk)(f, 3.0), osmosis.step(f, 3.0), rtol=1e-11, atol=0
        )
        torch.testing.assert_close(euler(walk)(f, 1e-6), osmosis.step(f, 1e-6), rtol=1e-8, atol=0)
        torch.testing.assert_close(null_image(walk, f), osmosis.steady_state(f), rtol=1e-10, atol=0)
