"""The steps of the workflows that are shell scripts of our own, against a local repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github/workflows"
NEED = [program for program in ("bash", "git") if not shutil.which(program)]
pytestmark = pytest.mark.skipif(bool(NEED), reason=f"needs {', '.join(NEED)}")
Push = Callable[[dict[str, str]], list[str]]


def run(*command: str, cwd: Path) -> str:
    """Output of a command that knows no settings of the reader; its failure ends the test."""
    who = {
        f"GIT_{role}_{what}": "a@b"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GITHUB_SHA": "abc"}
    environment = {**os.environ, **quiet, **who}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with one commit on its branch main."""
    bare, work = tmp_path / "origin.git", tmp_path / "work"
    run("git", "init", "-q", "--bare", "-b", "main", str(bare), cwd=tmp_path)
    run("git", "clone", "-q", str(bare), str(work), cwd=tmp_path)
    (work / "scalelib").mkdir()
    (work / "scalelib/code.py").write_text("1\n", "utf-8")
    run("git", "switch", "-q", "-c", "main", cwd=work)
    run("git", "add", "--all", cwd=work)
    run("git", "commit", "-qm", "code", cwd=work)
    run("git", "push", "-q", "origin", "main", cwd=work)
    return bare


@pytest.fixture
def push(origin: Path, tmp_path: Path) -> Push:
    """Do what the job does with the given notebooks; returns the commits of its branch."""
    job = yaml.safe_load((WORKFLOWS / "ci.yml").read_text("utf-8"))["jobs"]["notebooks"]
    before, after = (step["run"] for step in job["steps"] if "run" in step)

    def done(notebooks: dict[str, str]) -> list[str]:
        work = tmp_path / "job"
        shutil.rmtree(work, ignore_errors=True)
        run("git", "clone", "-q", "--depth", "1", origin.as_uri(), str(work), cwd=tmp_path)
        run("bash", "-e", "-c", before, cwd=work)
        for name, text in notebooks.items():
            (work / name).parent.mkdir(exist_ok=True)
            (work / name).write_text(text, "utf-8")
        run("bash", "-e", "-c", after, cwd=work)
        return run("git", "log", "--format=%s", "notebooks", cwd=origin).split("\n")[:-1]

    return done


def files(origin: Path) -> list[str]:
    return run("git", "ls-tree", "-r", "--name-only", "notebooks", cwd=origin).split()


def test_the_branch_has_the_notebooks_and_nothing_else(push: Push, origin: Path) -> None:
    assert push({"book/a.ipynb": "1", "book/b.ipynb": "2"}) == ["Notebooks of abc"]
    assert files(origin) == ["book/a.ipynb", "book/b.ipynb"]


def test_later_runs_add_a_commit_for_what_changed(push: Push, origin: Path) -> None:
    push({"book/a.ipynb": "1", "book/b.ipynb": "2"})
    assert len(push({"book/a.ipynb": "3"})) == 2
    assert files(origin) == ["book/a.ipynb"]
    assert run("git", "show", "notebooks:book/a.ipynb", cwd=origin) == "3"
    assert len(push({"book/a.ipynb": "3"})) == 2
