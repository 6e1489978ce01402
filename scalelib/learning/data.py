"""Images to learn from, in [-1, 1]."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from scalelib import _check
from scalelib.images import load

__all__ = ["digits", "fashion_mnist", "split"]

_VARIABLE = "SCALELIB_FASHION_MNIST"
_FILE = "train-images-idx3-ubyte"
_HOME = "https://github.com/zalandoresearch/fashion-mnist"


def digits() -> tuple[Tensor, Tensor]:
    r"""Handwritten digits, 8x8 pixels.

    .. math:: u = \frac{v}{8} - 1, \qquad v \in \{0, \ldots, 16\}

    Returns
    -------
    images : Tensor, shape (1797, 1, 8, 8), float32
        In [-1, 1], -1 is the background.
    labels : Tensor, shape (1797,), int64
        The digits 0 to 9.

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak, Optical recognition of handwritten digits, UCI Machine
    Learning Repository, 1998; its test set, as it ships with scikit-learn. CC BY 4.0.

    Examples
    --------
    >>> images, labels = digits()
    >>> images.shape, labels[:3]
    (torch.Size([1797, 1, 8, 8]), tensor([0, 1, 2]))
    """
    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32)[:, None] / 8 - 1
    return images, torch.tensor(found.target, dtype=torch.int64)


def fashion_mnist(folder: str | Path | None = None) -> Tensor:
    """Articles of clothing, 28x28 pixels: the 60,000 training images of Fashion-MNIST.

    Parameters
    ----------
    folder : str, Path or None
        Folder with the file ``train-images-idx3-ubyte``, packed as ``.gz`` or not; None for the one
        that the environment variable SCALELIB_FASHION_MNIST names.

    Returns
    -------
    Tensor, shape (60000, 1, 28, 28), float32
        In [-1, 1], -1 is the background.

    Raises
    ------
    ValueError
        If the file is not there; the message says where to get it.

    Notes
    -----
    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv 1708.07747, 2017.
    """
    found = os.environ.get(_VARIABLE, "") if folder is None else str(folder)
    path = Path(found) / _FILE
    if not found or not (path.exists() or path.with_name(f"{_FILE}.gz").exists()):
        raise ValueError(
            f"folder must hold {_FILE} or {_FILE}.gz, found {found!r}: get it from {_HOME} "
            f"and name its folder, or set {_VARIABLE} to it"
        )
    return load(path, size=28)


def split(images: Tensor, held_out: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Keep some images out of the training.

    Parameters
    ----------
    images : Tensor, shape (N, ...)
        Images.
    held_out : int
        How many to keep out, at least 1 and less than N.
    seed : int
        Seed of the draw.

    Returns
    -------
    kept, held_out : Tensor
        Disjoint parts, both in random order.

    Raises
    ------
    TypeError, ValueError
        If ``held_out`` or ``seed`` is out of range.

    Examples
    --------
    >>> import torch
    >>> kept, rest = split(torch.arange(5), 2)
    >>> sorted([*kept.tolist(), *rest.tolist()])
    [0, 1, 2, 3, 4]
    """
    count = _check.integer("held_out", held_out, low=1, high=len(images) - 1)
    seed = _check.integer("seed", seed, low=0, high=2**63 - 1)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images[order[count:]], images[order[:count]]
