"""What a page and all that it loads weigh on their way to a reader, compressed."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Request

import browser

HTML = Path(__file__).resolve().parents[2] / "_build/html"
PAGES = browser.chapters(HTML) if HTML.is_dir() else []
LIMIT = 2_500_000
"""Bytes; compressed as a server with gzip sends them, the states of widgets left out."""
WIDGET_STATE = re.compile(
    rb'<script type="application/vnd\.jupyter\.widget-state\+json">.*?</script>', re.DOTALL
)
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with browser.window(browser.VIEWS["wide-light"]) as opened:
        yield opened


def loaded(context: BrowserContext, base: str, name: str) -> set[str]:
    """Paths of the files that the browser asks for until the page has settled."""
    addresses: set[str] = set()

    def note(request: Request) -> None:
        if request.url.startswith(base):
            addresses.add(unquote(urlsplit(request.url).path).lstrip("/"))

    page = context.new_page()
    page.on("request", note)
    page.goto(f"{base}/{name}", wait_until="load")
    page.evaluate(browser.SETTLED)
    page.close()
    return addresses


def weight(html: Path, paths: set[str]) -> int:
    """Bytes of these files, compressed one by one."""
    contents = (WIDGET_STATE.sub(b"", (html / path).read_bytes()) for path in paths)
    return sum(len(gzip.compress(content, 6, mtime=0)) for content in contents)


@pytest.mark.parametrize("name", PAGES)
def test_page_is_light(context: BrowserContext, html: Path, base: str, name: str) -> None:
    assert weight(html, loaded(context, base, name)) <= LIMIT


def test_weight_counts_what_the_page_loads(context: BrowserContext, tmp_path: Path) -> None:
    """The script, the font of its style sheet and the page, but no state of a widget."""
    state = '<script type="application/vnd.jupyter.widget-state+json">{"a": 1}</script>'
    page = (
        '<!doctype html><link rel="icon" href="data:,"><link rel="stylesheet" href="a.css">'
        '<script src="a.js?v=1"></script><p style="font-family: f">Text.</p>'
    )
    (tmp_path / "a.html").write_text(page + state)
    (tmp_path / "a.js").write_text("window.a = 1")
    (tmp_path / "a.css").write_text("@font-face { font-family: f; src: url(f.woff2) }")
    (tmp_path / "f.woff2").write_bytes(bytes(range(256)))
    with browser.served(tmp_path) as address:
        paths = loaded(context, address, "a.html")
    assert paths == {"a.html", "a.js", "a.css", "f.woff2"}
    assert weight(tmp_path, {"a.html"}) == len(gzip.compress(page.encode(), 6, mtime=0))
