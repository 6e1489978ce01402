"""BibTeX to copy: a paper as in the bibliography, the companion as in CITATION.cff."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

COMPANION = "companion"


def paper(key: str, bibliography: str) -> str:
    """Return the entry of a key, as it is written in the bibliography."""
    entry = re.search(
        rf"^@\w+\{{{re.escape(key)},\n.*?^\}}$", bibliography, re.MULTILINE | re.DOTALL
    )
    if entry is None:
        raise ValueError(f"citation must be {COMPANION!r} or a key of the bibliography: {key!r}")
    return entry[0]


def companion(described: dict[str, Any], address: str) -> str:
    """Return an entry of the companion, with its address if that is known."""
    fields = {
        "author": " and ".join(map(_name, described["authors"])),
        "title": f"{{{described['title']}}}",
        "year": str(described["date-released"])[:4],
        "note": f"Version {described['version']}",
    }
    if address:
        fields["url"] = address
    lines = (f"  {field:6} = {{{value}}}," for field, value in fields.items())
    return "\n".join([f"@misc{{scalelib{fields['year']}{COMPANION},", *lines, "}"])


def _name(author: dict[str, str]) -> str:
    """Return a person as family name and given names; braces keep the name of a group whole."""
    if "name" in author:
        return f"{{{author['name']}}}"
    return f"{author['family-names']}, {author['given-names']}"


class Citation(SphinxDirective):
    """``{citation} KEY``: the entry of a paper, or of the companion, as text to copy."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the block."""
        key, root = self.arguments[0], Path(self.env.srcdir)
        path = root / ("CITATION.cff" if key == COMPANION else self.config.bibtex_bibfiles[0])
        self.env.note_dependency(str(path))
        text = path.read_text(encoding="utf-8")
        try:
            if key == COMPANION:
                address = self.config.html_theme_options.get("repository_url", "")
                entry = companion(yaml.safe_load(text), address)
            else:
                entry = paper(key, text)
        except ValueError as error:
            raise self.error(str(error)) from error
        return [nodes.literal_block(entry, entry, language="bibtex")]


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.add_directive("citation", Citation)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
