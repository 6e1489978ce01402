"""pyproject.toml, the pins and environment.yml agree."""

from __future__ import annotations

import re
import shutil
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import conda
import pins

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OFFLINE = re.compile(r"dns error|Could not connect|error sending request|timed out|connect", re.I)


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for text in chain(PROJECT["dependencies"], *extras)]


def installed_by_conda() -> dict[str, SpecifierSet]:
    """Name of the distribution -> range, for every line of environment.yml."""
    named = {conda_name: name for name, conda_name in conda.CONDA_NAME.items()}
    lines = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    pip = next(line["pip"] for line in lines if isinstance(line, dict))
    texts = (line for line in chain(lines, pip) if isinstance(line, str))
    parsed = [Requirement(text) for text in texts if not text.startswith("-e")]
    return {named.get(line.name, line.name): line.specifier for line in parsed}


def test_every_requirement_has_a_pin_that_it_admits() -> None:
    pinned = {canonicalize_name(name): version for name, version in conda.pins().items()}
    for requirement in requirements():
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_torch_is_pinned_in_one_place() -> None:
    assert "torch" not in re.findall(r"^[\w-]+", (ROOT / "constraints.txt").read_text(), re.M)
    assert re.fullmatch(r"torch==[\d.]+\n", (ROOT / "requirements-torch.txt").read_text())


def test_the_pins_are_those_that_a_new_resolution_gives(tmp_path: Path) -> None:
    again = tmp_path / "constraints.txt"
    shutil.copy(ROOT / "constraints.txt", again)
    done = pins.compile_pins(again)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("the package registry does not answer")
    assert done.returncode == 0, done.stderr
    assert again.read_text() == (ROOT / "constraints.txt").read_text()


def test_environment_yml_is_what_the_script_writes() -> None:
    assert conda.FILE.read_text(encoding="utf-8") == conda.render()


def test_environment_yml_names_the_seven_packages() -> None:
    seven = "jupyter-book myst-nb torch scipy matplotlib ipywidgets sympy"
    assert set(seven.split()) <= set(installed_by_conda())
    assert "pytorch-cpu" in conda.FILE.read_text()
    book = Requirement(f"jupyter-book{installed_by_conda()['jupyter-book']}").specifier
    assert "1.0.4" in book
    assert "2.0" not in book


def test_environment_yml_admits_the_pins_and_keeps_the_ranges() -> None:
    lines, pinned = installed_by_conda(), conda.pins()
    needed = [r for r in requirements() if r.name in conda.ranges()]
    for requirement in needed:
        line = lines[requirement.name]
        assert pinned[requirement.name] in line, requirement
        lowest = next(s.version for s in requirement.specifier if s.operator == ">=")
        *head, last = Version(lowest).release
        below = [*head, last - 1]
        assert ".".join(map(str, below)) not in line, requirement


def test_pythons_agree() -> None:
    assert installed_by_conda()["python"] == SpecifierSet(PROJECT["requires-python"])
    listed = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    assert all(python in SpecifierSet(PROJECT["requires-python"]) for python in listed)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["check"]["strategy"]["matrix"]["python"] == listed


@pytest.mark.parametrize("old", ["scipy", "sphinx-proof"])
def test_a_forgotten_environment_yml_is_seen(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = {**conda.pins(), old: "99.0"}
    monkeypatch.setattr(conda, "pins", lambda: newer)
    assert conda.FILE.read_text(encoding="utf-8") != conda.render()
