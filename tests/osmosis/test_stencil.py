"""Finite differences of osmosis against hand-written dense matrices (theory: section 5)."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scalelib import Osmosis, canonical_drift

SHAPES = [(5, 6), (1, 7), (7, 1), (2, 2), (1, 2), (1, 1)]
EPS = np.finfo(np.float64).eps


def log_uniform(shape, low, high):
    """Images whose logarithm to base 10 is in [low, high]."""
    exponent = st.floats(low, high, allow_subnormal=False)
    return arrays(np.float64, shape, elements=exponent).map(lambda e: torch.from_numpy(10.0**e))


shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))
guidances = shapes.flatmap(lambda shape: log_uniform(shape, -8, 8))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spacing", [1.0, 0.25, 3.0])
def test_operator_of_a_guidance_image_is_the_dense_matrix(reference, shape, spacing):
    v = reference.positive(*shape)
    found = Osmosis(v, spacing=spacing).operator().toarray()
    expected = reference.guided_operator(v, spacing)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13 / spacing**2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spacing", [1.0, 0.25, 3.0])
def test_operator_of_a_drift_field_is_the_dense_matrix(reference, shape, spacing):
    height, width = shape
    dy = reference.positive(height - 1, width, low=-2 / spacing, high=2 / spacing)
    dx = reference.positive(height, width - 1, seed=1, low=-2 / spacing, high=2 / spacing)
    found = Osmosis(drift=(dy, dx), spacing=spacing).operator().toarray()
    expected = reference.dense_operator(dy, dx, spacing)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13 / spacing**2)


@given(guidances, st.floats(0.1, 10))
def test_columns_sum_to_zero_and_exchange_rates_are_not_negative(v, spacing):
    A = Osmosis(v, spacing=spacing).operator().toarray()
    assert (A - np.diag(np.diag(A)) >= 0).all()
    assert (np.abs(A.sum(axis=0)) <= 8 * EPS * np.abs(A).sum(axis=0)).all()


@given(guidances, st.floats(0.1, 10))
def test_guidance_image_is_a_null_vector(v, spacing):
    A = Osmosis(v, spacing=spacing).operator().toarray()
    w = v.numpy().ravel()
    assert (np.abs(A @ w) <= 16 * EPS * (np.abs(A) @ w)).all()


@given(guidances)
def test_offset_is_part_of_the_guidance(v):
    found = Osmosis(v, offset=5.0).operator().toarray()
    np.testing.assert_array_equal(found, Osmosis(v + 5.0).operator().toarray())


def test_offset_may_round_grey_values_by_a_millionth():
    v = torch.full((2, 2), 1 / 3, dtype=torch.float64)
    Osmosis(v, offset=1e9)  # rounds by 1.2e-7 at most
    with pytest.raises(ValueError, match=r"offset must not drown .* guidance, found 1e\+11"):
        Osmosis(v, offset=1e11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spacing", [1.0, 0.3])
@pytest.mark.parametrize("shape", SHAPES)
def test_canonical_drift_formula(reference, shape, spacing, dtype):
    v = reference.positive(*shape, dtype=dtype)
    found = canonical_drift(v, spacing)
    for d, expected in zip(found, reference.canonical(v.double(), spacing), strict=True):
        assert d.dtype == dtype
        assert tuple(d.shape) == expected.shape
        atol = 4 * torch.finfo(dtype).eps / spacing
        np.testing.assert_allclose(d.numpy(), expected, rtol=0, atol=atol)


def test_canonical_drift_is_batched(reference):
    v = reference.positive(2, 3, 4, 5)
    dy, dx = canonical_drift(v)
    assert dy.shape == (2, 3, 3, 5)
    assert dx.shape == (2, 3, 4, 4)
    one = canonical_drift(v[1, 2])
    assert torch.equal(dy[1, 2], one[0])
    assert torch.equal(dx[1, 2], one[1])


def test_canonical_drift_is_the_gradient_of_the_logarithm_to_second_order():
    spacings = np.array([0.1, 0.05, 0.025, 0.0125])
    errors = []
    for h in spacings:
        x = torch.arange(0, 1 + h / 2, h, dtype=torch.float64)
        _, dx = canonical_drift(torch.exp(torch.sin(3 * x))[None], spacing=h)
        middle = x[:-1] + h / 2
        errors.append(float((dx[0] - 3 * torch.cos(3 * middle)).abs().max()))
    order = np.polyfit(np.log(spacings), np.log(errors), 1)[0]
    assert order == pytest.approx(2, abs=0.15)


@given(guidances, st.floats(0.1, 10))
def test_drift_form_equals_guidance_form(v, spacing):
    found = Osmosis(drift=canonical_drift(v, spacing), spacing=spacing).operator().toarray()
    expected = Osmosis(v, spacing=spacing).operator().toarray()
    np.testing.assert_allclose(found, expected, rtol=0, atol=16 * EPS / spacing**2)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("spacing", [1.0, 0.25, 8.0])
@pytest.mark.parametrize("axis", ["dy", "dx"])
def test_drift_may_reach_but_not_exceed_two_per_grid_width(sign, spacing, axis):
    fields = {"dy": torch.zeros(2, 3, dtype=torch.float64), "dx": torch.zeros(3, 2).double()}
    fields[axis][1, 1] = sign * 2 / spacing
    A = Osmosis(drift=(fields["dy"], fields["dx"]), spacing=spacing).operator().toarray()
    assert (A - np.diag(np.diag(A)) >= 0).all()
    fields[axis][1, 1] *= 1 + 1e-12
    with pytest.raises(
        ValueError, match=rf"drift {axis} must satisfy \|d\| h <= 2, found.* = 2\.0000"
    ):
        Osmosis(drift=(fields["dy"], fields["dx"]), spacing=spacing)


def test_drift_error_says_what_was_found():
    dy, dx = torch.zeros(2, 3), torch.full((3, 2), -2.5)
    with pytest.raises(ValueError, match=r"dx must satisfy \|d\| h <= 2, found \|d\| h = 2\.5"):
        Osmosis(drift=(dy, dx))


@pytest.mark.parametrize("spacing", [0.1, 0.3, 0.7, 1.0, 1.9])
def test_canonical_drift_of_any_contrast_is_accepted_in_single_precision(spacing):
    v = torch.tensor([[1e-30, 1e30, 1e-30], [1e38, 3e38, 1e-40]])
    A = Osmosis(drift=canonical_drift(v, spacing), spacing=spacing).operator().toarray()
    assert (A - np.diag(np.diag(A)) >= 0).all()


def test_canonical_drift_neither_overflows_nor_underflows():
    for dtype, large in ((torch.float32, 3e38), (torch.float64, 1e300)):
        for scale in (large, 1 / large):
            v = torch.tensor([[0.5, 1.0]], dtype=dtype) * scale
            torch.testing.assert_close(canonical_drift(v)[1].item(), 2 / 3, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("guidance", "error", "message"),
    [
        (torch.tensor([[1.0, 0.0]]), ValueError, "guidance must be positive, found minimum 0"),
        (torch.tensor([[1.0, -2.0]]), ValueError, "guidance must be positive, found minimum -2"),
        (torch.tensor([[1.0, float("nan")]]), ValueError, "guidance must be finite, found 1 NaN"),
        (torch.tensor([[1.0, float("inf")]]), ValueError, "guidance must be finite, found 1 NaN"),
        (torch.full((1, 2), 1e305, dtype=torch.float64), ValueError, r"at most 1e\+300.* 1e\+305"),
        (torch.ones(3), ValueError, r"guidance must have shape .*, found \(3,\)"),
        (torch.ones(2, 2, dtype=torch.int64), TypeError, "guidance must be float32 or float64"),
        (np.ones((2, 2)), TypeError, "guidance must be a torch.Tensor, found ndarray"),
        (torch.ones(0, 2, 2), ValueError, "guidance must not be empty"),
    ],
)
def test_canonical_drift_refuses_bad_guidance(guidance, error, message):
    with pytest.raises(error, match=message):
        canonical_drift(guidance)


@pytest.mark.parametrize(
    ("spacing", "error"),
    [
        (0.0, ValueError),
        (-1.0, ValueError),
        (float("nan"), ValueError),
        (1e-200, ValueError),
        ("1", TypeError),
        (True, TypeError),
    ],
)
def test_canonical_drift_refuses_bad_spacing(spacing, error):
    with pytest.raises(error, match="spacing must be"):
        canonical_drift(torch.ones(2, 2), spacing)
