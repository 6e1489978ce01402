"""Create .venv and install the pinned requirements: python tools/environment.py.

Standard library only, since nothing else is there yet. Running it again does nothing until the
pins, the package's metadata, the Python version or the torch option change.

TORCH_PIP_ARGS holds pip options for torch alone, such as the index of another build.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.sha256"
OLDEST, NEWEST = (3, 11), (3, 13)
INPUTS = ("constraints.txt", "pyproject.toml", "requirements-torch.txt")
PACKAGE = ".[book,experiments,features,lint,test]"


def say(text: str) -> None:
    """Print a heading at once, also when the output is a file."""
    print(f"\n== {text}", flush=True)


def check_python(version: tuple[int, int]) -> None:
    """Stop with an explanation if this Python is not supported."""
    if not OLDEST <= version <= NEWEST:
        found, oldest, newest = (".".join(map(str, v)) for v in (version, OLDEST, NEWEST))
        sys.exit(
            f"Python {oldest} to {newest} is needed, this is {found}. "
            f"Name another one: 'make book PYTHON=python{newest}', "
            f"or run 'python{newest} tools/project.py book'."
        )


def venv_python() -> Path:
    """Path of the environment's interpreter."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def wanted() -> str:
    """Hash of all that decides what gets installed."""
    digest = hashlib.sha256()
    for text in (sys.version, PACKAGE, os.environ.get("TORCH_PIP_ARGS", "")):
        digest.update(text.encode() + b"\n")
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes() + b"\n")
    return digest.hexdigest()


def venv_version() -> tuple[int, int] | None:
    """Python version of the environment, None if there is no usable one."""
    if not venv_python().exists():
        return None
    code = "import sys; print(*sys.version_info[:2])"
    answer = subprocess.run(
        [venv_python(), "-c", code], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        return None
    major, minor = map(int, answer.stdout.split())
    return major, minor


def create() -> None:
    """Make an empty environment with this Python, unless there is one already."""
    if venv_version() == sys.version_info[:2]:
        return
    say(f"Creating .venv with Python {sys.version.split()[0]}")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False)
    if made.returncode:
        sys.exit("Python could not create .venv. Debian and Ubuntu need the package python3-venv.")


def pip_install(*arguments: str) -> None:
    """Run pip inside the environment; stop if it fails."""
    pip = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check"]
    if subprocess.run([*pip, *arguments], cwd=ROOT, check=False).returncode:
        sys.exit("The installation failed: pip's message stands above.")


def ensure() -> Path:
    """Return the interpreter of an environment that holds the pinned requirements."""
    check_python(sys.version_info[:2])
    create()
    key = wanted()
    if STAMP.exists() and STAMP.read_text() == key:
        return venv_python()
    say("Installing torch (first and on its own, so that its build stays your choice)")
    pip_install("-r", "requirements-torch.txt", *shlex.split(os.environ.get("TORCH_PIP_ARGS", "")))
    say("Installing the other pinned requirements")
    pip_install("-c", "constraints.txt", "-e", PACKAGE)
    fresh = STAMP.with_suffix(".new")
    fresh.write_text(key)
    fresh.replace(STAMP)
    return venv_python()


if __name__ == "__main__":
    print(f"The environment is ready: {ensure()}")
