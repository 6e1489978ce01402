"""Exponential of the osmosis operator by shift-and-invert Lanczos, against dense matrices."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from scalelib.osmosis import krylov
from scalelib.osmosis.krylov import evolve, limit_error, windows
from scalelib.osmosis.symmetric import solve

SHAPES = [(6, 7), (1, 9), (9, 1), (2, 2), (1, 2)]
TIMES = [1e-3, 0.02, 1.0, 1.5, 40.0, 2e3, 1e5, 1e8]
"""From next to nothing to far beyond the slowest mode, alone and in company."""


def norm(x, v):
    """Norm sqrt(sum(x^2 / v)) of images (..., H, W)."""
    return np.sqrt((np.asarray(x) ** 2 / np.asarray(v)).sum(axis=(-2, -1)))


def dense_exponential(A, v, f, times):
    """exp(t A) f from the eigenvectors of diag(v)^(-1/2) A diag(v)^(1/2), for every time."""
    root = np.sqrt(v.ravel())
    S = A * root[None, :] / root[:, None]
    np.testing.assert_allclose(S, S.T, rtol=0, atol=1e-13 * np.abs(S).max())
    rates, U = np.linalg.eigh((S + S.T) / 2)
    rates[-1] = 0  # that of the steady state, which rounding would let grow
    c = U.T @ (f.ravel() / root)
    return np.stack([(root * (U @ (np.exp(t * rates) * c))).reshape(f.shape) for t in times])


def error_of(found, v, f, times, A):
    """Largest relative error over all times."""
    exact = dense_exponential(A, v.numpy(), f.numpy(), times)
    return (norm(found.numpy() - exact, v) / norm(exact, v)).max()


def run(v, f, times, rtol, cosine_from=30.0):
    """States and estimated error of one image (H, W)."""
    schedule = torch.tensor(times, dtype=torch.float64)
    states, error = evolve(v[None], f[None], schedule, rtol, cosine_from)
    return states[:, 0], float(error)


def test_dense_exponential_is_that_of_scipy(reference):
    v, f = reference.positive(4, 5).numpy(), reference.positive(4, 5, seed=1).numpy()
    A = reference.guided_operator(v)
    for t in (0.1, 3.0):
        expected = (scipy.linalg.expm(t * A) @ f.ravel()).reshape(f.shape)
        np.testing.assert_allclose(dense_exponential(A, v, f, [t])[0], expected, rtol=1e-12)


@pytest.mark.parametrize("rtol", [1e-2, 1e-5, 1e-8, 1e-11])
@pytest.mark.parametrize("times", [TIMES, [1.0], [3e4], list(np.geomspace(0.5, 400, 25))], ids=len)
@pytest.mark.parametrize("shape", SHAPES)
def test_error_and_its_estimate_keep_the_tolerance(reference, shape, times, rtol):
    v, f = reference.positive(*shape), reference.positive(*shape, seed=1)
    found, estimate = run(v, f, times, rtol)
    assert estimate <= rtol
    # The reference has an error of its own, of some ten units in the last place.
    assert error_of(found, v, f, times, reference.guided_operator(v)) <= estimate + 1e-13


@example(2.0, -5.0, 2.0, 111)  # slow modes come after changes below the errors of the solves
@given(st.floats(-3, 6), st.floats(-9, -2), st.floats(0, 3), st.integers(0, 10**6))
def test_estimate_bounds_the_error_for_every_guidance(reference, exponent, digits, decades, seed):
    v = 10.0 ** reference.positive(5, 6, seed=seed, low=-decades / 2, high=decades / 2)
    f, rtol = reference.positive(5, 6, seed=seed + 1), 10.0**digits
    times = [10.0**exponent, 1.3 * 10.0**exponent, 7 * 10.0**exponent, 1e3 * 10.0**exponent]
    found, estimate = run(v, f, times, rtol)
    assert estimate <= rtol
    assert error_of(found, v, f, times, reference.guided_operator(v)) <= estimate + 1e-13


def test_estimate_is_not_far_above_the_error(reference):
    """Within a thousand: the last dimension often gains more than the ones before."""
    v, f, times = reference.positive(12, 12), reference.positive(12, 12, seed=1), [1.0, 2.0, 9.0]
    for rtol in (1e-3, 1e-6, 1e-9):
        found, estimate = run(v, f, times, rtol)
        assert estimate < 1e3 * error_of(found, v, f, times, reference.guided_operator(v))


def test_estimate_that_trusts_the_first_small_change_would_be_noticed(reference, monkeypatch):
    monkeypatch.setattr(krylov, "limit_error", lambda changes, noise: 1e-3 * changes[-1])
    v, f = reference.positive(12, 12), reference.positive(12, 12, seed=1)
    found, estimate = run(v, f, [5.0], 1e-6)
    assert error_of(found, v, f, [5.0], reference.guided_operator(v)) > 10 * estimate


def test_errors_of_the_solves_are_in_the_estimate(reference, monkeypatch):
    def poor(system, b, rtol, *, cosine):
        u, _, iterations = solve(system, b, rtol, cosine=cosine)
        kick = 1e-5 * b * torch.linspace(-1, 1, b.shape[-1], dtype=b.dtype)
        u = u + kick - kick.mean()
        r = system.residual(b, u / system.v)
        return u, r.flatten(1).norm(dim=1) / b.flatten(1).norm(dim=1), iterations

    monkeypatch.setattr(krylov, "solve", poor)
    v, f = reference.positive(8, 8), reference.positive(8, 8, seed=1)
    schedule = torch.tensor([5.0], dtype=torch.float64)
    root = (v / v.mean()).sqrt()[None]
    level = f.sum() / root.square().sum()
    x = (f / root - level * root).flatten(1)
    allowed = torch.tensor([1e-8], dtype=torch.float64)
    state, estimate = krylov._window(root, x, schedule, allowed, 30.0)
    found = (state.view(8, 8) + level * root[0]) * root[0]
    A = reference.guided_operator(v)
    exact = dense_exponential(A, v.numpy(), f.numpy(), [5.0])[0]
    true = float(norm(found.numpy() - exact, root[0].square()))
    assert 1e-6 < true <= float(estimate)
    assert run(v, f, [5.0], 1e-8)[1] > 1e-8


def test_limit_error_of_a_geometric_series_is_above_its_rest():
    changes = [torch.tensor([2.0 * q**k for q in (0.1, 0.5, 0.9)]) for k in range(6)]
    rest = [2.0 * q**6 / (1 - q) for q in (0.1, 0.5, 0.9)]
    found = limit_error(changes, torch.zeros(3))
    assert bool((found > torch.tensor(rest)).all())
    torch.testing.assert_close(found, torch.tensor(rest) / torch.tensor([0.1, 0.5, 0.9]))


def test_limit_error_needs_changes_that_shrink():
    one, none = torch.ones(1), torch.zeros(1)
    assert limit_error([one, one], none).isinf()
    assert limit_error([0 * one, 0 * one], none).isinf()
    assert limit_error([one, one, one], none).isinf()
    assert limit_error([one, one, 2 * one], none).isinf()
    # A single small change is not believed.
    assert limit_error([one, one, 1e-12 * one], none).isinf()


def test_changes_that_the_solves_cause_end_the_series():
    one, noise = torch.ones(1), torch.full((1,), 1e-8)
    below = 4 * [4e-9 * one, 3e-9 * one, 5e-9 * one]  # they no longer shrink
    assert limit_error(below, 0 * one).isinf()
    assert float(limit_error(below, noise)) == float(noise)
    # One change above the noise, and the series goes on.
    assert limit_error([2e-8 * one, *below[1:]], noise).isinf()


def test_an_accuracy_near_that_of_the_solves_is_reached():
    """Once in some dozens of such images the changes stagnated while the estimate was infinite."""
    generator = torch.Generator().manual_seed(0)
    v = 255 + 127.5 * (1 + 0.5 * torch.randn(60, 16, 16, generator=generator).double())
    f = 255 + 255 * torch.rand(60, 16, 16, generator=generator).double()
    times = (torch.logspace(-1, 1, 8, dtype=torch.float64) ** 2 / 2).tolist()
    for rtol in (1e-5, 1e-6, 1e-7):
        states, error = evolve(v, f, torch.tensor(times, dtype=torch.float64), rtol, 1.0)
        assert bool(states.isfinite().all())
        assert float(error.max()) <= rtol


def test_a_first_guess_that_fades_to_zero_is_not_believed(reference):
    """The mean rate of this image is 13 times its slowest one, of which 1e-8 is left at t."""
    v = 10.0 ** reference.positive(5, 6, seed=568371, low=-1.156, high=1.156)
    f, times = reference.positive(5, 6, seed=568372), [436.0]
    found, estimate = run(v, f, times, 3e-9)
    assert error_of(found, v, f, times, reference.guided_operator(v)) <= estimate <= 3e-9


def test_dimension_is_small_and_grows_with_the_accuracy(reference, monkeypatch):
    counts = []

    def counted(*arguments, **keywords):
        counts[-1] += 1
        return solve(*arguments, **keywords)

    monkeypatch.setattr(krylov, "solve", counted)
    v, f = reference.positive(24, 24), reference.positive(24, 24, seed=1)
    for rtol in (1e-3, 1e-6, 1e-9):
        counts.append(0)
        run(v, f, np.geomspace(1.0, 100.0, 50).tolist(), rtol)  # three windows
    assert counts[0] < counts[1] < counts[2]
    assert counts[2] <= 3 * 30


def test_windows_partition_the_times_and_grow_with_them():
    assert list(windows([5.0])) == [slice(0, 1)]
    assert list(windows([1.0, 2.0, 10.0, 11.0])) == [slice(0, 1), slice(1, 3), slice(3, 4)]
    assert list(windows([1.0, 1e8])) == [slice(0, 1), slice(1, 2)]
    times = np.geomspace(1e-3, 1e6, 200).tolist()
    spans = list(windows(times))
    assert [i for s in spans for i in range(200)[s]] == list(range(200))
    assert len(spans) <= 12


def test_late_times_are_the_steady_state(reference):
    v, f = reference.positive(8, 9), reference.positive(8, 9, seed=1)
    found, _ = run(v, f, [1e5, 1e8, 1e200], 1e-10)
    torch.testing.assert_close(found, (v * f.sum() / v.sum()).expand(3, 8, 9), rtol=1e-12, atol=0)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1)])
def test_steady_images_stay(reference, shape):
    v = reference.positive(*shape)
    found, estimate = run(v, 3 * v, TIMES, 1e-9)
    torch.testing.assert_close(found, (3 * v).expand_as(found), rtol=1e-14, atol=0)
    assert estimate < 1e-14


def test_an_eigenvector_takes_one_dimension():
    """The space is exhausted after it: no direction is made of rounding errors."""
    f = 2 + torch.cos(torch.pi * (torch.arange(12).double() + 0.5) / 12).expand(1, 12)
    found, _ = run(torch.ones(1, 12, dtype=torch.float64), f, [0.5, 4.0], 1e-11)
    rate = 2 - 2 * np.cos(np.pi / 12)
    for t, u in zip((0.5, 4.0), found, strict=True):
        torch.testing.assert_close(u, 2 + np.exp(-rate * t) * (f - 2), rtol=1e-11, atol=0)


@given(st.floats(-3, 8), st.integers(0, 10**6), st.sampled_from([0.0, 30.0, float("inf")]))
def test_mass_is_kept(reference, exponent, seed, cosine_from):
    v, f = reference.positive(5, 6, seed=seed), reference.positive(5, 6, seed=seed + 1)
    found, _ = run(v, f, [10.0**exponent, 2 * 10.0**exponent], 1e-3, cosine_from)
    for u in found:
        assert float(u.sum()) == pytest.approx(float(f.sum()), rel=1e-14 * 30)


def test_images_of_a_batch_do_not_disturb_each_other(reference):
    """A steady one, one with a single mode, an ordinary one, and one of high contrast."""
    hard = torch.exp(2 * torch.randn(8, 8, generator=torch.Generator().manual_seed(1)).double())
    v = torch.stack([hard, torch.ones_like(hard), reference.positive(8, 8), hard])
    wave = 2 + torch.cos(torch.pi * (torch.arange(8).double() + 0.5) / 8).expand(8, 8)
    f = torch.stack([5 * hard, wave, *reference.positive(2, 8, 8, seed=3)])
    times, rtol = [0.1, 2.0, 30.0, 1e4], 1e-9
    found, estimates = evolve(v, f, torch.tensor(times, dtype=torch.float64), rtol, 30.0)
    assert bool((estimates <= rtol).all())
    for i in range(4):
        alone, estimate = run(v[i], f[i], times, rtol)
        distance = norm(found[:, i] - alone, v[i]) / norm(alone, v[i])
        assert distance.max() <= estimate + float(estimates[i]) + 1e-13


def test_accuracy_out_of_reach_is_told(reference):
    v, f = reference.positive(8, 8), reference.positive(8, 8, seed=1)
    found, estimate = run(v, f, [1.0, 5.0], 1e-16)
    assert estimate > 1e-16
    assert bool(found.isnan().any())
