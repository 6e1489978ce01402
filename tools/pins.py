"""Recompile constraints.txt from pyproject.toml: python tools/pins.py [--upgrade].

Existing pins are kept unless pyproject.toml excludes them or --upgrade is given. torch is pinned by
hand in requirements-torch.txt, since its build (CPU, CUDA) is the reader's choice.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = ["pip", "compile", "pyproject.toml", "--all-extras", "--universal"]
OPTIONS = ["--python-version", "3.11", "--no-annotate", "--quiet"]


def compile_pins(output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Resolve all requirements into ``output``, preferring the pins that it already holds."""
    command = [sys.executable, "-m", "uv", *COMPILE, *OPTIONS, *options, "-o", str(output)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    done = compile_pins(ROOT / "constraints.txt", *sys.argv[1:])
    sys.exit(done.stderr if done.returncode else 0)
