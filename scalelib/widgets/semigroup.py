"""Semigroup property: one jump against two."""

from __future__ import annotations

from typing import Any, final

import torch
import traitlets

from scalelib.figures import Drawing, curves
from scalelib.information import Mixture
from scalelib.processes import VariancePreserving
from scalelib.provenance import record
from scalelib.schedules import linear_beta
from scalelib.widgets._bundle import bundle
from scalelib.widgets.base import Widget

__all__ = ["Semigroup"]

SCALES = 20
COIN = 0.8


@final
class Semigroup(Widget):
    r"""Particles that jump from scale k to scale i, directly or by way of scale j.

    .. math:: K_{k,i} = K_{j,i} \circ K_{k,j}

    One pixel under the variance preserving process with ``linear_beta(20, 1e-3, 0.4)``. At scale 0
    it is 0.8 or -0.8, equally likely. The browser draws 2000 particles for each route and
    compares them by the energy distance, with the p-value of 199 permutations.

    Parameters
    ----------
    k, j, i : int
        Scales, 0 <= k < j < i <= 20.
    route : {"stop", "repeated"}
        Noise of the two jumps: fresh for each, or the same in both, which is no transition of the
        process.
    seed : int
        Seed of the particles.

    Raises
    ------
    ValueError
        If a value is outside of its range, or the scales are not in order.

    Notes
    -----
    Source: Property 2 of the 2023 paper, Proposition 2 of the 2024 paper. The test is that of
    :func:`scalelib.information.energy_test`.

    Examples
    --------
    >>> widget = Semigroup(k=1, j=9, i=14)
    >>> widget.route, widget.fallback().kind
    ('stop', 'svg')
    """

    _esm = bundle("semigroup.js")

    k = traitlets.Int(2, min=0, max=SCALES - 2).tag(sync=True)
    j = traitlets.Int(7, min=1, max=SCALES - 1).tag(sync=True)
    i = traitlets.Int(12, min=2, max=SCALES).tag(sync=True)
    route = traitlets.Enum(["stop", "repeated"], "stop").tag(sync=True)
    seed = traitlets.Int(1, min=0).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        if not self.k < self.j < self.i:
            found = f"{self.k}, {self.j}, {self.i}"
            raise ValueError(f"k, j, i must increase, found {found}")

    def fallback(self) -> Drawing:
        """Draw the law at scale i for fresh noise, and for the same noise in both jumps."""
        process = VariancePreserving(linear_beta(SCALES, 1e-3, 0.4))
        (M, S2), (first, early) = process.direct(self.i), process.direct(self.j, self.k)
        (second, late), (_, start) = process.direct(self.i, self.j), process.direct(self.k)
        repeated = (second * first) ** 2 * start + (second * early.sqrt() + late.sqrt()) ** 2
        coin = M * torch.tensor([[-COIN], [COIN]], dtype=torch.float64)
        grey = torch.linspace(-3.6, 3.6, 289, dtype=torch.float64)
        laws = {"directly, or by way of j": S2, "the same noise in both jumps": repeated}
        return curves(
            grey,
            {
                name: Mixture(coin, variance.reshape(1)).log_density(grey[:, None]).exp()
                for name, variance in laws.items()
            },
            x_label=f"grey value at scale {self.i}",
            y_label="density",
            provenance=record(Semigroup, k=self.k, j=self.j, i=self.i),
        )
