import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scalelib import BlurringDiffusion, HomogeneousDiffusion, VariancePreserving
from scalelib.learning import (
    CheckpointError,
    DivergenceError,
    Settings,
    Trained,
    Training,
    read_checkpoint,
    train,
    write_checkpoint,
)
from scalelib.learning import training as module
from scalelib.schedules import arctan_noise, cosine_beta, sin2_blur

IMAGES = torch.rand(22, 1, 8, 8, generator=torch.Generator().manual_seed(5)) * 2 - 1
VP = VariancePreserving(cosine_beta(10))
BLURRING = BlurringDiffusion(sin2_blur(10, sigma_max=5), *arctan_noise(10), shape=(8, 8))
SMALL = Settings(width=8, batch=4, seed=3)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_loss_falls_towards_what_the_data_allow():
    # A black and a white image: the noise can be told almost exactly.
    images = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8).contiguous()
    found = train(images, VariancePreserving([0.5]), replace(SMALL, batch=2), 120)
    assert float(found.losses[0]) > 0.8
    assert float(found.losses[-20:].mean()) < 0.1


@pytest.mark.parametrize("process", [VP, BLURRING], ids=["vp", "blurring"])
def test_the_same_seed_gives_the_same_losses_and_weights(process):
    first, again, other = (
        train(IMAGES, process, replace(SMALL, seed=seed), 12) for seed in (3, 3, 4)
    )
    assert torch.equal(first.losses, again.losses)
    assert not torch.equal(first.losses, other.losses)
    weights = again.network.state_dict()
    for name, weight in first.network.state_dict().items():
        assert torch.equal(weight, weights[name])


@pytest.mark.parametrize("stop", [1, 5, 6, 11])
def test_an_interrupted_training_gives_the_same_file(tmp_path, stop):
    """With 22 images and batches of 4 an epoch has 5 steps."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(IMAGES, VP, SMALL, 12, path=whole)
    train(IMAGES, VP, SMALL, stop, path=parts)
    train(IMAGES, VP, SMALL, 12, path=parts)
    assert whole.read_bytes() == parts.read_bytes()


KILLED = """
import os, random, signal, sys, time
import torch
from tests_of_training import IMAGES, SMALL, VP, train

