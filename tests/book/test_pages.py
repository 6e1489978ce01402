"""What can be read off the built pages without a browser."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from pkgutil import iter_modules
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag
from sphinx.util.inventory import InventoryFile

import scalelib

ROOT = Path(__file__).resolve().parents[2]
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
PASSIVE = {"canonical", "next", "prev", "index", "search", "author", "license"}
GENERATED = ("genindex", "search", "py-modindex", "prf-prf", "proof-proof")


@cache
def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(html: Path) -> list[Path]:
    found = (p for p in html.rglob("*.html") if p.relative_to(html).parts[0][0] != "_")
    return sorted(p for p in found if p.stem not in GENERATED)


def loaded_from_elsewhere(page: BeautifulSoup) -> list[str]:
    """Addresses on other hosts that a browser would load with the page."""
    found = []
    for name, attribute in LOADING.items():
        for tag in page.find_all(name):
            address = str(tag.get(attribute, ""))
            passive = PASSIVE & set(tag.get("rel") or [])
            if not passive and (urlsplit(address).netloc or address.startswith("//")):
                found.append(address)
    return found


def bare_images(page: BeautifulSoup) -> list[str]:
    """Pictures computed by cells that lack a figure, a caption, an alternative text or a look."""
    found = []
    for image in page.select("div.cell_output img"):
        figure = image.find_parent("figure")
        caption = figure.select_one("figcaption .caption-text") if isinstance(figure, Tag) else None
        looks = {"plot", "photo"} & set(image.get("class") or [])
        alternative = str(image.get("alt") or "").strip()
        computed = alternative.startswith(("../_images", "_images"))  # Sphinx's stopgap
        if not (caption and caption.get_text(strip=True) and looks and alternative) or computed:
            found.append(str(image.get("src")))
    return found


def anchors(page: BeautifulSoup) -> set[str]:
    return {str(tag["id"]) for tag in page.find_all(id=True)}


def dead_links(path: Path, html: Path) -> list[str]:
    """Links within the book to a file or an anchor that does not exist."""
    found = []
    for tag in parsed(path).find_all("a", href=True):
        address, anchor = urldefrag(str(tag["href"]))
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or str(tag["href"]) == "#":
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        there = target.is_relative_to(html) and target.exists()
        points = bool(anchor) and target.suffix == ".html"
        if not there or (points and unquote(anchor) not in anchors(parsed(target))):
            found.append(str(tag["href"]))
    return found


def test_no_page_loads_anything_from_another_host(html: Path) -> None:
    found = {p.name: loaded_from_elsewhere(parsed(p)) for p in pages(html)}
    assert not {name: addresses for name, addresses in found.items() if addresses}


def test_computed_pictures_have_caption_and_alternative_text(html: Path) -> None:
    found = {p.name: bare_images(parsed(p)) for p in pages(html)}
    assert not {name: images for name, images in found.items() if images}


def test_links_within_the_book_lead_somewhere(html: Path) -> None:
    found = {p.name: dead_links(p, html) for p in pages(html)}
    assert not {name: links for name, links in found.items() if links}


def test_every_listed_page_was_built(html: Path) -> None:
    sources = (p for p in (ROOT / "book").rglob("*.md") if "_vendor" not in p.parts)
    missing = [p for p in sources if not (html / p.relative_to(ROOT).with_suffix(".html")).exists()]
    assert not missing


def test_the_inventory_holds_the_package(html: Path) -> None:
    with (html / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", lambda base, target: f"{base}{target}")
    names = {name for kind in inventory if kind.startswith("py:") for name in inventory[kind]}
    public = [
        importlib.import_module(f"scalelib.{m.name}")
        for m in iter_modules(scalelib.__path__)
        if not m.name.startswith("_")
    ]
    for module in (scalelib, *(m for m in public if hasattr(m, "__all__"))):
        for name in module.__all__:
            assert {f"scalelib.{name}", f"{module.__name__}.{name}"} & names


def test_execution_times_are_shown(html: Path) -> None:
    table = parsed(html / "book/reproducibility.html").select_one("table")
    assert table is not None
    assert "Run Time (s)" in table.get_text()
    assert "book/intro" in table.get_text()


@pytest.mark.parametrize(
    "source",
    [
        "<script src='https://example.org/a.js'></script>",
        "<link rel='stylesheet' href='//example.org/a.css'>",
        "<img src='http://example.org/a.png'>",
    ],
)
def test_a_foreign_address_is_seen(source: str) -> None:
    assert loaded_from_elsewhere(BeautifulSoup(source, "html.parser"))


GOOD = (
    "<div class='cell_output'><figure><img class='plot' src='a.png' alt='A line.'>"
    "<figcaption><span class='caption-text'>A line.</span></figcaption></figure></div>"
)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (" alt='A line.'", ""),
        ("alt='A line.'", "alt='../_images/a.png'"),
        ("class='plot' ", ""),
        ("<span class='caption-text'>A line.</span>", ""),
        ("figure", "div"),
    ],
)
def test_a_bare_picture_is_seen(good: str, bad: str) -> None:
    assert not bare_images(BeautifulSoup(GOOD, "html.parser"))
    assert bare_images(BeautifulSoup(GOOD.replace(good, bad), "html.parser"))


@pytest.mark.parametrize("link", ["b.html", "a.html#nowhere", "#nowhere", "../outside.html"])
def test_a_dead_link_is_seen(tmp_path: Path, link: str) -> None:
    (tmp_path / "html").mkdir()
    page = tmp_path / "html/a.html"
    page.write_text(f"<p id='here'></p><a href='#here'></a><a href='{link}'></a>")
    assert dead_links(page, tmp_path / "html") == [link]
