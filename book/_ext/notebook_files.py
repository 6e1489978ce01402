"""Write a notebook file for each executable page, and offer it for download.

It lies beside the page's source in ``_sources``, and holds no outputs. Once the repository's
address is known, a first cell fetches the package on Colab, and a button opens the notebook there,
from the branch to which the workflow pushes these files.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jupytext
import nbformat
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

import plain_markdown

BRANCH = "notebooks"
PACKAGE = ("scalelib", "pyproject.toml", "book/results")
EXPLICIT = re.compile(r"^(.*?)\s*<([^>]+)>$", re.DOTALL)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([\w./-]+?)\.md(#[\w-]+)?\)")
COLAB = """\
# On Colab only: fetch the package and the stored results.
import sys

if "google.colab" in sys.modules:
    !git clone -q {url} companion
    !git -C companion checkout -q {commit}
    %pip install -q "./companion[book,experiments,features]"
    %cd companion/{folder}
    from google.colab import output

    output.enable_custom_widget_manager()
"""


def address(app: Sphinx) -> str:
    """Address under which the book is published, or nothing while it is unknown."""
    if app.config.html_baseurl:
        return str(app.config.html_baseurl).rstrip("/") + "/"
    parts = urlsplit(app.config.html_theme_options.get("repository_url") or "")
    if parts.netloc != "github.com":
        return ""
    owner, name = parts.path.strip("/").removesuffix(".git").split("/")
    return f"https://{owner}.github.io/{name}/"


def commit(root: str) -> str:
    """Return the last commit that changed what Colab fetches: others leave the files alone."""
    log = ["git", "log", "-1", "--format=%H", "--", *PACKAGE]
    done = subprocess.run(log, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "HEAD"


class References:
    """What the roles on one page mean, and where they lead."""

    def __init__(self, app: Sphinx, page: str) -> None:
        self.app, self.env, self.page, self.base = app, app.env, page, address(app)

    def __call__(self, role: str, content: str) -> str:
        """Return the Markdown of a role."""
        explicit = EXPLICIT.match(content)
        text, target = (explicit[1], explicit[2]) if explicit else ("", content)
        try:
            return self._meaning(role, text, target)
        except KeyError:  # in a part of the book; Sphinx has warned, and a strict build has ended
            return text or target

    def _meaning(self, role: str, text: str, target: str) -> str:
        if role.startswith("cite:"):
            return self._citations(role, target)
        if role == "doc":
            return self._document(text, target)
        if role in {"number", "eq"}:
            number = self.env.domaindata["math"]["objects"][target][1]
            return str(number) if role == "number" else f"({number})"
        if role in {"ref", "numref"}:
            return self._label(role, text, target)
        return self._words(role, text, target)

    def _words(self, role: str, text: str, target: str) -> str:
        if role == "page":
            return self.link("On the page of the book.", self.page)
        if role == "prf:ref":
            return text or self._proposition(target)
        if role == "term":
            return text or target
        short = target.rsplit(".", 1)[-1] if target.startswith("~") else target
        return f"`{text or short}`"

    def link(self, text: str, page: str, anchor: str = "") -> str:
        """Return a link to the published book, or the text alone."""
        uri = self.app.builder.get_target_uri(page)
        return f"[{text}]({self.base}{uri}{anchor})" if self.base else text

    def _document(self, text: str, target: str) -> str:
        page = os.path.normpath(os.path.join(os.path.dirname(self.page), target))
        return self.link(text or self.env.titles[page].astext(), page)

    def _proposition(self, label: str) -> str:
        entry = vars(self.env)["proof_list"][label]
        numbers = self.env.toc_fignumbers.get(entry["docname"], {})
        number = ".".join(map(str, numbers.get(entry["countertype"], {}).get(label, ())))
        name = f"{entry['realtype'].capitalize()} {number}".strip()
        return self.link(name, entry["docname"], f"#{label}")

    def _label(self, role: str, text: str, label: str) -> str:
        std = self.env.domaindata["std"]
        page, anchor, *title = std["labels"].get(label) or std["anonlabels"][label]
        if role == "numref":
            figures = self.env.toc_fignumbers.get(page, {}).get("figure", {})
            text = "Fig. " + ".".join(map(str, figures.get(anchor, ())))
        return self.link(text or "".join(title) or label, page, f"#{anchor}")

    def _citations(self, role: str, keys: str) -> str:
        entries = {c.key: c.entry for c in self.env.domaindata["cite"]["citations"]}
        texts = []
        for key in keys.split(","):
            entry = entries[key.strip()]
            names = [" ".join(p.last_names) for p in entry.persons["author"]]
            author = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
            shape = "{} ({})" if role == "cite:t" else "{}, {}"
            texts.append(shape.format(author, entry.fields["year"]))
        return ", ".join(texts) if role == "cite:t" else f"({'; '.join(texts)})"


def _first_cells(app: Sphinx, references: References) -> list[Any]:
    title = app.env.titles[references.page].astext()
    where = references.link(title, references.page)
    note = (
        f"*A page of {app.config.project}: {where}.* Numbers of theorems, formulas and figures are "
        "those of the book. There the links between pages work, and the results are shown."
    )
    cells = [nbformat.v4.new_markdown_cell(note)]
    url = app.config.html_theme_options.get("repository_url") or ""
    if url:
        code = COLAB.format(
            url=url, commit=commit(str(app.srcdir)), folder=Path(references.page).parent.as_posix()
        )
        cells.append(nbformat.v4.new_code_cell(code.rstrip(), metadata={"tags": ["colab"]}))
    return cells


def notebook(app: Sphinx, page: str) -> Any:
    """Return the notebook of a page: its cells, without roles and directives."""
    source = Path(app.env.doc2path(page)).read_text(encoding="utf-8")
    made = jupytext.reads(source, fmt="md:myst")
    references = References(app, page)
    macros = (app.config.mathjax3_config or {}).get("tex", {}).get("macros", {})
    for cell in made.cells:
        if cell.cell_type == "markdown":
            text = plain_markdown.plain(cell.source, references)
            text = LINK.sub(lambda link: references("doc", f"{link[1]} <{link[2]}>"), text)
            cell.source = plain_markdown.expanded(text, macros)
    made.cells = [*_first_cells(app, references), *made.cells]
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
    made.metadata = {"kernelspec": dict(made.metadata["kernelspec"])}
    nbformat.validate(made)
    return made


def executable(app: Sphinx, page: str) -> bool:
    """Whether a page has a kernel."""
    return "kernelspec" in app.env.metadata.get(page, {})


def _offer(app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Tell the theme's download menu; it draws the entry."""
    if executable(app, page):
        context["ipynb_source"] = f"{page}.ipynb"


