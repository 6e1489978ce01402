"""Write the small intersphinx inventories book/_inv/*.inv from the *.txt beside them.

A line of the text files holds name, domain:role and address. With --check nothing is written.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "book/_inv"


def render(source: Path) -> bytes:
    """Return the inventory, in Sphinx's format, that a text file describes."""
    rows = [line.split() for line in source.read_text(encoding="utf-8").splitlines() if line]
    body = "".join(f"{name} {role} 1 {address} -\n" for name, role, address in rows)
    head = (
        "# Sphinx inventory version 2\n"
        f"# Project: {source.stem}\n"
        "# Version: \n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    return head.encode() + zlib.compress(body.encode(), 9)


def body(inventory: bytes) -> bytes:
    """Return the decompressed part: compressed bytes differ between zlib versions."""
    return zlib.decompress(inventory.split(b"\n", 4)[4])


def stale() -> list[str]:
    """Names of the inventories that do not say what their text file says."""
    sources = sorted(FOLDER.glob("*.txt"))
    targets = [source.with_suffix(".inv") for source in sources]
    pairs = zip(sources, targets, strict=True)
    return [t.name for s, t in pairs if not t.exists() or body(t.read_bytes()) != body(render(s))]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(f"run tools/inventories.py: {', '.join(stale())}" if stale() else 0)
    for text in sorted(FOLDER.glob("*.txt")):
        text.with_suffix(".inv").write_bytes(render(text))
