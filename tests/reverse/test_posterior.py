"""The exact reverse process against naive sums in high precision, for every process and law."""

import numpy as np
import pytest

SCALES = (0, 1, 3, 4)


def close(found, expected, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("i", SCALES)
def test_weights_are_those_of_bayes(case, i):
    u = case.images(i)
    found = case.posterior.log_weights(u, i).exp()
    close(found, [[float(w) for w in case.reference.posterior(x, i)] for x in case.modes(u)])


@pytest.mark.parametrize("i", SCALES)
def test_the_denoiser_is_the_conditional_mean(case, i):
    u = case.images(i)
    found = case.modes(case.posterior.denoise(u, i))
    close(found, [case.reference.moments(x, 0, i)[0] for x in case.modes(u)], 1e-9)