def _open_on_colab(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: object
) -> None:
    """Add Colab to the theme's launch menu."""
    url = app.config.html_theme_options.get("repository_url") or ""
    if not executable(app, page) or urlsplit(url).netloc != "github.com":
        return
    path = urlsplit(url).path.strip("/").removesuffix(".git")
    target = f"https://colab.research.google.com/github/{path}/blob/{BRANCH}/{page}.ipynb"
    launch = {"type": "link", "text": "Colab", "tooltip": "Launch on Colab", "url": target}
    icon = "_static/images/logo_colab.png"
    for group in context["header_buttons"]:
        if group.get("label") == "launch-buttons":
            group["buttons"].append({**launch, "icon": icon})


def _write(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.name != "html":
        return
    for page in filter(lambda name: executable(app, name), sorted(app.env.found_docs)):
        target = Path(app.outdir, "_sources", page).with_suffix(".ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            text = nbformat.writes(notebook(app, page))
        except (KeyError, ValueError) as problem:
            raise SphinxError(f"no notebook of {page}: {problem!r}") from problem
        scratch = target.with_suffix(".part")
        scratch.write_text(text + "\n", encoding="utf-8")
        scratch.replace(target)


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension; the theme makes its buttons at 501."""
    app.connect("html-page-context", _offer)
    app.connect("html-page-context", _open_on_colab, priority=502)
    app.connect("build-finished", _write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
