"""Format, style and types of everything: python tools/lint.py [--fix] (inside the environment)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = {
    "Format": ["-m", "ruff", "format", "--check", "."],
    "Style": ["-m", "ruff", "check", "."],
    "Types": ["-m", "mypy"],
    "Cells of the chapters": ["tools/lint_cells.py"],
    "environment.yml": ["tools/conda.py", "--check"],
    "Inventories": ["tools/inventories.py", "--check"],
}
FIXES = {
    "Style": ["-m", "ruff", "check", "--fix", "."],
    "Format": ["-m", "ruff", "format", "."],
    "Cells of the chapters": ["tools/lint_cells.py", "--fix"],
}


def main(fix: bool) -> int:
    """Run every step, also after a failure; returns 1 if one failed."""
    failed = []
    for name, command in (FIXES if fix else CHECKS).items():
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nNothing to complain about.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main("--fix" in sys.argv))
