"""The citations on the landing page: valid BibTeX that says what CITATION.cff says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup
from pybtex.database import Entry, parse_string

import scalelib
from citation import companion, paper

ROOT = Path(__file__).resolve().parents[2]
BIBLIOGRAPHY = (ROOT / "book/references.bib").read_text(encoding="utf-8")
DESCRIBED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PAPERS = ("peter2024generalised", "peter2023generalised")


def parsed(text: str) -> Entry:
    (entry,) = parse_string(text, "bibtex").entries.values()
    return entry


def test_the_companion_is_the_released_one() -> None:
    entry = parsed(companion(DESCRIBED, ""))
    assert entry.fields["title"] == f"{{{DESCRIBED['title']}}}"
    assert entry.fields["note"] == f"Version {scalelib.__version__}"
    assert entry.fields["year"] == str(DESCRIBED["date-released"])[:4]
    (group,) = entry.persons["author"]
    assert str(group) == f"{{{DESCRIBED['authors'][0]['name']}}}"
    assert "url" not in entry.fields


def test_persons_and_address_of_the_companion() -> None:
    people = [
        {"family-names": "Noether", "given-names": "Emmy"},
        {"family-names": "Gauss", "given-names": "Carl Friedrich"},
    ]
    entry = parsed(companion({**DESCRIBED, "authors": people}, "https://example.org/a_b"))
    assert list(map(str, entry.persons["author"])) == ["Noether, Emmy", "Gauss, Carl Friedrich"]
    assert entry.fields["url"] == "https://example.org/a_b"


def differences(entry: Entry, reference: dict[str, Any]) -> list[str]:
    """Fields in which an entry of the bibliography and a reference of CITATION.cff differ."""
    people = [f"{who['family-names']}, {who['given-names']}" for who in reference["authors"]]
    said = {
        "title": reference["title"],
        "year": str(reference["year"]),
        "booktitle": reference.get("collection-title"),
        "journal": reference.get("journal"),
        "volume": str(reference["volume"]) if "volume" in reference else None,
        "pages": f"{reference['start']}--{reference['end']}" if "start" in reference else None,
        "publisher": reference.get("publisher", {}).get("name"),
        "doi": reference.get("doi"),
    }
    differ = [field for field, value in said.items() if entry.fields.get(field) != value]
    return differ + ["author"] * (list(map(str, entry.persons["author"])) != people)


def reference(key: str) -> dict[str, Any]:
    kind = parsed(paper(key, BIBLIOGRAPHY)).type
    kinds = {"article": "article", "inproceedings": "conference-paper"}
    (found,) = (r for r in DESCRIBED["references"] if r["type"] == kinds[kind])
    return dict(found)


@pytest.mark.parametrize("key", PAPERS)
def test_the_papers_are_those_of_the_citation_file(key: str) -> None:
    assert len(DESCRIBED["references"]) == len(PAPERS)
    entry = parsed(paper(key, BIBLIOGRAPHY))
    assert differences(entry, reference(key)) == []
    eprint = entry.fields["eprint"]
    assert reference(key).get("url", eprint).endswith(eprint)


@pytest.mark.parametrize("field", ["title", "year", "doi", "journal", "author"])
def test_a_difference_is_seen(field: str) -> None:
    other = {"author": "authors"}.get(field, field)
    changed = [{"family-names": "Paul", "given-names": "P."}] if field == "author" else "else"
    found = differences(
        parsed(paper(PAPERS[0], BIBLIOGRAPHY)), {**reference(PAPERS[0]), other: changed}
    )
    assert found == [field]


def test_the_landing_page_cites_all() -> None:
    landing = (ROOT / "book/intro.md").read_text(encoding="utf-8")
    assert re.findall(r"^```\{citation\} (\S+)$", landing, re.MULTILINE) == [*PAPERS, "companion"]


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValueError, match="peter1999"):
        paper("peter1999", BIBLIOGRAPHY)


@pytest.mark.parametrize("address", ["", "https://github.com/someone/companion"])
def test_an_entry_is_drawn_as_text_to_copy(small_book: Any, address: str) -> None:
    small_book.configure("citation", repository={"url": address})
    settings = yaml.safe_load((small_book.root / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["config"] |= {"bibtex_bibfiles": ["book/references.bib"]}
    settings["sphinx"]["config"]["extensions"].append("sphinxcontrib.bibtex")
    small_book.write("_config.yml", yaml.safe_dump(settings))
    small_book.write("CITATION.cff", yaml.safe_dump(DESCRIBED))
    small_book.write("book/references.bib", BIBLIOGRAPHY)
    blocks = [f"```{{citation}} {key}\n```\n" for key in (*PAPERS, "companion")]
    small_book.write("book/page.md", "\n".join(["# Title\n", *blocks]))
    small_book.build()
    drawn = BeautifulSoup(small_book.html(), "html.parser").select("div.highlight-bibtex pre")
    texts = [block.get_text().strip() for block in drawn]
    assert texts == [*(paper(key, BIBLIOGRAPHY) for key in PAPERS), companion(DESCRIBED, address)]
