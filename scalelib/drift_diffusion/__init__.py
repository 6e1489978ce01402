"""Probability densities on a grid, evolved by the osmosis equation."""

from scalelib.drift_diffusion.clock import duration
from scalelib.drift_diffusion.evolution import DriftDiffusion
from scalelib.drift_diffusion.grid import Grid
from scalelib.drift_diffusion.moving import evolve_moving

__all__ = ["DriftDiffusion", "Grid", "duration", "evolve_moving"]
