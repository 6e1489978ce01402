"""Every target of the Makefile, on every system: python tools/project.py TARGET [OPTIONS].

Targets: env, book, pdf, test, serve, lint, fmt, bench, shots, links, clean.
Each prepares what it needs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import environment

ROOT = environment.ROOT
CLEANED = ("_build", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")

# What each target runs, in this order, inside the environment.
COMMANDS: dict[str, list[list[str]]] = {
    "env": [],
    "book": [["tools/build_book.py"]],
    "pdf": [["tools/build_pdf.py"]],
    "test": [["-m", "pytest"]],
    "serve": [["tools/build_book.py"], ["tools/serve.py"]],
    "lint": [["tools/lint.py"]],
    "fmt": [["tools/lint.py", "--fix"]],
    "bench": [["-m", "benchmarks"]],
    "shots": [["tools/build_book.py"], ["tools/screenshots.py"]],
    "links": [["tools/build_book.py"], ["tools/links.py"]],
}


def clean() -> None:
    """Remove everything that was built; the environment and downloads stay."""
    for name in CLEANED:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for folder in ("scalelib", "tests", "tools", "benchmarks", "book/_ext"):
        for cache in list(Path(ROOT, folder).rglob("__pycache__")):
            shutil.rmtree(cache, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Run one target; its options go to its last command."""
    target, *options = arguments or [""]
    if target == "clean":
        clean()
        return 0
    if target not in COMMANDS:
        print(__doc__)
        return 0 if target in {"-h", "--help"} else 2
    python = environment.ensure()
    commands = [list(command) for command in COMMANDS[target]]
    if commands:
        commands[-1] += options
    for command in commands:
        status = subprocess.run([python, *command], cwd=ROOT, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # the way to end the server
        sys.exit(0 if "serve" in sys.argv[1:2] else 130)
