"""Write environment.yml from pyproject.toml and the pins; with --check only compare.

Lower bounds are those of pyproject.toml. Upper bounds admit the pinned minor version and nothing
newer, so that conda may choose a build that it has.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "environment.yml"

# The book's own seven; conda-forge's name where it differs.
BOOK = ("jupyter-book", "myst-nb", "torch", "scipy", "matplotlib", "ipywidgets", "sympy")
CONDA_NAME = {"torch": "pytorch-cpu"}
# Also from conda-forge, so that pip finds them installed.
BELOW = ("numpy", "pillow", "scikit-image", "scikit-learn", "jupytext")


def pins() -> dict[str, str]:
    """Pinned version of every package, torch included."""
    text = (ROOT / "constraints.txt").read_text() + (ROOT / "requirements-torch.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def ranges() -> dict[str, str]:
    """Version range that pyproject.toml admits, for every direct requirement."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(spec for name in ("book", "experiments", "features") for spec in extras[name]),
    ]
    return dict(re.findall(r"^([\w.-]+)(.*)$", "\n".join(wanted), re.MULTILINE))


def spec(name: str) -> str:
    """Range for conda: from pyproject's lower bound up to the pinned minor version."""
    lower = ranges()[name].split(",")[0]
    major, minor = pins()[name].split(".")[:2]
    upper = "<2" if name == "jupyter-book" else f"<{major}.{int(minor) + 1}"
    return f"{CONDA_NAME.get(name, name)} {lower},{upper}"


def render() -> str:
    """Return the content of environment.yml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    covered = {*BOOK, *BELOW}
    rest = [f"{name}=={pins()[name]}" for name in sorted(ranges()) if name not in covered]
    lines = [
        "# Written by tools/conda.py from pyproject.toml and the pins: do not edit.",
        f"name: {project['name']}",
        "channels: [conda-forge]",
        "dependencies:",
        f"  - python {project['requires-python']}",
        *(f"  - {spec(name)}" for name in (*BOOK, *BELOW)),
        "  - pip",
        "  - pip:",
        *(f"      - {requirement}" for requirement in rest),
        "      - -e .",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        same = FILE.exists() and FILE.read_text(encoding="utf-8") == render()
        sys.exit(0 if same else "environment.yml is out of date: run tools/conda.py")
    FILE.write_text(render(), encoding="utf-8")
