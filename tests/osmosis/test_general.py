"""Sparse solvers, exponential and steady states of any drift, against dense linear algebra."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp

from scalelib import Osmosis, canonical_drift
from scalelib.osmosis import general
from scalelib.osmosis.general import SparseSystem, exponential, steady_vector, strong_parts

SHAPES = [(4, 5), (1, 6), (6, 1), (2, 2), (1, 1)]


@pytest.fixture(scope="module")
def random_operator(reference):
    """Operators of random drift fields, which have no potential, next to their dense matrices."""

    def build(shape, seed=0, largest=1.9):
        height, width = shape
        dy = reference.positive(height - 1, width, seed=seed, low=-largest, high=largest)
        dx = reference.positive(height, width - 1, seed=seed + 1, low=-largest, high=largest)
        return Osmosis(drift=(dy, dx)).operator(), reference.dense_operator(dy, dx)

    return build


def chain(*drifts):
    """Operator of a one-dimensional image with these drifts."""
    dx = torch.tensor([drifts], dtype=torch.float64)
    return Osmosis(drift=(torch.zeros(0, len(drifts) + 1).double(), dx)).operator()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau", [1e-3, 1.0, 1e3])
def test_both_solvers_solve_the_dense_system(reference, random_operator, shape, tau):
    sparse, dense = random_operator(shape)
    b = reference.positive(*shape, seed=5).numpy().ravel()
    expected = np.linalg.solve(np.eye(b.size) - tau * dense, b)
    system = SparseSystem(sparse, tau)
    rounding = 1e-15 * (1 + 8 * tau) * b.sum()
    np.testing.assert_allclose(system.direct(b), expected, rtol=0, atol=rounding)
    found = system.bicgstab(b, 1e-10)
    bound = np.sqrt(b.size) * 1e-10 * np.linalg.norm(b) + rounding
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    assert system.residual(found, b) <= 1e-10


@pytest.mark.parametrize("tau", [0.5, 40.0])
def test_residual_is_the_true_relative_one(reference, random_operator, tau):
    sparse, dense = random_operator((4, 5))
    u, b = (reference.positive(20, seed=s).numpy() for s in (1, 2))
    expected = np.linalg.norm(b - u + tau * dense @ u) / np.linalg.norm(b)
    assert SparseSystem(sparse, tau).residual(u, b) == pytest.approx(expected, rel=1e-12)


def test_bicgstab_restarts_until_the_true_residual_is_met(reference, random_operator, monkeypatch):
    """A method that stops half way is called again, as long as it helps."""
    calls = []
    original = scipy.sparse.linalg.bicgstab

    def lazy(*args, **kwargs):
        calls.append(1)
        return original(*args, **(kwargs | {"maxiter": 5}))

    monkeypatch.setattr(scipy.sparse.linalg, "bicgstab", lazy)
    sparse, _ = random_operator((4, 5))
    b = reference.positive(20).numpy()
    system = SparseSystem(sparse, 3.0)
    assert system.residual(system.bicgstab(b, 1e-9), b) <= 1e-9
    assert len(calls) > 1


def test_factorisation_is_computed_once(reference, random_operator, monkeypatch):
    calls = []
    original = scipy.sparse.linalg.splu
    monkeypatch.setattr(
        general.scipy.sparse.linalg, "splu", lambda *a, **k: calls.append(1) or original(*a, **k)
    )
    system = SparseSystem(random_operator((4, 5))[0], 2.0)
    assert not calls
    for seed in range(3):
        system.direct(reference.positive(20, seed=seed).numpy())
    assert len(calls) == 1


def test_direct_solver_is_accurate_in_every_component_of_a_tiny_tail():
    """A peak that leaks over 24 pixels: grey values down to 1e-220, each to 10 digits."""
    n, tau = 24, 1e-9
    drifts = np.random.default_rng(0).uniform(-1.9, 1.9, n - 1)
    b = np.full(n, 1e-230)
    b[0] = 1.0
    found = SparseSystem(chain(*drifts), tau).direct(b)
    with mp.workdps(400):
        matrix = mp.eye(n)
        for i, d in enumerate(drifts):
            forth, back = tau * (1 + mp.mpf(d) / 2), tau * (1 - mp.mpf(d) / 2)
            matrix[i, i] += forth
            matrix[i + 1, i] -= forth
            matrix[i + 1, i + 1] += back
            matrix[i, i + 1] -= back
        expected = mp.lu_solve(matrix, mp.matrix([mp.mpf(x) for x in b]))
        errors = [abs(mp.mpf(x) / e - 1) for x, e in zip(found, expected, strict=True)]
    assert 0 < found[-1] < 1e-200
    assert max(errors) < 1e-10


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    st.floats(-6, 6),
    st.integers(0, 1000),
)
def test_direct_solver_keeps_positive_vectors_positive(reference, random_operator, shape, e, seed):
    sparse, _ = random_operator(shape, seed=seed, largest=2.0)
    b = 10.0 ** reference.positive(shape[0] * shape[1], seed=seed, low=-250.0, high=3.0).numpy()
    u = SparseSystem(sparse, 10.0**e).direct(b)
    assert (u > 0).all()
    assert u.sum() == pytest.approx(b.sum(), rel=1e-15 * (1 + 8 * 10.0**e) * b.size)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("time", [1e-3, 0.7, 20.0])
def test_exponential_is_the_dense_one(reference, random_operator, shape, time):
    sparse, dense = random_operator(shape)
    b = reference.positive(*shape).numpy().ravel()
    found = exponential(sparse, b, time)
    np.testing.assert_allclose(found, scipy.linalg.expm(time * dense) @ b, rtol=0, atol=1e-10)
    assert found.sum() == pytest.approx(b.sum(), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_steady_vector_is_the_dense_null_vector(random_operator, shape, seed):
    sparse, dense = random_operator(shape, seed=seed)
    w = steady_vector(sparse)
    assert (w > 0).all()
    assert w.max() == 1
    assert (np.abs(dense @ w) <= 1e-14 * (np.abs(dense) @ w)).all()
    null = scipy.linalg.null_space(dense, rcond=1e-12)
    assert null.shape[1] == 1
    np.testing.assert_allclose(w, null[:, 0] / np.abs(null).max() * np.sign(null[0]), atol=1e-12)


@pytest.mark.parametrize("drift", [1.5, -1.5])
def test_steady_vector_of_a_chain_is_a_product_of_ratios(drift):
    """Detailed balance: w_j / w_i = (1 + d/2) / (1 - d/2), over 250 powers of ten."""
    n = 296
    w = steady_vector(chain(*[drift] * (n - 1)))
    ratio = (1 + drift / 2) / (1 - drift / 2)
    log = np.arange(n) * np.log10(ratio)
    np.testing.assert_allclose(np.log10(w), log - log.max(), rtol=0, atol=1e-10)
    assert w.min() < 1e-249


@pytest.mark.parametrize("seed", range(5))
def test_steady_vector_is_the_guidance_of_a_canonical_drift(seed):
    generator = torch.Generator().manual_seed(seed)
    v = torch.exp(2 * torch.randn(12, 13, generator=generator, dtype=torch.float64))
    w = steady_vector(Osmosis(drift=canonical_drift(v)).operator())
    np.testing.assert_allclose(w, (v / v.max()).numpy().ravel(), rtol=1e-9)


def test_steady_vector_finds_the_larger_of_two_wells():
    """The last pixel is in a shallow well, behind a barrier of 1e-8, 1e-4 below the deep one."""
    v = torch.tensor([[1e2, 1e3, 1e2, 1e-5, 1e-2, 1e-1, 1e-2]], dtype=torch.float64)
    w = steady_vector(Osmosis(drift=canonical_drift(v)).operator())
    np.testing.assert_allclose(w, v.numpy().ravel() / 1e3, rtol=1e-6)


def test_strong_parts_counts_what_a_walk_cannot_leave_and_enter():
    assert strong_parts(chain(0.5, -1.0, 1.9)) == 1
    assert strong_parts(chain(2.0, 0.0, 0.0)) == 2
    assert strong_parts(chain(0.0, -2.0, 2.0)) == 3
    assert strong_parts(chain(2.0, 2.0, 2.0)) == 4
    around = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(2, 1, dtype=torch.float64)
    around[1][0] = 2.0
    assert strong_parts(Osmosis(drift=around).operator()) == 1
