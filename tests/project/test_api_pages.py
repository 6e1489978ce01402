"""Every public name of the package stands on one of the API pages."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import scalelib

PAGES = Path(__file__).resolve().parents[2] / "book/api"
DIRECTIVE = re.compile(r"^\.\. (?:auto(\w+)|py:data):: (\S+)((?:\n +:.*)*)", re.MULTILINE)


def public_modules() -> list[str]:
    """Importable modules without a leading underscore, the package itself first."""
    found = pkgutil.walk_packages(scalelib.__path__, "scalelib.")
    names = [module.name for module in found]
    # The entries of the registry stand on the page of the verification matrix.
    hidden = ("._", "scalelib.propositions.entries.")
    return ["scalelib", *(name for name in names if not any(part in name for part in hidden))]


def resolve(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def documented(text: str) -> list[object]:
    """Objects that the autodoc directives of a page document."""
    found: list[object] = []
    for kind, name, options in DIRECTIVE.findall(text):
        inside = re.search(r":module: (\S+)", options)
        if kind != "module":
            found.append(resolve(f"{inside[1]}.{name}" if inside else name))
        elif ":members:" in options:
            module = importlib.import_module(name)
            found += [getattr(module, n) for n in module.__all__ if described(module, n)]
    return found


def described(module: ModuleType, name: str) -> bool:
    """Tell whether automodule can describe a name: data only where they are defined."""
    defined_here = re.search(rf"^{name}\b.*=", inspect.getsource(module), re.MULTILINE)
    return callable(getattr(module, name)) or defined_here is not None


ALL = documented("\n".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md")))


@pytest.mark.parametrize("name", public_modules())
def test_public_names_are_documented(name: str) -> None:
    module = importlib.import_module(name)
    if name.count(".") > 1 and not hasattr(module, "__all__"):
        return  # an inner module of a package, whose own list decides
    missing = [n for n in module.__all__ if not any(getattr(module, n) is obj for obj in ALL)]
    assert missing == [], "describe them on a page of book/api, by autoclass or autofunction"


def test_a_missing_name_is_seen() -> None:
    assert documented(".. automodule:: scalelib.schedules\n") == []
    page = ".. autoclass:: scalelib.VarianceExploding\n   :members:\n"
    assert documented(page) == [scalelib.VarianceExploding]


EXAMPLES = [page for page in sorted(PAGES.glob("*.md")) if ">>>" in page.read_text("utf-8")]


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_examples_run(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 5
    assert found.failed == 0


def test_pages_that_open_with_an_example() -> None:
    assert {page.stem for page in EXAMPLES} >= {"reverse", "drift_diffusion"}


def test_no_name_is_documented_twice() -> None:
    assert len(ALL) == len({id(obj) for obj in ALL})
