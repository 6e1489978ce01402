"""How much memory there is, and how many images may be worked on at once."""

from __future__ import annotations

import psutil
import torch

from scalelib.experiments._parts import BLOCK
from scalelib.experiments.configuration import Configuration

__all__ = ["available", "batch_size"]

COPIES = 8
"""Float32 arrays of the size of a trajectory that are alive at the same time, at most."""

SHARE = 1 / 8
"""Share of the free memory for the images, since several workers may share one machine."""


def available(device: torch.device | str) -> int:
    """Return the free memory of a device in bytes."""
    chosen = torch.device(device)
    if chosen.type == "cuda":
        return int(torch.cuda.mem_get_info(chosen)[0])
    return int(psutil.virtual_memory().available)


def batch_size(configuration: Configuration, free: int) -> int:
    """Return how many images of a block, 1 to 32, fit in free memory with all their scales."""
    pixels = configuration.channels * configuration.size**2
    needed = COPIES * 4 * pixels * (configuration.scales + 1)
    return max(1, min(BLOCK, int(SHARE * free / needed)))
