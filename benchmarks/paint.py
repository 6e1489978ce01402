"""Largest contentful paint of built pages on a processor slowed down four times."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from benchmarks.harness import Result, Settings

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build/html"

FIRST = "book/intro.html"
HEAVY = 3
SLOWDOWN = 4
TARGET = 2.0
"""Seconds."""

PAINTED = """() => new Promise(found => new PerformanceObserver(list => {
  const last = list.getEntries().at(-1);
  found([last.startTime, last.element ? last.element.tagName.toLowerCase() : ""]);
}).observe({ type: "largest-contentful-paint", buffered: true }))"""


def paint(settings: Settings) -> Iterator[Result]:
    """Seconds until the largest piece of what a window shows is drawn, page by page."""
    if settings.device != "cpu":
        return
    browser = _browser()
    pages = [FIRST] if settings.quick else [FIRST, *heaviest(HTML, HEAVY)]
    with browser.served(HTML) as base:
        for view in ("wide-light", "phone-light"):
            for page in pages:
                found = [painted(browser, view, f"{base}/{page}") for _ in range(settings.rounds)]
                yield Result(
                    "paint",
                    f"{page}, {view.removesuffix('-light')}",
                    f"seconds, processor {SLOWDOWN} times slower",
                    [seconds for seconds, _ in found],
                    at_most=TARGET,
                    details={"largest": sorted({element for _, element in found})},
                )


def lacking() -> str | None:
    """Say what the benchmark needs and does not find; None if there is all."""
    if not (HTML / FIRST).is_file():
        return f"no built book: {(HTML / FIRST).relative_to(ROOT)} is missing, run 'make book'"
    return None if _browser().chromium() else "no Chromium was found"


def heaviest(html: Path, count: int) -> list[str]:
    """Return the chapters with the most bytes of page and figures, the first page excepted."""
    pages = [f"book/{path.name}" for path in (html / "book").glob("*.html")]
    weights = {page: _weight(html, page) for page in pages if page != FIRST}
    return sorted(weights, key=lambda page: (-weights[page], page))[:count]


def painted(browser: ModuleType, view: str, address: str) -> tuple[float, str]:
    """Open a page in a new browser; seconds and tag of what is painted."""
    with browser.window(browser.VIEWS[view]) as context:
        page = context.new_page()
        control = context.new_cdp_session(page)
        control.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        page.goto(address, wait_until="load")
        page.evaluate(browser.SETTLED)
        milliseconds, element = page.evaluate(PAINTED)
        return milliseconds / 1000, element


def _weight(html: Path, page: str) -> int:
    content = (html / page).read_text("utf-8")
    figures = (path for path in (html / "_images").iterdir() if path.name in content)
    return len(content) + sum(path.stat().st_size for path in figures)


def _browser() -> ModuleType:
    """Return the module that drives Chromium; the scripts of the project are no package."""
    sys.path.insert(0, str(ROOT / "tools"))
    import browser  # noqa: PLC0415  (the path is set only now)

    return browser
