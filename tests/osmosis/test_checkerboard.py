"""The red and black form of a 5-point matrix against the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scalelib.osmosis.checkerboard import Checkerboard

SHAPES = [(1, 1), (1, 2), (1, 7), (2, 1), (5, 1), (2, 2), (3, 4), (4, 3), (5, 5)]


def random_couplings(shape, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    across, along = (
        -0.24 * torch.rand(batch, *shape, dtype=torch.float64, generator=generator)
        for _ in range(2)
    )
    across[:, :, -1] = 0
    along[:, -1] = 0
    return across, along


def dense(across, along):
    """Unit diagonal and the couplings of one image, entry by entry."""
    height, width = across.shape
    matrix = np.eye(height * width)
    for r in range(height):
        for c in range(width):
            k = r * width + c
            if c + 1 < width:
                matrix[k, k + 1] = matrix[k + 1, k] = across[r, c]
            if r + 1 < height:
                matrix[k, k + width] = matrix[k + width, k] = along[r, c]
    return matrix


def board_of(shape, across, along):
    return Checkerboard(across, along) if shape[0] > 1 else Checkerboard(across)


@pytest.mark.parametrize("shape", SHAPES)
def test_join_inverts_split(shape):
    board = board_of(shape, *random_couplings(shape))
    field = torch.rand(2, shape[0] * shape[1], dtype=torch.float64)
    assert torch.equal(board.join(*board.split(field)), field)


def test_neighbours_have_different_colours():
    height, width = 5, 6
    board = board_of((height, width), *random_couplings((height, width)))
    field = torch.arange(height)[:, None] + torch.arange(width)
    red, black = board.split((field % 2).double().expand(2, -1, -1).flatten(1))
    assert bool((red == 0).all())
    assert bool((black == 1).all())


@pytest.mark.parametrize("shape", SHAPES)
def test_elimination_solves_the_full_system(shape):
    """The Schur complement applied to the red part of A^-1 b is the reduced right-hand side."""
    across, along = random_couplings(shape)
    board = board_of(shape, across, along)
    b = torch.rand(2, shape[0] * shape[1], dtype=torch.float64)
    pairs = zip(across.numpy(), along.numpy(), b.numpy(), strict=True)
    solutions = [np.linalg.solve(dense(a, d), rhs) for a, d, rhs in pairs]
    x = torch.from_numpy(np.stack(solutions))
    (red, black), (x_red, x_black) = board.split(b), board.split(x)
    rest = board.subtract_black(red, black)
    torch.testing.assert_close(board.reduced(rest)(x_red, torch.empty_like(rest)), rest)
    torch.testing.assert_close(board.subtract_red(black, x_red), x_black)


@pytest.mark.parametrize("shape", [(3, 4), (5, 5)])
def test_negative_control_a_wrong_coupling_is_seen(shape):
    across, along = random_couplings(shape)
    board, wrong = Checkerboard(across, along), Checkerboard(1.01 * across, along)
    p = board.split(torch.ones(2, shape[0] * shape[1], dtype=torch.float64))[0]
    gap = board.reduced(p)(p, torch.empty_like(p)) - wrong.reduced(p)(p, torch.empty_like(p))
    assert float(gap.abs().max()) > 1e-4
