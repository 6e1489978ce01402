"""The landing page and two chapters on a telephone, a tablet and a desk, light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

import browser

PAGES = ("book/intro.html", "book/osmosis.html", "book/visual-comparison.html")
WIDTHS = (360, 768, 1440)
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=[(w, s) for w in WIDTHS for s in ("light", "dark")])
def context(request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    width, scheme = request.param
    with browser.window(browser.View(width, 900, scheme)) as opened:
        yield opened


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(context: BrowserContext, base: str, name: str) -> None:
    assert browser.visit(context, base, name) == {}
