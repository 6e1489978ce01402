"""Square crops and their reduction to the size asked for."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from scalelib.images.decoding import Pixels

Crop = tuple[int, int, int]
"""Left edge, upper edge and side of a square, in pixels."""

BT601 = (0.299, 0.587, 0.114)  # luma weights of red, green and blue


def centred(pixels: Pixels) -> Crop:
    """Return the largest square in the middle."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def drawn(pixels: Pixels, size: int, uniform: torch.Tensor) -> Crop:
    """Return a random square that three numbers in [0, 1) choose: its side and its place.

    The side lies between half and all of the shorter edge, and is at least ``size``.
    """
    height, width = pixels.shape[:2]
    largest = min(height, width)
    smallest = min(max(size, -(-largest // 2)), largest)
    u_side, u_left, u_top = uniform.tolist()
    side = smallest + int(u_side * (largest - smallest + 1))
    return int(u_left * (width - side + 1)), int(u_top * (height - side + 1)), side


def reduced(pixels: Pixels, crop: Crop, size: int, channels: int) -> NDArray[np.float64]:
    """Return a crop as grey values or colours in [0, 255], shape (channels, size, size).

    The window is Hamming's: its weights are positive, so that nothing overshoots, and it covers
    two output pixels, so that nothing aliases visibly.
    """
    left, top, side = crop
    square = pixels[top : top + side, left : left + side]
    planes = square.reshape(side, side, -1).astype(np.float32)
    if side != size:
        images = [Image.fromarray(np.ascontiguousarray(p)) for p in np.moveaxis(planes, 2, 0)]
        small = [image.resize((size, size), Image.Resampling.HAMMING) for image in images]
        planes = np.stack([np.asarray(image) for image in small], axis=2)
    colours = planes.astype(np.float64)
    if channels == 1 and colours.shape[2] == 3:
        # Written out: the rounding of a matrix product depends on the machine.
        red, green, blue = np.moveaxis(colours, 2, 0)
        colours = (BT601[0] * red + BT601[1] * green + BT601[2] * blue)[..., None]
    return np.broadcast_to(np.moveaxis(colours, 2, 0), (channels, size, size))
