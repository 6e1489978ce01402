"""Evolutions: the right one against the matrix exponential, each broken one is broken."""

from __future__ import annotations

import pytest
import torch

from scalelib.propositions.evolutions import (
    Evolution,
    continuous,
    dark_frame,
    diffuse,
    explicit,
    matrix_of,
    unequal_axes,
    width_as_scale,
)
from scalelib.propositions.grid import laplacian_matrix

SHAPE = (4, 3)


def test_diffusion_is_the_matrix_exponential() -> None:
    expected = torch.linalg.matrix_exp(-1.3 * laplacian_matrix(SHAPE))
    torch.testing.assert_close(matrix_of(diffuse, SHAPE, 1.3), expected, rtol=0, atol=1e-13)


def test_short_explicit_steps_approach_diffusion() -> None:
    found = matrix_of(lambda u, t: explicit(u, t, tau=1e-3), SHAPE, 1.3)
    assert (found - matrix_of(diffuse, SHAPE, 1.3)).abs().max() < 1e-3


@pytest.mark.parametrize("evolve", [continuous, dark_frame, explicit, unequal_axes, width_as_scale])
def test_broken_evolutions_differ(evolve: Evolution) -> None:
    assert (matrix_of(evolve, SHAPE, 1.3) - matrix_of(diffuse, SHAPE, 1.3)).abs().max() > 1e-3


def test_a_matrix_acts_on_images_as_the_evolution_does() -> None:
    u = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for evolve in (diffuse, dark_frame, explicit, unequal_axes):
        found = (matrix_of(evolve, SHAPE, 0.7) @ u.flatten()).view_as(u)
        torch.testing.assert_close(found, evolve(u, 0.7), rtol=0, atol=1e-12)
