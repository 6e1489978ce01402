"""From what has been measured to distances: one labelled, self-describing table."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from scalelib import _files, provenance
from scalelib.experiments._parts import Part
from scalelib.experiments.configuration import MODELS, REFERENCE, Configuration
from scalelib.experiments.store import Store
from scalelib.frechet import frechet_distance, frechet_standard_error, kernel_distance
from scalelib.schedules import log_blur

__all__ = ["read_results", "summarise", "write_results"]

SUBSETS = 10
"""Disjoint subsets for the standard error of the kernel distance; each needs two images."""

UNITS = {
    "variance": "squared grey value, images in [-1, 1]",
    "variance_error": "squared grey value, images in [-1, 1]",
    "frechet": "squared unit of the features",
    "frechet_error": "squared unit of the features",
    "kernel": "1",
    "kernel_error": "1",
}
"""Unit of each measured variable."""


def summarise(store: Store, images: int) -> xr.Dataset:
    """Compute all distances of a finished comparison.

    Parameters
    ----------
    store : Store
        Results; every model and seed must have seen all images.
    images : int
        Number of images.

    Returns
    -------
    xarray.Dataset
        Dimensions seed, model, scale. ``frechet`` and ``kernel`` are squared distances to osmosis
        at the same scale. ``frechet_error`` is the standard error by the choice of the photographs,
        whose crops are no independent images, and ``kernel_error`` that by the choice of subsets.
        ``floor`` is the distance of osmosis to itself with another seed (mean over pairs of
        seeds): what remains for two samples of one law. ``variance`` is the spatial variance of an
        image, mean over images, and ``variance_error`` its standard error for independent images.

    Raises
    ------
    ValueError
        If something is missing: the message says how many images of which model.
    """
    configuration = store.configuration
    osmosis: dict[int, Part] = {}
    for seed in configuration.seeds:
        osmosis[seed] = _whole(store, REFERENCE, seed, images)
    shape = (len(configuration.seeds), len(configuration.models), configuration.scales + 1)
    names = (
        "variance",
        "variance_error",
        "frechet",
        "frechet_error",
        "kernel",
        "kernel_error",
    )
    values = {name: np.full(shape, np.nan) for name in names}
    for s, seed in enumerate(configuration.seeds):
        for j, model in enumerate(configuration.models):
            part = osmosis[seed] if model == REFERENCE else _whole(store, model, seed, images)
            for i in range(configuration.scales + 1):
                found = _measured(part, osmosis[seed], i, configuration.crops)
                for name, value in zip(names, found, strict=True):
                    values[name][s, j, i] = value
    return _labelled(configuration, images, values, _floor(osmosis, configuration.scales))


def _whole(store: Store, model: str, seed: int, images: int) -> Part:
    part = store.load(model, seed)
    found = 0 if part is None else part.moments[0].count
    if part is None or found != images:
        raise ValueError(
            f"results must be complete, found {found} of {images} images for model {model!r}, "
            f"seed {seed}, in {store.path}"
        )
    return part


def _measured(part: Part, osmosis: Part, i: int, crops: int) -> tuple[float, ...]:
    variances = part.variances[i]
    spatial = float(variances.mean()), (variances.trace() / variances.count) ** 0.5
    if part is osmosis:
        return *spatial, 0.0, 0.0, 0.0, 0.0
    distance = frechet_distance(part.moments[i], osmosis.moments[i])
    x, y = part.features(i), osmosis.features(i)
    # The error of all images from the first ones: it falls with the root of the number.
    error = frechet_standard_error(x, y, torch.arange(len(x)) // crops)
    error *= (len(x) / variances.count) ** 0.5
    generator = torch.Generator().manual_seed(i)
    kernel = kernel_distance(x, y, subsets=SUBSETS, generator=generator)
    return *spatial, distance.value, error, kernel.value, kernel.standard_error


def _floor(osmosis: dict[int, Part], scales: int) -> NDArray[np.float64]:
    """Mean distance of osmosis with two seeds; NaN for one seed."""
    pairs = list(combinations(osmosis.values(), 2))
    found = [
        [frechet_distance(a.moments[i], b.moments[i]).value for a, b in pairs] or [np.nan]
        for i in range(scales + 1)
    ]
    return np.asarray(np.mean(found, axis=1))


def _labelled(
    configuration: Configuration,
    images: int,
    values: dict[str, NDArray[np.float64]],
    floor: NDArray[np.float64],
) -> xr.Dataset:
    dimensions = ("seed", "model", "scale")
    times = torch.cat(
        [torch.zeros(1).double(), log_blur(configuration.scales, configuration.sigma_max)]
    )
    variables: dict[str, Any] = {
        name: (dimensions, array, {"units": UNITS[name]}) for name, array in values.items()
    }
    variables["floor"] = ("scale", floor, {"units": UNITS["frechet"]})
    made = provenance.record(summarise, images=images, data_sha256=configuration.data)
    return xr.Dataset(
        variables,
        coords={
            "seed": list(configuration.seeds),
            "model": [MODELS[name] for name in configuration.models],
            "scale": np.arange(configuration.scales + 1),
            "time": ("scale", times.numpy(), {"units": "pixel^2"}),
        },
        attrs={
            "configuration": json.dumps(configuration.to_dict(), sort_keys=True),
            "features": configuration.features,
            "images": images,
            "provenance": made.to_json(),
        },
    )


def write_results(path: str | Path, results: xr.Dataset) -> None:
    """Write results as NetCDF, to a temporary name first.

    Parameters
    ----------
    path : str or Path
        File, in an existing folder.
    results : xarray.Dataset
        What :func:`summarise` has returned.

    Raises
    ------
    OSError
        If it cannot be written. A file that was there before is unchanged then.
    """
    content = results.to_netcdf(engine="scipy")
    _files.replace(Path(path), lambda stream: stream.write(bytes(content)))


def read_results(path: str | Path) -> xr.Dataset:
    """Read results that :func:`write_results` has written.

    Parameters
    ----------
    path : str or Path
        File.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    OSError, ValueError
        If it cannot be read.
    """
    try:
        found = xr.load_dataset(path, engine="scipy")
    except (TypeError, ValueError, LookupError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"results must be readable, found {path}: {reason}") from error
    if "configuration" not in found.attrs:
        raise ValueError(f"results must be those of a comparison, found others in {path}")
    return found
