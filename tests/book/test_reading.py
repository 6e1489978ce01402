"""What a reader does with a page besides reading: turn to the next, search, copy a citation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import BrowserContext

import browser

ROOT = Path(__file__).resolve().parents[2]


def reading_order() -> list[str]:
    """Pages in the order of the table of contents."""
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(contents)["root"] == "book/intro"
    return re.findall(r"^(?:root| +- file): (\S+)$", contents, re.MULTILINE)


def neighbours(page: Path, html: Path) -> tuple[str, str]:
    """Previous and next page, by the links below a page; empty where there is none."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    names = []
    for selector in ("a.left-prev", "a.right-next"):
        link = soup.select_one(selector)
        there = (page.parent / str(link["href"])).resolve() if link else None
        names.append(there.relative_to(html).with_suffix("").as_posix() if there else "")
    return names[0], names[1]


def test_pages_follow_each_other(html: Path) -> None:
    order = reading_order()
    for before, name, after in zip(["", *order], order, [*order[1:], ""], strict=False):
        assert neighbours(html / f"{name}.html", html) == (before, after), name


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with browser.window(browser.VIEWS["wide-light"]) as opened:
        yield opened


@pytest.mark.browser
@pytest.mark.parametrize(
    ("words", "page"),
    [("semigroup", "book/semigroup.html"), ("Tweedie", "book/exact-reverse.html")],
)
def test_the_search_finds_a_page(context: BrowserContext, base: str, words: str, page: str) -> None:
    with context.new_page() as opened:
        opened.goto(f"{base}/search.html?q={words}")
        found = opened.locator(f"#search-results li a[href*='{page}']").first
        found.wait_for()
        found.click()
        opened.wait_for_url(f"**/{page}*")


@pytest.mark.browser
def test_a_citation_is_copied_whole(context: BrowserContext, base: str) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    with context.new_page() as opened:
        opened.goto(f"{base}/book/intro.html")
        opened.evaluate(browser.SETTLED)
        blocks = opened.locator("div.highlight-bibtex")
        assert blocks.count() == 3
        for block in blocks.all():
            block.hover()
            block.locator("button.copybtn").click()
            copied = opened.evaluate("navigator.clipboard.readText()")
            assert copied.strip() == block.locator("pre").inner_text().strip()
            assert copied.startswith("@")
