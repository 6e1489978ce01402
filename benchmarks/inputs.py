"""Images and guidance images of the benchmarks, the same in every run."""

from __future__ import annotations

import numpy as np
import skimage.data
import torch
from skimage.transform import resize
from torch import Tensor

GUIDANCES = ("mild", "strong", "uniform")


def photograph(size: int) -> Tensor:
    """Grey photograph (size, size), float64, brought from [0, 255] to [1, 255]: positive."""
    image = resize(skimage.data.camera(), (size, size), anti_aliasing=True, preserve_range=True)
    return torch.from_numpy(1 + image * (254 / 255))


def guidance(kind: str, size: int) -> Tensor:
    """Noise image (size, size), float64: around 127.5 with standard deviation 20 or 60, or uniform.

    The strong one is clipped to [1, 255], to keep it positive.
    """
    generator = torch.Generator().manual_seed(0)
    if kind == "uniform":
        uniform = torch.rand(size, size, dtype=torch.float64, generator=generator)
        return 2.5 + 252.5 * uniform
    noise = torch.randn(size, size, dtype=torch.float64, generator=generator)
    if kind == "mild":
        return 127.5 + 20 * noise
    return (127.5 + 60 * noise).clamp(1, 255)


def colour_batch(count: int, size: int = 64) -> Tensor:
    """Random crops (count, 3, size, size) of colour photographs, float64, in [0, 255]."""
    rng = np.random.default_rng(0)
    photographs = [getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee")]
    crops = []
    for k in range(count):
        image = photographs[k % len(photographs)]
        y, x = (rng.integers(n - size + 1) for n in image.shape[:2])
        crops.append(image[y : y + size, x : x + size])
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).double()


def grey_crops(count: int, size: int) -> Tensor:
    """Random crops (count, 1, size, size) of grey photographs, float32, in [-1, 1].

    Among them are nearly constant ones that resemble each other.
    """
    rng = np.random.default_rng(0)
    photographs = [getattr(skimage.data, name)() for name in ("camera", "coins", "moon", "text")]
    crops = np.empty((count, 1, size, size), dtype=np.uint8)
    for k in range(count):
        image = photographs[k % len(photographs)]
        y, x = (rng.integers(n - size + 1) for n in image.shape)
        crops[k, 0] = image[y : y + size, x : x + size]
    return torch.from_numpy(crops).float() / 127.5 - 1


def noise_batch(*shape: int, device: str = "cpu") -> Tensor:
    """Draw float32 images, for kernels whose time does not depend on the content."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
