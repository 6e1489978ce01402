"""Figures of a comparison show the numbers of the results, with the intervals they promise."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
import torch
import xarray as xr

from scalelib.comparison_figures import frechet_figure, kernel_figure, variance_figure
from scalelib.features import FID_FEATURES
from scalelib.figures import Drawing
from scalelib.provenance import fingerprint, record

MODELS = ["variance preserving", "osmosis", "blurring diffusion"]


def results(seeds: int = 3, features: str = "pixels 1 x 8 x 8", images: int = 42) -> xr.Dataset:
    numbers = np.random.default_rng(0)
    shape = (seeds, len(MODELS), 5)
    names = ("variance", "frechet", "frechet_error", "kernel", "kernel_error")
    dimensions = ("seed", "model", "scale")
    values = {name: (dimensions, numbers.uniform(1, 2, shape)) for name in names}
    floor = np.full(5, 0.5 if seeds > 1 else np.nan)
    return xr.Dataset(
        {**values, "floor": ("scale", floor)},
        coords={"model": MODELS, "time": ("scale", np.arange(5.0))},
        attrs={
            "configuration": json.dumps({"size": 8, "crops": 6}),
            "features": features,
            "images": images,
            "provenance": record("summarise", images=42).to_json(),
        },
    )


def shown(drawing: Drawing, name: str) -> str:
    return drawing.provenance.data[f"shown: {name}"]


def expected(values: np.ndarray) -> str:
    return fingerprint(torch.from_numpy(np.ascontiguousarray(values)))


def test_the_variance_has_student_intervals_over_the_seeds() -> None:
    found, given = variance_figure(results()), results()
    values = given.variance.sel(model="osmosis").values[:, 1:]
    low, high = scipy.stats.t.interval(
        0.95, 2, values.mean(axis=0), scipy.stats.sem(values, axis=0)
    )
    line = next(one for one in found.figure.axes[0].lines if one.get_label() == "osmosis")
    assert np.array_equal(np.asarray(line.get_ydata()), values.mean(axis=0))
    path = found.figure.axes[0].collections[1].get_paths()[0].vertices
    assert np.allclose([path[:, 1].min(), path[:, 1].max()], [low.min(), high.max()])


def test_one_seed_has_no_interval_and_no_floor() -> None:
    assert not variance_figure(results(seeds=1)).figure.axes[0].collections
    assert "shown: osmosis, other noise" not in frechet_figure(results(seeds=1)).provenance.data


@pytest.mark.parametrize(("images", "degrees"), [(42, 6), (43, 7), (2400, 399), (60_000, 833)])
def test_frechet_intervals_are_those_of_the_logarithm(images: int, degrees: int) -> None:
    """Six crops each: degrees of freedom are photographs less one, of the first 5000 images."""
    found, given = frechet_figure(results(images=images)), results()
    chosen = given.sel(model="blurring diffusion").isel(scale=slice(1, None))
    mean = chosen.frechet.values.mean(axis=0)
    half = scipy.stats.t.ppf(0.975, degrees) * chosen.frechet_error.values.mean(axis=0) / mean
    assert shown(found, "blurring diffusion") == expected(mean)
    assert shown(found, "blurring diffusion, lower end") == expected(mean / np.exp(half))
    assert shown(found, "blurring diffusion, upper end") == expected(mean * np.exp(half))
    assert shown(found, "osmosis, other noise") == expected(np.full(4, 0.5))
    assert found.figure.axes[0].get_yscale() == "log"


def test_kernel_intervals_are_symmetric_and_may_reach_below_zero() -> None:
    given = results()
    given["kernel"] = given.kernel - 2
    found = kernel_figure(given)
    chosen = given.sel(model="blurring diffusion").isel(scale=slice(1, None)).mean("seed")
    half = scipy.stats.t.ppf(0.975, 9) * chosen.kernel_error.values  # ten subsets
    assert shown(found, "blurring diffusion, upper end") == expected(chosen.kernel.values + half)
    assert found.figure.axes[0].get_yscale() == "linear"
    assert found.figure.axes[0].get_ylim()[0] < 0


def test_osmosis_is_not_compared_with_itself() -> None:
    for drawing in (frechet_figure(results()), kernel_figure(results())):
        assert "shown: osmosis" not in drawing.provenance.data


@pytest.mark.parametrize(
    ("features", "frechet", "kernel"),
    [
        ("pixels 1 x 8 x 8", "squared Frechet distance\n(pix", "squared kernel distance\n(pix"),
        (FID_FEATURES, "FID", "KID"),
    ],
)
def test_only_its_own_features_make_an_fid(features: str, frechet: str, kernel: str) -> None:
    given = results(features=features)
    for figure, label in ((frechet_figure, frechet), (kernel_figure, kernel)):
        assert figure(given).figure.axes[0].get_ylabel().startswith(label)


def test_the_record_holds_the_configuration() -> None:
    made = variance_figure(results()).provenance
    assert made.parameters["configuration"] == {"size": 8, "crops": 6}
    assert made.parameters["images"] == 42
