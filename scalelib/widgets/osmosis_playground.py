"""Osmosis playground: a guidance image that the reader paints."""

from __future__ import annotations

from typing import Any, final

import torch
import traitlets
from torch import Tensor

from scalelib.figures import Drawing, film_strip
from scalelib.images import PHOTOGRAPHS, load
from scalelib.osmosis import Osmosis
from scalelib.provenance import record
from scalelib.widgets._bundle import bundle
from scalelib.widgets.base import Widget

__all__ = ["OsmosisPlayground"]

STEPS = 30
SIDE = 64
SEED = 7
NAMES = ["flat", "noise", *(photograph.name for photograph in PHOTOGRAPHS)]
OFFSETS = (1.0, 4.0, 16.0, 64.0, 255.0, 1000.0)


@final
class OsmosisPlayground(Widget):
    r"""Osmosis towards a guidance image that the reader chooses or paints.

    .. math:: (I - \tau_k A_v)\, u^{k+1} = u^k, \qquad w = \frac{\mu(f)}{\mu(v)}\, v

    Images have 64 × 64 grey values in [0, 255]; the offset is added to initial image f and guidance
    image v. The diffusion times of the steps are 0 and 0.25 to 5793 pixel², doubled every two
    steps. One implicit Euler step leads from each to the next; mass and positivity are kept, and
    the relative entropy to the steady state w falls. The browser computes all of it.

    Parameters
    ----------
    start, guidance : str
        Initial image and guidance image: ``"flat"``, ``"noise"`` or the name of a photograph of
        :data:`scalelib.images.PHOTOGRAPHS`; the guidance image also ``"own"``.
    own : bytes
        Guidance image of the reader, 64 × 64 grey values; empty if there is none.
    offset : float
        1, 4, 16, 64, 255 or 1000.
    step : int
        Step k, 0 to 30.
    grey : int
        Grey value of the brush, 0 to 255.
    radius : int
        Radius of the brush, 1 to 12 pixels.

    Raises
    ------
    ValueError
        If a value is outside of its range, or ``"own"`` is chosen without an image.

    Notes
    -----
    The model and its implicit steps are those of :class:`scalelib.Osmosis`, where their
    sources stand. The protocol is ours.

    Examples
    --------
    >>> widget = OsmosisPlayground(guidance="coffee", step=12)
    >>> widget.offset, widget.times()[11].item()
    (255.0, 8.0)
    """

    _esm = bundle("osmosis_playground.js")

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    start = traitlets.Enum(NAMES, "noise").tag(sync=True)
    guidance = traitlets.Enum([*NAMES, "own"], "chelsea").tag(sync=True)
    own = traitlets.Bytes(b"").tag(sync=True)
    offset = traitlets.Enum(OFFSETS, 255.0).tag(sync=True)
    step = traitlets.Int(10, min=0, max=STEPS).tag(sync=True)
    grey = traitlets.Int(255, min=0, max=255).tag(sync=True)
    radius = traitlets.Int(4, min=1, max=12).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        if len(traits.get("own", b"")) not in (0, SIDE**2):
            raise ValueError(f"own must have 0 or {SIDE**2} bytes, found {len(traits['own'])}")
        if traits.get("guidance") == "own" and not traits.get("own"):
            raise ValueError("guidance must not be 'own' without the bytes of one")
        super().__init__(names=NAMES, pixels=_levels(), **traits)

    @staticmethod
    def times() -> Tensor:
        """Return the diffusion times of the steps, shape (31,), in pixel²."""
        later = 0.25 * 2 ** (torch.arange(STEPS, dtype=torch.float64) / 2)
        return torch.cat([torch.zeros(1, dtype=torch.float64), later])

    def image(self, name: str) -> Tensor:
        """Return an image by its name, shape (1, 64, 64), in [0, 255]."""
        first = 0 if name == "own" else NAMES.index(name) * SIDE**2
        given = self.own if name == "own" else self.pixels
        levels = torch.frombuffer(bytearray(given[first : first + SIDE**2]), dtype=torch.uint8)
        return levels.double().view(1, SIDE, SIDE)

    def fallback(self) -> Drawing:
        """Draw initial image, four scales of osmosis, steady state and guidance image."""
        image, v = self.image(self.start), self.image(self.guidance)
        filtering = Osmosis(v, offset=self.offset)
        evolved = filtering.trajectory(image, self.times()[1:])
        shown = [4, 10, 16, 22]
        steps = [evolved[k - 1] for k in shown]
        made = record(
            OsmosisPlayground,
            seed=SEED,
            data={self.start: image, self.guidance: v},
            offset=self.offset,
            steps=shown,
        )
        return film_strip(
            {"osmosis": torch.stack([image, *steps, filtering.steady_state(image), v])},
            columns=[
                "start",
                *(f"t = {float(self.times()[k]):.3g}" for k in shown),
                "steady",
                "guidance",
            ],
            provenance=made,
            value_range=(0.0, 255.0),
        )


def _levels() -> bytes:
    """Grey values of all images, one after another."""
    generator = torch.Generator().manual_seed(SEED)
    photographs = (load("photographs", size=SIDE).double() + 1) * 127.5
    levels = [
        torch.full((1, 1, SIDE, SIDE), 128, dtype=torch.uint8),
        torch.randint(0, 256, (1, 1, SIDE, SIDE), generator=generator, dtype=torch.uint8),
        photographs.round().clamp(0, 255).byte(),
    ]
    return torch.cat(levels).numpy().tobytes()
