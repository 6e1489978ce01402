"""Laws of the entries: what they are made of, and their quadrature."""

from __future__ import annotations

import math

import pytest
import torch

from scalelib.information import Mixture, gaussian_entropy
from scalelib.propositions.instances import NAMES, SHAPE, STEPS, process
from scalelib.propositions.laws import FOUR, SPECTRUM, in_modes, nodes, per_mode

POINTS = Mixture(FOUR, torch.zeros(1).double())


@pytest.mark.parametrize("name", NAMES[:-1])
def test_transitions_have_an_entry_for_each_mode(name: str) -> None:
    chain = process(name)
    for found, expected in zip(per_mode(chain, STEPS, 3), chain.direct(STEPS, 3), strict=True):
        assert found.shape == (math.prod(SHAPE),)
        assert torch.equal(found.view(SHAPE), expected.expand(SHAPE))


def test_modes_are_those_asked_for() -> None:
    chain = process("inverse heat dissipation")
    factor, variance = chain.direct(STEPS)
    law = in_modes(chain, STEPS, POINTS, (1,))
    torch.testing.assert_close(law.means, factor[0, 1] * FOUR, rtol=1e-15, atol=0)
    torch.testing.assert_close(law.variances[0], variance[0, 1], rtol=1e-15, atol=0)


def test_the_spectrum_falls() -> None:
    assert SPECTRUM.shape == (math.prod(SHAPE),)
    assert bool((SPECTRUM.view(SHAPE).diff(dim=0) < 0).all())
    assert bool((SPECTRUM.view(SHAPE).diff(dim=1) < 0).all())


def test_nodes_integrate_a_gaussian_to_rounding() -> None:
    law = Mixture(torch.tensor([[0.3]]).double(), torch.tensor([0.01]).double())
    u, weights = nodes(law)
    assert math.isclose(float(weights @ u[:, 0]), 0.3, rel_tol=1e-13)
    assert math.isclose(float(weights @ (u[:, 0] - 0.3) ** 2), 0.01, rel_tol=1e-12)
    found = float(-weights @ law.log_density(u))
    assert math.isclose(found, gaussian_entropy(law.variances), rel_tol=1e-12)


def test_finer_nodes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    law = in_modes(process("inverse heat dissipation"), 1, POINTS, (1,))
    values = []
    for fineness in (20, 60):
        monkeypatch.setattr("scalelib.propositions.laws._PER_DEVIATION", fineness)
        u, weights = nodes(law)
        values.append(float(-weights @ law.log_density(u)))
    assert math.isclose(*values, rel_tol=1e-12)


def test_nodes_that_miss_mass_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalelib.propositions.laws._REACH", 3)
    with pytest.raises(ValueError, match="resolved"):
        nodes(in_modes(process("variance preserving"), 4, POINTS, (1,)))
