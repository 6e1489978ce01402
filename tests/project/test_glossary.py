"""The glossary: sorted, each term used in a chapter, defined shortly and with its chapter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
GLOSSARY = (BOOK / "glossary.md").read_text(encoding="utf-8")
WORDS = 65  # of a definition, symbols included


def entries(page: str) -> dict[str, str]:
    """Return every term with its definition."""
    (body,) = re.findall(r"^```\{glossary\}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    blocks = re.split(r"\n\n(?=\S)", body.strip())
    return {term: text for term, _, text in (block.partition("\n") for block in blocks)}


def faults(page: str) -> list[str]:
    """What is wrong with the terms and definitions of a glossary."""
    found = entries(page)
    terms = list(found)
    wrong = [] if terms == sorted(terms, key=str.casefold) else ["not sorted"]
    if len(re.findall(r"^\S.*\n  \S", page, re.MULTILINE)) != len(terms):
        wrong.append("a term twice, or without definition")
    for term, text in found.items():
        leads = re.findall(r"See \{doc\}`([\w-]+)`\.$", text)
        if len(leads) != 1 or not (BOOK / f"{leads[0]}.md").is_file():
            wrong.append(f"{term}: no chapter at the end")
        if len(text.split()) > WORDS:
            wrong.append(f"{term}: {len(text.split())} words")
    return wrong


def linked(page: str) -> set[str]:
    """Terms that a page links to, in lower case."""
    roles = re.findall(r"\{term\}`([^`]+)`", page)
    return {re.sub(r".*<(.*)>", r"\1", role).lower() for role in roles}


def test_the_glossary_is_sorted_and_leads_to_chapters() -> None:
    assert len(entries(GLOSSARY)) >= 50
    assert faults(GLOSSARY) == []


def test_every_term_is_used_in_its_chapter() -> None:
    unused = []
    for term, text in entries(GLOSSARY).items():
        (chapter,) = re.findall(r"See \{doc\}`([\w-]+)`\.$", text)
        if term.lower() not in linked((BOOK / f"{chapter}.md").read_text(encoding="utf-8")):
            unused.append(f"{term} in {chapter}")
    assert not unused


def test_every_link_has_a_term() -> None:
    known = {term.lower() for term in entries(GLOSSARY)}
    pages = {page.stem: page.read_text(encoding="utf-8") for page in BOOK.glob("*.md")}
    assert not {name: linked(text) - known for name, text in pages.items() if linked(text) - known}


GOOD = """# Glossary

```{glossary}
drift
  A field. See {doc}`osmosis`.

offset
  A number. See {doc}`osmosis`.
```
"""


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("drift\n", "zoom\n"),
        ("drift\n", "offset\n"),
        ("A number. See {doc}`osmosis`.", "A number."),
        ("{doc}`osmosis`.\n```", "{doc}`nowhere`.\n```"),
        ("A field.", "word " * WORDS),
    ],
)
def test_a_fault_is_seen(good: str, bad: str) -> None:
    assert faults(GOOD) == []
    assert faults(GOOD.replace(good, bad))


def test_a_link_with_other_words_is_one_to_its_term() -> None:
    assert linked("{term}`Drifts <drift>` and {term}`Offset`") == {"drift", "offset"}
