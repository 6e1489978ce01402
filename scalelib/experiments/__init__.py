"""Experiments on many images that survive interruption and grow to clusters.

The modules need the extra ``experiments``: xarray, and Dask for clusters.
"""

from scalelib.experiments.configuration import Configuration
from scalelib.experiments.engine import run
from scalelib.experiments.results import read_results, summarise, write_results
from scalelib.experiments.store import Store

__all__ = ["Configuration", "Store", "read_results", "run", "summarise", "write_results"]
