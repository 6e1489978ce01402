"""Osmosis with a large offset: the first order against numerical integration and osmosis itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scalelib import Osmosis
from scalelib.propositions.grid import laplacian_matrix, osmosis_matrix
from scalelib.propositions.linear_limit import first_order, interface_drift, linear_limit

SHAPE = (4, 3)


@pytest.fixture
def pair():
    draws = torch.rand(2, 1, *SHAPE, generator=torch.Generator().manual_seed(0)).double()
    return 200 * draws[0], 50 + 100 * draws[1]


def test_the_drift_is_the_derivative_of_the_osmosis_matrix(pair):
    v, c = pair[1], 1e6
    found = c * (osmosis_matrix(v[0] + c) + laplacian_matrix(SHAPE))
    expected = torch.from_numpy(interface_drift(v).toarray())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)


def test_a_constant_guidance_has_no_drift():
    assert not interface_drift(torch.full((1, *SHAPE), 7.0, dtype=torch.float64)).toarray().any()


def test_first_order_is_the_integral(pair):
    f, v = pair
    t, laplacian = 1.7, -laplacian_matrix(SHAPE)
    drift = torch.from_numpy(interface_drift(v).toarray())
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(30))
    total = torch.zeros(f.numel(), dtype=torch.float64)
    for s, w in zip(t * (nodes + 1) / 2, t / 2 * weights, strict=True):
        early = torch.linalg.matrix_exp(s * laplacian) @ (f - v).flatten()
        total += w * torch.linalg.matrix_exp((t - s) * laplacian) @ drift @ early
    torch.testing.assert_close(first_order(f, v, t).flatten(), total, rtol=1e-11, atol=1e-9)


def test_osmosis_is_limit_and_first_order(pair):
    f, v = pair
    t, c = 1.7, 1e4
    error = Osmosis(guidance=v, offset=c).exact(f, t) - linear_limit(f, v, t)
    rest = error - first_order(f, v, t) / (c + v.mean())
    assert rest.norm() < 0.02 * error.norm()  # grey values differ from their mean by 1% of c


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 1, 4, 4)])
def test_several_guidance_images_are_refused(shape):
    with pytest.raises(ValueError, match="v must be one image of one channel"):
        interface_drift(torch.ones(shape, dtype=torch.float64))
