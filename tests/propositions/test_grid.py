"""The pixel grid, against the package's transforms and stencils."""

from __future__ import annotations

import itertools

import pytest
import torch

from scalelib import Osmosis, VariancePreserving
from scalelib.propositions.grid import (
    cyclic_shift,
    grid_symmetries,
    laplacian_matrix,
    osmosis_matrix,
    transition_matrices,
)
from scalelib.propositions.instances import BLURRING, SHAPE, process
from scalelib.transforms import laplacian_eigenvalues


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 2), (5, 6)])
def test_the_laplacian_has_the_eigenvalues_of_the_cosine_modes(shape):
    found = torch.linalg.eigvalsh(laplacian_matrix(shape))
    expected = laplacian_eigenvalues(shape).flatten().sort().values
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_the_osmosis_matrix_is_that_of_the_filter(generator):
    v = 1 + torch.rand(1, 4, 3, generator=generator, dtype=torch.float64)
    expected = torch.from_numpy(Osmosis(v).operator().toarray())
    torch.testing.assert_close(osmosis_matrix(v[0]), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("shape", [(2, 3), (2, 2), (3, 2)])
def test_the_grid_symmetries_are_all_that_commute_with_the_laplacian(shape):
    matrix = laplacian_matrix(shape)
    count = shape[0] * shape[1]
    commuting = {
        order
        for order in itertools.permutations(range(count))
        if torch.equal(matrix[list(order)][:, list(order)], matrix)
    }
    assert commuting == {tuple(index.tolist()) for index in grid_symmetries(shape).values()}


def test_a_cyclic_shift_is_a_roll(generator):
    u = torch.randn(4, 5, generator=generator)
    assert torch.equal(u.flatten()[cyclic_shift((4, 5), 2)].view(4, 5), u.roll(2, 1))


@pytest.mark.parametrize("name", BLURRING)
@pytest.mark.parametrize("step", [(1, 0), (7, 0), (7, 3)])
def test_transitions_agree_with_the_cosine_basis(name, step, generator):
    chain = process(name)
    i, start = step
    blur, noise = transition_matrices(chain, i, start)
    u, g = torch.randn(2, 1, *SHAPE, generator=generator, dtype=torch.float64)
    expected = blur @ u.flatten() + noise @ g.flatten()
    if name == "homogeneous diffusion":
        assert not noise.any()
    found = chain.sample(u, i, start, noise=g).flatten()
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_pixel_wise_process_has_no_grid():
    with pytest.raises(TypeError, match="process must be a blurring one"):
        transition_matrices(VariancePreserving([0.5]), 1)
