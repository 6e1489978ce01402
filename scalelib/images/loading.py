"""Photographs as tensors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalelib import _check
from scalelib.images.catalogue import PHOTOGRAPHS
from scalelib.images.crops import Crop, centred, drawn, reduced
from scalelib.images.decoding import (
    Pixels,
    UnreadableImageError,
    decode,
    listed,
    unreadable_message,
)
from scalelib.images.idx import is_idx, read_idx

__all__ = ["list_names", "load"]

EVERYTHING = "photographs"
ELSEWHERE = {"bsds500": "SCALELIB_BSDS500"}  # name -> environment variable with the folder
LARGEST = 1e38  # grey values that float32 holds, differences included
BSDS500_HOME = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html"


def list_names() -> tuple[str, ...]:
    """Names that :func:`load` knows, besides files and folders.

    Examples
    --------
    >>> list_names()[:4]
    ('photographs', 'astronaut', 'camera', 'chelsea')
    """
    return (EVERYTHING, *(photograph.name for photograph in PHOTOGRAPHS), *ELSEWHERE)


def load(
    name_or_folder: str | Path,
    size: int = 64,
    count: int | None = None,
    seed: int = 0,
    value_range: tuple[float, float] = (-1.0, 1.0),
    channels: int = 1,
) -> Tensor:
    r"""Load square crops of photographs.

    .. math:: u = a + (b - a) \frac{v}{255}, \qquad v \in [0, 255]

    Parameters
    ----------
    name_or_folder : str or Path
        A name of :func:`list_names`; or a folder, an image file or an IDX file (the suffix ``.gz``
        may be left out). A name goes before a path; a ``Path`` is never a name. A folder is
        searched with all its subfolders (links to folders are not followed), in the order of the
        relative paths; what starts with a dot is ignored, every other file must be an image.
    size : int
        Height and width of the result, in pixels. Images are reduced, never enlarged.
    count : int or None
        Number of images. None takes one crop of every image, in order: the designed crop of a
        photograph that ships, the largest centred square of any other file. A number draws that
        many random crops, an image at a time in a random order, so that no image is used twice
        before all are used once. The side of a crop is uniform between half and all of the
        image's shorter edge, at least ``size``. Images of an IDX file are never cropped at
        random: a number draws as many of them without repetition.
    seed : int
        Seed of the draw, in [0, 2^63). Not used without ``count``. With the same seed a smaller
        ``count`` gives the first images of a larger one.
    value_range : tuple of two float
        Values (a, b) of black and white.
    channels : int
        1 for grey values, 3 for colours. Grey is the luma of ITU-R BT.601,
        0.299 R + 0.587 G + 0.114 B. A grey image with 3 channels repeats itself.

    Returns
    -------
    Tensor, shape (N, channels, size, size), float32
        Values in [a, b].

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, the name or path does not exist, the folder is empty, a
        file is no 8-bit grey or RGB image (named, with the files that are), an image is smaller
        than ``size``, or a photograph that ships is not the file of the catalogue.

    Notes
    -----
    Values are used as they are stored, that is with the transfer function of sRGB, as usual for
    diffusion models and in image analysis; they are not proportional to light. Crops are reduced
    by Pillow in float32 with a Hamming window, which neither overshoots nor rounds to 8 bits.
    Files of JPEG format depend on the version of the decoder.

    Examples
    --------
    >>> cat = load("chelsea")
    >>> cat.shape, cat.dtype
    (torch.Size([1, 1, 64, 64]), torch.float32)
    >>> load("photographs", size=32, count=100, seed=1, channels=3).shape
    torch.Size([100, 3, 32, 32])
    """
    target = Target(
        _check.integer("size", size, low=1), checked_channels(channels), *_range(value_range)
    )
    number = None if count is None else _check.integer("count", count, low=1)
    seed = _check.integer("seed", seed, low=0, high=2**63 - 1)
    generator = torch.Generator().manual_seed(seed)
    path = _idx_path(name_or_folder)
    if path is not None:
        return _whole_images(path, target, number, generator)
    return _photographs(find_sources(name_or_folder), target, number, generator)


@dataclass(frozen=True)
class Target:
    """Size, channels and grey values of the images to be made."""

    size: int
    channels: int
    black: float
    white: float

    def values(self, label: str, pixels: Pixels, crop: Crop) -> NDArray[np.float32]:
        """Return a crop, shape (channels, size, size); raise if it is too small."""
        if crop[2] < self.size:
            height, width = pixels.shape[:2]
            raise ValueError(
                f"size must be at most {crop[2]}, the side of the crop of {label!r} "
                f"({width} x {height} pixels), found {self.size}: images are not enlarged"
            )
        grey = reduced(pixels, crop, self.size, self.channels)
        return (self.black + (self.white - self.black) * (grey / 255)).astype(np.float32)


@dataclass(frozen=True)
class _Source:
    """An image file, what messages call it, and its designed crop."""

    path: Path
    label: str
    crop: Crop | None = None


def checked_channels(channels: int) -> int:
    if _check.integer("channels", channels, low=1, high=3) == 2:
        raise ValueError("channels must be 1 or 3, found 2")
    return int(channels)


def _range(value_range: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(value_range, Sequence | Tensor) or len(value_range) != 2:
        raise TypeError(f"value_range must be a pair (low, high), found {value_range!r}")
    low = _check.number("value_range[0]", value_range[0], low=-LARGEST, high=LARGEST)
    high = _check.number("value_range[1]", value_range[1], low=-LARGEST, high=LARGEST)
    if not low < high:
        raise ValueError(f"value_range must be increasing, found ({low:g}, {high:g})")
    return low, high


def _idx_path(name_or_folder: str | Path) -> Path | None:
    """Return the IDX file that is meant, or None."""
    if not isinstance(name_or_folder, str | Path):
        found = type(name_or_folder).__name__
        raise TypeError(f"name_or_folder must be a string or a Path, found {found}")
    path = Path(name_or_folder)
    if name_or_folder in list_names() or not is_idx(path):
        return None
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.exists() else path


def find_sources(name_or_folder: str | Path) -> list[_Source]:
    """Return the image files that a name, a folder or a path stands for."""
    shipped = [p for p in PHOTOGRAPHS if name_or_folder in (EVERYTHING, p.name)]
    if shipped:
        return [_Source(p.path(), p.name, p.crop) for p in shipped]
    path = _location(name_or_folder)
    if path.is_file():
        return [_Source(path, path.name)]
    inside = sorted((p.relative_to(path).as_posix(), p) for p in path.rglob("*") if not p.is_dir())
    found = [_Source(p, name) for name, p in inside if not f"/{name}".count("/.")]
    if not found:
        raise ValueError(f"name_or_folder must be a folder with images, found no file in {path}")
    idx = [source.label for source in found if is_idx(source.path)]
    if idx:
        raise ValueError(f"name_or_folder must be one of the IDX files in {path}: {listed(idx)}")
    return found


def _location(name_or_folder: str | Path) -> Path:
    """Return the existing path that is meant."""
    if name_or_folder in ELSEWHERE:
        variable = ELSEWHERE[str(name_or_folder)]
        found = os.environ.get(variable, "")
        expected = (
            f"in the folder that the environment variable {variable} names: get BSDS500 from "
            f"{BSDS500_HOME} and set {variable} to the folder with its photographs"
        )
    else:
        found = str(name_or_folder)
        expected = f"one of {', '.join(list_names())}, or an existing folder or file"
    if not found or not Path(found).exists():
        raise ValueError(
            f"name_or_folder {str(name_or_folder)!r} must be {expected}, found {found!r}"
        )
    return Path(found)


def _photographs(
    sources: list[_Source], target: Target, count: int | None, generator: torch.Generator
) -> Tensor:
    """Crop image files, each decoded once."""
    order = torch.arange(len(sources)) if count is None else _order(len(sources), count, generator)
    uniform = torch.rand(len(order), 3, generator=generator, dtype=torch.float64)
    shape = (len(order), target.channels, target.size, target.size)
    result = np.empty(shape, dtype=np.float32)
    for j in sorted(set(order.tolist())):
        source, pixels = sources[j], _decode(sources, j)
        for k in (order == j).nonzero()[:, 0].tolist():
            crop = source.crop or centred(pixels)
            if count is not None:
                crop = drawn(pixels, target.size, uniform[k])
            result[k] = target.values(source.label, pixels, crop)
    return torch.from_numpy(result)


def _order(n: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(n, generator=generator).repeat(-(-count // n))[:count]


def _decode(sources: list[_Source], j: int) -> Pixels:
    try:
        return decode(sources[j].path)
    except UnreadableImageError as error:
        raise ValueError(unreadable_message([(s.label, s.path) for s in sources])) from error


def _whole_images(
    path: Path, target: Target, count: int | None, generator: torch.Generator
) -> Tensor:
    """Take the images of an IDX file, all in order or some in random order."""
    images = read_idx(path)
    if images.ndim != 3:
        raise ValueError(f"{path} must hold images (N, H, W), found shape {tuple(images.shape)}")
    order = torch.arange(len(images))
    if count is not None:
        _check.integer("count", count, low=1, high=len(images))
        order = torch.randperm(len(images), generator=generator)[:count]
    pixels = images[order].numpy()
    values = [target.values(path.name, image, centred(image)) for image in pixels]
    return torch.from_numpy(np.stack(values))
