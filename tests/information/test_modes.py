"""Critical points: against brute force, closed forms and the index theorem."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scalelib.information.densities import Mixture
from scalelib.information.modes import critical_points, modes_near

seeds = st.integers(0, 10**6)


def mixture(means: torch.Tensor, deviation: float, weights: torch.Tensor | None = None) -> Mixture:
    variances = torch.full((means.shape[1],), deviation**2, dtype=torch.float64)
    return Mixture(means, variances, weights)


def polygon(count: int) -> torch.Tensor:
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


@settings(deadline=None, max_examples=20)
@given(seed=seeds, deviation=st.sampled_from([0.05, 0.1, 0.3]))
def test_a_fine_grid_shows_the_same_modes_in_one_dimension(seed: int, deviation: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    means = torch.rand(6, 1, generator=draw, dtype=torch.float64)
    density = mixture(means, deviation, torch.rand(6, generator=draw, dtype=torch.float64) + 0.1)
    u = torch.linspace(-0.5, 1.5, 200_001, dtype=torch.float64)[:, None]
    rises = density.log_density(u).diff() > 0
    brute = u[1:-1][rises[:-1] & ~rises[1:]]
    found = critical_points(density).modes
    assert found.shape == brute.shape
    torch.testing.assert_close(found, brute, rtol=0, atol=2e-5)


@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_the_gradient_vanishes_and_the_curvature_is_its_derivative(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    means = torch.randn(5, 2, generator=draw, dtype=torch.float64)
    density = Mixture(means, torch.tensor([0.2, 0.5], dtype=torch.float64))
    found = critical_points(density)
    step, axes = 1e-3, torch.eye(2, dtype=torch.float64)
    for point, curvatures in zip(found.points, found.curvatures, strict=True):
        ring = torch.stack([point + s * step * e for e in axes for s in (-1, 1)])
        values = density.log_density(torch.cat([ring, point[None]]))
        assert (values[1:4:2] - values[0:4:2]).abs().max() / (2 * step) < 1e-4
        # In units of the deviations: the trace is the sum of both curvatures.
        second = (values[0:4:2] + values[1:4:2] - 2 * values[4]) / step**2
        scaled = (second * density.variances).sum()
        assert math.isclose(scaled, curvatures.sum(), rel_tol=1e-3, abs_tol=1e-3)


@pytest.mark.parametrize(
    ("deviation", "modes", "points"), [(0.3, 3, 7), (0.707, 3, 7), (0.7072, 4, 7), (0.74, 1, 1)]
)
def test_three_points_gain_a_mode(deviation: float, modes: int, points: int) -> None:
    found = critical_points(mixture(polygon(3), deviation))
    assert (len(found.modes), len(found.points)) == (modes, points)


def test_weights_and_coordinates_are_those_of_the_mixture() -> None:
    means = torch.tensor([[100.0], [108.0]], dtype=torch.float64)
    one = critical_points(mixture(means, 1.0, torch.tensor([1e-3, 1.0], dtype=torch.float64)))
    assert len(one.modes) == 2
    assert abs(one.modes[0] - 100) < 1e-9
    assert len(critical_points(mixture(means, 3.0, torch.tensor([1e-3, 1]).double())).modes) == 1


def test_a_single_component_has_one_mode() -> None:
    assert critical_points(mixture(torch.ones(3, 2).double(), 2.0)).modes.tolist() == [[1.0, 1.0]]


def test_climbing_finds_the_modes_of_the_search() -> None:
    density = mixture(polygon(3), 0.72)
    starts = torch.cat([polygon(3), torch.full((1, 2), 1e-3).double()])
    expected = critical_points(density).modes
    for mode in modes_near(density, starts):
        assert (expected - mode).norm(dim=1).min() < 1e-9
    assert len(modes_near(density, starts)) == 4


def test_a_saddle_is_no_mode() -> None:
    density = mixture(torch.tensor([[-2.0], [2.0]]).double(), 1.0)
    with pytest.raises(ValueError, match="1 that do not"):
        modes_near(density, torch.tensor([[0.0], [2.0]]).double())


def test_a_degenerate_point_is_refused() -> None:
    two = torch.tensor([[-1.0], [1.0]]).double()
    with pytest.raises(ValueError, match="degenerate"):
        critical_points(mixture(two, 1.0))


def test_bad_mixtures_are_refused() -> None:
    means = torch.zeros(2, 3).double()
    with pytest.raises(ValueError, match="dimension 1 or 2, found 3"):
        critical_points(mixture(means, 1.0))
    with pytest.raises(ValueError, match="shared"):
        critical_points(Mixture(means, torch.ones(2, 3).double()))
    with pytest.raises(ValueError, match="positive"):
        critical_points(Mixture(means, torch.zeros(3).double()))
    with pytest.raises(ValueError, match=r"shape \(n, 3\)"):
        modes_near(mixture(means, 1.0), torch.zeros(1, 2).double())
