"""Formulas and widgets work in a page that reaches no other host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import browser

MODULES = Path(__file__).resolve().parents[2] / "book/_vendor/node_modules"
PAGE = """---
file_format: mystnb
kernelspec: {display_name: P, name: python3}
---
# Title

A formula: $x^2$.

```{code-cell}
import anywidget
import ipywidgets
from IPython.display import display


class Square(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { el.textContent = 'drawn by anywidget'; } }"


play, slider = ipywidgets.Play(), ipywidgets.IntSlider(value=3)
link = ipywidgets.jslink((play, "value"), (slider, "value"))
display(play, slider, Square())
```
"""


@pytest.mark.browser
@pytest.mark.skipif(not MODULES.is_dir(), reason="browser assets are fetched by 'make book'")
def test_a_page_with_widgets_is_alive(small_book: Any) -> None:
    small_book.configure("local_assets")
    small_book.write("book/page.md", PAGE)
    (small_book.root / "book/_vendor").symlink_to(MODULES.parent, target_is_directory=True)
    small_book.build()
    html = small_book.root / "_build/html"
    with browser.served(html) as base, browser.window(browser.VIEWS["wide-light"]) as context:
        (html / "favicon.ico").touch()
        page = context.new_page()
        page.route(lambda address: not address.startswith(base), lambda route: route.abort())
        page.goto(f"{base}/book/page.html")
        page.wait_for_selector("text=drawn by anywidget", timeout=20000)
        page.wait_for_selector(".widget-slider", timeout=20000)
        assert page.query_selector(".widget-play button i.fa-play")
        assert browser.visit(context, base, "book/page.html") == {}
