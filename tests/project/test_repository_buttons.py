"""While the repository's address is unknown, no button needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup

CONFIG = Path(__file__).resolve().parents[2] / "_config.yml"
ADDRESS = "https://github.com/someone/companion"
PAGE = "---\nfile_format: mystnb\nkernelspec: {display_name: P, name: python3}\n---\n# Title\n"
# What the theme calls its buttons.
BUTTONS = ("btn-source-repository", "btn-source-edit", "btn-source-issues", "Launch on Binder")


def built(book: Any, address: str) -> str:
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["repository"]
    book.configure("repository_buttons", repository={**settings, "url": address})
    book.write("book/page.md", PAGE)
    book.build()
    return str(book.html())


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_buttons_follow_the_setting(small_book: Any, address: str) -> None:
    html = built(small_book, address)
    drawn = {name for name in BUTTONS if name in html}
    assert drawn == (set(BUTTONS) if address else set())
    assert ("someone/companion" in html) == bool(address)


def led_to(html: str) -> set[str]:
    """Addresses with the repository's name, without what is asked there."""
    links = (str(a["href"]) for a in BeautifulSoup(html, "html.parser").find_all("a", href=True))
    return {link.split("?")[0] for link in links if "someone/companion" in link}


def test_buttons_lead_to_the_page_and_generated_pages_have_no_source(small_book: Any) -> None:
    binder = "https://mybinder.org/v2/gh/someone/companion/main"
    page = {ADDRESS, binder, f"{ADDRESS}/edit/main/book/page.md", f"{ADDRESS}/issues/new"}
    html = built(small_book, ADDRESS)
    assert led_to(html) == page
    assert "urlpath=lab/tree/book/page.md" in html
    for name in ("genindex", "search"):
        generated = (small_book.root / f"_build/html/{name}.html").read_text(encoding="utf-8")
        assert led_to(generated) == {ADDRESS, f"{ADDRESS}/issues/new"}


def test_the_book_has_the_setting_and_no_other() -> None:
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert set(config["repository"]) == {"url", "path_to_book", "branch"}
    assert "launch_buttons" not in config
    assert not {key for key in config["html"] if key.startswith("use_") and "button" in key}
