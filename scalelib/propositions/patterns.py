"""Small grids, images, guidance images and drift fields that filters of images are checked on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["SIZES", "drift_field", "guidances", "images", "neighbours", "units"]

SIZES = ((1, 9), (8, 1), (2, 2), (6, 5), (8, 8))
"""Height and width: single rows and columns, the smallest square, and both kinds of shapes."""

Field = tuple[Tensor, Tensor]


def images(shape: tuple[int, int]) -> Tensor:
    """Four images in [1, 255]: a white pixel, an edge, a checkerboard and a random one.

    Parameters
    ----------
    shape : (int, int)
        Height and width.

    Returns
    -------
    Tensor, shape (4, 1, H, W), float64

    Examples
    --------
    >>> images((2, 2))[0, 0]
    tensor([[  1.,   1.],
            [  1., 255.]], dtype=torch.float64)
    """
    height, width = shape
    pixel = torch.ones(shape, dtype=torch.float64)
    pixel[height // 2, width // 2] = 255
    number = torch.arange(height * width).view(shape)
    edge = torch.where(number < height * width // 2, 1.0, 255.0).double()
    parity = (torch.arange(height)[:, None] + torch.arange(width)) % 2
    draw = torch.Generator().manual_seed(1)
    noise = torch.randint(1, 256, shape, generator=draw).double()
    return torch.stack([pixel, edge, 1 + 254 * parity.double(), noise])[:, None]


def guidances(shape: tuple[int, int]) -> dict[str, Tensor]:
    """Guidance images by their contrast: none, mild noise, and grey values from 1 to 255.

    Parameters
    ----------
    shape : (int, int)
        Height and width.

    Returns
    -------
    dict, each of shape (1, H, W), float64
    """
    draw = torch.Generator().manual_seed(2)
    noise = torch.randn(1, *shape, generator=draw, dtype=torch.float64)
    strong = 1 + 254 * torch.rand(1, *shape, generator=draw, dtype=torch.float64)
    strong.view(-1)[0], strong.view(-1)[-1] = 1, 255
    mild = 127.5 + 20 * noise.clamp(-3, 3)
    return {"constant": torch.full((1, *shape), 100.0).double(), "mild": mild, "strong": strong}


def drift_field(shape: tuple[int, int]) -> Field:
    """Random drift field with values in (-1.9, 1.9), which belongs to no guidance image.

    Parameters
    ----------
    shape : (int, int)
        Height H and width W.

    Returns
    -------
    dy, dx : Tensor, shape (1, H-1, W) and (1, H, W-1), float64
    """
    height, width = shape
    draw = torch.Generator().manual_seed(3)
    sizes = ((1, height - 1, width), (1, height, width - 1))
    dy, dx = (3.8 * torch.rand(s, generator=draw, dtype=torch.float64) - 1.9 for s in sizes)
    return dy, dx


def neighbours(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs of neighbouring pixels, numbered row by row: each pair once.

    Examples
    --------
    >>> list(neighbours((2, 2)))
    [(0, 1), (0, 2), (1, 3), (2, 3)]
    """
    height, width = shape
    for p in range(height * width):
        if (p + 1) % width:
            yield p, p + 1
        if p + width < height * width:
            yield p, p + width


def units(shape: tuple[int, int]) -> Tensor:
    """All images with a single 1, shape (H W, 1, H, W): a linear map of them is its matrix."""
    return torch.eye(shape[0] * shape[1], dtype=torch.float64).view(-1, 1, *shape)
