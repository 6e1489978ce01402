"""The engine: complete, resumable after any kill, checked before it starts."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from experiments.cases import Means, collection, configuration

from scalelib.experiments import engine
from scalelib.experiments._models import build
from scalelib.experiments.configuration import MODELS
from scalelib.experiments.engine import blocks_of, run
from scalelib.experiments.store import Store

TESTS = Path(__file__).resolve().parents[1]

SLOWLY = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from experiments.cases import Means, collection, configuration
from scalelib.experiments import engine
from scalelib.experiments.store import Store

engine.PAUSE = 0.0
engine.SHARE = 1e9

class Slow(Means):
    def _of_batch(self, images):
        time.sleep(0.02)
        return super()._of_batch(images)

engine.run(configuration(), collection(), Slow(), Store(sys.argv[1], configuration()))
"""


def numbers(folder: Path) -> torch.Tensor:
    store, found = Store(folder), []
    for seed in store.configuration.seeds:
        for model in store.configuration.models:
            part = store.load(model, seed)
            assert part is not None
            assert part.done == set(blocks_of(collection()))
            found += [torch.cat([m.mean(), m.covariance().flatten()]) for m in part.moments]
            found += [torch.cat([v.mean(), v.covariance().flatten()]) for v in part.variances]
            found += [part.features(i).double().flatten() for i in range(len(part.moments))]
    return torch.cat(found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(configuration(), collection(), Means(), Store(folder, configuration()))
    return folder


def test_killed_at_any_moment_it_goes_on(whole: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments of a run that takes about two seconds."""
    folder, kills = tmp_path / "killed", 0
    waits = torch.rand(40, generator=torch.Generator().manual_seed(0))
    for wait in waits.tolist():
        command = [sys.executable, "-c", SLOWLY, str(folder), str(TESTS)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not list(folder.glob("parts/*.npz")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
        if process.returncode == 0:
            break
        kills += 1
    run(configuration(), collection(), Means(), Store(folder, configuration()))
    assert kills >= 2
    torch.testing.assert_close(numbers(folder), numbers(whole), rtol=1e-12, atol=1e-12)


def test_a_finished_run_computes_nothing(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "measure", lambda *_: pytest.fail("measured again"))
    run(configuration(), collection(), Means(), Store(whole))


def test_progress_counts_blocks(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    small = configuration(models=("osmosis",), seeds=(0,))
    store = Store(tmp_path, small)
    run(small, collection(), Means(), store, progress=lambda *news: told.append(news))
    assert told == [("osmosis", 1, 2), ("osmosis", 2, 2)]


def test_variances_are_those_of_the_images(whole: Path) -> None:
    part = Store(whole).load("vp", 0)
    assert part is not None
    images = collection().load(range(42)).double()
    expected = images.var(dim=(-2, -1)).mean(dim=-1)
    assert float(part.variances[0].mean()) == pytest.approx(float(expected.mean()), rel=1e-12)
    assert part.variances[0].trace() == pytest.approx(float(expected.var()), rel=1e-10)


def test_spatial_variance_is_exact() -> None:
    """Also far from zero, where a single pass over the values would lose digits."""
    images = 1000 + torch.randn(5, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    expected = images.double().var(dim=(-2, -1)).mean(dim=-1)
    torch.testing.assert_close(engine.spatial_variance(images), expected, rtol=1e-13, atol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", MODELS)
def test_a_device_measures_what_its_noise_allows(name: str) -> None:
    """Features wait on the CPU. Batches change only rounding there, too."""
    small = configuration(models=("osmosis",) if name == "osmosis" else ("osmosis", name))
    model = build(small)[name]
    features, variances = engine.measure(model, collection(), Means(), 0, 0, "cuda")
    again = engine.measure(model, collection(), Means(), 0, 0, "cuda", batch=5)
    assert features.device.type == variances.device.type == "cpu"
    torch.testing.assert_close(features, again[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(variances, again[1], rtol=1e-5, atol=1e-5)
    # Another generator draws other noise: alike in the mean only. Scale 0 has none.
    on_cpu = engine.measure(model, collection(), Means(), 0, 0)
    torch.testing.assert_close(features[0], on_cpu[0][0], rtol=1e-5, atol=1e-5)
    assert float((variances / on_cpu[1]).mean()) == pytest.approx(1, abs=0.2)


def test_small_batches_change_nothing_but_rounding() -> None:
    model = build(configuration())["vp"]
    whole_block = engine.measure(model, collection(), Means(), 1, 0)
    in_parts = engine.measure(model, collection(), Means(), 1, 0, batch=3)
    for one, other in zip(whole_block, in_parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_foreign_images_or_features_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path, configuration())
    other = configuration(features="lite0")
    with pytest.raises(ValueError, match="extractor must be that of the configuration, lite0"):
        run(other, collection(), Means(), store)
    with pytest.raises(ValueError, match="collection must be that of the configuration"):
        run(configuration(data="0" * 64), collection(), Means(), store)


def test_saving_takes_a_small_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(engine.time, "monotonic", lambda: now[0])
    clock = engine.Clock()
    assert not clock.due()
    now[0] = 21
    assert clock.due()
    clock.spend(lambda: now.__setitem__(0, 31))  # ten seconds
    now[0] = 31 + 199
    assert not clock.due()
    now[0] = 31 + 201
    assert clock.due()