torch.set_num_threads(1)
path, steps = sys.argv[1], int(sys.argv[2])
chance = random.Random(0)
kills, status = 0, None
while status != 0:
    child = os.fork()
    if child == 0:
        train(IMAGES, VP, SMALL, steps, path=path, save_every=1)
        os._exit(0)
    saved = os.stat(path).st_ino if kills else None
    while (os.stat(path).st_ino if os.path.exists(path) else None) == saved:
        time.sleep(1e-4)  # until it has got further than the one before
    if kills < 8:
        time.sleep(chance.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    kills += os.WIFSIGNALED(status)
print(kills)
"""


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL and no fork on this system")
def test_a_training_killed_at_any_moment_gives_the_same_file(tmp_path):
    steps = 60
    (tmp_path / "tests_of_training.py").symlink_to(Path(__file__))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(steps)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 3
    train(IMAGES, VP, SMALL, steps, path=tmp_path / "whole")
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_average_follows_the_weights_slowly():
    training = Training(IMAGES, VP, replace(SMALL, average=0.5))
    expected = training.network.exit.weight.detach().clone()
    for k in range(4):
        training.advance()
        decay = min(0.5, (1 + k) / (10 + k))
        expected = decay * expected + (1 - decay) * training.network.exit.weight.detach()
    torch.testing.assert_close(training.averaged.exit.weight, expected)
    assert torch.equal(training.result().network.exit.weight, training.averaged.exit.weight)


def test_every_epoch_takes_each_image_once_but_for_the_rest():
    marked = torch.arange(22.0).reshape(22, 1, 1, 1).expand(22, 1, 8, 8) / 22
    training = Training(marked.contiguous(), VP, SMALL)
    seen = []
    for _ in range(10):
        u0, i, noise = training._draw()
        seen.append((u0[:, 0, 0, 0] * 22).round().int().tolist())
        assert i.shape == (4,)
        assert noise.shape == u0.shape
        training._losses.append(0.0)
    for epoch in (seen[:5], seen[5:]):
        assert len({image for batch in epoch for image in batch}) == 20
    assert seen[:5] != seen[5:]


def test_a_result_does_not_change_when_the_training_goes_on():
    training = Training(IMAGES, VP, SMALL)
    training.advance()
    result = training.result()
    before = result.network.exit.weight.clone()
    training.advance()
    assert torch.equal(result.network.exit.weight, before)
    assert len(result.losses) == 1


def test_the_gradient_is_clipped():
    training = Training(IMAGES, VP, replace(SMALL, clip=1e-3))
    training.advance()
    norm = math.sqrt(sum(float(w.grad.square().sum()) for w in training.network.parameters()))
    assert norm == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path, monkeypatch, bad):
    path = tmp_path / "model"
    train(IMAGES, VP, SMALL, 4, path=path)
    before = path.read_bytes()
    loss = module.NoiseLoss.__call__
    calls = []

    def broken(self, *arguments):
        calls.append(1)
        return loss(self, *arguments) * (bad if len(calls) == 3 else 1)

    monkeypatch.setattr(module.NoiseLoss, "__call__", broken)
    with pytest.raises(DivergenceError, match=r"found loss (nan|inf).* at step 7"):
        train(IMAGES, VP, SMALL, 12, path=path, save_every=100)
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert len(train(IMAGES, VP, SMALL, 12, path=path).losses) == 12


def test_a_gradient_that_is_not_finite_changes_no_weight():
    training = Training(IMAGES, VP, SMALL)
    training.network.exit.weight.register_hook(lambda gradient: gradient * float("inf"))
    before = {name: w.clone() for name, w in training.network.state_dict().items()}
    with pytest.raises(DivergenceError, match="norm"):
        training.advance()
    assert training.step == 0
    assert all(torch.equal(w, before[n]) for n, w in training.network.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": replace(SMALL, seed=4)}, "training.seed is 3, not 4"),
        ({"settings": replace(SMALL, width=16)}, "network.width is 8, not 16"),
        ({"settings": replace(SMALL, clip=2.0)}, "training.clip is 1.0, not 2.0"),
        ({"process": BLURRING}, "process.name is VariancePreserving, not BlurringDiffusion"),
        ({"process": VariancePreserving([0.5] * 10)}, r"process.betas is \[.*, not \[0.5, 0.5"),
        ({"images": IMAGES.flip(0)}, "data.sha256 is"),
    ],
)
def test_another_training_is_refused_and_told_what_differs(tmp_path, change, message):
    path = tmp_path / "model"
    given = {"images": IMAGES, "process": VP, "settings": SMALL}
    train(**given, steps=2, path=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"is of another training: {message}"):
        train(**(given | change), steps=4, path=path)
    assert path.read_bytes() == before


def test_a_checkpoint_that_has_gone_further_is_refused(tmp_path):
    train(IMAGES, VP, SMALL, 3, path=tmp_path / "model")
    with pytest.raises(CheckpointError, match="has 3 steps, more than the 2 asked"):
        train(IMAGES, VP, SMALL, 2, path=tmp_path / "model")
    assert len(train(IMAGES, VP, SMALL, 3, path=tmp_path / "model").losses) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("order"), "lacks tensor 'order'"),
        (lambda t: t.pop("losses"), "lacks tensor 'losses'"),
        (lambda t: t.update(extra=torch.zeros(1)), "has a foreign tensor 'extra'"),
        (lambda t: t.update(order=torch.zeros(3)), "must hold 'order' as torch.int64 of shape"),
        (lambda t: t.update(losses=torch.zeros(3)), "must hold 'losses' as torch.float64"),
        (lambda t: t.update(losses=torch.zeros(3, 3).double()), "must hold 'losses' as"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(tmp_path, change, message):
    path = tmp_path / "model"
    train(IMAGES, VP, SMALL, 3, path=path)
    configuration, tensors = read_checkpoint(path)
    change(tensors)
    write_checkpoint(path, configuration, tensors)
    training = Training(IMAGES, VP, SMALL)
    before = training._state()
    with pytest.raises(CheckpointError, match=message):
        training.resume(path)
    assert all(torch.equal(value, before[name]) for name, value in training._state().items())


def test_the_bar_shows_progress_loss_and_time_left(capsys):
    train(IMAGES, VP, SMALL, 3, progress=True)
    shown = capsys.readouterr().out
    assert "3/3" in shown
    assert re.search(r"loss \d\.\d{4}", shown)
    assert "0:00:00" in shown


def test_without_a_bar_nothing_is_shown(capfd):
    train(IMAGES, VP, SMALL, 2)
    assert capfd.readouterr() == ("", "")


def test_the_state_of_global_random_numbers_does_not_matter():
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    train(IMAGES, VP, SMALL, 2)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_settings_of_cudnn_are_given_back(monkeypatch):
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "deterministic", False)
    monkeypatch.setattr(cudnn, "benchmark", True)
    inside = []
    loss = module.NoiseLoss.__call__

    def watched(self, *arguments):
        inside.append((cudnn.deterministic, cudnn.benchmark))
        return loss(self, *arguments)

    monkeypatch.setattr(module.NoiseLoss, "__call__", watched)
    Training(IMAGES, VP, SMALL).advance()
    assert inside == [(True, False)]
    assert (cudnn.deterministic, cudnn.benchmark) == (False, True)


@pytest.mark.cuda
def test_cuda_is_deterministic_and_resumes_exactly(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(IMAGES, VP, SMALL, 12, path=whole, device="cuda")
    train(IMAGES, VP, SMALL, 7, path=parts, device="cuda")
    found = train(IMAGES, VP, SMALL, 12, path=parts, device="cuda")
    assert whole.read_bytes() == parts.read_bytes()
    on_cpu = Trained.load(whole)
    assert torch.equal(on_cpu.losses, found.losses)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": IMAGES.double()}, ValueError, "images must be float32 of shape"),
        ({"images": IMAGES[0]}, ValueError, r"images must be float32 of shape \(N, C, H, W\)"),
        ({"images": IMAGES[:3]}, ValueError, "batch must be at most 3"),
        ({"images": IMAGES * math.nan}, ValueError, "images must be finite"),
        ({"images": IMAGES[:0]}, ValueError, "images must not be empty"),
        ({"images": IMAGES[..., :2]}, ValueError, "at least 3 pixels high and wide"),
        ({"process": "vp"}, TypeError, "process must be a LinearGaussianScaleSpace, found str"),
        ({"process": HomogeneousDiffusion([1.0], (8, 8))}, ValueError, "noise in every mode"),
        (
            {"process": BLURRING, "images": IMAGES[..., :7]},
            ValueError,
            r"images must have shape \(..., C, 8, 8\)",
        ),
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"save_every": 0}, ValueError, "save_every must be at least 1"),
        ({"path": "no/such/folder/model"}, ValueError, "path must be in an existing folder"),
    ],
)
def test_bad_arguments(arguments, error, message):
    given = {"images": IMAGES, "process": VP, "settings": SMALL, "steps": 2}
    with pytest.raises(error, match=message):
        train(**(given | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch": 0}, "batch must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and in"),
        ({"learning_rate": math.nan}, "learning_rate must be finite and in"),
        ({"average": 1.0}, r"average must be in \[0, 1\), found 1.0"),
        ({"average": -0.1}, "average must not be negative"),
        ({"clip": 0.0}, "clip must be finite and in"),
        ({"seed": -1}, "seed must be between 0 and"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        Settings(**arguments)
