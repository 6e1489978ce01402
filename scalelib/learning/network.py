"""A small U-Net that predicts the noise in an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, silu

from scalelib import _check

__all__ = ["UNet"]

_GROUPS = 8
"""Groups of every group norm: narrow networks have few channels to share a mean and a variance."""

_LONGEST = 10_000.0
"""Ratio of the longest to the shortest period of the scale embedding, as in transformers."""


@final
class UNet(nn.Module):
    r"""U-Net of residual blocks, the prediction of the noise in an image of a given scale.

    .. math:: \hat\varepsilon_\theta(u, i)

    An encoder halves the image between its levels, a decoder goes back and takes the features that
    the encoder left at each level. Blocks are group norm, SiLU and 3x3 convolution, twice, around a
    shortcut; a sinusoidal embedding of the scale is added to the channels in between. The last
    convolution of every block and of the network starts at 0: an untrained network predicts 0.

    Parameters
    ----------
    steps : int
        Number of scales m of the process.
    channels : int
        Channels C of the images.
    width : int
        Channels of the features at full size, a positive multiple of 8.
    multipliers : sequence of int
        Channels of each level relative to ``width``, finest level first.
    blocks : int
        Residual blocks per level, in the encoder and again in the decoder.
    generator : torch.Generator
        Source of the initial weights, on the CPU.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or leaves its range.

    Notes
    -----
    Sources: Ronneberger, Fischer and Brox, U-Net, MICCAI 2015; as a denoiser Ho, Jain and Abbeel,
    Denoising diffusion probabilistic models, NeurIPS 2020, Appendix B. Unlike the latter there is
    no attention and no dropout, and the decoder has as many blocks as the encoder.

    Sizes need not be divisible by powers of two: a level has half the pixels of the finer one,
    rounded up, and the decoder cuts off what is too much. Convolutions are padded with zeros, so
    that the network is equivariant neither under shifts nor under permutations of the pixels.

    Examples
    --------
    >>> import torch
    >>> network = UNet(100, width=8, generator=torch.Generator().manual_seed(0))
    >>> network(torch.ones(5, 1, 9, 12), 30).shape
    torch.Size([5, 1, 9, 12])
    >>> sum(weights.numel() for weights in network.parameters())
    23945
    """

    def __init__(
        self,
        steps: int,
        *,
        channels: int = 1,
        width: int = 32,
        multipliers: Sequence[int] = (1, 2),
        blocks: int = 1,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.steps = _check.integer("steps", steps, low=1)
        self.channels = _check.integer("channels", channels, low=1)
        self.width = _width(width)
        self.multipliers = _multipliers(multipliers)
        self.blocks = _check.integer("blocks", blocks, low=1)
        if not isinstance(generator, torch.Generator):
            found = type(generator).__name__
            raise TypeError(f"generator must be a torch.Generator, found {found}")
        with torch.device("meta"):  # the weights are drawn once, from the generator given
            self._build()
        self.to_empty(device="cpu")
        self._initialise(generator)

    def _build(self) -> None:
        widths = [self.width * multiplier for multiplier in self.multipliers]
        features = 4 * self.width
        self.embedding = nn.Sequential(
            nn.Linear(self.width, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU()
        )
        self.entry = nn.Conv2d(self.channels, self.width, 3, padding=1)
        finer = [self.width, *widths[:-1]]
        self.encoder = nn.ModuleList(
            self._level(before, here, features) for before, here in zip(finer, widths, strict=True)
        )
        self.down = nn.ModuleList(nn.Conv2d(w, w, 3, stride=2, padding=1) for w in widths[:-1])
        self.middle = _Block(widths[-1], widths[-1], features)
        coarser = [*widths[1:], widths[-1]]
        self.decoder = nn.ModuleList(
            self._level(below + here, here, features)
            for below, here in zip(coarser, widths, strict=True)
        )
        self.exit_norm = nn.GroupNorm(_GROUPS, self.width * self.multipliers[0])
        self.exit = nn.Conv2d(self.width * self.multipliers[0], self.channels, 3, padding=1)

    def _level(self, before: int, here: int, features: int) -> nn.ModuleList:
        widths = [before] + [here] * self.blocks
        return nn.ModuleList(_Block(a, b, features) for a, b in pairwise(widths))

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Draw the weights as torch does by default, but from the generator given."""
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                module.weight.fill_(1)
                module.bias.zero_()
            elif isinstance(module, nn.Conv2d | nn.Linear):
                bound = 1 / math.sqrt(module.weight[0].numel())
                module.weight.uniform_(-bound, bound, generator=generator)
                cast(Tensor, module.bias).uniform_(-bound, bound, generator=generator)
        ends = [m.second for m in self.modules() if isinstance(m, _Block)] + [self.exit]
        for end in ends:
            end.weight.zero_()
            cast(Tensor, end.bias).zero_()

    @property
    def configuration(self) -> dict[str, Any]:
        """Arguments of the constructor, without the generator."""
        return {
            "steps": self.steps,
            "channels": self.channels,
            "width": self.width,
            "multipliers": list(self.multipliers),
            "blocks": self.blocks,
        }

    def forward(self, u: Tensor, i: int | Tensor) -> Tensor:
        r"""Predict the noise in images.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32
            Images of scale ``i``, at least 2 pixels high and wide at the coarsest level.
        i : int or Tensor of integers, shape (...)
            Scale, 1 <= i <= m: one for all images, or one for each.

        Returns
        -------
        Tensor, shape of ``u``
            White standard normal noise, as far as it can be predicted.

        Raises
        ------
        TypeError, ValueError
            If ``u`` or ``i`` has the wrong type or shape, or a scale is out of range.
        """
        self._check_images(u)
        flat = u.reshape(-1, *u.shape[-3:])
        scales = self._scales(i, u).reshape(-1)
        return self._predict(flat, scales).reshape(u.shape)

    def _predict(self, u: Tensor, scales: Tensor) -> Tensor:
        embedding = self.embedding(_sinusoids(1000 * scales.to(u) / self.steps, self.width))
        features = self.entry(u)
        kept = []
        for level, blocks in enumerate(self.encoder):
            if level:
                features = self.down[level - 1](features)
            features = _through(blocks, features, embedding)
            kept.append(features)
        features = self.middle(features, embedding)
        for skip, blocks in zip(reversed(kept), reversed(self.decoder), strict=True):
            if features.shape[-2:] != skip.shape[-2:]:
                features = interpolate(features, scale_factor=2)
                features = features[..., : skip.shape[-2], : skip.shape[-1]]
            features = _through(blocks, torch.cat([features, skip], dim=1), embedding)
        return cast(Tensor, self.exit(silu(self.exit_norm(features))))

    def _check_images(self, u: Tensor) -> None:
        _check.dense("u", u)
        weights = self.exit.weight
        if u.dtype != weights.dtype:
            raise TypeError(f"u must have the network's dtype {weights.dtype}, found {u.dtype}")
        if u.device != weights.device:
            raise ValueError(
                f"u must be on the network's device {weights.device}, found {u.device}"
            )
        if u.ndim < 3 or u.shape[-3] != self.channels:
            expected = f"(..., {self.channels}, H, W)"
            raise ValueError(f"u must have shape {expected}, found {tuple(u.shape)}")
        least = 2 ** (len(self.multipliers) - 1) + 1
        if min(u.shape[-2:]) < least:
            raise ValueError(
                f"u must be at least {least} pixels high and wide for {len(self.multipliers)} "
                f"levels, found shape {tuple(u.shape)}"
            )

    def _scales(self, i: int | Tensor, u: Tensor) -> Tensor:
        """Return one scale per image, on the device of ``u``."""
        count = u.shape[:-3]
        if not isinstance(i, Tensor):
            found = _check.integer("i", i, low=1, high=self.steps)
            return torch.full(count, found, device=u.device)
        if i.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"i must hold integers, found {i.dtype}")
        if i.shape not in (torch.Size(), count):
            raise ValueError(f"i must have shape () or {tuple(count)}, found {tuple(i.shape)}")
        if bool(((i < 1) | (i > self.steps)).any()):
            low, high = int(i.min()), int(i.max())
            raise ValueError(f"i must be between 1 and {self.steps}, found {low} to {high}")
        return i.to(u.device, non_blocking=True).expand(count)


