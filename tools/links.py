"""List the links of the book to other sites, or check them: python tools/links.py [--check].

Reads the built pages. Each address stands with the pages that hold it. With --check Sphinx's own
link checker asks for each of them; dead ones are listed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from bs4 import BeautifulSoup

HTML = Path(__file__).resolve().parent.parent / "_build/html"
DOI = "https://doi.org/"
# Address (regular expression) -> why a machine cannot check it.
IGNORED = {
    r"https://www\.deviantart\.com/": "answers machines with 403",
}
BAD = {"broken", "timeout"}  # of the states that the checker tells
SETTINGS = {
    "linkcheck_timeout": 30,
    "linkcheck_retries": 3,
    "linkcheck_workers": 4,
    "linkcheck_rate_limit_timeout": 120.0,
    "linkcheck_allow_unauthorized": False,
    "linkcheck_report_timeouts_as_broken": True,
}


def external(html: Path) -> dict[str, list[str]]:
    """Address -> names of the pages whose text holds it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(html.rglob("*.html")):
        name = path.relative_to(html).with_suffix("").as_posix()
        text = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article")
        if name.startswith("_") or text is None:
            continue
        for tag in text.select('a[href^="http:"], a[href^="https:"]'):
            found[str(tag["href"])].add(name)
    return {address: sorted(found[address]) for address in sorted(found)}


def asked(address: str) -> str:
    """Address to ask: publishers turn machines away, the register of DOIs does not."""
    if address.startswith(DOI):
        return f"{DOI}api/handles/{address.removeprefix(DOI)}"
    return address


def check(addresses: list[str], settings: dict[str, object]) -> dict[str, str]:
    """Dead address -> what went wrong, as Sphinx's link checker found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = "\n\n".join(f"`{i} <{asked(a)}>`__" for i, a in enumerate(addresses))
        (folder / "index.rst").write_text(f"Links\n=====\n\n{page}\n", encoding="utf-8")
        all_settings = {**SETTINGS, "linkcheck_ignore": list(IGNORED), **settings}
        lines = [f"{key} = {value!r}\n" for key, value in all_settings.items()]
        (folder / "conf.py").write_text("".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "linkcheck", name, f"{name}/out"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        output = folder / "out/output.json"
        if not output.exists():
            raise RuntimeError(f"the link checker did not finish:\n{done.stderr}")
        rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    results = {row["uri"]: row for row in rows}
    missing = set(map(asked, addresses)) - set(results)
    if missing:
        raise RuntimeError(f"these addresses were not checked: {sorted(missing)}")
    bad = {uri: row["info"] for uri, row in results.items() if row["status"] in BAD}
    return {a: bad[asked(a)] for a in addresses if asked(a) in bad}


def report(found: dict[str, list[str]], notes: dict[str, str]) -> None:
    """Print addresses with their pages."""
    for address, pages in found.items():
        reason = next((why for rule, why in IGNORED.items() if re.match(rule, address)), "")
        note = notes.get(address) or (f"not checked: it {reason}" if reason else "")
        print(address + (f"  [{note}]" if note else ""))
        print("    " + ", ".join(pages))


def main(html: Path, checked: bool, settings: dict[str, object] | None = None) -> int:
    """List or check the links; returns the exit status."""
    found = external(html)
    if not found:
        print(f"No links in {html}: run 'make book' first.")
        return 2
    if not checked:
        report(found, {})
        return 0
    dead = check(list(found), settings or {})
    report({address: found[address] for address in dead}, dead)
    print(f"{len(found)} links to other sites, {len(dead)} dead.")
    return 1 if dead else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="ask for each address")
    sys.exit(main(HTML, parser.parse_args().check))
