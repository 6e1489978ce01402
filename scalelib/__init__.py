"""Scale-spaces of probabilistic diffusion, osmosis and homogeneous diffusion, in torch."""

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
    "HeatDissipation",
    "HomogeneousDiffusion",
    "LinearGaussianScaleSpace",
    "LinearisedOsmosis",
    "VarianceExploding",
    "VariancePreserving",
]

__version__ = "0.1.0"
