"""Print the whole book: python tools/build_pdf.py.

Run inside the environment. Executed chapters come from the cache of the pages. LaTeX and its
helpers are programs of the system; those that are missing are named before anything starts.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import vendor
from build_book import BUILD, jupyter_book

PROGRAMS = {  # what each comes with, in Debian's names
    "make": "make",
    "xelatex": "texlive-xetex, texlive-latex-extra, texlive-fonts-recommended",
    "latexmk": "latexmk",
    "xindy": "xindy",
    "rsvg-convert": "librsvg2-bin",
    "fc-match": "fontconfig",
}
FONT = "FreeSerif"
FONT_PACKAGE = "fonts-freefont-otf"


def missing() -> dict[str, str]:
    """Programs and fonts that are not here, with the packages that bring them."""
    absent = {name: package for name, package in PROGRAMS.items() if not shutil.which(name)}
    if "fc-match" not in absent:
        command = ["fc-match", "--format=%{family}", FONT]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if FONT not in found:
            absent[f"the font {FONT}"] = FONT_PACKAGE
    return absent


def build() -> int:
    """Write ``_build/latex/book.pdf``; returns the exit status."""
    if absent := missing():
        print("The book cannot be printed. Missing, with the Debian packages that bring them:")
        for name, package in absent.items():
            print(f"  {name} ({package})")
        return 1
    vendor.ensure()
    status = jupyter_book("--builder", "latex")
    if status:
        return status
    folder = BUILD / "latex"
    # The Makefile that Sphinx writes there knows the options of latexmk and of the index.
    command = ["make", "all-pdf", "LATEXMKOPTS=-interaction=nonstopmode -silent"]
    status = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
    if status:
        print(f"LaTeX ended with {status}; its log is {folder / 'book.log'}.")
        return status
    print(f"\nPrinted: {folder / 'book.pdf'}")
    return 0


if __name__ == "__main__":
    sys.exit(build())
