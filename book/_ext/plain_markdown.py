"""Turn the MyST Markdown of a cell into Markdown that every notebook program shows.

Roles become text with a link to the page of the book where its address is known; directives become
headed paragraphs, tables and formulas. What a role means is asked from a ``Reader``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

# The text of a role: its name and its content -> Markdown.
Reader = Callable[[str, str], str]

OPENING = re.compile(r"^(\s*)(:{3,}|`{3,})\{([\w:-]+)\}[ ]*(.*)$")
OPTION = re.compile(r"^\s*:([\w-]+):\s*(.*)$")
ROLE = re.compile(r"\{([a-z][a-z:]*)\}`([^`]+)`")
TARGET = re.compile(r"^\([\w-]+\)=\s*$")
ITEM = re.compile(r"^(\*| ) - ?(.*)$")
HIDDEN = {
    "bibliography",
    "citation",
    "nb-exec-table",
    "verification-details",
    "verification-matrix",
    "label",
}


def expanded(text: str, macros: Mapping[str, str | list[str | int]]) -> str:
    """Write out the macros of the book, since a notebook program does not know them."""
    for name, macro in macros.items():
        if isinstance(macro, str):
            body = f"{{{macro}}}".replace("\\", r"\\")  # a backslash counts in a template
            text = re.sub(rf"\\{name}(?![A-Za-z])", body, text)
    return text


def _directive(lines: list[str], start: int) -> tuple[re.Match[str], list[str], int] | None:
    """Return opening, body and the line after the directive that begins at ``start``."""
    opening = OPENING.match(lines[start])
    if not opening:
        return None
    indent, fence = opening[1], opening[2]
    for end in range(start + 1, len(lines)):
        if lines[end].strip() == fence:
            body = [line.removeprefix(indent) for line in lines[start + 1 : end]]
            return opening, body, end + 1
    raise ValueError(f"the directive {lines[start]!r} is never closed")


def _split(body: list[str]) -> tuple[dict[str, str], list[str]]:
    """Separate the options of a directive from its content."""
    options, start = {}, 0
    while start < len(body) and (found := OPTION.match(body[start])):
        options[found[1]] = found[2]
        start += 1
    return options, body[start:]


def _table(content: list[str]) -> Iterator[str]:
    """Write a list table as a Markdown table."""
    rows: list[list[str]] = []
    for line in content:
        found = ITEM.match(line)
        if found and found[1] == "*":
            rows.append([found[2]])
        elif found:
            rows[-1].append(found[2])
        elif line.strip():
            rows[-1][-1] += " " + line.strip()
    for number, row in enumerate(rows):
        yield "| " + " | ".join(row) + " |"
        if number == 0:
            yield "|" + " --- |" * len(row)


def _formula(options: dict[str, str], content: list[str], read: Reader) -> Iterator[str]:
    yield "$$"
    yield from (line for line in content if line.strip())
    if "label" in options:
        yield rf"\tag{{{read('number', options['label'])}}}"
    yield "$$"


def _box(
    name: str, title: str, options: dict[str, str], content: list[str], read: Reader
) -> Iterator[str]:
    """Write a headed paragraph."""
    head = title
    if name.startswith("prf:"):
        kind = name.removeprefix("prf:").capitalize()
        known = read("prf:ref", options["label"]) if "label" in options else kind
        head = f"{known} ({title})" if title else known
    elif name == "grid-item-card" and "link" in options:
        head = read("doc", f"{title} <{options['link']}>")
    elif not head and name != "grid":
        head = name.capitalize()
    if head:
        yield from (f"**{head}.**" if head[-1] not in ".?!" else f"**{head}**", "")
    yield from _converted(content, read)


def _converted(lines: list[str], read: Reader) -> Iterator[str]:
    position = 0
    while position < len(lines):
        found = _directive(lines, position)
        if not found:
            if not TARGET.match(lines[position]):
                yield lines[position]
            position += 1
            continue
        opening, body, position = found
        name, title = opening[3], opening[4].strip()
        options, content = _split(body)
        if name in HIDDEN:
            made = iter([read("page", name)])
        elif name == "math":
            made = _formula(options, content, read)
        elif name == "list-table":
            made = _table(content)
        else:
            made = _box(name, title, options, content, read)
        yield from (opening[1] + line if line else line for line in made)


def plain(text: str, read: Reader) -> str:
    """Return the Markdown of a cell without roles and directives."""
    converted = "\n".join(_converted(text.split("\n"), read))
    return ROLE.sub(lambda role: read(role[1], role[2]), converted)
