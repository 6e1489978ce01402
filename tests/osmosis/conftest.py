"""Osmosis a second time: dense matrices, cell by cell, from the equation alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch


def dense_operator(dy, dx, spacing=1.0):
    """Matrix of u -> Laplace u - div(d u), from the flux through each interface.

    The flux from cell i to cell j is (u_j - u_i) / h - d (u_j + u_i) / 2, taken as an inflow into
    i; nothing passes the border.
    """
    dy, dx = np.asarray(dy), np.asarray(dx)
    height, width = dx.shape[0], dy.shape[1]
    A = np.zeros((height * width, height * width))

    def connect(i, j, d):
        for cell, sign in ((i, 1), (j, -1)):
            A[cell, j] += sign * (1 / spacing - d / 2) / spacing
            A[cell, i] += sign * (-1 / spacing - d / 2) / spacing

    for r in range(height):
        for c in range(width):
            if r + 1 < height:
                connect(r * width + c, (r + 1) * width + c, dy[r, c])
            if c + 1 < width:
                connect(r * width + c, r * width + c + 1, dx[r, c])
    return A


def canonical(v, spacing=1.0):
    """Canonical drift 2 (v_j - v_i) / (h (v_j + v_i)), cell by cell."""
    v = np.asarray(v)
    height, width = v.shape
    dy, dx = np.zeros((height - 1, width)), np.zeros((height, width - 1))
    for r in range(height):
        for c in range(width):
            if r + 1 < height:
                dy[r, c] = 2 * (v[r + 1, c] - v[r, c]) / (spacing * (v[r + 1, c] + v[r, c]))
            if c + 1 < width:
                dx[r, c] = 2 * (v[r, c + 1] - v[r, c]) / (spacing * (v[r, c + 1] + v[r, c]))
    return dy, dx


def guided_operator(v, spacing=1.0):
    return dense_operator(*canonical(v, spacing), spacing)


def implicit_step(A, u, tau):
    """Solve (I - tau A) x = u by dense elimination."""
    u = np.asarray(u)
    return np.linalg.solve(np.eye(u.size) - tau * A, u.ravel()).reshape(u.shape)


def positive(*shape, seed=0, low=1.0, high=255.0, dtype=torch.float64):
    """Random grey values, uniform in [low, high]."""
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64).to(
        dtype
    )


@pytest.fixture(scope="session")
def reference():
    """The functions above."""
    return SimpleNamespace(
        dense_operator=dense_operator,
        canonical=canonical,
        guided_operator=guided_operator,
        implicit_step=implicit_step,
        positive=positive,
    )
