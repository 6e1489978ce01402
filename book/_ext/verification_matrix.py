"""The page of the verification matrix: ``scalelib verify`` runs once, its records become tables.

The records lie in a file that is named by the same hash as the cache of executed notebooks. A
failed check or an accepted negative control ends the build.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from content_key import content_key
from scalelib.propositions import Proposition, Record, Topic, propositions, read_records
from scalelib.propositions.instances import NAMES

KEEP = 3  # as many states as the cache of notebooks
MATRIX = (Topic.TRANSITION, Topic.ENTROPY, Topic.INVARIANCE, Topic.STEADY, Topic.CAUSALITY)
SIGNS = {
    "holds": "✓",
    "holds weakly": "≈",
    "fails as expected": "✗",
    "not applicable": "–",
    "rejected": "✓",
}
ARGUMENTS = ["verify"]
logger = logging.getLogger(__name__)


def records_file(app_outdir: str, root: Path) -> Path:
    """Where the records of this state of package, data and pins lie."""
    return Path(app_outdir).parent / ".verification" / f"{content_key(root)}.json"


def verify(path: Path) -> None:
    """Run the registry unless its records are there; the newest files are kept."""
    if not path.exists():
        logger.info("Verifying every proposition ...")
        path.parent.mkdir(parents=True, exist_ok=True)
        unverified = path.with_suffix(".unverified")
        command = [sys.executable, "-m", "scalelib", *ARGUMENTS, "--json", str(unverified)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            unverified.unlink(missing_ok=True)
            raise ExtensionError(f"scalelib verify failed:\n{run.stdout}{run.stderr}")
        unverified.replace(path)
    os.utime(path)
    kept = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in kept[KEEP:]:
        old.unlink()


class Matrix(SphinxDirective):
    """``{verification-matrix}``: propositions against processes, then every record."""

    def run(self) -> list[nodes.Node]:
        """Return the tables."""
        path = Path(self.config.verification_file)
        self.env.note_dependency(str(path))
        records = read_records(path)
        lines = [*overview(records), *matrices(records), *single(records)]
        return self.parsed(lines)

    def parsed(self, lines: Iterable[str]) -> list[nodes.Node]:
        """Parse MyST text as if it stood in the place of the directive."""
        box = nodes.container()
        text = "\n".join(lines).split("\n")
        self.state.nested_parse(StringList(text, self.env.docname), self.content_offset, box)
        return list(box.children)


class Details(Matrix):
    """``{verification-details}``: every proposition with its sources, checks and controls."""

    def run(self) -> list[nodes.Node]:
        """Return one block for each proposition."""
        records = read_records(Path(self.config.verification_file))
        self.env.note_dependency(self.config.verification_file)
        return self.parsed(
            line for entry in propositions().values() for line in block(entry, records)
        )


def overview(records: Sequence[Record]) -> Iterator[str]:
    """One sentence that counts."""
    checks = [r for r in records if r.kind == "check" and r.passed is not None]
    controls = [r for r in records if r.kind == "control"]
    sampled = [r for r in checks if r.count is not None]
    yield (
        f"{len(checks)} checks came out as expected and {len(controls)} negative controls were "
        f"rejected, in {sum(r.seconds for r in records):.0f} s. "
        f"{len(checks) - len(sampled)} checks are deterministic, {len(sampled)} draw samples."
    )
    yield ""


def matrices(records: Sequence[Record]) -> Iterator[str]:
    """One table of propositions against processes for each topic that concerns processes."""
    for topic in MATRIX:
        chosen = [entry for entry in propositions().values() if entry.topic is topic]
        rows = [
            [f"{link(e)} {e.title}", *(cell(e, name, records) for name in NAMES)] for e in chosen
        ]
        if rows:
            heading = ["proposition", *NAMES]
            yield from table(topic.value, heading, rows, "verification")


def single(records: Sequence[Record]) -> Iterator[str]:
    """One table for each topic whose propositions concern one object each."""
    for topic in Topic:
        chosen = [entry for entry in propositions().values() if entry.topic is topic]
        if topic in MATRIX or not chosen:
            continue
        rows = [
            [f"{link(e)} {e.title}", name, cell(e, name, records)]
            for e in chosen
            for name in dict.fromkeys(found.process for found in main_records(e, records))
        ]
        yield from table(topic.value, ["statement", "of", "verdict"], rows, "verification-list")


def main_records(entry: Proposition, records: Sequence[Record]) -> list[Record]:
    """Select the records of the claims, without derivations and controls."""
    return [
        r
        for r in records
        if r.label == entry.label and r.kind == "check" and r.process != "symbolic"
    ]


def cell(entry: Proposition, name: str, records: Sequence[Record]) -> str:
    """Show what was found for one process: each verdict once, with the value of its first check."""
    found = [r for r in main_records(entry, records) if r.process == name]
    groups: dict[str, list[Record]] = {}
    for record in found:
        groups.setdefault(record.verdict, []).append(record)
    return " ".join(map(verdict, groups.values())) if groups else "not stated"


def verdict(found: Sequence[Record]) -> str:
    """Sign and verdict, the first measured value, and the aspects that share the verdict."""
    first = found[0]
    lines = [f"<b>{SIGNS[first.verdict]} {first.verdict}</b>"]
    if first.measured():
        lines.append(f"<small>{pretty(first.measured())}</small>")
    aspects = ", ".join(record.name for record in found if record.name)
    if aspects:
        lines.append(f"<small>{aspects}</small>")
    return f'<span class="verdict">{" ".join(lines)}</span>'


def pretty(measured: str) -> str:
    """Typographic signs for those of the terminal."""
    for plain, sign in (("<=", "≤"), ("!=", "≠"), ("+-", "±"), (">", "&gt;"), ("-", "−")):
        measured = measured.replace(plain, sign)
    return measured


def link(entry: Proposition) -> str:
    """Show the label, linked to the chapter."""
    return f"[**{entry.label}**](/book/{entry.chapter}.md)"


def table(
    caption: str, heading: Sequence[str], rows: Sequence[Sequence[str]], name: str
) -> Iterator[str]:
    """Write a table that a style sheet can turn into cards: columns are known by their number."""
    yield f"## {caption}\n"
    yield f":::{{table}}\n:class: {name}\n"
    yield f"| {' | '.join(heading)} |"
    yield "|" + " --- |" * len(heading)
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ":::\n"


def block(entry: Proposition, records: Sequence[Record]) -> Iterator[str]:
    """Write a folded block: statement, source, links, and every record."""
    own = [r for r in records if r.label == entry.label]
    yield f"::::{{dropdown}} {entry.label}: {entry.title}"
    yield f":name: verified-{entry.label.lower()}\n"
    yield f"{entry.statement}\n"
    yield f"*Source.* {entry.source}\n"
    yield f"*Chapter.* {{doc}}`/book/{entry.chapter}`\n"
    yield f"*Code.* {', '.join(f'{{py:obj}}`{name}`' for name in entry.functions)}\n"
    tests = ["tests/propositions/test_registry.py", *entry.tests]
    yield f"*Tests.* {', '.join(f'`{test}`' for test in tests)}\n"
    for found in own:
        yield f"- {description(found)}"
    yield "::::\n"


def description(found: Record) -> str:
    """One record in words."""
    what = f"negative control, {found.name}" if found.kind == "control" else found.name
    parts = [found.process, what, f"**{found.verdict}**", pretty(found.measured()), found.remark]
    if found.count is not None:
        sampled = f"n = {found.count}, α = {found.alpha:.1g}, finds {found.detectable:.2g}"
        parts.append(f"{sampled}, seed {found.seed}")
    return "; ".join(part for part in parts if part)


def _verify(app: Sphinx, config: Config) -> None:
    path = records_file(str(app.outdir), Path(app.srcdir))
    verify(path)
    config.verification_file = str(path)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension."""
    app.add_config_value("verification_file", "", "env")
    app.add_directive("verification-matrix", Matrix)
    app.add_directive("verification-details", Details)
    app.connect("config-inited", _verify, priority=200)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
