"""scalelib plot: the figures of a comparison."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import scipy.stats
import torch
import xarray as xr
from rich.console import Console
from torch import Tensor

from scalelib.cli._compare import RESULTS
from scalelib.experiments import read_results
from scalelib.features import distance_label
from scalelib.figures import Drawing, curves
from scalelib.provenance import Provenance

__all__ = ["drawings", "plot"]

LEVEL = 0.95
"""Of the interval over the seeds."""


def plot(options: argparse.Namespace) -> int:
    """Draw what a comparison has found."""
    folder: Path = options.out or options.results
    if not (options.results / RESULTS).exists():
        raise ValueError(
            f"RESULTS must be the folder of a finished comparison, found no {RESULTS} in "
            f"{options.results}: run scalelib compare to its end first"
        )
    for name, drawing in drawings(read_results(options.results / RESULTS)).items():
        path = folder / f"{name}.svg"
        drawing.save(path)
        Console().print(f"Written: {path}", highlight=False)
    return 0


def drawings(results: xr.Dataset) -> dict[str, Drawing]:
    """Return the figures: spatial variance and distances to osmosis over the scales.

    Bands are Student intervals over the seeds. They tell how much the noise matters, not the
    choice of the images.
    """
    found = {
        "variance": _drawing(results, "variance", "spatial variance", list(results.model.values))
    }
    others = [name for name in results.model.values if name != "osmosis"]
    for name in ("frechet", "kernel"):
        label = distance_label(results.features, kernel=name == "kernel")
        found[name] = _drawing(results, name, f"{label} to osmosis", others)
    return found


def _drawing(results: xr.Dataset, name: str, label: str, models: list[str]) -> Drawing:
    lines, bands = {}, {}
    for model in models:
        values = results[name].sel(model=model).values[:, 1:]
        lines[str(model)], band = _interval(values)
        if band is not None:
            bands[str(model)] = band
    if name == "frechet" and not bool(results.floor.isnull().any()):
        lines["osmosis, other noise"] = torch.from_numpy(results.floor.values[1:].copy())
    return curves(
        torch.from_numpy(results.time.values[1:].copy()),
        lines,
        x_label="diffusion time (squared pixels)",
        y_label=label,
        provenance=_provenance(results),
        log_x=True,
        bands=bands,
    )


def _interval(values: np.ndarray) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """Mean over the seeds, and its Student interval if there are two seeds or more."""
    mean = torch.from_numpy(values.mean(axis=0))
    if len(values) < 2:
        return mean, None
    quantile = scipy.stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)
    half = torch.from_numpy(values.std(axis=0, ddof=1) * quantile / len(values) ** 0.5)
    return mean, (mean - half, mean + half)


def _provenance(results: xr.Dataset) -> Provenance:
    made = Provenance.from_json(results.provenance)
    return Provenance(
        made.function,
        {**made.parameters, "configuration": json.loads(results.configuration)},
        made.seed,
        made.data,
        made.versions,
    )
