"""The way back: exact reverse processes of known data, denoisers, and samplers driven by them."""

from scalelib.reverse.conditioning import given_label, given_pixels, inpaint
from scalelib.reverse.denoiser import Denoiser, NoisePrediction
from scalelib.reverse.posterior import Posterior
from scalelib.reverse.samplers import ancestral, ddim, deblurring

__all__ = [
    "Denoiser",
    "NoisePrediction",
    "Posterior",
    "ancestral",
    "ddim",
    "deblurring",
    "given_label",
    "given_pixels",
    "inpaint",
]
