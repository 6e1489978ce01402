"""scalelib compare and scalelib plot."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scalelib import cli
from scalelib.cli._compare import DEFAULTS, IMAGES, SCALE_SPACES
from scalelib.experiments import Configuration, read_results

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
    assert "Going on with what has been measured in" in printed
    assert "results.nc" in printed
    assert set(before) == set(done.glob("parts/*"))


def test_another_configuration_is_refused(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*PIXELS, "--scales", "4", "--out", str(done)) == 2
    printed = capsys.readouterr().err
    assert "--out must hold results of the same configuration" in printed
    assert "scales: 2 there, 4 now" in printed


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
        (["--data", "no such folder"], "--data 'no such folder' must be"),
        (["--models", "vp"], "--models must be different ones of vp"),
        (["--seeds", "a,b"], "--seeds must be integers, found 'a,b'"),
        (["--seeds", "0,-1"], "--seeds must be at least 0, found -1"),
        (["--scales", "1"], "--scales must be at least 2, found 1"),
        (["--size", "4"], "--size must be at least 8, found 4"),
        (["--crops", "0"], "--crops must be at least 1, found 0"),
        (["--offset", "1"], "--offset must be positive and at least 255"),
        (["--contrast", "nan"], "--contrast must be finite"),
        (["--sigma-max", "-1"], "--sigma-max must be finite and in (0, inf)"),
        (["--heat-sigma", "0"], "--heat-sigma must be finite and in (0, inf)"),
        (["--last-beta", "1"], "--last-beta must be finite and in (0.0001, 1)"),
        (["--stage", "5"], "--stage must come with --features lite0, found --features pixels"),
        (["--features", "lite0", "--stage", "0"], "--stage must be between 1 and 8, found 0"),
        (["--features", "lite0", "--stage", "9"], "--stage must be between 1 and 8, found 9"),
        (["--features", "lite0", "--size", "16"], "images of --size must have at least 32 x 32"),
        (["--features", "inception"], "--features inception needs --inception FILE"),
        (
            ["--features", "inception", "--inception", "none"],
            "--inception must be a file, found no",
        ),
        (["--features", "inception", "--inception", __file__], "--inception must have the SHA-256"),
        (["--inception", "none"], "--inception must come with --features inception"),
        (["--device", "tpu"], "--device must be cpu or cuda, found 'tpu'"),
        (["--workers", "0"], "--workers must be at least 1, found 0"),
    ],
)
def test_bad_options_end_with_status_2_before_the_work(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*PIXELS, "--out", str(tmp_path / "r"), *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--channels", "2"], "argument --channels: invalid choice: 2"),
        (["--blurring-schedule", "none"], "argument --blurring-schedule: invalid choice: 'none'"),
        (["--scales", "few"], "argument --scales: invalid int value: 'few'"),
        (["--workers", "1", "--scheduler", "tcp://x:1"], "not allowed with argument --workers"),
    ],
)
def test_what_the_parser_refuses(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        compare(*PIXELS, "--out", str(tmp_path / "r"), *options)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_cuda_without_a_device_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert compare(*PIXELS, "--device", "cuda", "--out", str(tmp_path / "r")) == 2
    assert "--device cuda needs a CUDA device, found none" in capsys.readouterr().err


def test_defaults_are_those_of_a_configuration() -> None:
    configuration = Configuration(data="", features="")
    assert {name: getattr(configuration, name) for name in DEFAULTS} == DEFAULTS
    assert {*IMAGES, *SCALE_SPACES} == set(DEFAULTS)


def picture(mode: str, width: int = 40, height: int = 40) -> Image.Image:
    """Noise in a mode of Pillow; alpha channels are opaque."""
    draw = np.random.default_rng(0)
    if mode == "I;16":
        return Image.fromarray(draw.integers(2**16, size=(height, width), dtype=np.uint16))
    grey = draw.integers(256, size=(height, width, 3), dtype=np.uint8)
    return Image.fromarray(grey).convert(mode)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of images that all are usable, and of different sizes and modes."""
    folder = tmp_path / "data"
    (folder / "below").mkdir(parents=True)
    for k, mode in enumerate(("RGB", "L", "P", "RGBA", "LA", "1")):
        picture(mode, 32 + 9 * k, 60 - 5 * k).save(folder / f"{mode}.png")
    picture("RGB", 300, 33).save(folder / "below" / "wide.jpg")
    return folder


def spoil(folder: Path) -> None:
    """Add what cannot be used."""
    picture("CMYK").save(folder / "cmyk.tif")
    picture("I;16").save(folder / "sixteen.png")
    picture("RGB", 31, 80).save(folder / "small.png")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "cut.png").write_bytes((folder / "RGB.png").read_bytes()[:500])
    transparent = picture("RGBA")
    transparent.putalpha(99)
    transparent.save(folder / "transparent.png")


