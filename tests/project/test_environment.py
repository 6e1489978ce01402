"""When the environment is installed anew, and when it is left alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

import environment


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in environment.INPUTS:
        shutil.copy(environment.ROOT / name, tmp_path)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.delenv("TORCH_PIP_ARGS", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", environment.INPUTS)
def test_changed_content_installs_again(root: Path, name: str) -> None:
    before = environment.wanted()
    (root / name).touch()
    assert environment.wanted() == before
    (root / name).write_text((root / name).read_text() + "# more\n")
    assert environment.wanted() != before


def test_another_torch_or_python_installs_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = environment.wanted()
    monkeypatch.setenv("TORCH_PIP_ARGS", "--index-url somewhere")
    other_torch = environment.wanted()
    monkeypatch.setattr(sys, "version", "3.99.0")
    assert len({before, other_torch, environment.wanted()}) == 3


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 14)])
def test_other_pythons_are_refused_with_advice(version: tuple[int, int]) -> None:
    with pytest.raises(SystemExit, match=r"Python 3.11 to 3.13 is needed, this is .*PYTHON="):
        environment.check_python(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_supported_pythons_are_accepted(version: tuple[int, int]) -> None:
    environment.check_python(version)


def test_a_failing_installation_leaves_no_stamp(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = root / "stamp"
    monkeypatch.setattr(environment, "STAMP", stamp)
    monkeypatch.setattr(environment, "create", lambda: None)
    installed: list[str] = []
    monkeypatch.setattr(environment, "pip_install", lambda *args: installed.append(args[0]))
    environment.ensure()
    environment.ensure()
    assert installed == ["-r", "-c"]

    def fail(*_: str) -> None:
        raise SystemExit("no network")

    monkeypatch.setattr(environment, "pip_install", fail)
    (root / "constraints.txt").write_text("")
    with pytest.raises(SystemExit):
        environment.ensure()
    assert stamp.read_text() != environment.wanted()
