"""Laws of the entries: what they are made of, and their quadrature."""

from __future__ import annotations

import math

import pytest
import torch

from scalelib.information import Mixture, gaussian_entropy
from scalelib.propositions.instances import NAMES, SHAPE, STEPS, process
from scalelib.propositions.laws import (
    FOUR,
    SPECTRUM,
    in_modes,
    information_on_points,
    log_ratios,
    nodes,
    over_log_ratios,
    per_mode,
    sampled_mean,
    white_noise_test,
)

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
    law = Mixture(torch.tensor([[0.25]]).double(), torch.tensor([0.0625]).double())
    u, weights = nodes(law)
    assert math.isclose(float(weights @ u[:, 0]), 0.25, rel_tol=1e-13)
    assert math.isclose(float(weights @ (u[:, 0] - 0.25) ** 2), 0.0625, rel_tol=1e-12)
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


def test_a_sampled_mean_keeps_its_error_probability_and_its_power() -> None:
    # n = 4000 experiments; both rates within 4.5 standard errors, alpha = 1e-5 for this test.
    values = torch.randn(4000, 50, generator=torch.Generator().manual_seed(1)).double()
    first = sampled_mean(values[0], 0.0, 1.0, 0.05)
    assert first.detectable is not None
    true = [sampled_mean(row, 0.0, 1.0, 0.05).accepted for row in values]
    assert abs(sum(true) / 4000 - 0.95) < 4.5 * math.sqrt(0.05 * 0.95 / 4000)
    wrong = [sampled_mean(row + first.detectable, 0.0, 1.0, 0.05).accepted for row in values]
    assert abs(sum(wrong) / 4000 - 0.01) < 4.5 * math.sqrt(0.01 * 0.99 / 4000)


def test_information_on_points_far_apart_is_the_logarithm_of_their_number() -> None:
    law = Mixture(10 * FOUR, torch.tensor([1e-3]).double())
    assert math.isclose(information_on_points(law), math.log(4), rel_tol=1e-3)


def test_log_ratios_are_normal_with_known_moments() -> None:
    # n = 4000; mean and variance within 4.5 standard errors: alpha = 1.4e-5 in all.
    generator = torch.Generator().manual_seed(2)
    found = log_ratios(process("blurring diffusion"), 3, 1.5, 4000, generator=generator)
    standard = (found - 1.5**2 / 2) / 1.5
    assert abs(float(standard.mean())) < 4.5 / math.sqrt(4000)
    assert abs(float(standard.var()) - 1) < 4.5 * math.sqrt(2 / 4000)


def test_moments_over_log_ratios() -> None:
    mean, variance = over_log_ratios(lambda x: x, 1.5)
    assert math.isclose(mean, 1.125, rel_tol=1e-12)
    assert math.isclose(variance, 2.25, rel_tol=1e-12)


def test_white_noise_passes_and_other_noise_does_not(generator: torch.Generator) -> None:
    first, second = torch.randn(2, 4000, 30, generator=generator, dtype=torch.float64)
    found = white_noise_test([first, second], 1e-3)  # n = 4000, alpha = 1e-3
    assert found.accepted
    assert found.count == 4000
    assert not white_noise_test([first, 1.05 * second], 1e-3).accepted
    repeated = torch.cat([first[:, :15], first[:, :15]], dim=1)
    assert not white_noise_test([repeated, second], 1e-3).accepted


def test_half_of_alpha_goes_to_each_of_two_samples(generator: torch.Generator) -> None:
    z = torch.randn(1000, 3, generator=generator, dtype=torch.float64)
    one, two = white_noise_test([z], 0.01), white_noise_test([z, z], 0.02)
    assert (two.value, two.tolerance) == (one.value, one.tolerance)
    assert one.detectable is not None
    assert math.isclose(one.detectable - one.tolerance, 2.3263478740408408 / 2 / 1000**0.5)
