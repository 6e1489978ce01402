"""Contenders must be right before they are slow."""

import numpy as np
import pytest
import scipy.fft
import torch

from benchmarks import contenders
from benchmarks.inputs import GUIDANCES, colour_batch, guidance, photograph
from scalelib import Osmosis


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (3, 8, 7), (2, 3, 64, 64)])
def test_fft_transform_agrees_with_scipy(generator, shape):
    u = torch.randn(shape, dtype=torch.float64, generator=generator)
    expected = scipy.fft.dctn(u.numpy(), axes=(-2, -1), norm="ortho")
    found = contenders.fft_dct2(u)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(contenders.fft_idct2(found).numpy(), u.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", GUIDANCES)
def test_bicgstab_solves_the_same_system(kind):
    u, v = photograph(16), guidance(kind, 16)
    osmosis = Osmosis(guidance=v, rtol=1e-10)
    matrix = contenders.implicit_matrix(osmosis.operator(), tau=50.0)
    expected = osmosis.step(u, 50.0).numpy().ravel()
    for from_old_level in (True, False):
        options = {"rtol": 1e-10, "from_old_level": from_old_level}
        counted = contenders.bicgstab_counted(matrix, u.numpy().ravel(), **options)
        assert counted.iterations > 0
        assert counted.residual < 1e-9
        np.testing.assert_allclose(counted.u, expected, rtol=1e-6)
        plain = contenders.bicgstab(matrix, u.numpy().ravel(), **options)
        np.testing.assert_array_equal(plain, counted.u)


def test_images_are_positive_and_the_same_every_time():
    assert float(photograph(32).min()) > 0
    for kind in GUIDANCES:
        assert float(guidance(kind, 32).min()) > 0
    assert colour_batch(4).shape == (4, 3, 64, 64)
    assert torch.equal(colour_batch(2), colour_batch(4)[:2])
