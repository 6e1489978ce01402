"""The processes that every proposition is checked on, and broken ones that no check may accept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.schedules import arctan_noise, geometric_sigma, linear_beta, log_blur, sin2_blur

__all__ = [
    "BD",
    "BLURRING",
    "HD",
    "IHD",
    "LO",
    "NAMES",
    "NOISY",
    "OSMOSIS",
    "PIXELWISE",
    "PROCESSES",
    "SHAPE",
    "STEPS",
    "SYMBOLIC",
    "VE",
    "VP",
    "Tampered",
    "fold",
    "pairs",
    "process",
    "relative_gap",
]

SHAPE = (6, 5)
"""Not square, so that height and width cannot be confused; small, so that all modes are checked."""

STEPS = 12
"""Number of scales of the standard instances, few enough to try all pairs."""

VP = "variance preserving"
VE = "variance exploding"
IHD = "inverse heat dissipation"
BD = "blurring diffusion"
LO = "linearised osmosis"
HD = "homogeneous diffusion"

PROCESSES: dict[str, Callable[[], LinearGaussianScaleSpace]] = {
    VP: lambda: VariancePreserving(linear_beta(STEPS, 1e-3, 0.6)),
    VE: lambda: VarianceExploding(geometric_sigma(STEPS, 0.02, 10.0)),
    IHD: lambda: HeatDissipation(log_blur(STEPS, 3.0), 0.02, SHAPE),
    BD: lambda: BlurringDiffusion(sin2_blur(STEPS, 3.0), *arctan_noise(STEPS), SHAPE),
    LO: lambda: LinearisedOsmosis(log_blur(STEPS, 3.0), 0.5, SHAPE),
    HD: lambda: HomogeneousDiffusion(log_blur(STEPS, 3.0), SHAPE),
}
"""Name -> standard instance of each linear Gaussian process, data in [-1, 1]."""

PIXELWISE = tuple(name for name, build in PROCESSES.items() if build().shape is None)
"""Processes that treat every pixel alone."""

BLURRING = tuple(name for name in PROCESSES if name not in PIXELWISE)
"""Processes that are diagonal in the cosine basis."""

NOISY = tuple(name for name, build in PROCESSES.items() if bool(build().direct(STEPS)[1].any()))
"""Processes with noise in some mode: all but homogeneous diffusion."""

OSMOSIS = "osmosis"
"""Name of the filter beside the processes. It has no law; propositions on images apply."""

SYMBOLIC = "symbolic"
"""Stands in the place of a process where a derivation was run."""

NAMES = (*PROCESSES, OSMOSIS)
"""Columns of the verification matrix."""


def process(name: str) -> LinearGaussianScaleSpace:
    """Return the standard instance of a process.

    Parameters
    ----------
    name : str
        A key of :data:`PROCESSES`.

    Returns
    -------
    LinearGaussianScaleSpace

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the valid ones.

    Examples
    --------
    >>> process("homogeneous diffusion")
    HomogeneousDiffusion(steps=12, shape=(6, 5))
    """
    if name not in PROCESSES:
        raise ValueError(f"process must be one of {list(PROCESSES)}, found {name!r}")
    return PROCESSES[name]()


@final
class Tampered(LinearGaussianScaleSpace):
    """A process whose single steps were changed: the negative control of many propositions.

    Longer transitions are still those of the original, as if a closed form were wrong.

    Parameters
    ----------
    original : LinearGaussianScaleSpace
        Process to be broken.
    change : callable
        Takes :math:`(a_i, b_i^2)` of a single step and returns the changed pair.
    """

    def __init__(
        self,
        original: LinearGaussianScaleSpace,
        change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    ) -> None:
        super().__init__(original.steps, original.shape)
        self._original = original
        self._change = change

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        factor, variance = self._original.direct(i, start)
        return self._change(factor, variance) if i == start + 1 else (factor, variance)


def fold(chain: LinearGaussianScaleSpace, i: int, start: int = 0) -> tuple[Tensor, Tensor]:
    r"""Compose single steps, :math:`M_j = a_j M_{j-1}` and :math:`S_j^2 = a_j^2 S_{j-1}^2 + b_j^2`.

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        A process.
    i, start : int
        Scales, 0 <= start <= i <= m.

    Returns
    -------
    factor, variance : Tensor, shape () or (H, W), float64
    """
    factor, variance = chain.direct(start, start)
    for j in range(start + 1, i + 1):
        a, b2 = chain.coefficients(j)
        factor, variance = a * factor, a.square() * variance + b2
    return factor, variance


def pairs(steps: int) -> Sequence[tuple[int, int]]:
    """All pairs of scales (start, i) with start < i."""
    return [(k, i) for i in range(1, steps + 1) for k in range(i)]


def relative_gap(found: Tensor, expected: Tensor) -> float:
    """Largest relative difference of two tensors; 0 where both are equal, also at 0."""
    gap = (found - expected).abs()
    scale = torch.maximum(found.abs(), expected.abs())
    return float(torch.where(gap > 0, gap / scale, 0.0).max())
