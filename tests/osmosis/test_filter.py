"""Osmosis filtering: the properties of section 5 of the theory, solvers, batches, bad input."""

import re
from functools import partial

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import ConvergenceError, Osmosis, canonical_drift
from scalelib.osmosis import filter as filtering
from scalelib.osmosis import general

SOLVERS = ["auto", "cg", "dct-cg", "bicgstab", "direct"]
SYMMETRIC = ["cg", "dct-cg"]
GENERAL = ["auto", "bicgstab", "direct"]
SHAPES = [(1, 6, 7), (1, 1, 9), (1, 9, 1), (1, 2, 2), (1, 1, 1)]


def log_noise(*shape, seed=0, spread=1.0):
    """Positive images with a logarithm of this standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    return torch.exp(spread * torch.randn(shape, generator=generator, dtype=torch.float64))


def cloning_drift(inside, background):
    """Drift of one image in the middle of another: seamless cloning. It has no potential."""
    dy, dx = canonical_drift(background)
    for d, other in zip((dy, dx), canonical_drift(inside), strict=True):
        height, width = d.shape[-2:]
        rows, columns = slice(height // 4, -(height // 4)), slice(width // 4, -(width // 4))
        d[..., rows, columns] = other[..., rows, columns]
    return dy, dx


def distance_bound(u, rtol, tau, solves=1):
    """Largest distance, in the 1-norm, of two solutions that meet ``rtol``.

    The inverse of I - tau A is nonnegative with columns that sum to 1, so that in the 1-norm an
    error is not larger than its residual. The last term is rounding in I - tau A.
    """
    b = u.flatten(-2)
    norm = b.shape[-1] ** 0.5 * rtol * b.norm(dim=-1)
    return float((2 * solves * norm + 1e-15 * (1 + 8 * tau) * b.sum(dim=-1)).max())


def assert_near(found, expected, bound):
    difference = torch.as_tensor(found) - torch.as_tensor(expected)
    assert float(difference.abs().flatten(-2).sum(dim=-1).max()) <= bound


def entropy(u, w):
    """Relative entropy sum u ln(u / w)."""
    return (u * (u / w).log()).flatten(1).sum(dim=1)


# Implicit Euler steps


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau", [1e-2, 3.0, 1e3])
@pytest.mark.parametrize("spacing", [1.0, 0.5])
def test_step_solves_the_dense_system(reference, solver, shape, tau, spacing):
    v, u = reference.positive(*shape), reference.positive(*shape, seed=1)
    found = Osmosis(v, offset=3.0, spacing=spacing, solver=solver, rtol=1e-10).step(u, tau)
    A = reference.guided_operator(v[0] + 3.0, spacing)
    expected = reference.implicit_step(A, u[0] + 3.0, tau) - 3.0
    assert_near(found[0], expected, distance_bound(u + 3.0, 1e-10, tau / spacing**2))


@pytest.mark.parametrize("solver", GENERAL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spacing", [1.0, 0.5])
def test_step_with_a_drift_field_solves_the_dense_system(reference, solver, shape, spacing):
    _, height, width = shape
    dy = reference.positive(1, height - 1, width, low=-2 / spacing, high=2 / spacing)
    dx = reference.positive(1, height, width - 1, seed=2, low=-2 / spacing, high=2 / spacing)
    u = reference.positive(*shape, seed=1)
    osmosis = Osmosis(drift=(dy, dx), spacing=spacing, solver=solver, rtol=1e-10)
    A = reference.dense_operator(dy[0], dx[0], spacing)
    for tau in (1e-2, 3.0, 1e3):
        expected = reference.implicit_step(A, u[0], tau)
        bound = distance_bound(u, 1e-10, tau / spacing**2)
        assert_near(osmosis.step(u, tau)[0], expected, bound)


@given(st.floats(-2, 6), st.integers(0, 10**6))
def test_all_solvers_agree(reference, exponent, seed):
    tau = 10.0**exponent
    v, u = reference.positive(1, 7, 8, seed=seed), reference.positive(1, 7, 8, seed=seed + 1)
    results = [Osmosis(v, solver=solver).step(u, tau) for solver in SOLVERS]
    for found in results[1:]:
        assert_near(found, results[0], distance_bound(u, 1e-8, tau))


@given(st.floats(-2, 6), st.integers(0, 10**6), st.sampled_from(SOLVERS))
def test_true_residual_mass_and_sign_of_every_step(reference, exponent, seed, solver):
    tau, rtol = 10.0**exponent, 1e-8
    v, u = reference.positive(1, 6, 5, seed=seed), reference.positive(1, 6, 5, seed=seed + 1)
    osmosis = Osmosis(v, solver=solver, rtol=rtol)
    found, old = (x.numpy().ravel() for x in (osmosis.step(u, tau), u))
    residual = np.linalg.norm(old - found + tau * (osmosis.operator() @ found))
    assert residual <= (rtol + 1e-15 * (1 + 8 * tau)) * np.linalg.norm(old)
    assert found.sum() == pytest.approx(old.sum(), rel=1e-12)
    assert found.min() > 0


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("tau", [1e-3, 1.0, 1e4])
def test_mass_is_kept_to_rounding(reference, solver, tau):
    v, u = reference.positive(2, 20, 20), reference.positive(2, 20, 20, seed=1)
    found = Osmosis(v, solver=solver).step(u, tau).sum(dim=(1, 2))
    torch.testing.assert_close(found, u.sum(dim=(1, 2)), rtol=1e-12, atol=0)


@given(st.floats(-3, 6), st.integers(0, 10**6), st.floats(0, 300))
def test_direct_solver_keeps_positivity_at_every_contrast(reference, exponent, seed, decades):
    v = 10.0 ** reference.positive(1, 5, 6, seed=seed, low=-decades / 2, high=decades / 2)
    u = 10.0 ** reference.positive(1, 5, 6, seed=seed + 1, low=-decades, high=0.0)
    found = Osmosis(v, solver="direct").step(u, 10.0**exponent)
    assert bool((found > 0).all())
    assert float(found.sum()) == pytest.approx(float(u.sum()), rel=1e-12)


@given(
    st.floats(-3, 6), st.integers(0, 10**6), st.floats(0, 30), st.sampled_from(["auto", *SYMMETRIC])
)
def test_symmetric_solvers_keep_positivity_or_say_that_they_do_not(
    reference, exponent, seed, decades, solver
):
    """The residual bounds the 1-norm alone: a tiny grey value may be lost, but never silently."""
    v = 10.0 ** reference.positive(1, 5, 6, seed=seed, low=-decades / 2, high=decades / 2)
    u = reference.positive(1, 5, 6, seed=seed + 1)
    try:
        found = Osmosis(v, solver=solver).step(u, 10.0**exponent)
    except ConvergenceError:
        assert decades > 6  # in ordinary images it must not happen
        return
    assert bool((found > 0).all())
    assert float(found.sum()) == pytest.approx(float(u.sum()), rel=1e-12)
    direct = Osmosis(v, solver="direct", rtol=0.1).step(u, 10.0**exponent)
    assert_near(found, direct, distance_bound(u, 1e-8, 10.0**exponent))


@pytest.mark.parametrize("solver", SOLVERS)
def test_guidance_of_the_benchmark_contrast_keeps_positivity(solver):
    generator = torch.Generator().manual_seed(3)
    v = (127.5 + 60 * torch.randn(1, 24, 24, generator=generator, dtype=torch.float64)).clamp(
        1, 255
    )
    u = torch.full_like(v, 1e-3)
    u[0, 12, 12] = 255.0
    for tau in (1e-2, 1.0, 1e2, 1e5):
        found = Osmosis(v, solver=solver).step(u, tau)
        assert bool((found > 0).all())


@pytest.mark.parametrize("solver", SOLVERS)
def test_constant_guidance_is_the_resolvent_of_the_heat_equation(reference, solver):
    u = reference.positive(1, 6, 7)
    k, l = np.arange(6)[:, None], np.arange(7)
    eigenvalues = 4 - 2 * np.cos(np.pi * k / 6) - 2 * np.cos(np.pi * l / 7)
    coefficients = scipy.fft.dctn(u[0].numpy(), norm="ortho")
    for tau in (0.1, 5.0, 200.0):
        expected = scipy.fft.idctn(coefficients / (1 + tau * eigenvalues), norm="ortho")
        found = Osmosis(torch.full_like(u, 40.0), solver=solver).step(u, tau)
        assert_near(found[0], expected, distance_bound(u, 1e-8, tau))


@pytest.mark.parametrize("solver", SOLVERS)
def test_guidance_is_a_fixed_point(solver):
    v = log_noise(1, 9, 8)
    for tau in (0.1, 30.0, 1e5):
        found = Osmosis(v, solver=solver).step(3 * v, tau)
        assert_near(found, 3 * v, distance_bound(3 * v, 1e-8, tau))


def test_implicit_step_agrees_with_an_explicit_one_to_second_order(reference):
    v, u = reference.positive(1, 8, 9, low=50.0), reference.positive(1, 8, 9, seed=1)
    osmosis = Osmosis(v, solver="direct", rtol=1e-12)
    explicit = torch.from_numpy(reference.guided_operator(v[0]) @ u.numpy().ravel()).view(1, 8, 9)
    taus = np.geomspace(1e-4, 1e-2, 7)
    errors = [float((osmosis.step(u, tau) - u - tau * explicit).norm()) for tau in taus]
    order = np.polyfit(np.log(taus), np.log(errors), 1)[0]
    assert order == pytest.approx(2, abs=0.15)


# Trajectories, exponential


@pytest.mark.parametrize("solver", SOLVERS)
def test_trajectory_is_a_sequence_of_steps(reference, solver):
    v, u = reference.positive(2, 1, 6, 7), reference.positive(2, 3, 6, 7, seed=1)
    osmosis = Osmosis(v, offset=1.0, solver=solver)
    found = osmosis.trajectory(u, [0.5, 4.0, 100.0], steps=3)
    assert found.shape == (3, 2, 3, 6, 7)
    state, before = u, 0.0
    for j, time in enumerate([0.5, 4.0, 100.0]):
        for _ in range(3):
            state = osmosis.step(state, (time - before) / 3)
        torch.testing.assert_close(found[j], state, rtol=1e-12, atol=1e-12)
        before = time


def test_trajectory_takes_times_as_a_tensor(reference):
    v, u = reference.positive(1, 4, 4), reference.positive(1, 4, 4, seed=1)
    osmosis = Osmosis(v)
    expected = osmosis.trajectory(u, [0.5, 2.0])
    assert torch.equal(osmosis.trajectory(u, torch.tensor([0.5, 2.0])), expected)


def test_trajectory_is_of_first_order_in_time(reference):
    v, u = reference.positive(1, 8, 9, low=50.0), reference.positive(1, 8, 9, seed=1)
    osmosis = Osmosis(v, rtol=1e-11)
    exact = osmosis.exact(u, 2.0)
    steps = np.array([16, 32, 64, 128])
    errors = [
        float((osmosis.trajectory(u, [2.0], steps=n)[0] - exact).norm()) for n in steps.tolist()
    ]
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert order == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("time", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("spacing", [1.0, 2.0])
def test_exact_is_the_dense_exponential(reference, shape, time, spacing):
    v, u = reference.positive(2, *shape), reference.positive(2, *shape, seed=1)
    found = Osmosis(v, offset=2.0, spacing=spacing).exact(u, time)
    for i in range(2):
        A = reference.guided_operator(v[i, 0] + 2.0, spacing)
        expected = scipy.linalg.expm(time * A) @ (u[i, 0] + 2.0).numpy().ravel() - 2.0
        np.testing.assert_allclose(found[i].numpy().ravel(), expected, rtol=0, atol=1e-10)


def test_exact_is_a_semigroup(reference):
    osmosis = Osmosis(reference.positive(1, 6, 7))
    u = reference.positive(1, 6, 7, seed=1)
    twice = osmosis.exact(osmosis.exact(u, 0.3), 1.1)
    torch.testing.assert_close(twice, osmosis.exact(u, 1.4), rtol=1e-12, atol=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_relative_entropy_decreases(solver):
    v, u = log_noise(3, 8, 8), log_noise(3, 8, 8, seed=1)
    osmosis = Osmosis(v, solver=solver, rtol=1e-11)
    w = osmosis.steady_state(u)
    times = np.geomspace(0.01, 1e3, 25).tolist()
    values = torch.stack([entropy(x, w) for x in [u, *osmosis.trajectory(u, times)]])
    rounding = 1e-11 * float(u.sum())
    assert bool((values >= -rounding).all())
    assert bool((values.diff(dim=0) <= rounding).all())
    assert bool((values[:12].diff(dim=0) < 0).all())
    assert bool((values[-1] < 1e-6 * values[0]).all())


def test_relative_entropy_decreases_without_a_potential():
    u = log_noise(1, 12, 12, seed=1)
    osmosis = Osmosis(drift=cloning_drift(log_noise(1, 12, 12, seed=2), log_noise(1, 12, 12)))
    w = osmosis.steady_state(u)
    values = torch.stack([entropy(x, w) for x in osmosis.trajectory(u, [0.1, 1.0, 5.0, 20.0])])
    assert bool((values.diff(dim=0) < 0).all())


def test_symmetries_of_the_grid_commute_with_the_evolution(reference):
    v, u = reference.positive(1, 6, 7), reference.positive(1, 6, 7, seed=1)
    flipped = Osmosis(v.flip(-2), rtol=1e-12).step(u.flip(-2), 2.0).flip(-2)
    assert_near(flipped, Osmosis(v, rtol=1e-12).step(u, 2.0), distance_bound(u, 1e-12, 2.0))
    turned = Osmosis(v.mT, rtol=1e-12).step(u.mT, 2.0).mT
    assert_near(turned, Osmosis(v, rtol=1e-12).step(u, 2.0), distance_bound(u, 1e-12, 2.0))


# The limit of a large offset (T-lin)


@pytest.mark.parametrize("equal_means", [True, False])
def test_large_offset_makes_the_evolution_linear_at_first_order(reference, equal_means):
    f, v = reference.positive(1, 10, 10), reference.positive(1, 10, 10, seed=1, low=80.0)
    if equal_means:
        v = v - v.mean() + f.mean()
    time = 2.0
    target = v - v.mean() + f.mean()
    heat = scipy.linalg.expm(time * reference.guided_operator(np.ones((10, 10))))
    linear = target + torch.from_numpy(heat @ (f - target).numpy().ravel()).view_as(f)
    offsets = np.geomspace(4e3, 2.56e5, 7)
    errors = [
        float((Osmosis(v, offset=c).exact(f, time) - linear).norm() / linear.norm())
        for c in offsets.tolist()
    ]
    order = -np.polyfit(np.log(offsets), np.log(errors), 1)[0]
    assert order == pytest.approx(1, abs=0.15)


def test_swapping_image_and_guidance_adds_up_in_the_linear_limit(reference):
    """T-swap: with equal means u(t) + u~(t) tends to f + v."""
    f, v = reference.positive(1, 8, 8), reference.positive(1, 8, 8, seed=1)
    v = v - v.mean() + f.mean()
    defects = [
        float((Osmosis(v, c).exact(f, 1.0) + Osmosis(f, c).exact(v, 1.0) - f - v).norm())
        for c in (1e4, 1e5)
    ]
    assert defects[1] < 0.11 * defects[0]
    assert defects[1] < 1e-3 * float((f - v).norm())


# Steady states


@pytest.mark.parametrize("solver", ["auto", *SYMMETRIC])
@pytest.mark.parametrize("offset", [0.0, 20.0])
def test_long_steps_reach_the_steady_state(reference, solver, offset):
    v, u = reference.positive(2, 9, 8), reference.positive(2, 9, 8, seed=1)
    osmosis = Osmosis(v, offset=offset, solver=solver)
    ratio = (u + offset).mean(dim=(1, 2), keepdim=True) / (v + offset).mean(
        dim=(1, 2), keepdim=True
    )
    w = ratio * (v + offset) - offset
    torch.testing.assert_close(osmosis.steady_state(u), w, rtol=1e-13, atol=1e-12)
    for tau in (1e12, 1e15, 1e100, 1e300):
        torch.testing.assert_close(osmosis.step(u, tau), w, rtol=1e-9, atol=0)


def test_canonical_drift_has_the_steady_state_of_its_guidance(reference):
    v, u = reference.positive(2, 1, 6, 7), reference.positive(2, 3, 6, 7, seed=1)
    found = Osmosis(drift=canonical_drift(v)).steady_state(u)
    torch.testing.assert_close(found, Osmosis(v).steady_state(u), rtol=1e-10, atol=0)


@pytest.mark.parametrize("solver", GENERAL)
def test_seamless_cloning_drift_without_potential(reference, solver):
    u = reference.positive(1, 16, 16)
    inside, background = log_noise(1, 16, 16), log_noise(1, 16, 16, seed=1)
    dy, dx = cloning_drift(inside, background)
    # Around a cell corner the logarithms of the rate ratios do not cancel: no guidance image.
    log_y, log_x = (torch.log((2 + d) / (2 - d)) for d in (dy, dx))
    curl = log_x[..., :-1, :] + log_y[..., :, 1:] - log_x[..., 1:, :] - log_y[..., :, :-1]
    assert float(curl.abs().max()) > 0.1
    osmosis = Osmosis(drift=(dy, dx), solver=solver, rtol=1e-9)
    A = osmosis.operator()
    w = osmosis.steady_state(u)
    flat = w.numpy().ravel()
    assert bool((w > 0).all())
    assert (np.abs(A @ flat) <= 1e-13 * (abs(A) @ flat)).all()
    assert float(w.sum()) == pytest.approx(float(u.sum()), rel=1e-13)
    result = osmosis.trajectory(u, [1.0, 1e2, 1e5])
    assert bool((result > 0).all())
    torch.testing.assert_close(result.sum(dim=(2, 3)), u.sum().expand(3, 1), rtol=1e-12, atol=0)
    torch.testing.assert_close(result[-1], w, rtol=1e-3, atol=0)


@pytest.mark.parametrize("sign", [2.0, -2.0])
@pytest.mark.parametrize("columns", [[0], [3], [-1], [2, 5], range(8)])
def test_steady_state_refuses_a_drift_that_separates_the_image(sign, columns):
    dy, dx = torch.zeros(1, 4, 9).double(), torch.zeros(1, 5, 8).double()
    dx[..., list(columns)] = sign
    osmosis = Osmosis(drift=(dy, dx))
    u = log_noise(1, 5, 9)
    with pytest.raises(ValueError, match=rf"drift must let .* into {len(columns) + 1} parts"):
        osmosis.steady_state(u)
    assert bool((osmosis.step(u, 10.0) > 0).all())


def test_steady_state_accepts_a_drift_of_two_that_leaves_a_way_around():
    dx = torch.zeros(1, 5, 8).double()
    dx[0, :4, 3] = 2.0
    osmosis = Osmosis(drift=(torch.zeros(1, 4, 9).double(), dx))
    w = osmosis.steady_state(log_noise(1, 5, 9)).numpy().ravel()
    assert (w > 0).all()
    np.testing.assert_allclose(osmosis.operator() @ w, 0, atol=1e-13)


def test_steady_state_beyond_the_range_of_float64_is_refused():
    drift = torch.full((1, 63, 64), 1.9999).double(), torch.full((1, 64, 63), 1.9999).double()
    with pytest.raises(ValueError, match="steady state in the range of float64"):
        Osmosis(drift=drift).steady_state(torch.ones(1, 64, 64).double())


# Batches, memory layout, precision


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("tau", [2.0, 300.0])
@pytest.mark.parametrize(
    ("guidance", "image"),
    [
        ((4, 3, 5, 6), (4, 3, 5, 6)),
        ((5, 6), (4, 3, 5, 6)),
        ((1, 5, 6), (4, 3, 5, 6)),
        ((4, 1, 5, 6), (4, 3, 5, 6)),
        ((3, 5, 6), (4, 3, 5, 6)),
        ((4, 3, 5, 6), (5, 6)),
        ((4, 1, 5, 6), (1, 3, 5, 6)),
        ((2, 1, 3, 5, 6), (2, 4, 1, 5, 6)),
        ((4, 3, 5, 6), (1, 1, 1, 5, 6)),
        ((2, 1, 1, 6), (2, 3, 1, 6)),
    ],
)
def test_batches_equal_single_images(reference, solver, tau, guidance, image):
    v, u = reference.positive(*guidance), reference.positive(*image, seed=1)
    osmosis = Osmosis(v, solver=solver, rtol=1e-11)
    shape = np.broadcast_shapes(guidance, image)
    many = {
        "step": osmosis.step(u, tau),
        "exact": osmosis.exact(u, 1.0),
        "steady_state": osmosis.steady_state(u),
    }
    v, u = v.expand(shape), u.expand(shape)
    for index in np.ndindex(*shape[:-2]):
        one = Osmosis(v[index], solver=solver, rtol=1e-11)
        bound = distance_bound(u[index], 1e-11, tau)
        assert_near(many["step"][index], one.step(u[index], tau), bound)
        torch.testing.assert_close(many["exact"][index], one.exact(u[index], 1.0))
        torch.testing.assert_close(many["steady_state"][index], one.steady_state(u[index]))
    assert all(x.shape == shape for x in many.values())


@pytest.mark.parametrize("solver", GENERAL)
def test_batches_of_drift_fields_equal_single_ones(reference, solver):
    dy, dx = canonical_drift(reference.positive(2, 1, 5, 6))
    dx = 0.9 * dx
    u = reference.positive(2, 3, 5, 6, seed=1)
    osmosis = Osmosis(drift=(dy, dx), solver=solver)
    step, steady = osmosis.step(u, 5.0), osmosis.steady_state(u)
    for i, j in np.ndindex(2, 3):
        one = Osmosis(drift=(dy[i, 0], dx[i, 0]), solver=solver)
        assert torch.equal(step[i, j], one.step(u[i, j], 5.0))
        assert torch.equal(steady[i, j], one.steady_state(u[i, j]))


@pytest.mark.parametrize("solver", SYMMETRIC)
@pytest.mark.parametrize("images", [1, 2, 3])
@pytest.mark.parametrize("guidances", [(7, 1), (1, 1), (7, 2)])
def test_chunks_of_a_large_batch_do_not_show(reference, monkeypatch, solver, images, guidances):
    v, u = reference.positive(*guidances, 5, 6), reference.positive(7, 2, 5, 6, seed=1)
    expected = Osmosis(v, solver=solver, rtol=1e-11).step(u, 20.0)
    monkeypatch.setattr(filtering, "CHUNK", images * 30 + 7)
    found = Osmosis(v, solver=solver, rtol=1e-11).step(u, 20.0)
    assert_near(found, expected, distance_bound(u, 1e-11, 20.0))


def test_image_larger_than_a_chunk(reference, monkeypatch):
    v, u = reference.positive(3, 6, 6), reference.positive(3, 6, 6, seed=1)
    expected = Osmosis(v).step(u, 20.0)
    monkeypatch.setattr(filtering, "CHUNK", 10)
    assert_near(Osmosis(v).step(u, 20.0), expected, distance_bound(u, 1e-8, 20.0))


@pytest.mark.parametrize("solver", SOLVERS)
def test_images_of_very_different_size_share_a_batch(reference, solver):
    v, u = reference.positive(1, 5, 6), reference.positive(1, 5, 6, seed=1)
    factors = torch.tensor([1e-300, 1e-160, 1.0, 1e160, 1e297], dtype=u.dtype)[:, None, None]
    found = Osmosis(v, solver=solver).step(u * factors, 4.0) / factors
    assert_near(found, Osmosis(v, solver=solver).step(u, 4.0), distance_bound(u, 1e-8, 4.0))


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e297])
@pytest.mark.parametrize("solver", SOLVERS)
def test_result_does_not_depend_on_the_unit_of_the_guidance(reference, solver, scale):
    v, u = reference.positive(1, 5, 6), reference.positive(1, 5, 6, seed=1)
    found = Osmosis(v * scale, solver=solver).step(u, 30.0)
    assert_near(found, Osmosis(v, solver=solver).step(u, 30.0), distance_bound(u, 1e-8, 30.0))


@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision_in_and_out(reference, solver):
    v, u = (reference.positive(2, 1, 6, 7, seed=s, dtype=torch.float32) for s in (0, 1))
    single, double = Osmosis(v, 3.0, solver=solver), Osmosis(v.double(), 3.0, solver=solver)
    for call in ("step", "exact"):
        found, expected = getattr(single, call)(u, 7.0), getattr(double, call)(u.double(), 7.0)
        assert found.dtype == torch.float32
        assert torch.equal(found, expected.float())
    found = single.trajectory(u, [1.0, 50.0])
    assert found.dtype == torch.float32
    assert torch.equal(found, double.trajectory(u.double(), [1.0, 50.0]).float())
    assert single.steady_state(u).dtype == torch.float32


@pytest.mark.parametrize("solver", SOLVERS)
def test_memory_layout_does_not_matter_and_arguments_are_not_modified(reference, solver):
    v = reference.positive(6, 5, 3).permute(2, 1, 0)[..., ::2]
    u = reference.positive(2, 3, 6, 10, seed=1).mT[..., ::2, :3]
    assert not v.is_contiguous()
    assert not u.is_contiguous()
    before = v.clone(), u.clone()
    osmosis = Osmosis(v, solver=solver)
    found = osmosis.step(u, 3.0)
    contiguous = Osmosis(v.contiguous(), solver=solver)
    torch.testing.assert_close(found, contiguous.step(u.contiguous(), 3.0), rtol=1e-14, atol=0)
    osmosis.trajectory(u, [1.0, 20.0])
    osmosis.exact(u, 1.0)
    osmosis.steady_state(u)
    assert torch.equal(v, before[0])
    assert torch.equal(u, before[1])


def test_later_changes_of_the_guidance_and_the_drift_have_no_effect(reference):
    v, u = reference.positive(1, 5, 6), reference.positive(1, 5, 6, seed=1)
    drift = canonical_drift(v)
    filters = [Osmosis(v), Osmosis(v, solver="direct"), Osmosis(drift=drift)]
    expected = [osmosis.step(u, 2.0) for osmosis in filters]
    for x in (v, *drift):
        x.fill_(0.5)
    for osmosis, before in zip(filters, expected, strict=True):
        assert torch.equal(osmosis.step(u, 2.0), before)


def test_no_gradients_are_recorded(reference):
    v, u = (
        reference.positive(1, 5, 6).requires_grad_(),
        reference.positive(1, 5, 6).requires_grad_(),
    )
    assert not Osmosis(v).step(u, 2.0).requires_grad
    assert not Osmosis(v).trajectory(u, [2.0]).requires_grad


# Choice and use of the solvers


@pytest.mark.parametrize("spacing", [1.0, 0.5])
def test_auto_takes_the_preconditioner_for_long_steps(reference, monkeypatch, spacing):
    chosen = []
    original = filtering.solve

    def spy(*args, cosine):
        chosen.append(cosine)
        return original(*args, cosine=cosine)

    monkeypatch.setattr(filtering, "solve", spy)
    v, u = reference.positive(1, 5, 6), reference.positive(1, 5, 6, seed=1)
    osmosis = Osmosis(v, spacing=spacing)
    for factor in (0.1, 29.99, 30.01, 1e6):
        osmosis.step(u, factor * spacing**2)
    assert chosen == [False, False, True, True]


def test_auto_takes_the_direct_solver_for_long_steps_of_a_drift_field(reference, monkeypatch):
    chosen = []
    for name in ("bicgstab", "direct"):
        original = getattr(general.SparseSystem, name)
        monkeypatch.setattr(
            general.SparseSystem,
            name,
            lambda *args, name=name, original=original: chosen.append(name) or original(*args),
        )
    osmosis = Osmosis(drift=canonical_drift(reference.positive(1, 5, 6)))
    for tau in (0.1, 29.9, 30.1, 1e3):
        osmosis.step(reference.positive(1, 5, 6), tau)
    assert chosen == ["bicgstab", "bicgstab", "direct", "direct"]


def test_direct_solver_factorises_once_per_step_size_and_guidance(reference, monkeypatch):
    calls = []
    original = general.scipy.sparse.linalg.splu
    monkeypatch.setattr(
        general.scipy.sparse.linalg, "splu", lambda *a, **k: calls.append(1) or original(*a, **k)
    )
    u = reference.positive(2, 3, 5, 6)
    osmosis = Osmosis(reference.positive(2, 1, 5, 6), solver="direct")
    osmosis.trajectory(u, [1.0, 2.0, 3.0], steps=4)
    assert len(calls) == 2  # two guidance images, three channels each
    osmosis.step(u, 0.25)
    assert len(calls) == 2
    osmosis.step(u, 0.5)
    assert len(calls) == 4


@pytest.mark.parametrize("solver", SYMMETRIC)
def test_lost_positivity_raises_and_says_what_to_do(solver):
    v, u = log_noise(1, 12, 12), torch.full((1, 12, 12), 1e-9, dtype=torch.float64)
    u[0, 5, 5] = 1.0
    message = (
        rf"solver '{solver}' lost positivity at rtol = 0\.3, found minimum -.*; lower rtol, or"
    )
    with pytest.raises(ConvergenceError, match=message + " use solver='direct'"):
        Osmosis(v, solver=solver, rtol=0.3).step(u, 1.0)
    assert bool((Osmosis(v, solver=solver, rtol=1e-13).step(u, 1.0) > 0).all())
    assert bool((Osmosis(v, solver="direct", rtol=0.3).step(u, 1.0) > 0).all())


@pytest.mark.parametrize("solver", SOLVERS)
def test_unattainable_accuracy_raises_with_its_residual(reference, solver):
    v, u = reference.positive(1, 12, 12), reference.positive(1, 12, 12, seed=1)
    with pytest.raises(ConvergenceError) as caught:
        Osmosis(v, solver=solver, rtol=1e-18).step(u, 50.0)
    named = "dct-cg" if solver == "auto" else solver
    found = re.fullmatch(
        rf"solver '{named}' reached the relative residual (\S+) at tau = 50, "
        r"expected at most rtol = 1e-18",
        str(caught.value),
    )
    assert 1e-18 < float(found[1]) < 1e-12


def test_accuracy_asked_for_is_the_limit(reference):
    """The residual of the direct solver does not depend on rtol: just above and just below it."""
    v, u = reference.positive(1, 12, 12), reference.positive(1, 12, 12, seed=1)
    with pytest.raises(ConvergenceError) as caught:
        Osmosis(v, solver="direct", rtol=1e-18).step(u, 1e6)
    found = float(re.search(r"residual (\S+)", str(caught.value))[1])
    Osmosis(v, solver="direct", rtol=1.01 * found).step(u, 1e6)
    with pytest.raises(ConvergenceError):
        Osmosis(v, solver="direct", rtol=0.99 * found).step(u, 1e6)


def test_general_drift_has_no_symmetric_solver(reference):
    drift = canonical_drift(reference.positive(1, 5, 6))
    for solver in SYMMETRIC:
        message = rf"solver '{solver}' needs a guidance image.*symmetric form.*bicgstab.*direct"
        with pytest.raises(ValueError, match=message):
            Osmosis(drift=drift, solver=solver)


def test_operator_needs_one_guidance_image(reference):
    with pytest.raises(
        ValueError, match="operator needs one guidance image or drift field, found 6"
    ):
        Osmosis(reference.positive(2, 3, 5, 6)).operator()


# Bad input

ones = partial(torch.ones, dtype=torch.float64)
nan, inf = float("nan"), float("inf")


def image_with(value, dtype=torch.float64):
    u = torch.ones(1, 4, 5, dtype=dtype)
    u[0, 1, 2] = value
    return u


def drift_with(value):
    return torch.zeros(1, 3, 5).double(), torch.zeros(1, 4, 4).double().index_fill_(
        2, torch.tensor(1), value
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "exactly one of guidance and drift must be given, found neither"),
        (
            {"guidance": ones(1, 4, 5), "drift": drift_with(0.0)},
            ValueError,
            "exactly one of guidance and drift must be given, found both",
        ),
        (
            {"guidance": image_with(0.0)},
            ValueError,
            r"guidance \+ offset must be positive, found minimum 0",
        ),
        (
            {"guidance": image_with(3.0), "offset": -1.0},
            ValueError,
            r"guidance \+ offset must be positive, found minimum 0",
        ),
        ({"guidance": image_with(nan)}, ValueError, "guidance must be finite, found 1 NaN or inf"),
        ({"guidance": image_with(inf)}, ValueError, "guidance must be finite, found 1 NaN or inf"),
        ({"guidance": image_with(1e307)}, ValueError, r"at most 1e\+300, found maximum 1e\+307"),
        (
            {"guidance": image_with(1e-40)},
            ValueError,
            r"guidance.*ratio.*at most 1e\+30.*found 1e\+40",
        ),
        ({"guidance": ones(5)}, ValueError, r"guidance must have shape .*, found \(5,\)"),
        (
            {"guidance": ones(0, 4, 5)},
            ValueError,
            r"guidance must not be empty, found .*\(0, 4, 5\)",
        ),
        (
            {"guidance": torch.ones(1, 4, 5, dtype=torch.uint8)},
            TypeError,
            "guidance must be float32 or float64, found torch.uint8",
        ),
        (
            {"guidance": np.ones((1, 4, 5))},
            TypeError,
            "guidance must be a torch.Tensor, found ndarray",
        ),
        (
            {"guidance": ones(1, 4, 5), "offset": nan},
            ValueError,
            "offset must be finite.*found nan",
        ),
        ({"guidance": ones(1, 4, 5), "offset": "1"}, TypeError, "offset must be a real number"),
        (
            {"guidance": image_with(1.1), "offset": 1e15},
            ValueError,
            r"offset must not drown the grey values of guidance, found 1e\+15",
        ),
        ({"guidance": ones(1, 4, 5), "spacing": 0.0}, ValueError, "spacing must be.*found 0"),
        ({"guidance": ones(1, 4, 5), "spacing": -1.0}, ValueError, "spacing must be.*found -1"),
        ({"guidance": ones(1, 4, 5), "rtol": 0.0}, ValueError, r"rtol must be.*\(0, 1\), found 0"),
        ({"guidance": ones(1, 4, 5), "rtol": 1.0}, ValueError, r"rtol must be.*\(0, 1\), found 1"),
        (
            {"guidance": ones(1, 4, 5), "solver": "gmres"},
            ValueError,
            "solver must be one of .*'dct-cg', 'bicgstab', 'direct'.*, found 'gmres'",
        ),
        (
            {"guidance": ones(1, 4, 5), "solver": None},
            ValueError,
            "solver must be one of.*found None",
        ),
        ({"drift": drift_with(2.5)}, ValueError, r"drift dx must satisfy \|d\| h <= 2.*= 2\.5"),
        ({"drift": drift_with(-2.5)}, ValueError, r"drift dx must satisfy \|d\| h <= 2.*= 2\.5"),
        (
            {"drift": drift_with(1.5), "spacing": 2.0},
            ValueError,
            r"dx must satisfy.*found \|d\| h = 3",
        ),
        ({"drift": drift_with(nan)}, ValueError, "drift dx must be finite, found 4 NaN"),
        ({"drift": ones(1, 4, 5)}, TypeError, r"drift must be a pair \(dy, dx\), found tensor"),
        ({"drift": (ones(1, 4, 5),) * 3}, TypeError, r"drift must be a pair \(dy, dx\)"),
        ({"drift": "no"}, TypeError, r"drift must be a pair \(dy, dx\), found 'no'"),
        (
            {"drift": (ones(1, 3, 5), None)},
            TypeError,
            "drift dx must be a torch.Tensor, found None",
        ),
        (
            {"drift": (ones(1, 4, 5), ones(1, 4, 5))},
            ValueError,
            r"\(\.\.\., H-1, W\) and \(\.\.\., H, W-1\), found \(1, 4, 5\) and \(1, 4, 5\)",
        ),
        (
            {"drift": (ones(2, 3, 5), ones(1, 4, 4))},
            ValueError,
            r"found \(2, 3, 5\) and \(1, 4, 4\)",
        ),
        (
            {"drift": (ones(0, 3, 5), ones(0, 4, 4))},
            ValueError,
            r"found \(0, 3, 5\) and \(0, 4, 4\)",
        ),
        (
            {"drift": (ones(5), ones(4))},
            ValueError,
            r"drift must have shapes.*found \(5,\) and \(4,\)",
        ),
        ({"drift": (ones(0, 0), ones(1, 0))}, ValueError, r"drift must have shapes"),
        (
            {"drift": (ones(1, 3, 5), torch.ones(1, 4, 4))},
            TypeError,
            "same dtype, found torch.float64, torch.float32",
        ),
    ],
)
def test_constructor_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Osmosis(**arguments)


@pytest.mark.parametrize("call", ["step", "exact", "trajectory", "steady_state"])
@pytest.mark.parametrize("general_drift", [False, True])
@pytest.mark.parametrize(
    ("u", "error", "message"),
    [
        (image_with(-1.0), ValueError, r"u \+ offset must be positive, found minimum 0"),
        (image_with(-7.0), ValueError, r"u \+ offset must be positive, found minimum -6"),
        (image_with(nan), ValueError, "u must be finite, found 1 NaN or infinite"),
        (image_with(-inf), ValueError, "u must be finite, found 1 NaN or infinite"),
        (
            image_with(1e305),
            ValueError,
            r"u \+ offset must be at most 1e\+300, found maximum 1e\+305",
        ),
        (
            ones(1, 5, 4),
            ValueError,
            r"u must have a shape that broadcasts with \(1, 4, 5\) of .*\(1, 5, 4\)",
        ),
        (ones(2, 0, 4, 5), ValueError, r"u must not be empty, found shape \(2, 0, 4, 5\)"),
        (ones(1, 1), ValueError, r"u must have a shape that broadcasts .*, found \(1, 1\)"),
        (ones(5), ValueError, r"u must have shape \(\.\.\., C, H, W\), found \(5,\)"),
        (
            torch.ones(1, 4, 5),
            TypeError,
            "u must have the dtype torch.float64 of .*found torch.float32",
        ),
        (
            torch.ones(1, 4, 5, dtype=torch.int32),
            TypeError,
            "u must be float32 or float64, found torch.int32",
        ),
        (
            torch.ones(1, 4, 5, dtype=torch.cdouble),
            TypeError,
            "u must be float32 or float64, found",
        ),
        (np.ones((1, 4, 5)), TypeError, "u must be a torch.Tensor, found ndarray"),
        (ones(1, 4, 5, device="meta"), ValueError, "u must be on the device cpu of .*, found meta"),
        (
            1e-12 * image_with(2.0),
            ValueError,
            "offset must not drown the grey values of u, found 1,",
        ),
    ],
)
def test_methods_refuse_bad_images(call, general_drift, u, error, message):
    if general_drift:
        osmosis = Osmosis(drift=canonical_drift(ones(1, 4, 5)), offset=1.0)
    else:
        osmosis = Osmosis(ones(1, 4, 5), offset=1.0)
    rest = {"step": (1.0,), "exact": (1.0,), "trajectory": ([1.0],), "steady_state": ()}[call]
    with pytest.raises(error, match=message):
        getattr(osmosis, call)(u, *rest)


def test_batch_shapes_that_do_not_broadcast_are_refused():
    with pytest.raises(
        ValueError, match=r"u must .* \(3, 1, 4, 5\) of guidance, found \(2, 1, 4, 5\)"
    ):
        Osmosis(ones(3, 1, 4, 5)).step(ones(2, 1, 4, 5), 1.0)


@pytest.mark.parametrize("name", ["tau", "time"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.0, ValueError),
        (-1.0, ValueError),
        (nan, ValueError),
        (inf, ValueError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
        (ones(2), TypeError),
    ],
)
def test_bad_durations_are_refused(name, value, error):
    osmosis = Osmosis(ones(1, 4, 5))
    with pytest.raises(error, match=f"{name} must be"):
        {"tau": osmosis.step, "time": osmosis.exact}[name](ones(1, 4, 5), value)


@pytest.mark.parametrize(("time", "spacing"), [(1e5, 1.0), (1e300, 1.0), (100.0, 1e-3)])
def test_times_that_the_exponential_does_not_reach_are_refused(time, spacing):
    with pytest.raises(ValueError, match=r"time / spacing\^2 must be .* 100000\), found 1"):
        Osmosis(ones(1, 4, 5), spacing=spacing).exact(ones(1, 4, 5), time)


def test_steps_beyond_the_range_of_numbers_are_refused():
    for tau, spacing in ((1e305, 1.0), (1e200, 1e-60), (1e-300, 1e90)):
        with pytest.raises(ValueError, match=r"tau / spacing\^2 must be finite"):
            Osmosis(ones(1, 4, 5), spacing=spacing).step(ones(1, 4, 5), tau)


@pytest.mark.parametrize(
    ("times", "steps", "error", "message"),
    [
        ([2.0, 1.0], 1, ValueError, "times must be strictly increasing, found 2.0 followed by 1.0"),
        ([1.0, 1.0], 1, ValueError, "times must be strictly increasing"),
        ([0.0, 1.0], 1, ValueError, "times must .* positive; found 0"),
        ([-1.0, 1.0], 1, ValueError, "times must be positive, found -1"),
        ([1.0, nan], 1, ValueError, "times must be finite"),
        ([], 1, ValueError, "times must have shape"),
        ([[1.0]], 1, ValueError, "times must have shape"),
        (["a"], 1, TypeError, "times must be a sequence of real numbers"),
        ([1.0], 0, ValueError, "steps must be at least 1, found 0"),
        ([1.0], 1.5, TypeError, "steps must be an integer, found 1.5"),
        ([1.0], True, TypeError, "steps must be an integer, found True"),
        ([1e-323], 100, ValueError, r"tau / spacing\^2 must be .*found 0\.0"),
    ],
)
def test_trajectory_refuses_bad_times(times, steps, error, message):
    with pytest.raises(error, match=message):
        Osmosis(ones(1, 4, 5)).trajectory(ones(1, 4, 5), times, steps=steps)


@pytest.mark.parametrize("call", ["step", "steady_state", "trajectory"])
def test_overflow_in_single_precision_raises(call):
    v = torch.full((1, 4, 4), 1e-3)
    v[0, 0, 0] = 1e3
    rest = {"step": (1e9,), "trajectory": ([1e9],), "steady_state": ()}[call]
    with pytest.raises(
        ValueError, match=r"u must leave room for the result in torch.float32.*e\+39"
    ):
        getattr(Osmosis(v), call)(torch.full((1, 4, 4), 3e38), *rest)


# Exact in time, for many times


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spacing", [1.0, 0.5])
@pytest.mark.parametrize("solver", ["auto", *SYMMETRIC])
def test_exact_trajectory_is_the_exponential(reference, shape, spacing, solver):
    v, u, times = reference.positive(*shape), reference.positive(*shape, seed=1), [0.1, 2.0, 30.0]
    osmosis = Osmosis(v, offset=3.0, spacing=spacing, solver=solver)
    found = osmosis.exact_trajectory(u, times, rtol=1e-9)
    for x, t in zip(found, times, strict=True):
        expected, weight = osmosis.exact(u, t) + 3.0, v + 3.0
        error = ((x + 3.0 - expected) ** 2 / weight).sum().sqrt()
        assert error <= 1e-9 * (expected**2 / weight).sum().sqrt()
        assert float(x.sum()) == pytest.approx(float(u.sum()), rel=1e-13)
    late = osmosis.exact_trajectory(u, [1e8], rtol=1e-9)[0]
    torch.testing.assert_close(late, osmosis.steady_state(u), rtol=1e-12, atol=1e-12)


def test_exact_trajectory_is_a_semigroup(reference):
    osmosis, u = Osmosis(reference.positive(1, 9, 8)), reference.positive(1, 9, 8, seed=1)
    run = partial(osmosis.exact_trajectory, rtol=1e-11)
    torch.testing.assert_close(run(run(u, [3.0])[0], [5.0]), run(u, [8.0]), rtol=1e-9, atol=0)


@pytest.mark.parametrize("guidance", [(1,), (3,), (2, 1), (2, 3)])
@pytest.mark.parametrize("pixels", [1, 100, 2**18])
def test_exact_trajectory_of_a_batch_equals_single_images(reference, monkeypatch, guidance, pixels):
    monkeypatch.setattr(filtering, "CHUNK", pixels)
    v, u = reference.positive(*guidance, 6, 7), reference.positive(2, 3, 6, 7, seed=1)
    u[1] *= 1e200  # the unit of an image does not matter
    times = [0.5, 4.0, 1e3]
    found = Osmosis(v).exact_trajectory(u, times, rtol=1e-10)
    assert found.shape == (3, 2, 3, 6, 7)
    for i, j in np.ndindex(2, 3):
        single = v.expand(2, 3, 6, 7)[i, j]
        alone = Osmosis(single).exact_trajectory(u[i, j], times, rtol=1e-10)
        torch.testing.assert_close(found[:, i, j], alone, rtol=1e-7, atol=0)


def test_exact_trajectory_in_single_precision_and_with_times_as_a_tensor(reference):
    v, u = reference.positive(1, 5, 6), reference.positive(1, 5, 6, seed=1)
    expected = Osmosis(v).exact_trajectory(u, [1.0, 2.0])
    before = u.clone()
    found = Osmosis(v.float()).exact_trajectory(u.float(), torch.tensor([1.0, 2.0]))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
    assert torch.equal(u, before)


def test_exact_trajectory_that_loses_positivity_or_accuracy_says_so(reference):
    v, u = ones(1, 1, 40), torch.full((1, 1, 40), 1e-9, dtype=torch.float64)
    u[..., 0] = 1.0
    with pytest.raises(ConvergenceError, match=r"lost positivity at rtol = 0\.01.*lower rtol"):
        Osmosis(v).exact_trajectory(u, [5.0], rtol=0.01)
    with pytest.raises(ConvergenceError, match=r"reached the estimated relative error .* 1e-17"):
        Osmosis(reference.positive(1, 8, 8)).exact_trajectory(ones(1, 8, 8), [5.0], rtol=1e-17)


def test_exact_trajectory_needs_the_symmetric_form():
    v = ones(1, 4, 5)
    with pytest.raises(ValueError, match=r"needs a guidance image, found a general drift.*exact"):
        Osmosis(drift=canonical_drift(v)).exact_trajectory(v, [1.0])
    for solver in ("direct", "bicgstab"):
        with pytest.raises(ValueError, match=f"needs a solver of the symmetric.*'{solver}'"):
            Osmosis(v, solver=solver).exact_trajectory(v, [1.0])


@pytest.mark.parametrize(
    ("times", "rtol", "error", "message"),
    [
        ([2.0, 1.0], 1e-8, ValueError, "times must be strictly increasing"),
        ([0.0, 1.0], 1e-8, ValueError, "times must .* positive; found 0"),
        ([1e305], 1e-8, ValueError, r"times / spacing\^2 must be .*found 1e\+305"),
        ([1e-305], 1e-8, ValueError, r"times / spacing\^2 must be .*found 1e-305"),
        ([1.0], 0.0, ValueError, r"rtol must be finite and in \(0, 1\)"),
        ([1.0], "a", TypeError, "rtol must be a real number"),
    ],
)
def test_exact_trajectory_refuses_bad_arguments(times, rtol, error, message):
    with pytest.raises(error, match=message):
        Osmosis(ones(1, 4, 5)).exact_trajectory(ones(1, 4, 5), times, rtol=rtol)
    with pytest.raises(ValueError, match="must be positive"):
        Osmosis(ones(1, 4, 5)).exact_trajectory(-ones(1, 4, 5), [1.0])


# Devices


@pytest.mark.cuda
@pytest.mark.parametrize("solver", SOLVERS)
def test_cuda_gives_the_same_results(reference, solver):
    v, u = reference.positive(2, 1, 33, 20), reference.positive(2, 3, 33, 20, seed=1)
    here, there = Osmosis(v, 2.0, solver=solver), Osmosis(v.cuda(), 2.0, solver=solver)
    for tau in (0.5, 30.0, 1e5):
        found = there.step(u.cuda(), tau)
        assert found.is_cuda
        assert_near(found.cpu(), here.step(u, tau), distance_bound(u + 2.0, 1e-8, tau))
    bound = distance_bound(u + 2.0, 1e-8, 50.0, solves=4)
    found = there.trajectory(u.cuda(), [1.0, 50.0], steps=2).cpu()
    assert_near(found, here.trajectory(u, [1.0, 50.0], steps=2), bound)
    torch.testing.assert_close(there.exact(u.cuda(), 2.0).cpu(), here.exact(u, 2.0))
    torch.testing.assert_close(there.steady_state(u.cuda()).cpu(), here.steady_state(u))


@pytest.mark.cuda
@pytest.mark.parametrize("solver", GENERAL)
def test_cuda_gives_the_same_results_for_a_drift_field(reference, solver):
    drift = cloning_drift(log_noise(1, 16, 16), log_noise(1, 16, 16, seed=1))
    u = reference.positive(2, 16, 16)
    here = Osmosis(drift=drift, solver=solver)
    there = Osmosis(drift=tuple(d.cuda() for d in drift), solver=solver)
    for tau in (0.5, 1e3):
        torch.testing.assert_close(there.step(u.cuda(), tau).cpu(), here.step(u, tau))
    torch.testing.assert_close(there.steady_state(u.cuda()).cpu(), here.steady_state(u))


@pytest.mark.cuda
def test_devices_that_do_not_match_are_refused(reference):
    v = reference.positive(1, 4, 5)
    with pytest.raises(ValueError, match="u must be on the device cuda:0 of guidance, found cpu"):
        Osmosis(v.cuda()).step(v, 1.0)
    dy, dx = canonical_drift(v)
    with pytest.raises(ValueError, match="drift dy and dx must be on one device"):
        Osmosis(drift=(dy.cuda(), dx))
