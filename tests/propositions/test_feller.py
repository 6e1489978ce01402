"""The instruments of the reading notes measure what they say."""

from __future__ import annotations

import math

import pytest
import torch

from scalelib.information import Mixture
from scalelib.propositions import _feller as feller


def wave(u, t):
    return math.exp(-t) * u.sin()


def test_the_residual_of_a_solution_vanishes():
    heat = feller.residual(wave, lambda u, t, p: feller.along(feller.along(p, u), u))
    assert heat < 1e-12


def test_the_residual_of_another_equation_does_not():
    assert feller.residual(wave, lambda u, t, p: -p * 1.01) == pytest.approx(0.01, rel=1e-6)


def test_the_density_is_the_law_of_the_process():
    u = torch.linspace(-9, 9, 2001, dtype=torch.float64)
    p = feller.density(u, 0.4)
    width = float(u[1] - u[0])
    signal = math.exp(-0.4 - 0.4**2 / 2)
    mean = float(feller.DATA.mean())
    second = feller.DATA.covariance_trace() + mean**2
    assert float(p.sum()) * width == pytest.approx(1, abs=1e-12)
    assert float((p * u).sum()) * width == pytest.approx(signal**0.5 * mean, abs=1e-12)
    expected = signal * second + 1 - signal
    assert float((p * u**2).sum()) * width == pytest.approx(expected, abs=1e-12)


def test_the_kernel_takes_one_density_to_the_next():
    u = torch.linspace(-9, 9, 2001, dtype=torch.float64)
    start = feller.density(u, 0.2)
    at = torch.tensor([-1.0, 0.0, 0.7], dtype=torch.float64)
    reached = [float((feller.kernel(x, 0.5, u, 0.2) * start).sum() * (u[1] - u[0])) for x in at]
    torch.testing.assert_close(torch.tensor(reached).double(), feller.density(at, 0.5))


def test_slopes_are_derivatives_in_time():
    t = feller.times(0.1, 0.7)
    values = torch.stack([t.sin(), t**3], dim=1)
    expected = torch.stack([t.cos(), 3 * t**2], dim=1)
    torch.testing.assert_close(feller.slopes(values, 0.1, 0.7), expected, rtol=0, atol=1e-11)


def test_the_divergence_adds_up_over_the_coordinates():
    u = torch.randn(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u.requires_grad_()
    flux = torch.stack([u[:, 0] ** 2 * u[:, 1], u[:, 1].sin()], dim=1)
    expected = 2 * u[:, 0] * u[:, 1] + u[:, 1].cos()
    torch.testing.assert_close(feller.divergence(flux, u), expected)


def test_residuals_are_taken_in_the_plane():
    u = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def waves(u, t):
        return math.exp(-5 * t) * u[:, 0].sin() * (2 * u[:, 1]).cos()

    def heat(u, t, p):
        return feller.divergence(feller.along(p, u), u)

    assert feller.residual(waves, heat, positions=u) < 1e-12
    slower = feller.residual(waves, lambda u, t, p: 0.99 * heat(u, t, p), positions=u)
    assert slower == pytest.approx(0.01, rel=1e-6)


def test_densities_of_mixtures_in_the_plane():
    law = Mixture(
        torch.tensor([[-1.0, 0.5], [0.3, 0.2]]).double(),
        torch.tensor([[0.4, 0.1], [0.2, 0.6]]).double(),
        torch.tensor([0.3, 0.7]).double(),
    )
    u = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(feller.mixture_density(law, u), law.log_density(u).exp())
