"""Every page in headless Chromium: nothing leaves, nothing fails, all formulas are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

import browser

HTML = Path(__file__).resolve().parents[2] / "_build/html"
PAGES = browser.chapters(HTML) if HTML.is_dir() else []
WITH_WIDGETS = browser.widget_pages(HTML) if HTML.is_dir() else []
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["wide-light", "phone-dark"])
def view(request: pytest.FixtureRequest) -> browser.View:
    return browser.VIEWS[request.param]


@pytest.fixture(scope="module")
def context(view: browser.View) -> Iterator[BrowserContext]:
    with browser.window(view) as opened:
        yield opened


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(context: BrowserContext, base: str, name: str) -> None:
    assert browser.visit(context, base, name) == {}


@pytest.mark.parametrize("name", WITH_WIDGETS)
def test_widgets_answer_the_keyboard(context: BrowserContext, base: str, name: str) -> None:
    assert browser.operate(context, base, name) == {}


def test_there_are_pages(html: Path) -> None:
    assert "book/intro.html" in browser.chapters(html)
    assert "book/entropy.html" in browser.widget_pages(html)


def test_the_widget_manager_is_loaded_where_there_are_widgets(html: Path) -> None:
    loaded = [n for n in PAGES if "vendor/embed-amd.js" in (html / n).read_text("utf-8")]
    assert loaded == WITH_WIDGETS


BROKEN = """<!doctype html><html lang="en"><body><article>
<script src="https://example.org/a.js"></script>
<script>console.error("a complaint"); throw new Error("a failure");</script>
<img src="missing.png">
<span class="math">x</span>
<div style="width: 5000px">wide</div>
</article></body></html>"""
SOUND = """<!doctype html><html lang="en"><body><article><p>Text.</p></article></body></html>"""


def test_problems_are_seen(context: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text(BROKEN)
    (tmp_path / "sound.html").write_text(SOUND)
    (tmp_path / "favicon.ico").write_bytes(b"")
    with browser.served(tmp_path) as base:
        assert browser.visit(context, base, "sound.html") == {}
        found = browser.visit(context, base, "broken.html")
    assert found["requests that leave"] == ["https://example.org/a.js"]
    assert any("a complaint" in text for text in found["console"])
    assert any("a failure" in text for text in found["console"])
    assert any("missing.png" in address for address in found["HTTP errors"])
    assert found["images without alternative text"]
    assert found["images that do not load"]
    assert found["formulas that were not rendered"] == ["x"]
    assert found["pixels beyond the right edge"]


def test_the_page_follows_the_colour_scheme(
    context: BrowserContext, view: browser.View, base: str
) -> None:
    page = context.new_page()
    page.goto(f"{base}/book/intro.html")
    assert page.evaluate("document.documentElement.dataset.theme") == view.scheme
    page.close()


LOOKS = """() => Object.fromEntries(["plot", "photo"].map(look => {
  const style = getComputedStyle(document.querySelector(`article img.${look}`));
  return [look, [style.filter.includes("invert"), style.backgroundColor]];
}))"""


def test_figures_follow_the_colour_scheme(
    context: BrowserContext, view: browser.View, base: str
) -> None:
    page = context.new_page()
    page.goto(f"{base}/book/visual-comparison.html")
    looks = page.evaluate(LOOKS)
    page.close()
    dark = view.scheme == "dark"
    assert looks["plot"][0] == dark
    assert not looks["photo"][0]
    assert not dark or looks["photo"][1] == "rgb(255, 255, 255)"
