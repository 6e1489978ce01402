"""The Inception network of the FID, from its published file of weights.

The weights are those of the TensorFlow graph inception-2015-12-05 (Apache License 2.0), in the file
that pytorch-fid and torch-fidelity publish. The file is not part of this package. It holds tensors
alone; the network is defined here, so that no code and no graph from elsewhere is executed.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from scalelib.features._download import fetch
from scalelib.features._weights import exact_float32, load_into, read_weights
from scalelib.features.base import (
    FID_FEATURES,
    FeatureExtractor,
    Outside,
    check_photographs,
    in_range,
    suffix,
)

__all__ = ["FIDInception", "InceptionFeatures", "download_inception"]

FILE = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

SIDE, FEATURES, CLASSES = 299, 2048, 1008

# Names of the file -> names here: branches are sequences, forks split at the end.
RENAMED = (
    (r"\.branch_pool\.", ".branch_pool.1."),
    (r"(\.branch\w+?)_(\d)([ab])\.", r"\1.\2.\3."),
    (r"(\.branch\w+?)_(\d)\.", r"\1.\2."),
)


@final
class FIDInception(nn.Module):
    """The network: Inception v3 with the pooling of the graph that defines the FID.

    Averages leave the padding out, as in TensorFlow, and the last block has a maximum in place of
    an average. The graph has 1008 classes.

    Notes
    -----
    Source: Szegedy et al., Rethinking the Inception architecture for computer vision, CVPR 2016;
    Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium, NeurIPS 2017.

    Examples
    --------
    >>> FIDInception().eval()(torch.zeros(1, 3, 299, 299)).shape
    torch.Size([1, 2048])
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, (3, 3), stride=2, valid=True)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, (3, 3), valid=True)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, (3, 3))
        self.Conv2d_3b_1x1 = _Convolution(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = _Convolution(80, 192, (3, 3), valid=True)
        self.Mixed_5b = _block_a(192, 32)
        self.Mixed_5c = _block_a(256, 64)
        self.Mixed_5d = _block_a(288, 64)
        self.Mixed_6a = _block_b(288)
        self.Mixed_6b = _block_c(768, 128)
        self.Mixed_6c = _block_c(768, 160)
        self.Mixed_6d = _block_c(768, 160)
        self.Mixed_6e = _block_c(768, 192)
        self.Mixed_7a = _block_d(768)
        self.Mixed_7b = _block_e(1280, _average())
        self.Mixed_7c = _block_e(2048, nn.MaxPool2d(3, stride=1, padding=1))
        self.fc = nn.Linear(FEATURES, CLASSES)  # not used; the file has it

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features (N, 2048) of preprocessed images (N, 3, 299, 299)."""
        for name, layer in self.named_children():
            if name in ("Conv2d_3b_1x1", "Mixed_5b"):
                x = functional.max_pool2d(x, 3, stride=2)
            if name != "fc":
                x = layer(x)
        return x.mean(dim=(2, 3))


class _Convolution(nn.Module):
    """Convolution, normalisation, ReLU; as large as the input unless ``valid``."""

    def __init__(
        self, channels: int, out: int, kernel: tuple[int, int], stride: int = 1, valid: bool = False
    ) -> None:
        super().__init__()
        padding = (0, 0) if valid else (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class _Fork(nn.Module):
    """Branches side by side; their channels are concatenated."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


def _chain(*layers: nn.Module, first: int = 1) -> nn.Sequential:
    """Layers one after the other, with the numbers of the file."""
    return nn.Sequential(OrderedDict((str(first + j), layer) for j, layer in enumerate(layers)))


def _average() -> nn.Module:
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def _pooled(pool: nn.Module, channels: int, out: int) -> nn.Sequential:
    return _chain(pool, _Convolution(channels, out, (1, 1)), first=0)


def _block_a(channels: int, pooled: int) -> _Fork:
    conv = _Convolution
    return _Fork(
        branch1x1=conv(channels, 64, (1, 1)),
        branch5x5=_chain(conv(channels, 48, (1, 1)), conv(48, 64, (5, 5))),
        branch3x3dbl=_chain(conv(channels, 64, (1, 1)), conv(64, 96, (3, 3)), conv(96, 96, (3, 3))),
        branch_pool=_pooled(_average(), channels, pooled),
    )


def _block_b(channels: int) -> _Fork:
    conv = _Convolution
    return _Fork(
        branch3x3=conv(channels, 384, (3, 3), stride=2, valid=True),
        branch3x3dbl=_chain(
            conv(channels, 64, (1, 1)),
            conv(64, 96, (3, 3)),
            conv(96, 96, (3, 3), stride=2, valid=True),
        ),
        pool=nn.MaxPool2d(3, stride=2),
    )


def _block_c(channels: int, inner: int) -> _Fork:
    conv = _Convolution
    return _Fork(
        branch1x1=conv(channels, 192, (1, 1)),
        branch7x7=_chain(
            conv(channels, inner, (1, 1)), conv(inner, inner, (1, 7)), conv(inner, 192, (7, 1))
        ),
        branch7x7dbl=_chain(
            conv(channels, inner, (1, 1)),
            conv(inner, inner, (7, 1)),
            conv(inner, inner, (1, 7)),
            conv(inner, inner, (7, 1)),
            conv(inner, 192, (1, 7)),
        ),
        branch_pool=_pooled(_average(), channels, 192),
    )


def _block_d(channels: int) -> _Fork:
    conv = _Convolution
    return _Fork(
        branch3x3=_chain(conv(channels, 192, (1, 1)), conv(192, 320, (3, 3), stride=2, valid=True)),
        branch7x7x3=_chain(
            conv(channels, 192, (1, 1)),
            conv(192, 192, (1, 7)),
            conv(192, 192, (7, 1)),
            conv(192, 192, (3, 3), stride=2, valid=True),
        ),
        pool=nn.MaxPool2d(3, stride=2),
    )


def _block_e(channels: int, pool: nn.Module) -> _Fork:
    conv = _Convolution
    return _Fork(
        branch1x1=conv(channels, 320, (1, 1)),
        branch3x3=_chain(conv(channels, 384, (1, 1)), _split(384)),
        branch3x3dbl=_chain(conv(channels, 448, (1, 1)), conv(448, 384, (3, 3)), _split(384)),
        branch_pool=_pooled(pool, channels, 192),
    )


def _split(channels: int) -> _Fork:
    return _Fork(
        a=_Convolution(channels, channels, (1, 3)), b=_Convolution(channels, channels, (3, 1))
    )


def download_inception(folder: str | Path | None = None) -> Path:
    """Path of the published weights, 96 MB, downloaded once.

    Parameters
    ----------
    folder : str, Path or None
        Where the file is kept; None is the user's cache. A file that is there already, with the
        right checksum, is used without a look at the network.

    Returns
    -------
    Path

    Raises
    ------
    OSError
        If the file cannot be had; what came is kept, and the next call goes on from there.
    ValueError
        If another file came.
    ModuleNotFoundError
        If pooch is not installed. The extra ``features`` of this package installs it.
    """
    return fetch(URL, SHA256, folder)


@final
class InceptionFeatures(FeatureExtractor):
    r"""The 2048 features of the FID: Inception v3, images resized without aliasing.

    .. math:: f(u) = \mathrm{Inception}\Big(\frac{R v R^\top - 128}{128}\Big), \qquad
              v = \lfloor 127.5 (1 + u) \rceil

    Parameters
    ----------
    weights : str or Path
        The published file, as from :func:`download_inception`. No other content is accepted, so
        that nothing else is called an FID.
    outside : {"raise", "clip"}
        What happens to values outside of [-1, 1]; the name of the features tells that they are
        clipped.
    device : str or torch.device
        Where the network computes. Images of other devices are moved batch by batch.
    batch : int
        Number of images that are worked on together.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or the weights are missing or damaged.

    Notes
    -----
    Images (N, C, H, W) have C = 1, three equal colours, or C = 3. As in a file of 8 bits, grey
    values are rounded to integers. The matrix R resizes each axis to 299 with the bicubic filter
    of Pillow, which widens when it reduces; results are cut to [0, 255].

    Source: Heusel et al., NeurIPS 2017; for the resizing Parmar, Zhang and Zhu, On aliased
    resizing and surprising subtleties in GAN evaluation, CVPR 2022, and its code, clean-fid, for
    the values 128 of the original graph. The network was compared with that of pytorch-fid 0.3.0:
    with the same random weights it has the same features, in all digits.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        outside: Outside = "raise",
        device: str | torch.device = "cpu",
        batch: int = 32,
    ) -> None:
        self.outside = outside
        """What happens to values outside of [-1, 1]."""
        super().__init__(FID_FEATURES + suffix(outside, ("raise", "clip")), FEATURES, batch)
        self.device = torch.device(device)
        """Where the network computes."""
        network = FIDInception()
        advice = f"scalelib.features.download_inception() fetches it from {URL}"
        load_into(network, read_weights(Path(weights), SHA256, advice), RENAMED)
        self._network = network.to(self.device)

    def _check_shape(self, images: Tensor) -> None:
        check_photographs(images, 1)

    def _of_batch(self, images: Tensor) -> Tensor:
        u = in_range(images, self.outside).to(self.device, torch.float32)
        grey = clean_resize((127.5 * (1 + u)).round(), SIDE)
        with exact_float32():
            found: Tensor = self._network(((grey - 128) / 128).expand(-1, 3, -1, -1))
        return found.to(images.device)


def clean_resize(grey: Tensor, side: int) -> Tensor:
    """Resize grey values (..., H, W) to a square as Pillow does in float32, and cut to [0, 255]."""
    rows, columns = (_bicubic(n, side).to(grey) for n in grey.shape[-2:])
    return (rows @ grey @ columns.T).clamp(0, 255)


def _bicubic(n: int, side: int) -> Tensor:
    """Matrix (side, n) of Pillow's bicubic filter: it resizes the unit vectors."""
    # Resizing is linear in float32, one axis after the other.
    unit = Image.fromarray(np.eye(n, dtype=np.float32))
    return torch.from_numpy(np.array(unit.resize((n, side), Image.Resampling.BICUBIC)))
