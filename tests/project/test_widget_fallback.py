"""A page holds a widget and its static figure, and shows one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import browser

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "book/_vendor/node_modules"
HEAD = """---
file_format: mystnb
kernelspec: {display_name: P, name: python3}
---
# Title
"""
CELL = """
```{code-cell}
---
mystnb:
  figure:
    caption: A caption.
  image:
    alt: Two curves.
    classes: plot
---
from scalelib.widgets import BetaBound

BetaBound()
```
"""
DEAF = """
```{code-cell}
from scalelib.widgets import Widget


class Deaf(Widget):
    _esm = '''export default { render({ el }) {
      el.innerHTML = '<div class="scalelib-widget" aria-label="Deaf">'
        + '<p class="readout">1</p><input type="range"></div>';
    } };'''

    def fallback(self):
        return BetaBound().fallback()


Deaf()
```
"""
SHOWN = """() => [".widget-fallback", ".scalelib-widget"].map(name => {
  const found = document.querySelector(`article ${name}`);
  return Boolean(found && found.getBoundingClientRect().height);
})"""
FALLBACK, WIDGET = [True, False], [False, True]


@pytest.mark.browser
@pytest.mark.skipif(not MODULES.is_dir(), reason="browser assets are fetched by 'make book'")
def test_a_widget_and_its_static_figure(small_book: Any) -> None:
    small_book.configure("local_assets", "widget_fallback", style=ROOT / "book/_static")
    small_book.write("book/page.md", HEAD + CELL)
    small_book.write("book/deaf.md", HEAD + CELL + DEAF)
    small_book.write("_toc.yml", "format: jb-book\nroot: book/page\nchapters: [{file: book/deaf}]")
    (small_book.root / "book/_vendor").symlink_to(MODULES.parent, target_is_directory=True)
    small_book.build()
    html = small_book.root / "_build/html"
    (html / "favicon.ico").touch()
    assert small_book.html().count('class="plot widget-fallback"') == 1
    deaf = (html / "book/deaf.html").read_text("utf-8")
    assert [small_book.html().count('loading="lazy"'), deaf.count('loading="lazy"')] == [0, 1]
    assert browser.widget_pages(html) == ["book/deaf.html", "book/page.html"]
    with browser.served(html) as base, browser.window(browser.VIEWS["wide-dark"]) as context:
        assert browser.operate(context, base, "book/page.html") == {}
        found = browser.operate(context, base, "book/deaf.html")
        assert found == {"widgets that do not answer": ["Deaf"]}
        page = context.new_page()
        page.goto(f"{base}/book/page.html")
        page.wait_for_selector(".scalelib-widget", timeout=browser.PATIENCE)
        assert page.evaluate(SHOWN) == WIDGET
        page.emulate_media(media="print")
        assert page.evaluate(SHOWN) == FALLBACK
        page.emulate_media(media="screen")
        session = context.new_cdp_session(page)
        session.send("Emulation.setScriptExecutionDisabled", {"value": True})
        page.reload()
        session.send("Emulation.setScriptExecutionDisabled", {"value": False})
        assert page.evaluate(SHOWN) == FALLBACK
