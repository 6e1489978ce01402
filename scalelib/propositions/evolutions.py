"""Evolutions of images that checks run on: homogeneous diffusion, and broken versions of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scalelib.processes import HeatDissipation, HomogeneousDiffusion
from scalelib.propositions.grid import laplacian_matrix
from scalelib.propositions.patterns import units
from scalelib.transforms import dct2, idct2, laplacian_eigenvalues

__all__ = [
    "Evolution",
    "continuous",
    "dark_frame",
    "diffuse",
    "explicit",
    "matrix_of",
    "unequal_axes",
    "width_as_scale",
]

Evolution = Callable[[Tensor, float], Tensor]
"""Takes images (..., C, H, W) and a time."""


def diffuse(u: Tensor, t: float) -> Tensor:
    """Homogeneous diffusion for the time t.

    Parameters
    ----------
    u : Tensor, shape (..., C, H, W)
        Images.
    t : float
        Diffusion time in pixel^2.

    Returns
    -------
    Tensor, shape of ``u``

    Examples
    --------
    >>> diffuse(torch.tensor([[[1.0, 3.0]]], dtype=torch.float64), 100.0)
    tensor([[[2.0000, 2.0000]]], dtype=torch.float64)
    """
    return HomogeneousDiffusion([t], u.shape[-2:]).mean(u, 1)


def matrix_of(evolve: Evolution, shape: tuple[int, int], t: float) -> Tensor:
    """Matrix (H W, H W) of a linear evolution for the time t; column q is that of pixel q."""
    return evolve(units(shape), t).flatten(1).mT


def continuous(u: Tensor, t: float) -> Tensor:
    """Break: the eigenvalues of the continuous Laplacian, as published for heat dissipation."""
    process = HeatDissipation([t], sigma=1.0, shape=u.shape[-2:], eigenvalues="continuous")
    return process.mean(u, 1)


def explicit(u: Tensor, t: float, tau: float = 0.26) -> Tensor:
    """Break: explicit Euler steps of at least 0.26, beyond the limit of 1/4."""
    steps = max(1, int(t / tau))
    shape = (u.shape[-2], u.shape[-1])
    step = torch.eye(shape[0] * shape[1], dtype=torch.float64) - t / steps * laplacian_matrix(shape)
    return torch.matmul(u.flatten(-2), torch.linalg.matrix_power(step, steps)).view(u.shape)


def width_as_scale(u: Tensor, s: float) -> Tensor:
    """Break: the width of the blur in place of the time."""
    return diffuse(u, s**2 / 2)


def dark_frame(u: Tensor, t: float) -> Tensor:
    """Break: pixels outside are held at 0, so that grey values leak across the border."""
    shape = (u.shape[-2], u.shape[-1])
    leaky = -laplacian_matrix(shape)
    leaky.fill_diagonal_(-4)
    return torch.matmul(u.flatten(-2), torch.linalg.matrix_exp(t * leaky)).view(u.shape)


def unequal_axes(u: Tensor, t: float) -> Tensor:
    """Break: vertical diffusion at double speed."""
    height, width = u.shape[-2:]
    rates = 2 * laplacian_eigenvalues((height, 1)) + laplacian_eigenvalues((1, width))
    found: Tensor = idct2(torch.exp(-t * rates) * dct2(u))
    return found
