"""Implicit Euler, SDIRK2 and the exponential against dense matrices; the bound on positivity."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import Osmosis
from scalelib.drift_diffusion import DriftDiffusion, Grid, integrators
from scalelib.drift_diffusion.integrators import GAMMA, RADIUS, Propagator

D = torch.float64
ALWAYS_POSITIVE = ("implicit-euler", "exponential")


def rational(z):
    """Stability function of SDIRK2, in the form of its source."""
    return (1 + (1 - 2 * GAMMA) * z) / (1 - GAMMA * z) ** 2


def dense(A, integrator, tau):
    one = np.eye(len(A))
    if integrator == "exponential":
        return scipy.linalg.expm(tau * A)
    if integrator == "implicit-euler":
        return np.linalg.inv(one - tau * A)
    # Composed of implicit Euler steps alone.
    E = np.linalg.inv(one - GAMMA * tau * A)
    return (1 + math.sqrt(2)) * E @ E - math.sqrt(2) * E


def one_way(cells, rate=1.0):
    """Cells that hand on to the right only: |d| h = 2."""
    A = np.zeros((cells, cells))
    for i in range(cells - 1):
        A[i, i], A[i + 1, i] = -rate, rate
    return A


@pytest.mark.parametrize("integrator", ["implicit-euler", "sdirk2", "exponential"])
def test_steps_against_dense_matrices(integrator):
    log_v = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=D)
    grid = Grid((0, 0), (2.5, 2), (5, 4), tolerance=1.0)
    evolution = DriftDiffusion(grid, log_v)
    p = log_v.roll(1, 0).exp()
    tau = 0.9 * evolution.positivity_bound
    found = evolution.evolve(p, tau, integrator=integrator)
    expected = dense(evolution.operator.toarray(), integrator, tau) @ p.flatten().numpy()
    assert np.allclose(found.flatten().numpy(), expected, rtol=1e-13)
    twice = evolution.evolve(p, 2 * tau, steps=2, integrator=integrator)
    again = evolution.evolve(found, tau, integrator=integrator)
    assert torch.allclose(twice, again, rtol=1e-14)


def test_sdirk2_has_order_two_and_is_l_stable():
    for z in (1e-2, -1e-2):  # exp(z) up to terms of third order, but no better
        assert abs(rational(z) - math.exp(z)) < abs(z) ** 3
        assert abs(rational(z) - math.exp(z)) > 0.01 * abs(z) ** 3
    y = 1j * np.geomspace(1e-3, 1e6, 200)
    assert (abs(rational(y)) <= 1 + 1e-14).all()
    assert abs(rational(-1e9)) < 1e-8


def test_the_factor_of_the_bound_is_the_radius_of_absolute_monotonicity():
    # R = (1 + sqrt 2) w^2 - sqrt 2 w with w = 1 / (1 - gamma z) has the derivatives
    # k! gamma^k w^(k+1) [(1 + sqrt 2)(k + 1) w - sqrt 2].
    def bracket(r, k):
        return (1 + math.sqrt(2)) * (k + 1) / (1 + GAMMA * r) - math.sqrt(2)

    assert math.isclose(1 / RADIUS, 1 - 2 * GAMMA, rel_tol=1e-15)
    assert all(bracket(RADIUS, k) > -1e-15 for k in range(50))
    assert abs(bracket(RADIUS, 0)) < 1e-15
    assert abs(rational(-RADIUS)) < 1e-15
    assert bracket(1.001 * RADIUS, 0) < -1e-4


@pytest.mark.parametrize("cells", [2, 7])
def test_the_bound_is_sharp_for_a_chain_that_hands_on_in_one_direction(cells):
    A = one_way(cells, rate=3.0)
    propagator = Propagator(scipy.sparse.csr_array(A))
    bound = propagator.positivity_bound
    assert math.isclose(bound, (1 + math.sqrt(2)) / 3, rel_tol=1e-15)
    first = np.eye(cells)[0]
    assert propagator.step(first, bound, "sdirk2").min() >= 0
    beyond = dense(A, "sdirk2", 1.001 * bound)
    assert beyond[0, 0] < -1e-4
    assert beyond.min() == beyond[0, 0]


def test_a_chain_that_hands_on_in_one_direction_is_a_drift_diffusion():
    grid = Grid(0, 5, 5, tolerance=1.0)
    A = DriftDiffusion(grid, drift=torch.full((4,), 2.0, dtype=D)).operator.toarray()
    assert np.array_equal(A, one_way(5, rate=2.0))


def test_pure_diffusion_on_a_line_allows_more():
    A = Osmosis(guidance=torch.ones(1, 200, dtype=D)).operator().toarray()
    limit = (2 + math.sqrt(2)) * RADIUS / 2
    middle = dense(A, "sdirk2", 0.999 * limit)[:, 100]
    assert middle.min() >= -1e-18
    assert dense(A, "sdirk2", 1.001 * limit)[:, 100].min() < -1e-5


@given(st.integers(2, 12), st.floats(0.1, 4), st.integers(0, 10**6))
def test_sdirk2_is_positive_up_to_the_bound_for_any_drift(cells, h, seed):
    drift = 2 / h * (2 * torch.rand(cells - 1, generator=torch.Generator().manual_seed(seed)) - 1)
    evolution = DriftDiffusion(Grid(0, cells * h, cells, tolerance=1.0), drift=drift.double())
    tau = evolution.positivity_bound
    for point in torch.eye(cells, dtype=D):
        assert evolution.evolve(point, tau, integrator="sdirk2").min() >= 0
    assert dense(evolution.operator.toarray(), "sdirk2", tau).min() > -1e-14


def test_beyond_the_bound_sdirk2_raises():
    grid = Grid(0, 1, 10, tolerance=1.0)
    evolution = DriftDiffusion(grid)
    assert math.isclose(evolution.positivity_bound, RADIUS * 0.01 / 2, rel_tol=1e-12)
    message = (
        r"^tau must be at most \(1 \+ sqrt 2\) / max \|a_ii\| = 0\.0120711 for positivity of "
        r"'sdirk2', found 0\.0125; use more steps, or 'implicit-euler' or 'exponential'$"
    )
    with pytest.raises(ValueError, match=message):
        evolution.evolve(torch.ones(10), 0.05, steps=4, integrator="sdirk2")
    evolution.evolve(torch.ones(10), 0.05, steps=5, integrator="sdirk2")


@pytest.mark.parametrize("integrator", ALWAYS_POSITIVE)
@given(
    cells=st.integers(2, 30),
    length=st.floats(-6, 3),
    contrast=st.floats(0, 50),
    seed=st.integers(0, 10**6),
)
def test_positivity_and_mass_for_every_step(integrator, cells, length, contrast, seed):
    generator = torch.Generator().manual_seed(seed)
    log_v = contrast * torch.randn(cells, generator=generator, dtype=D)
    p = torch.rand(cells, generator=generator, dtype=D)
    p = p * (torch.rand(cells, generator=generator) < 0.5)  # empty cells
    p[int(seed) % cells] = 1.0
    grid = Grid(0, 1, cells, tolerance=1.0)
    tau = 10**length * grid.spacing**2
    found = DriftDiffusion(grid, log_v).evolve(p, tau, integrator=integrator)
    assert found.min() >= 0
    assert math.isclose(grid.mass(found), grid.mass(p), rel_tol=1e-12)
    if integrator == "implicit-euler" and contrast < 5:
        assert found.min() > 0


def test_one_factorisation_serves_steps_of_one_length(monkeypatch):
    made = []

    class Counted(integrators.SparseSystem):
        def __init__(self, operator, tau):
            made.append(tau)
            super().__init__(operator, tau)

    monkeypatch.setattr(integrators, "SparseSystem", Counted)
    evolution = DriftDiffusion(Grid(0, 1, 10, tolerance=1.0))
    p = torch.ones(10)
    evolution.evolve(p, 0.05, steps=5, integrator="implicit-euler")
    evolution.evolve(p, 0.01, integrator="implicit-euler")
    assert made == [0.01]
    evolution.evolve(p, 0.05, steps=5, integrator="sdirk2")
    assert made == [0.01, GAMMA * 0.01]


@pytest.mark.parametrize("integrator", ["sdirk2", "exponential"])
def test_a_matrix_that_keeps_no_mass_raises(integrator):
    leaking = scipy.sparse.csr_array([[-1.0, 0.0], [0.9, 0.0]])
    with pytest.raises(ArithmeticError, match=r"^mass must be kept up to rounding, found a change"):
        Propagator(leaking).step(np.ones(2), 0.1, integrator)
