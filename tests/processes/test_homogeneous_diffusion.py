import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import HomogeneousDiffusion


@pytest.fixture
def image(generator):
    return torch.rand(3, 8, 8, generator=generator, dtype=torch.float64)


def test_sampling_is_the_mean_and_leaves_the_generator_alone(image, generator):
    process = HomogeneousDiffusion([0.5, 2.0], (8, 8))
    before = generator.get_state()
    assert torch.equal(process.sample(image, 2, generator=generator), process.mean(image, 2))
    trajectory = process.trajectory(image, [1, 2], generator=generator)
    torch.testing.assert_close(trajectory[1], process.mean(image, 2), rtol=1e-13, atol=1e-14)
    assert torch.equal(generator.get_state(), before)


@given(seed=st.integers(0, 2**32), time=st.floats(1e-3, 1e3))
def test_grey_values_keep_their_mean_and_their_range(seed, time):
    """Conservation and the maximum-minimum principle, for any image and time."""
    u = torch.rand(1, 6, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = HomogeneousDiffusion([time], (6, 7)).mean(u, 1)
    assert float(found.mean()) == pytest.approx(float(u.mean()), rel=1e-14)
    assert float(found.min()) >= float(u.min()) - 1e-14
    assert float(found.max()) <= float(u.max()) + 1e-14


def test_the_limit_is_the_constant_image(image):
    found = HomogeneousDiffusion([1e5], (8, 8)).mean(image, 1)
    expected = image.mean(dim=(-2, -1), keepdim=True).expand_as(image)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)


def test_a_point_spreads_by_twice_the_time_along_each_axis():
    u = torch.zeros(1, 41, 41, dtype=torch.float64)
    u[0, 20, 20] = 1
    found = HomogeneousDiffusion([6.0], (41, 41)).mean(u, 1)
    squares = (torch.arange(41) - 20.0) ** 2
    for axis in (1, 2):
        assert float((found.sum(axis) * squares).sum()) == pytest.approx(12, rel=1e-3)


@pytest.mark.parametrize(
    "symmetry",
    [lambda u: u.flip(-1), lambda u: u.flip(-2), lambda u: u.mT, lambda u: u.rot90(1, (-2, -1))],
    ids=["mirror", "upside down", "transpose", "quarter turn"],
)
def test_the_symmetries_of_the_grid_commute(image, symmetry):
    process = HomogeneousDiffusion([0.7, 3.0], (8, 8))
    torch.testing.assert_close(
        process.mean(symmetry(image), 2), symmetry(process.mean(image, 2)), rtol=0, atol=1e-14
    )


def test_a_cyclic_shift_does_not_commute(image):
    process = HomogeneousDiffusion([3.0], (8, 8))
    defect = process.mean(image.roll(3, -1), 1) - process.mean(image, 1).roll(3, -1)
    assert float(defect.abs().max()) > 1e-2


def test_an_image_of_one_row_is_one_dimensional_diffusion():
    u = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64)
    found = HomogeneousDiffusion([0.3], (1, 2)).mean(u, 1)
    left = (1 + math.exp(-0.6)) / 2  # the only other mode has eigenvalue 2
    assert found.flatten().tolist() == pytest.approx([left, 1 - left], abs=1e-15)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ([0.0, 1.0], (4, 4)),
            ValueError,
            r"^times must hold scales 1\.\.m, all positive; found 0",
        ),
        (([-1.0], (4, 4)), ValueError, r"^times must be positive, found -1\.0 at step 1$"),
        (
            ([1, 1], (4, 4)),
            ValueError,
            r"^times must be strictly increasing, found 1\.0 followed by",
        ),
        (([1j], (4, 4)), TypeError, r"^times must be a sequence of real numbers, found \[1j\]$"),
        (
            ([True], (4, 4)),
            TypeError,
            r"^times must be a sequence of real numbers, found \[True\]$",
        ),
        (
            ([1.0], torch.tensor([4, 4])),
            ValueError,
            r"^shape must be a pair \(H, W\), found tensor",
        ),
        (([1.0], "44"), ValueError, r"^shape must be a pair \(H, W\), found '44'$"),
        (([1.0], (True, 4)), TypeError, r"^shape\[0\] must be an integer, found True$"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        HomogeneousDiffusion(*arguments)


@pytest.mark.parametrize(
    "shape", [[3, 5], (3, 5), torch.Size([3, 5]), torch.zeros(1, 3, 5).shape[1:]]
)
def test_any_pair_of_integers_is_a_shape(shape):
    assert HomogeneousDiffusion([1.0], shape).shape == (3, 5)
