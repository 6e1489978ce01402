"""Names for what the theme leaves unnamed or names wrongly, so that a screen reader can say them.

The sidebar unfolds a section by an arrow without a name: it gets that of its section. A folded cell
shows a title and is named otherwise: its title becomes its name. Two buttons are mended by
templates in ``book/_templates``.
"""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

MENDED = {
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # What is in a list is an item of it; the role of a bibliography is not one.
    'role="doc-biblioentry"': 'role="listitem"',
}


def name_arrows(tree: BeautifulSoup) -> BeautifulSoup:
    """Name each arrow of a table of contents by the section that it unfolds."""
    for arrow in tree.select("li > details > summary"):
        section = arrow.find_previous("a")
        if section is not None:
            arrow["aria-label"] = f"Pages of: {section.get_text(' ', strip=True)}"
    return tree


def _name(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    for found, better in MENDED.items():
        context["body"] = context.get("body", "").replace(found, better)
    draw = context.get("generate_toctree_html")
    if draw is None:
        return

    def named(*arguments: Any, **options: Any) -> Any:
        tree = draw(*arguments, **options)
        text = isinstance(tree, str)
        soup = name_arrows(BeautifulSoup(tree, "html.parser") if text else tree)
        return str(soup) if text else soup

    context["generate_toctree_html"] = named


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.connect("html-page-context", _name, priority=900)  # after the theme
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
