"""Version, table of contents, commands, workflows and tracked files say the same as the code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import project
import scalelib

ROOT = Path(__file__).resolve().parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of tracked files")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_version_has_one_source() -> None:
    released = re.findall(r"^## \[(\d[^\]]*)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert released[0] == scalelib.__version__
    assert yaml.safe_load(text("CITATION.cff"))["version"] == scalelib.__version__
    metadata = tomllib.loads(text("pyproject.toml"))
    assert metadata["project"]["dynamic"] == ["version"]
    assert metadata["tool"]["hatch"]["version"]["path"] == "scalelib/__init__.py"


def listed_pages() -> list[str]:
    return re.findall(r"(?:root|file): (\S+)", text("_toc.yml"))


def chapters() -> tuple[list[str], set[str]]:
    """Pages between title and reference, and those of them that are no chapters of their own."""
    contents = text("_toc.yml").split("caption: Before you start")[1].split("caption: Reference")[0]
    appendix = set(re.findall(r"file: book/(\S+)", contents.split("caption: Appendix")[1]))
    pages = re.findall(r"file: book/(\S+)", contents)
    return pages, {"reading-guide", "notation", "glossary"} | appendix


def test_landing_page_leads_to_every_chapter() -> None:
    """A card of each chapter, in the order of the table of contents."""
    pages, others = chapters()
    cards = re.findall(r"^:link: (\S+)$", text("book/intro.md"), re.MULTILINE)
    assert cards == [name for name in pages if name not in others]


def test_reading_guide_leads_to_every_page_before_the_reference() -> None:
    guide = text("book/reading-guide.md").split("## The chapters")[1]
    named = set(re.findall(r"\{doc\}`([\w-]+)`", guide))
    assert set(chapters()[0]) - named == {"reading-guide"}


def test_every_page_is_in_the_table_of_contents() -> None:
    skip = {"_vendor", ".ipynb_checkpoints"}
    pages = (p for p in (ROOT / "book").rglob("*.md") if not skip & set(p.parts))
    names = {page.relative_to(ROOT).with_suffix("").as_posix() for page in pages}
    assert names == set(listed_pages()), "list new pages in _toc.yml"
    assert len(listed_pages()) == len(set(listed_pages()))


def commands(document: str) -> set[str]:
    """Targets of make and of tools/project.py that a document names."""
    return set(re.findall(r"(?:^ {4}|`|&& )make ([a-z]+)", document, re.MULTILINE)) | set(
        re.findall(r"project\.py ([a-z]+)", document)
    )


def test_documented_commands_exist() -> None:
    documents = text("README.md") + text("CONTRIBUTING.md")
    phony = re.search(r"^\.PHONY:(.*)$", text("Makefile"), re.MULTILINE)
    assert phony
    targets = set(phony[1].split())
    assert {"book", "test", "serve", "lint", "bench", "clean"} <= commands(documents) <= targets
    assert targets - {"help", "clean"} == set(project.COMMANDS)
    for script in set(re.findall(r"tools[/\\](\w+\.py)", documents)):
        assert (ROOT / "tools" / script).is_file(), script


def test_an_unknown_command_is_seen() -> None:
    assert commands("Run `make coffee`.\n\n    make tea\n") == {"coffee", "tea"}


def test_pages_referred_to_in_the_readme_exist() -> None:
    for name in re.findall(r"\]\(([A-Za-z.]+)\)", text("README.md")):
        assert (ROOT / name).is_file(), name


WORKFLOWS = ("ci.yml", "links.yml")
# Jobs that may do more than read.
GRANTS = {
    "ci.yml": {
        "deploy": {"pages": "write", "id-token": "write"},
        "notebooks": {"contents": "write"},
    }
}


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        *(("vendor.github-workflows", f".github/workflows/{name}") for name in WORKFLOWS),
        ("vendor.citation-file-format", "CITATION.cff"),
    ],
)
def test_files_follow_their_public_schema(schema: str, name: str) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, name]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_workflow_is_checked() -> None:
    assert {path.name for path in (ROOT / ".github/workflows").iterdir()} == set(WORKFLOWS)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_read_only_and_end(name: str) -> None:
    workflow = yaml.safe_load(text(f".github/workflows/{name}"))
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())
    more = {
        key: job["permissions"] for key, job in workflow["jobs"].items() if "permissions" in job
    }
    assert more == GRANTS.get(name, {})


# Written in pieces, so that this file does not hold what it looks for.
HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "download." + "pytorch.org",
    "deb." + "debian.org",
]
MACHINE = re.compile(r"(?<![\w.$}])/" + r"(work|root|farm|home/\w+|tmp)/")


def leaks(content: str) -> list[str]:
    """Hosts of package registries and paths of one machine."""
    return [host for host in HOSTS if host in content] + MACHINE.findall(content)


def test_no_tracked_file_names_a_registry_host_or_a_machine_path() -> None:
    found = {}
    for path in tracked():
        try:
            content = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and inventories
        if leaks(content):
            found[path.relative_to(ROOT).as_posix()] = leaks(content)
    assert not found


@pytest.mark.parametrize("content", ["see " + "/" + "tmp/a", "https://" + HOSTS[0] + "/simple"])
def test_a_leak_is_seen(content: str) -> None:
    assert leaks(content)


def test_no_large_file_is_tracked() -> None:
    assert [p.name for p in tracked() if p.stat().st_size > 2**20] == []


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = re.findall(r"```python\n(.*?)```", text("README.md"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(first, "README.md", "exec"), names)
    assert len(first.split("\n\n")[1].splitlines()) == 5  # as the heading says
    assert abs(float(names["trajectory"][-1].std()) - 1) < 0.05
    exec(compile(second, "README.md", "exec"), names)
    assert (tmp_path / "cat.png").stat().st_size > 10_000


@pytest.mark.parametrize("page", sorted((ROOT / "book").glob("*.md")), ids=lambda path: path.stem)
def test_no_two_cards_of_a_page_lead_to_the_same_place(page: Path) -> None:
    links = re.findall(r"^:link: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(links) == len(set(links))
