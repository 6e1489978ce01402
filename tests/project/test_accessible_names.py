"""What the theme leaves unnamed gets a name."""

from __future__ import annotations

from bs4 import BeautifulSoup

import accessible_names

TREE = """<ul><li class="has-children"><a href="a.html">The package</a>
<details><summary><span class="toctree-toggle" role="presentation"></span></summary>
<ul><li><a href="b.html">Osmosis</a></li></ul></details></li></ul>"""


def test_an_arrow_has_the_name_of_its_section() -> None:
    tree = accessible_names.name_arrows(BeautifulSoup(TREE, "html.parser"))
    assert [arrow["aria-label"] for arrow in tree.select("summary")] == ["Pages of: The package"]
