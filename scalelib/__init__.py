"""Scale-spaces of probabilistic diffusion, osmosis and homogeneous diffusion, in torch."""

from scalelib.osmosis import ConvergenceError, Osmosis, canonical_drift
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)

__all__ = [
    "BlurringDiffusion",
    "ConvergenceError",
    "HeatDissipation",
    "HomogeneousDiffusion",
    "LinearGaussianScaleSpace",
    "LinearisedOsmosis",
    "Osmosis",
    "VarianceExploding",
    "VariancePreserving",
    "canonical_drift",
]

__version__ = "0.1.0"
