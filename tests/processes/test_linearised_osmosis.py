import math

import numpy as np
import pytest
import scipy.linalg
import torch

from scalelib import LinearisedOsmosis


def test_the_marginals_are_those_of_osmosis_in_the_limit(neumann_laplacian):
    """T-lin: u = v' + exp(t L)(f - v') with v' = mu + s g, g white: mean and covariance given f."""
    shape, s = (4, 5), 0.7
    process = LinearisedOsmosis([0.2, 3.0], s, shape)
    units = torch.eye(20, dtype=torch.float64).reshape(20, 1, *shape)
    for i, t in ((1, 0.2), (2, 3.0)):
        semigroup = scipy.linalg.expm(t * neumann_laplacian(shape))
        response = process.sample(torch.zeros_like(units), i, noise=units).reshape(20, 20).numpy()
        expected = s**2 * (np.eye(20) - semigroup) @ (np.eye(20) - semigroup).T
        np.testing.assert_allclose(response.T @ response, expected, atol=1e-14)
        # Subtracting the mean grey value of the guidance changes nothing: I - exp(t L) removes it.
        np.testing.assert_allclose(expected @ np.ones(20), 0, atol=1e-13)


def test_every_sample_keeps_its_mean_grey_value(generator):
    process = LinearisedOsmosis([0.2, 3.0, 200.0], 0.5, (6, 5))
    u0 = torch.randn(8, 1, 6, 5, generator=generator).double()
    found = process.trajectory(u0, [1, 2, 3], generator=generator).mean(dim=(-2, -1))
    torch.testing.assert_close(found, u0.mean(dim=(-2, -1)).expand(3, 8, 1), rtol=0, atol=1e-14)
    assert all(float(process.direct(i, k)[1][0, 0]) == 0 for k in range(3) for i in range(k + 1, 4))


def test_the_limit_is_white_noise_of_the_given_contrast():
    factor, variance = LinearisedOsmosis([1e6], 0.5, (4, 5)).direct(1)
    assert factor.flatten()[1:].tolist() == [0] * 19
    assert variance.flatten()[1:].tolist() == [0.25] * 19


@pytest.mark.parametrize("gap", [1.0, 1e-6, 1e-12])
@pytest.mark.parametrize("time", [1e-12, 1e-3, 1.0])
def test_close_scales_do_not_cancel(time, gap):
    """lambda = 2: b^2 = s (1 - M) (S_i + M S_k), where S_i^2 - M^2 S_k^2 would lose all digits."""
    late = time * (1 + gap)
    variance = LinearisedOsmosis([time, late], 0.5, (1, 2)).coefficients(2)[1]
    step, early = -math.expm1(-2 * (late - time)), -math.expm1(-2 * time)
    expected = 0.25 * step * (-math.expm1(-2 * late) + (1 - step) * early)
    assert float(variance[0, 1]) == pytest.approx(expected, rel=1e-13)
    assert float(variance[0, 1]) > 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            ([1.0], 0.0, (4, 4)),
            ValueError,
            r"^contrast must be finite and in \(0, inf\), found 0\.0",
        ),
        (([1.0], -1, (4, 4)), ValueError, r"^contrast must be finite and in \(0, inf\), found -1$"),
        (([1.0], None, (4, 4)), TypeError, r"^contrast must be a real number, found None$"),
        (([1.0], 1j, (4, 4)), TypeError, r"^contrast must be a real number, found 1j$"),
        (
            ([0.0], 0.5, (4, 4)),
            ValueError,
            r"^times must hold scales 1\.\.m, all positive; found 0",
        ),
        (([2, 1], 0.5, (4, 4)), ValueError, r"^times must be strictly increasing, found 2\.0 foll"),
        (([1.0], 0.5, (4,)), ValueError, r"^shape must be a pair \(H, W\), found \(4,\)$"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        LinearisedOsmosis(*arguments)
