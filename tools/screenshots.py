"""Screenshots of every page: python tools/screenshots.py [--out FOLDER] [--views NAME ...].

The views are wide-light, wide-dark, phone-light and phone-dark. Problems of the pages are printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import browser

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"


def main(out: Path, views: list[str]) -> int:
    """Write one picture per page and view; returns 1 if a page has a problem."""
    if browser.chromium() is None:
        sys.exit(f"No browser found: install one of {', '.join(browser.PROGRAMS)}.")
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    with browser.served(HTML) as base:
        for view in views:
            with browser.window(browser.VIEWS[view]) as context:
                for name in browser.chapters(HTML):
                    shot = out / f"{view}-{name.removesuffix('.html').replace('/', '-')}.png"
                    problems = browser.visit(context, base, name, shot)
                    failed += bool(problems)
                    print(f"{shot.name}: {problems or 'fine'}", flush=True)
    print(f"\nThe pictures are in {out}")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=ROOT / "_build/screenshots")
    parser.add_argument("--views", nargs="+", choices=browser.VIEWS, default=list(browser.VIEWS))
    chosen = parser.parse_args()
    sys.exit(main(chosen.out, chosen.views))
