"""Previews of numbered statements, equations and terms, under the mouse and at the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

import browser

HTML = Path(__file__).resolve().parents[2] / "_build/html"
BOX = ".statement-preview.shown"
ELSEWHERE = "article a.internal[href='transition.html#prop-transition']"
HERE = "article a.internal[href='#prop-memory']"
TERM = "article a.internal[href='glossary.html#term-semigroup-property']"
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with browser.window(browser.VIEWS["wide-light"]) as opened:
        yield opened


@pytest.fixture
def page(context: BrowserContext, base: str) -> Iterator[Page]:
    opened = context.new_page()
    opened.goto(f"{base}/book/semigroup.html")
    opened.evaluate(browser.SETTLED)
    yield opened
    opened.close()


@pytest.mark.parametrize(("link", "kind"), [(ELSEWHERE, "Proposition"), (HERE, "Proposition")])
def test_the_mouse_opens_the_statement(page: Page, link: str, kind: str) -> None:
    page.locator(link).first.hover()
    box = page.locator(BOX)
    box.wait_for()
    assert box.locator(".caption-number").inner_text().startswith(kind)
    assert box.locator("mjx-container").count() == box.locator(".math").count() > 0
    assert box.locator("[id]:not(mjx-container *)").count() == 0
    described = page.locator(link).first.get_attribute("aria-describedby")
    assert described == box.get_attribute("id")
    page.mouse.move(0, 0)
    box.wait_for(state="detached")


def test_a_term_shows_its_definition(page: Page) -> None:
    page.locator(TERM).first.hover()
    box = page.locator(BOX)
    box.wait_for()
    assert box.locator("dt").inner_text().strip() == "semigroup property"
    assert "Scales can be reached from any finer scale" in box.locator("dd").inner_text()
    assert box.locator("mjx-container").count() == box.locator(".math").count() > 0
    assert box.locator("[id]:not(mjx-container *)").count() == 0


def test_the_pointer_may_enter_the_preview(page: Page) -> None:
    page.locator(ELSEWHERE).first.hover()
    page.locator(BOX).wait_for()
    page.locator(BOX).hover()
    page.wait_for_timeout(600)
    assert page.locator(BOX).count() == 1


def test_the_keyboard_opens_and_escape_closes(page: Page) -> None:
    page.keyboard.press("Tab")  # from here on the focus is the keyboard's
    page.locator(HERE).first.focus()
    page.locator(BOX).wait_for()
    page.keyboard.press("Escape")
    assert page.locator(BOX).count() == 0


def test_a_link_to_no_statement_opens_nothing(page: Page) -> None:
    page.locator("article a.internal[href*='bibliography.html#']").first.hover()
    page.wait_for_timeout(800)
    assert page.locator(".statement-preview").count() == 0


def test_the_preview_stays_in_the_window(page: Page) -> None:
    page.set_viewport_size({"width": 800, "height": 500})
    page.locator(ELSEWHERE).first.hover()
    page.locator(BOX).wait_for()
    edges = page.locator(BOX).bounding_box()
    assert edges is not None
    assert edges["x"] >= 0
    assert edges["x"] + edges["width"] <= 800
