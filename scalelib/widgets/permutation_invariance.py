"""Permutation invariance: the pixels in another order, before or after the process."""

from __future__ import annotations

from typing import Any, final

import torch
import traitlets
from torch import Tensor

from scalelib import _check
from scalelib.figures import Drawing, gallery
from scalelib.images import load
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    LinearGaussianScaleSpace,
    VariancePreserving,
)
from scalelib.provenance import record
from scalelib.schedules import arctan_noise, linear_beta, log_blur, sin2_blur
from scalelib.widgets._bundle import bundle
from scalelib.widgets.base import Widget

__all__ = ["PermutationInvariance"]

SCALES = 20


@final
class PermutationInvariance(Widget):
    r"""Image and noise permuted before a process, and the result permuted after it.

    .. math:: U_i(\Pi f, \Pi g) \overset{?}{=} \Pi\, U_i(f, g)

    Variance preserving: ``linear_beta(20, 1e-3, 0.4)``. Inverse heat dissipation:
    ``log_blur(20, side / 8)`` and noise of 0.02. Blurring diffusion: ``arctan_noise(20)`` and
    ``sin2_blur(20, side / 8)``. The noise g is one realisation for all scales.

    Parameters
    ----------
    image : Tensor, shape (1, side, side), or None
        Grey values in [-1, 1]; the side is a multiple of 4. They are rounded to 8 bits. None takes
        a photograph of a cat with 64 × 64 pixels.
    process : {"preserving", "heat", "blurring"}
        Variance preserving, inverse heat dissipation or blurring diffusion.
    permutation : {"tiles", "pixels", "shift", "mirror", "turn"}
        Order of the pixels: 16 tiles or all pixels shuffled, cyclic shift by half of the width,
        mirror image, quarter turn.
    scale : int
        Scale i, 1 to 20.

    Raises
    ------
    TypeError, ValueError
        If the image or a value is outside of its range.

    Notes
    -----
    Source: Property 4 and Proposition 3 of the 2023 paper.

    Examples
    --------
    >>> widget = PermutationInvariance(process="heat")
    >>> len(widget.pixels), widget.fallback().kind
    (4096, 'png')
    """

    _esm = bundle("permutation_invariance.js")

    pixels = traitlets.Bytes().tag(sync=True)
    process = traitlets.Enum(["preserving", "heat", "blurring"], "heat").tag(sync=True)
    permutation = traitlets.Enum(["tiles", "pixels", "shift", "mirror", "turn"], "tiles").tag(
        sync=True
    )
    scale = traitlets.Int(10, min=1, max=SCALES).tag(sync=True)

    def __init__(self, image: Tensor | None = None, **traits: Any) -> None:
        grey = load("chelsea", size=64).double()[0] if image is None else _square(image)
        levels = ((grey + 1) * 127.5).round().to(torch.uint8)
        super().__init__(pixels=levels.numpy().tobytes(), **traits)

    def fallback(self) -> Drawing:
        """Draw both orders and their difference, for 16 shuffled tiles or all pixels."""
        levels = torch.frombuffer(bytearray(self.pixels), dtype=torch.uint8).double()
        side = round(len(levels) ** 0.5)
        image, process = (levels / 127.5 - 1).view(1, side, side), self._process(side)
        generator = torch.Generator().manual_seed(7)
        noise = torch.randn(image.shape, generator=generator, dtype=torch.float64)

        def run(u: Tensor, g: Tensor) -> Tensor:
            return process.sample(u, self.scale, noise=g)

        after = self._permuted(run(image, noise))
        before = run(self._permuted(image), self._permuted(noise))
        shown = {
            "process, then permute": after,
            "permute, then process": before,
            "difference × 4": 4 * (before - after),
        }
        made = record(process.sample, seed=7, data={"image": image}, scale=self.scale)
        return gallery(shown, columns=3, provenance=made)

    def _process(self, side: int) -> LinearGaussianScaleSpace:
        shape, width = (side, side), side / 8
        if self.process == "preserving":
            return VariancePreserving(linear_beta(SCALES, 1e-3, 0.4))
        if self.process == "heat":
            return HeatDissipation(log_blur(SCALES, width), 0.02, shape)
        return BlurringDiffusion(sin2_blur(SCALES, width), *arctan_noise(SCALES), shape)

    def _permuted(self, u: Tensor) -> Tensor:
        if self.permutation == "mirror":
            return u.flip(-1)
        if self.permutation == "turn":
            return u.rot90(1, (-2, -1))
        if self.permutation == "shift":
            return u.roll(-u.shape[-1] // 2, -1)
        parts = 16 if self.permutation == "tiles" else u.numel()
        order = torch.randperm(parts, generator=torch.Generator().manual_seed(1))
        if self.permutation == "pixels":
            return u.flatten()[order].view_as(u)
        size = u.shape[-1] // 4
        tiles = u.unfold(-2, size, size).unfold(-2, size, size).reshape(16, size, size)[order]
        return tiles.view(4, 4, size, size).movedim(1, 2).reshape(u.shape)


def _square(image: Tensor) -> Tensor:
    _check.image("image", image)
    side = image.shape[-1]
    if image.shape != (1, side, side) or side % 4:
        raise ValueError(
            f"image must have shape (1, side, side), side a multiple of 4, found {(*image.shape,)}"
        )
    if float(image.abs().max()) > 1:
        found = float(image.abs().max())
        raise ValueError(f"image must lie in [-1, 1], found a value of {found:g} in magnitude")
    return image.detach().cpu().double()
