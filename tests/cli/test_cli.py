import json
import re
import subprocess
import sys

import pytest

from scalelib import cli
from scalelib.learning import DivergenceError, Trained
from scalelib.propositions import Claim, Expectation, Outcome, Task, Trial


def broken(kind, value):
    claim = Claim("osmosis", Expectation.HOLDS, lambda trial: Outcome(value, 0.1))
    return Task("X-1", kind, "name", claim, Trial(0, 1e-5))


def test_verify_prints_a_table_and_writes_the_records(tmp_path, capsys):
    path = tmp_path / "records.json"
    assert cli.main(["verify", "--only", "P-trans", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "P-trans" in printed
    assert "1 not applicable" in " ".join(printed.split())  # a narrow terminal wraps it
    assert str(path) in printed.replace("\n", "")
    kinds = {record["kind"] for record in json.loads(path.read_text())}
    assert kinds == {"check", "control"}


def test_a_selection_by_process(capsys):
    assert cli.main(["verify", "--only", "P-semi", "--process", "variance-exploding"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"([1-9]\d*) of \1 checks as expected", printed)
    assert "exploding" in printed
    assert "preserving" not in printed


@pytest.mark.parametrize(("kind", "value"), [("check", 1.0), ("control", 0.0)])
def test_the_status_is_1_if_a_check_fails_or_a_control_passes(monkeypatch, capsys, kind, value):
    monkeypatch.setattr("scalelib.cli._verify.tasks", lambda *_: [broken(kind, value)])
    assert cli.main(["verify"]) == 1
    assert "X-1, osmosis" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "message"),
    [("--only", "--only must be one of"), ("--process", "--process must be one of")],
)
def test_unknown_names_end_with_status_2(capsys, option, message):
    assert cli.main(["verify", option, "none"]) == 2
    assert message in capsys.readouterr().err


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "scalelib", "verify", "--only", "none"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "--only must be one of" in run.stderr


def test_train_writes_a_checkpoint_and_goes_on_with_it(tmp_path, capsys):
    path = tmp_path / "digits.safetensors"
    command = ["train", "--data", "digits", "--process", "blurring", "--out", str(path)]
    assert cli.main([*command, "--steps", "2", "--seed", "5"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "1797 images, BlurringDiffusion(steps=100, shape=(8, 8))" in printed
    assert "2/2" in printed
    assert "Mean loss of the last 2 steps: " in printed
    assert cli.main([*command, "--steps", "3", "--seed", "5"]) == 0
    printed = capsys.readouterr().out.replace("\n", "")
    assert f"{path} has 2 steps: going on from there" in printed
    assert len(Trained.load(path).losses) == 3


def test_another_training_in_the_file_ends_with_status_2(tmp_path, capsys):
    path = tmp_path / "digits.safetensors"
    assert cli.main(["train", "--out", str(path), "--steps", "1"]) == 0
    before = path.read_bytes()
    assert cli.main(["train", "--out", str(path), "--steps", "2", "--seed", "1"]) == 2
    assert "training.seed is 0, not 1" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "no such folder"], "--data 'no such folder' must be"),
        (["--device", "tpu"], "--device must be cpu or cuda, found 'tpu'"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--seed", "-1"], "--seed must be between 0 and"),
        (["--out", "no/such/folder/model"], "--out must be in an existing folder"),
    ],
)
def test_bad_options_of_train_end_with_status_2(tmp_path, capsys, options, message):
    assert cli.main(["train", "--out", str(tmp_path / "model"), *options]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(DivergenceError("not finite"), 1), (OSError("disk full"), 1), (KeyboardInterrupt(), 130)],
)
def test_a_training_that_stops_says_why(monkeypatch, tmp_path, capsys, error, status):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr("scalelib.cli._train.train", stop)
    assert cli.main(["train", "--out", str(tmp_path / "model")]) == status
    printed = capsys.readouterr().err
    assert (str(error) or "interrupted") in printed
    # It would diverge again.
    assert ("the same command goes on from it" in printed) == (type(error) is not DivergenceError)
