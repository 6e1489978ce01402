"""Scale explorer: five scale-spaces of one photograph, scale by scale."""

from __future__ import annotations

from typing import Any, final

import torch
import traitlets
from torch import Tensor

from scalelib.figures import Drawing, film_strip
from scalelib.images import PHOTOGRAPHS, load
from scalelib.osmosis import Osmosis
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    VariancePreserving,
)
from scalelib.provenance import record
from scalelib.schedules import linear_beta, log_blur, matched_sigma
from scalelib.widgets._bundle import bundle
from scalelib.widgets.base import Widget

__all__ = ["ScaleExplorer"]

SCALES = 50
SIDE = 96
CONTRAST = 0.5
OFFSET = 255.0
NAMES = [photograph.name for photograph in PHOTOGRAPHS]


@final
class ScaleExplorer(Widget):
    r"""One photograph in five scale-spaces, with its spatial variance and conditional entropy.

    .. math:: U_i = M_i f + S_i\, g, \qquad (I - \tau A)\, u^{k+1} = u^k

    Variance preserving: ``linear_beta(50, last=0.2)``. The others share the times
    ``log_blur(50, sigma_max=15)``: inverse heat dissipation with noise of 0.02, homogeneous
    diffusion, blurring diffusion with ``matched_sigma`` and no rescaling, and osmosis with two
    implicit steps per interval, towards noise with contrast 0.5, with an offset of 255. The noise g
    is one realisation for all scales and processes.

    Parameters
    ----------
    photograph : str
        Name of a photograph of :data:`scalelib.images.PHOTOGRAPHS`, or ``"own"``.
    own : bytes
        Photograph of the reader, 96 × 96 grey values; empty if there is none.
    scale : int
        Scale i, 0 to 50.

    Raises
    ------
    ValueError
        If a value is outside of its range, or ``"own"`` is chosen without a photograph.

    Notes
    -----
    Source: after Figure 3 of the 2024 paper. The protocol is ours.

    Examples
    --------
    >>> widget = ScaleExplorer(photograph="coffee")
    >>> widget.scale, len(widget.pixels) == len(widget.names) * 96**2
    (22, True)
    """

    _esm = bundle("scale_explorer.js")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    photograph = traitlets.Enum([*NAMES, "own"], "chelsea").tag(sync=True)
    own = traitlets.Bytes(b"").tag(sync=True)
    scale = traitlets.Int(22, min=0, max=SCALES).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        if len(traits.get("own", b"")) not in (0, SIDE**2):
            raise ValueError(f"own must have 0 or {SIDE**2} bytes, found {len(traits['own'])}")
        if traits.get("photograph") == "own" and not traits.get("own"):
            raise ValueError("photograph must not be 'own' without the bytes of one")
        images = load("photographs", size=SIDE).double()
        levels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        super().__init__(names=NAMES, pixels=levels.numpy().tobytes(), **traits)

    def image(self) -> Tensor:
        """Return the chosen photograph, shape (1, 96, 96), in [-1, 1]."""
        start = 0 if self.photograph == "own" else NAMES.index(self.photograph) * SIDE**2
        given = self.own if self.photograph == "own" else self.pixels
        levels = torch.frombuffer(bytearray(given[start : start + SIDE**2]), dtype=torch.uint8)
        return levels.double().view(1, SIDE, SIDE) / 127.5 - 1

    def fallback(self) -> Drawing:
        """Draw the five scale-spaces of the photograph at six scales."""
        image = self.image()
        generator = torch.Generator().manual_seed(7)
        noise = torch.randn(image.shape, generator=generator, dtype=torch.float64)
        scales = [0, 10, 20, 30, 40, 50]
        rows = {
            name: torch.stack([image] + [p.sample(image, i, noise=noise) for i in scales[1:]])
            for name, p in _processes(SIDE).items()
        }
        evolved = _osmosis(image, noise)
        rows["osmosis"] = torch.stack([image] + [evolved[i - 1] for i in scales[1:]])
        made = record(ScaleExplorer, seed=7, data={self.photograph: image}, scales=scales)
        return film_strip(rows, columns=[f"scale {i}" for i in scales], provenance=made)


def _times(side: int) -> Tensor:
    return log_blur(SCALES, sigma_max=20 / 128 * side)


def _processes(side: int) -> dict[str, LinearGaussianScaleSpace]:
    """Return the processes with a known transition, by their names on show."""
    shape, times = (side, side), _times(side)
    sigmas = matched_sigma(times, CONTRAST, shape)
    return {
        "variance preserving": VariancePreserving(linear_beta(SCALES, last=0.2)),
        "inverse heat dissipation": HeatDissipation(times, 0.02, shape),
        "homogeneous diffusion": HomogeneousDiffusion(times, shape),
        "blurring diffusion": BlurringDiffusion(
            times, torch.ones(SCALES), sigmas, shape, d_min=0.0
        ),
    }


def _osmosis(image: Tensor, noise: Tensor) -> Tensor:
    """Osmosis at the scales 1 to 50, in [-1, 1]."""
    filtering = Osmosis(127.5 * (1 + CONTRAST * noise), offset=OFFSET)
    times = _times(image.shape[-1])
    return filtering.trajectory(127.5 * (1 + image), times, steps=2) / 127.5 - 1
