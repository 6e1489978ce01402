"""From an image file to 8-bit grey or RGB values, with nothing dropped on the way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Pixels = NDArray[np.uint8]
"""Grey values (H, W) or colours (H, W, 3)."""

LISTED = 10  # files named in a message before it says how many more there are

_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


class UnreadableImageError(ValueError):
    """A file that is no 8-bit grey or RGB image."""


def decode(path: Path) -> Pixels:
    """Return the pixels of an image file, turned as its EXIF orientation says."""
    try:
        with Image.open(path) as image:
            _refuse_loss(image)
            image.load()
            upright = ImageOps.exif_transpose(image)
            return np.asarray(_without_alpha(upright))
    except UnreadableImageError:
        raise
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise UnreadableImageError(str(error).replace(f" '{path}'", "")) from error


def unreadable_message(files: Sequence[tuple[str, Path]]) -> str:
    """Say which of these labelled files are no images, and which are readable."""
    bad, good = [], []
    for label, path in files:
        try:
            decode(path)
            good.append(repr(label))
        except UnreadableImageError as error:
            bad.append(f"{label!r} ({error})")
    return (
        f"name_or_folder must hold 8-bit grey or RGB images only, found {len(bad)} of "
        f"{len(files)} files that are not: {listed(bad)}; "
        f"the other {len(good)} are readable: {listed(good) or 'none'}"
    )


def listed(names: Sequence[str]) -> str:
    """Join names, and count those beyond the first few."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _refuse_loss(image: Image.Image) -> None:
    """Raise where Pillow would quietly take one frame of several, or 8 bits of 16."""
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise UnreadableImageError(f"expected one frame, found {frames}")
    if any(";16" in str(tile[3]) for tile in getattr(image, "tile", [])):
        raise UnreadableImageError("expected 8 bits per channel, found 16")


def _without_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "P" and "transparency" not in image.info:
        return image.convert("RGB")
    if image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema() == (255, 255):
            return image.convert(image.mode.removesuffix("A"))
        raise UnreadableImageError("expected an opaque image, found transparent pixels")
    raise UnreadableImageError(f"expected 8-bit grey or RGB, found mode {image.mode}")
