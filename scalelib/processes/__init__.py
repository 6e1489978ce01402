"""Forward processes: linear Gaussian scale-spaces on images.

==============================  =====  ==================================================
process                         basis  what it does
==============================  =====  ==================================================
:class:`VariancePreserving`     pixel  rescales and adds noise; limit N(0, I)
:class:`VarianceExploding`      pixel  adds noise; no limit
:class:`HeatDissipation`        DCT    blurs, constant small noise
:class:`BlurringDiffusion`      DCT    blurs, rescales and adds noise
:class:`LinearisedOsmosis`      DCT    blurs towards noise; limit of osmosis
:class:`HomogeneousDiffusion`   DCT    blurs
==============================  =====  ==================================================
"""

from scalelib.processes.base import LinearGaussianScaleSpace
from scalelib.processes.blurring_diffusion import BlurringDiffusion
from scalelib.processes.heat_dissipation import HeatDissipation
from scalelib.processes.homogeneous_diffusion import HomogeneousDiffusion
from scalelib.processes.linearised_osmosis import LinearisedOsmosis
from scalelib.processes.variance_exploding import VarianceExploding
from scalelib.processes.variance_preserving import VariancePreserving

__all__ = [
    "BlurringDiffusion",
    "HeatDissipation",
    "HomogeneousDiffusion",
    "LinearGaussianScaleSpace",
    "LinearisedOsmosis",
    "VarianceExploding",
    "VariancePreserving",
]