REASONS = {
    "broken.png": "cannot identify image file",
    "cmyk.tif": "expected 8-bit grey or RGB, found mode CMYK",
    "cut.png": "",
    "sixteen.png": "expected 8 bits per channel, found 16",
    "small.png": "--size must be at most 31",
    "transparent.png": "expected an opaque image, found transparent pixels",
}


def test_sizes_and_modes_may_differ(mixed: Path, tmp_path: Path) -> None:
    assert compare(*PIXELS, "--data", str(mixed), "--out", str(tmp_path / "r")) == 0
    assert read_results(tmp_path / "r" / "results.nc").images == 21


def test_bad_images_are_named_and_counted(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(mixed)
    assert compare(*PIXELS, "--data", str(mixed), "--out", str(tmp_path / "r")) == 2
    printed = capsys.readouterr().err
    assert "--data must hold usable images only, found 6 of 13 files that are not" in printed
    assert "--skip-bad leaves them out" in printed
    for name, reason in REASONS.items():
        assert f"{name!r} ({reason}" in printed
    assert not (tmp_path / "r").exists()


def test_bad_images_are_left_out_if_asked(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(mixed)
    options = ["--data", str(mixed), "--skip-bad", "--out", str(tmp_path / "r")]
    assert compare(*PIXELS, *options) == 0
    printed = capsys.readouterr().out
    assert "Images left out: 6" in printed
    assert all(f"  {name} (" in printed for name in REASONS)
    assert read_results(tmp_path / "r" / "results.nc").images == 21


def test_nothing_usable_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    options = ["--data", str(tmp_path / "data"), "--skip-bad", "--out", str(tmp_path / "r")]
    assert compare(*PIXELS, *options) == 2
    assert "--data must be a folder with images, found no file" in capsys.readouterr().err
    (tmp_path / "data" / "broken.png").write_bytes(b"no image")
    assert compare(*PIXELS, *options) == 2
    assert "none of them usable" in capsys.readouterr().err


def test_what_does_not_fit_in_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scalelib.cli._memory.available", lambda _: 10**6)
    assert compare(*PIXELS, "--out", str(tmp_path / "r")) == 2
    printed = capsys.readouterr().err
    assert "the statistics must fit in memory" in printed
    assert "take a smaller --size or --channels 1" in printed
    assert not (tmp_path / "r").exists()


def test_a_damaged_part_is_refused(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(done, tmp_path / "r")
    part = next((folder / "parts").iterdir())
    part.write_bytes(part.read_bytes()[:-100])
    assert compare(*PIXELS, "--out", str(folder)) == 2
    assert f"--out must be readable, found {part}" in capsys.readouterr().err


def test_a_foreign_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").touch()
    assert compare(*PIXELS, "--out", str(tmp_path)) == 2
    assert "--out must be empty or a folder with results" in capsys.readouterr().err


def copied(folder: Path, to: Path) -> Path:
    """Copy results."""
    (to / "parts").mkdir(parents=True)
    for path in folder.rglob("*"):
        if path.is_file():
            (to / path.relative_to(folder)).write_bytes(path.read_bytes())
    return to


def after(calls: int, error: BaseException) -> Callable[[int], None]:
    """Return a function of a file that raises from some call on."""
    count = [0]
    flush = os.fsync

    def once(handle: int) -> None:
        count[0] += 1
        if count[0] > calls:
            raise error
        flush(handle)

    return once


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device; what"),
        (KeyboardInterrupt(), 130, "interrupted; what"),
    ],
)
@pytest.mark.parametrize("calls", [0, 5])
def test_a_full_disk_or_an_interruption_leaves_what_there_was(
    error: BaseException,
    status: int,
    message: str,
    calls: int,
    done: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "r"
    with monkeypatch.context() as broken:
        broken.setattr("scalelib._files.os.fsync", after(calls, error))
        assert compare(*PIXELS, "--out", str(folder)) == status
    printed = capsys.readouterr().err
    assert message in printed
    assert "has been measured is kept, and the same command goes on with it" in printed
    assert not [path for path in folder.rglob(".*") if path.is_file()]  # nothing half-written
    assert compare(*PIXELS, "--out", str(folder)) == 0
    whole, found = (read_results(path / "results.nc") for path in (done, folder))
    np.testing.assert_allclose(found.frechet, whole.frechet, rtol=1e-9)


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
    assert "RESULTS must be the folder of a finished comparison" in capsys.readouterr().err
    (tmp_path / "results.nc").write_bytes(b"no table")
    assert cli.main(["plot", str(tmp_path)]) == 2
    assert "RESULTS" in capsys.readouterr().err


def test_the_folder_of_the_figures_is_made(done: Path, tmp_path: Path) -> None:
    assert cli.main(["plot", str(done), "--out", str(tmp_path / "a" / "b")]) == 0
    assert (tmp_path / "a" / "b" / "variance.svg").exists()


def test_too_few_images_are_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*PIXELS, "--crops", "2", "--out", str(tmp_path / "r")) == 2
    assert "--crops must lead to 20 images or more" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
