"""Figures of a comparison: spatial variance and distances to osmosis over the scales.

The module needs the extra ``experiments``: results are those of
:func:`scalelib.experiments.summarise`.
"""

from __future__ import annotations

import json

import numpy as np
import scipy.stats
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from scalelib.experiments._parts import KEPT
from scalelib.experiments.results import SUBSETS
from scalelib.features import distance_label
from scalelib.figures import Drawing, curves
from scalelib.provenance import Provenance

__all__ = ["frechet_figure", "kernel_figure", "variance_figure"]

LEVEL = 0.95
"""Of every interval."""

TIME = "diffusion time (squared pixels)"

Band = tuple[Tensor, Tensor]


def variance_figure(results: xr.Dataset) -> Drawing:
    """Draw the spatial variance of all models over the scales.

    Parameters
    ----------
    results : xarray.Dataset
        What :func:`~scalelib.experiments.summarise` returns.

    Returns
    -------
    Drawing
        An SVG. Bands are Student intervals over the seeds at 95%, if there are two or more: what
        the noise leaves open for these photographs.
    """
    lines, bands = {}, {}
    for model in results.model.values:
        values = results.variance.sel(model=model).values[:, 1:]
        lines[str(model)] = torch.from_numpy(values.mean(axis=0))
        if len(values) > 1:
            bands[str(model)] = _over_seeds(values)
    return _drawing(results, lines, bands, "spatial variance (images in [-1, 1])", log_y=False)


def frechet_figure(results: xr.Dataset) -> Drawing:
    """Draw the squared Frechet distances to osmosis over the scales, on logarithmic axes.

    Parameters
    ----------
    results : xarray.Dataset
        What :func:`~scalelib.experiments.summarise` returns.

    Returns
    -------
    Drawing
        An SVG. Lines are means over the seeds. Bands are intervals at 95% for other photographs,
        from ``frechet_error`` and the quantile of Student's t, with one degree of freedom less than
        photographs. They are taken for the logarithm, so that they stay positive. They do not hold
        the bias of a finite sample. The line "osmosis, other noise", if there are two seeds or
        more, is the distance that is left for a model with the law of osmosis given the image.
    """
    lines, bands = {}, {}
    quantile = _student(_photographs(results) - 1)
    for model in _others(results):
        found = results.sel(model=model).isel(scale=slice(1, None)).mean("seed")
        mean, error = (found[name].values for name in ("frechet", "frechet_error"))
        lines[model] = torch.from_numpy(mean)
        share = np.exp(quantile * error / mean)
        bands[model] = torch.from_numpy(mean / share), torch.from_numpy(mean * share)
    if not bool(results.floor.isnull().any()):
        lines["osmosis, other noise"] = torch.from_numpy(results.floor.values[1:].copy())
    label = _squared(distance_label(results.features))
    return _drawing(results, lines, bands, label, log_y=True)


def kernel_figure(results: xr.Dataset) -> Drawing:
    """Draw the squared kernel distances to osmosis over the scales.

    Parameters
    ----------
    results : xarray.Dataset
        What :func:`~scalelib.experiments.summarise` returns.

    Returns
    -------
    Drawing
        An SVG. Lines are means over the seeds, bands intervals at 95% from ``kernel_error`` and the
        quantile of Student's t, with one degree of freedom less than subsets. The distance is
        unbiased, so that it may be negative.
    """
    lines, bands = {}, {}
    quantile = _student(SUBSETS - 1)
    for model in _others(results):
        found = results.sel(model=model).isel(scale=slice(1, None)).mean("seed")
        mean, error = (found[name].values for name in ("kernel", "kernel_error"))
        half = quantile * error
        lines[model] = torch.from_numpy(mean)
        bands[model] = torch.from_numpy(mean - half), torch.from_numpy(mean + half)
    label = _squared(distance_label(results.features, kernel=True))
    return _drawing(results, lines, bands, label, log_y=False)


def _squared(label: str) -> str:
    """Say that the distance is squared, which FID and KID are by definition; two short lines."""
    said = label if label.startswith(("FID", "KID")) else f"squared {label}"
    return said.replace(" (", "\n(", 1)


def _others(results: xr.Dataset) -> list[str]:
    """Names of all models but the one that they are compared with."""
    return [str(name) for name in results.model.values if name != "osmosis"]


def _photographs(results: xr.Dataset) -> int:
    """Count the photographs that the error of a Frechet distance is estimated from."""
    crops: int = json.loads(results.configuration)["crops"]
    return -(-min(int(results.images), KEPT) // crops)


def _student(degrees: int) -> float:
    """Half the width of an interval, in standard errors."""
    return float(scipy.stats.t.ppf((1 + LEVEL) / 2, degrees))


def _over_seeds(values: NDArray[np.float64]) -> Band:
    """Student interval of the mean over two or more seeds."""
    quantile = _student(len(values) - 1)
    mean = torch.from_numpy(values.mean(axis=0))
    half = torch.from_numpy(values.std(axis=0, ddof=1) * quantile / len(values) ** 0.5)
    return mean - half, mean + half


def _drawing(
    results: xr.Dataset,
    lines: dict[str, Tensor],
    bands: dict[str, Band],
    label: str,
    *,
    log_y: bool,
) -> Drawing:
    return curves(
        torch.from_numpy(results.time.values[1:].copy()),
        lines,
        x_label=TIME,
        y_label=label,
        provenance=_provenance(results),
        log_x=True,
        log_y=log_y,
        bands=bands,
    )


def _provenance(results: xr.Dataset) -> Provenance:
    """Return the record of the results, with all that their numbers depend on."""
    made = Provenance.from_json(results.provenance)
    return Provenance(
        made.function,
        {**made.parameters, "configuration": json.loads(results.configuration)},
        made.seed,
        made.data,
        made.versions,
    )