@final
class _Block(nn.Module):
    """Residual block: norm, SiLU, convolution, twice; the scale enters in between."""

    def __init__(self, before: int, after: int, features: int) -> None:
        super().__init__()
        self.first_norm = nn.GroupNorm(_GROUPS, before)
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.scale = nn.Linear(features, after)
        self.second_norm = nn.GroupNorm(_GROUPS, after)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        inner = self.first(silu(self.first_norm(features)))
        inner = inner + self.scale(embedding)[:, :, None, None]
        inner = self.second(silu(self.second_norm(inner)))
        return cast(Tensor, self.shortcut(features) + inner)


def _through(blocks: nn.Module, features: Tensor, embedding: Tensor) -> Tensor:
    for block in cast(nn.ModuleList, blocks):
        features = block(features, embedding)
    return features


def _sinusoids(position: Tensor, width: int) -> Tensor:
    """Sines and cosines of the position, ``width`` in all, periods in geometric progression."""
    half = width // 2
    exponents = torch.arange(half, dtype=position.dtype, device=position.device) / half
    angles = position[:, None] * torch.exp(-math.log(_LONGEST) * exponents)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _width(width: int) -> int:
    found = _check.integer("width", width, low=_GROUPS)
    if found % _GROUPS:
        raise ValueError(f"width must be a multiple of {_GROUPS}, found {found}")
    return found


def _multipliers(multipliers: Sequence[int]) -> tuple[int, ...]:
    if isinstance(multipliers, str) or not isinstance(multipliers, Sequence):
        found = type(multipliers).__name__
        raise TypeError(f"multipliers must be a sequence of integers, found {found}")
    if not multipliers:
        raise ValueError("multipliers must hold at least one integer, found none")
    return tuple(
        _check.integer(f"multipliers[{k}]", value, low=1) for k, value in enumerate(multipliers)
    )
