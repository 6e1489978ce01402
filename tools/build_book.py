"""Execute the chapters and build the book: python tools/build_book.py [--strict] [--all].

Run inside the environment. Chapters whose code, package, data and pins are unchanged come from the
cache. With --strict every warning fails, unresolved references included, and all pages are written
anew; executed notebooks are still taken from the cache.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import vendor

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
PAGE_MAKERS = (
    "book/_ext/*.py",
    "book/_static/*",
    "book/_templates/*",
    "book/_vendor/package-lock.json",
    "_toc.yml",
)


def page_key() -> str:
    """Hash of the files that shape every page; Sphinx does not watch them."""
    digest = hashlib.sha256()
    for pattern in PAGE_MAKERS:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def isolated_kernel() -> dict[str, str]:
    """Keep the user's own kernels and IPython start-up files out of the results."""
    profile = BUILD / "ipython/profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    # 40 is ERROR: ipykernel otherwise warns about its transport for every chapter.
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40\n")
    return {"IPYTHONDIR": str(profile.parent), "JUPYTER_PREFER_ENV_PATH": "1"}


def jupyter_book(*options: str) -> int:
    """Run jupyter-book on the book; returns its exit status."""
    program = Path(sysconfig.get_path("scripts"), "jupyter-book")
    settings = {**os.environ, "PYTHONUNBUFFERED": "1", **isolated_kernel()}
    command = [str(program), "build", ".", *options]
    return subprocess.run(command, cwd=ROOT, env=settings, check=False).returncode


def build(strict: bool, everything: bool) -> int:
    """Build the pages; returns the exit status."""
    vendor.ensure()
    stamp = BUILD / "pages.sha256"
    key = page_key()
    if strict:  # pages kept from an earlier build would keep their warnings to themselves
        shutil.rmtree(BUILD / "html", ignore_errors=True)
        shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
    changed = not stamp.exists() or stamp.read_text() != key
    options = ["--all"] if everything or changed else []
    options += ["-W", "-n", "--keep-going"] if strict else []
    print("\n== Executing chapters that changed, and writing the pages", flush=True)
    start = time.monotonic()
    stamp.unlink(missing_ok=True)
    status = jupyter_book(*options)
    if status:
        print(f"\nThe book was not built (jupyter-book ended with {status}).", flush=True)
        return status
    stamp.write_text(key)
    print(f"\nBuilt in {time.monotonic() - start:.0f} s. Open this page in a browser:")
    print(f"  {(BUILD / 'html/index.html').as_uri()}", flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--strict", action="store_true", help="every warning fails")
    parser.add_argument("--all", action="store_true", help="write every page anew")
    chosen = parser.parse_args()
    sys.exit(build(chosen.strict, chosen.all))
