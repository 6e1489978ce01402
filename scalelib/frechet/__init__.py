"""Distances of feature distributions: moments that merge, Frechet and kernel distance."""

from scalelib.frechet.distance import FrechetDistance, frechet_distance
from scalelib.frechet.extrapolation import Extrapolation, extrapolate
from scalelib.frechet.kernel import KernelDistance, kernel_distance
from scalelib.frechet.metrics import FrechetMetric, KernelMetric
from scalelib.frechet.moments import Moments
from scalelib.frechet.uncertainty import frechet_standard_error

__all__ = [
    "Extrapolation",
    "FrechetDistance",
    "FrechetMetric",
    "KernelDistance",
    "KernelMetric",
    "Moments",
    "extrapolate",
    "frechet_distance",
    "frechet_standard_error",
    "kernel_distance",
]
