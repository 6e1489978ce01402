"""Osmosis: linear drift-diffusion of positive images towards a guidance image."""

from scalelib.osmosis.filter import ConvergenceError, Osmosis
from scalelib.osmosis.stencil import canonical_drift

__all__ = ["ConvergenceError", "Osmosis", "canonical_drift"]
