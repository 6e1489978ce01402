"""Results: the distances of the parts, labelled, complete or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from experiments.cases import Means, collection, configuration

from scalelib.experiments.configuration import Configuration
from scalelib.experiments.engine import run
from scalelib.experiments.results import read_results, summarise, write_results
from scalelib.experiments.store import Store
from scalelib.frechet import frechet_distance, frechet_standard_error


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store(tmp_path_factory.mktemp("results"), configuration())
    run(configuration(), collection(), Means(), found)
    return found


@pytest.fixture(scope="module")
def results(store: Store) -> xr.Dataset:
    return summarise(store, 42)


def test_distances_are_those_of_the_parts(store: Store, results: xr.Dataset) -> None:
    one, other = store.load("blurring", 1), store.load("osmosis", 1)
    assert one is not None
    assert other is not None
    found = results.sel(seed=1, model="blurring diffusion", scale=2)
    assert float(found.frechet) == frechet_distance(one.moments[2], other.moments[2]).value
    assert float(found.variance) == float(one.variances[2].mean())
    assert float(found.variance_error) == pytest.approx((one.variances[2].trace() / 42) ** 0.5)
    again = store.load("osmosis", 0)
    assert again is not None
    assert float(results.floor[2]) == frechet_distance(again.moments[2], other.moments[2]).value


def test_scale_0_is_the_same_for_all(results: xr.Dataset) -> None:
    start = results.sel(scale=0)
    np.testing.assert_allclose(start.frechet, 0, atol=1e-10)
    assert np.ptp(start.variance.values) == 0
    assert float(results.time[0]) == 0


def test_the_reference_has_distance_0(results: xr.Dataset) -> None:
    assert not results.frechet.sel(model="osmosis").any()
    assert (results.frechet.sel(model="blurring diffusion", scale=3) > 0).all()


def test_the_error_takes_photographs_for_independent(store: Store, results: xr.Dataset) -> None:
    one, other = store.load("blurring", 1), store.load("osmosis", 1)
    assert one is not None
    assert other is not None
    photographs = torch.tensor([int(k / 6) for k in range(42)])
    expected = frechet_standard_error(one.features(2), other.features(2), photographs)
    found = results.frechet_error.sel(seed=1, model="blurring diffusion", scale=2)
    assert float(found) == expected > 0


def test_a_file_keeps_everything(results: xr.Dataset, tmp_path: Path) -> None:
    write_results(tmp_path / "results.nc", results)
    again = read_results(tmp_path / "results.nc")
    xr.testing.assert_identical(again.astype(float), results.astype(float))
    assert Configuration.from_dict(json.loads(again.configuration)) == configuration()
    assert json.loads(again.provenance)["function"].endswith("summarise")
    assert [path.name for path in tmp_path.iterdir()] == ["results.nc"]


@pytest.mark.parametrize("length", [0, 2, 40, 1000, -10])
def test_a_damaged_file_is_refused(results: xr.Dataset, tmp_path: Path, length: int) -> None:
    path = tmp_path / "results.nc"
    write_results(path, results)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="results must be readable, found"):
        read_results(path)


def test_a_file_of_another_kind_is_refused(results: xr.Dataset, tmp_path: Path) -> None:
    write_results(tmp_path / "other.nc", results.drop_attrs())
    with pytest.raises(ValueError, match="results must be those of a comparison"):
        read_results(tmp_path / "other.nc")


def test_one_seed_has_no_floor(tmp_path: Path) -> None:
    one = configuration(seeds=(0,), models=("osmosis",))
    store = Store(tmp_path, one)
    run(one, collection(), Means(), store)
    assert summarise(store, 42).floor.isnull().all()


def test_what_is_missing_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found 42 of 50 images for model 'osmosis', seed 0"):
        summarise(store, 50)
    with pytest.raises(ValueError, match="found 0 of 42 images"):
        summarise(Store(tmp_path, configuration()), 42)
