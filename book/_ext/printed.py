"""The printed book: formulas with the macros of the pages, figures as vectors, tables that fit.

The macros stand once, in the settings of MathJax. LaTeX gets the same ones. SVG figures become PDF
by ``rsvg-convert`` (librsvg).
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.transforms.post_transforms.images import ImageConverter

Macro = str | tuple[str, int] | list[object]

LINE = 90  # letters on the line of a table
COLUMN = 45  # no column asks for more of them

# Citations stand in captions. Code and tables are set smaller, so that they keep their lines.
PREAMBLE = r"""
\emergencystretch=3em
\usepackage{etoolbox}
\AtBeginDocument{\robustify{\hyperlink}}
\AtBeginEnvironment{sphinxVerbatim}{\footnotesize}
\AtBeginEnvironment{tabulary}{\small}
\AtBeginEnvironment{tabular}{\small}
\AtBeginEnvironment{longtable}{\small}
"""

LAYOUT = {
    "papersize": "a4paper",
    "extraclassoptions": "openany,oneside",
    "pxunit": "0.55bp",  # a plot fills five sixths of the line
}


def macro(name: str, meaning: Macro) -> str:
    r"""Return the definition of one macro; whatever LaTeX calls so before is replaced."""
    body, count = (meaning, 0) if isinstance(meaning, str) else meaning
    arguments = f"[{count}]" if count else ""
    return rf"\providecommand{{\{name}}}{{}}\renewcommand{{\{name}}}{arguments}{{{body}}}"


class VectorGraphics(ImageConverter):
    """Convert SVG to PDF, which LaTeX can read."""

    conversion_rules = [("image/svg+xml", "application/pdf")]  # noqa: RUF012 - as in its base
    default_priority = 200

    def is_available(self) -> bool:
        """Return True: ``tools/build_pdf.py`` asks for the program before the book is read."""
        return True

    def convert(self, _from: str, _to: str) -> bool:
        """Write the PDF; a failure names the figure."""
        command = ["rsvg-convert", "--format=pdf", f"--output={_to}", _from]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ExtensionError(f"{Path(_from).name} was not converted: {done.stderr.strip()}")
        return True


def widths(table: nodes.table) -> list[int]:
    """Letters of the longest text in each column."""
    rows = [[len(entry.astext()) for entry in row] for row in table.findall(nodes.row)]
    return [max(column) for column in zip(*rows, strict=False)]


class NarrowTables(SphinxPostTransform):
    """Give the columns of a table that is wider than the line widths: their text then breaks."""

    default_priority = 210
    builders = ("latex",)

    def run(self, **_: Any) -> None:
        """Change the tables in place."""
        for table in self.document.findall(nodes.table):
            wanted = widths(table)
            if sum(wanted) <= LINE or "colwidths-given" in table["classes"]:
                continue
            table["classes"].append("colwidths-given")
            for column, width in zip(table.findall(nodes.colspec), wanted, strict=True):
                column["colwidth"] = min(max(width, 5), COLUMN)


def _share_macros(_app: Sphinx, config: Config) -> None:
    macros = config.mathjax3_config["tex"]["macros"]
    lines = [macro(name, meaning) for name, meaning in macros.items()]
    config.latex_elements |= {**LAYOUT, "preamble": "\n".join([PREAMBLE, *lines])}


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.connect("config-inited", _share_macros)
    app.add_post_transform(VectorGraphics)
    app.add_post_transform(NarrowTables)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
