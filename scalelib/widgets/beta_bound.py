"""The beta bound: claimed and true change of the entropy in a step."""

from __future__ import annotations

import math
from typing import final

import torch
import traitlets

from scalelib.figures import Drawing, curves
from scalelib.provenance import record
from scalelib.widgets._bundle import bundle
from scalelib.widgets.base import Widget

__all__ = ["BetaBound"]


@final
class BetaBound(Widget):
    r"""Change of the entropy of Gaussian data in a variance preserving step, and the printed claim.

    .. math:: \Delta H = \tfrac n2 \ln(1 - \beta + \beta / c)

    is the change for data :math:`U_0 \sim N(0, c I)`.

    Parameters
    ----------
    n : int
        Number of pixels, 1 to 65536.
    beta : float
        Noise variance of the step, 0.01 to 0.99.
    variance : float
        Variance c of the data, 0.1 to 10.

    Raises
    ------
    ValueError
        If a value is outside of its range.

    Notes
    -----
    Source: the printed bound is Proposition 1 of the 2023 paper, equation (10); the claimed change
    is its equation (12).

    Examples
    --------
    >>> widget = BetaBound(variance=4.0)
    >>> widget.n, widget.beta, widget.fallback().kind
    (1, 0.5, 'svg')
    """

    _esm = bundle("beta_bound.js")

    n = traitlets.Int(1, min=1, max=65536).tag(sync=True)
    beta = traitlets.Float(0.5, min=0.01, max=0.99).tag(sync=True)
    variance = traitlets.Float(4.0, min=0.1, max=10.0).tag(sync=True)

    def fallback(self) -> Drawing:
        """Draw both changes per pixel over beta, with the ends of the printed bound."""
        beta = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
        unit = math.log(2 * math.pi * math.e)
        q = math.exp(-self.n * unit)
        low = 2 * q / (1 + math.sqrt(1 - 4 * q))
        return curves(
            beta,
            {
                "claimed": unit / 2 + (beta * (1 - beta)).log() / (2 * self.n),
                "true": (1 - beta + beta / self.variance).log() / 2,
            },
            x_label="noise variance beta of the step",
            y_label="change of entropy (nats per pixel)",
            marks={f"{low:.2g}": low, f"1 - {low:.2g}": 1 - low},
            provenance=record(BetaBound, n=self.n, beta=self.beta, variance=self.variance),
        )
