"""scalelib compare and scalelib plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scalelib import cli
from scalelib.experiments import read_results

SMALL = ["--data", "photographs", "--size", "32", "--crops", "3", "--scales", "2", "--seeds", "0,1"]
PIXELS = [*SMALL, "--features", "pixels", "--channels", "1", "--models", "vp,osmosis"]


def compare(*options: str) -> int:
    return cli.main(["compare", *options])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared") / "results"
    assert compare(*PIXELS, "--out", str(folder)) == 0
    return folder


def test_results_are_labelled(done: Path) -> None:
    results = read_results(done / "results.nc")
    assert results.frechet.shape == (2, 2, 3)
    assert list(results.model.values) == ["variance preserving", "osmosis"]
    assert results.images == 21
    assert results.features == "pixels 1 x 32 x 32"


def test_a_second_call_goes_on(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.glob("parts/*")}
    assert compare(*PIXELS, "--out", str(done)) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "21 images for 1024 features: the Frechet distance is biased upward" in printed
    assert "results.nc" in printed
    assert set(before) == set(done.glob("parts/*"))


def test_another_configuration_is_refused(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*PIXELS, "--scales", "4", "--out", str(done)) == 2
    assert "scales: 2 there, 4 now" in capsys.readouterr().err


def test_the_figures_are_drawn(done: Path, tmp_path: Path) -> None:
    assert cli.main(["plot", str(done), "--out", str(tmp_path)]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["frechet.svg", "kernel.svg", "variance.svg"]
    frechet = (tmp_path / "frechet.svg").read_text()
    assert "pixels 1 x 32 x 32" in frechet
    assert "FID" not in frechet


def test_the_default_features_are_those_of_the_network(tmp_path: Path) -> None:
    options = [*SMALL, "--models", "osmosis", "--seeds", "0"]
    assert compare(*options, "--out", str(tmp_path / "r")) == 0
    results = read_results(tmp_path / "r" / "results.nc")
    assert results.features == "EfficientNet-Lite0, stage 5, unbounded"


def test_workers_give_the_same(done: Path, tmp_path: Path) -> None:
    assert compare(*PIXELS, "--workers", "2", "--out", str(tmp_path / "r")) == 0
    alone, shared = (read_results(path / "results.nc") for path in (done, tmp_path / "r"))
    assert float(abs(alone.frechet - shared.frechet).max()) < 1e-9 * float(alone.frechet.max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no such folder"], "name_or_folder 'no such folder' must be"),
        (["--models", "vp"], "with osmosis among them"),
        (["--seeds", "a,b"], "--seeds must be integers, found 'a,b'"),
        (["--offset", "1"], "offset must be positive and at least 255"),
        (["--features", "inception"], "--features inception needs --inception FILE"),
        (["--device", "tpu"], "--device must be cpu or cuda"),
        (["--workers", "0"], "--workers must be at least 1, found 0"),
        (["--workers", "1", "--scheduler", "tcp://nowhere:1"], "at most one of --workers and"),
    ],
)
def test_bad_options_end_with_status_2(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*PIXELS, "--out", str(tmp_path / "r"), *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_bad_images_are_named_or_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broken.png").write_bytes(b"no image")
    data = ["--data", str(tmp_path / "data")]
    assert compare(*PIXELS, *data, "--out", str(tmp_path / "r")) == 2
    assert "found 1 of 1 files that are not: 'broken.png'" in capsys.readouterr().err
    assert compare(*PIXELS, *data, "--skip-bad", "--out", str(tmp_path / "r")) == 2
    assert "none of them usable" in capsys.readouterr().err


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'xarray'", name="xarray")

    monkeypatch.setattr("scalelib.cli._compare.Collection", absent)
    assert compare(*PIXELS, "--out", str(tmp_path / "r")) == 2
    assert "pip install 'scalelib[experiments,features]'" in capsys.readouterr().err


def test_results_that_are_none_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plot", str(tmp_path)]) == 2
    assert "must be the folder of a finished comparison" in capsys.readouterr().err


def test_too_few_images_are_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*PIXELS, "--crops", "2", "--out", str(tmp_path / "r")) == 2
    assert "must lead to 20 images or more" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
