"""Density as osmosis: a density that the reader draws, under VP, VE and osmosis."""

from __future__ import annotations

from typing import Any, final

import torch
import traitlets
from torch import Tensor

from scalelib.drift_diffusion import DriftDiffusion, Grid
from scalelib.figures import Drawing, curves
from scalelib.provenance import record
from scalelib.widgets._bundle import bundle
from scalelib.widgets.base import Widget

__all__ = ["DensityEvolution"]

CELLS = 100
STEPS = 60
STEP = 0.05
SHAPES = ["two", "box", "three", "skew"]


@final
class DensityEvolution(Widget):
    r"""A density on the line under VP, VE and osmosis towards N(0, 1), and the way back.

    .. math:: \partial_s p = \partial_{xx} p + \partial_x (x\, p), \qquad
              \partial_s p = \partial_{xx} p

    The first equation is that of the variance preserving process and, with guidance N(0, 1), that
    of osmosis; the second is that of the variance exploding process. VP and VE come from their
    transition kernels, exactly. Osmosis comes from its matrix on 100 cells of [-5, 5], whose
    exponential needs nothing of the process. The way back is Bayes' rule for osmosis. It starts
    from N(0, 1) instead of the density of the last step. Time s is that of osmosis, 0 to 3 in
    steps of 0.05.

    Parameters
    ----------
    shape : {"two", "box", "three", "skew", "own"}
        Density at s = 0.
    own : bytes
        Density of the reader, 100 levels up to a factor; empty if there is none.
    step : int
        Step k, 0 to 60.
    last : int
        Step where the way back starts, 1 to 60.
    direction : {"forward", "back"}
        Forward, or back from N(0, 1).

    Raises
    ------
    ValueError
        If a value is outside of its range, or ``"own"`` is chosen without levels of some mass.

    Notes
    -----
    Source: Section 4.1 of the 2023 paper compares both equations; that they are one is our result
    (T-osm). See :class:`scalelib.drift_diffusion.DriftDiffusion`.

    Examples
    --------
    >>> widget = DensityEvolution(shape="box", step=4)
    >>> widget.direction, widget.density().shape
    ('forward', torch.Size([100]))
    """

    _esm = bundle("density_evolution.js")

    shapes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    levels = traitlets.Bytes().tag(sync=True)
    shape = traitlets.Enum([*SHAPES, "own"], "two").tag(sync=True)
    own = traitlets.Bytes(b"").tag(sync=True)
    step = traitlets.Int(6, min=0, max=STEPS).tag(sync=True)
    last = traitlets.Int(30, min=1, max=STEPS).tag(sync=True)
    direction = traitlets.Enum(["forward", "back"], "forward").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        own = traits.get("own", b"")
        if len(own) not in (0, CELLS):
            raise ValueError(f"own must have 0 or {CELLS} bytes, found {len(own)}")
        if traits.get("shape") == "own" and not any(own):
            lacks = "levels of some mass" if own else "the levels of one"
            raise ValueError(f"shape must not be 'own' without {lacks}")
        super().__init__(shapes=SHAPES, levels=_levels(), **traits)

    def density(self) -> Tensor:
        """Return the density at s = 0 on the cells, shape (100,)."""
        first = 0 if self.shape == "own" else SHAPES.index(self.shape) * CELLS
        given = self.own if self.shape == "own" else self.levels
        levels = torch.frombuffer(bytearray(given[first : first + CELLS]), dtype=torch.uint8)
        return levels.double() / (levels.double().sum() * _grid().spacing)

    def fallback(self) -> Drawing:
        """Draw the density under osmosis at five times, and its guidance."""
        x, p = _grid().axes[0], self.density()
        evolution = DriftDiffusion(_grid(), -x.square() / 2)
        shown = {"s = 0": p}
        for k in (2, 6, 12, 30):
            shown[f"s = {STEP * k:g}"] = evolution.evolve(p, time=STEP * k)
        return curves(
            x,
            {**shown, "guidance N(0, 1)": evolution.steady_state(p)},
            x_label="grey value",
            y_label="density",
            provenance=record(DensityEvolution, data={"density": p}, step=STEP),
        )


def _grid() -> Grid:
    return Grid(-5, 5, CELLS, tolerance=1)


def _levels() -> bytes:
    """Levels of all shapes, one after another, 0 to 255."""
    x = _grid().axes[0]

    def bump(centre: float, width: float) -> Tensor:
        return (-((x - centre) / width).square() / 2).exp()

    shapes = [
        bump(-2.5, 0.35) + 0.7 * bump(2, 0.5),
        ((x > -3) & (x < -1)).double(),
        bump(-3, 0.25) + bump(0, 0.25) + bump(3, 0.25),
        torch.where(x > -3.5, (x + 3.5) * (-(x + 3.5) / 0.8).exp(), torch.zeros(())),
    ]
    scaled = [(255 * p / p.max()).round().byte() for p in shapes]
    return torch.cat(scaled).numpy().tobytes()
