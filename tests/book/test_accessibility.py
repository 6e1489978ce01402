"""Every page read by axe-core, light and dark: no serious and no critical fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

import browser

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build/html"
AXE = ROOT / "book/_vendor/node_modules/axe-core/axe.min.js"
PAGES = [*browser.chapters(HTML), "search.html", "genindex.html"] if HTML.is_dir() else []
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is fetched by 'make book'"),
]
# The whole page is read at once: a frame of its own would need axe-core, too, and there is none.
RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(fault => ['serious', 'critical'].includes(fault.impact))
  .map(fault => [fault.id, fault.nodes.map(node => node.html.slice(0, 200))])"""


@pytest.fixture(scope="module", params=["wide-light", "phone-dark"])
def context(request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    with browser.window(browser.VIEWS[request.param]) as opened:
        yield opened


def faults(page: Page) -> dict[str, list[str]]:
    """Serious and critical faults of the page as it is now: rule, and the elements it blames."""
    page.evaluate(browser.SETTLED)
    page.add_script_tag(path=AXE)
    found: list[Any] = page.evaluate(RUN)
    return dict(found)


@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_serious_fault(context: BrowserContext, base: str, name: str) -> None:
    page = context.new_page()
    page.goto(f"{base}/{name}", wait_until="load")
    found = faults(page)
    page.close()
    assert found == {}


GOOD = """<!doctype html><html lang="en"><head><title>T</title></head><body><main><h1>T</h1>
<p style="color: #000; background: #fff">Text.</p><button>Press</button></main></body></html>"""


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        ("color: #000", "color: #bbb", "color-contrast"),
        (">Press<", "><", "button-name"),
        (' lang="en"', "", "html-has-lang"),
    ],
)
def test_a_serious_fault_is_seen(context: BrowserContext, good: str, bad: str, rule: str) -> None:
    page = context.new_page()
    page.set_content(GOOD)
    assert faults(page) == {}
    page.set_content(GOOD.replace(good, bad))
    found = faults(page)
    page.close()
    assert list(found) == [rule]
