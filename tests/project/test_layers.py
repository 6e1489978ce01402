"""No import inside scalelib runs upward."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "scalelib"
LAYERS = (
    {"_check", "_files", "_png", "_random", "_serial"},
    {"transforms", "provenance"},
    {"schedules", "images"},
    {"processes", "osmosis"},
    {"information", "frechet", "features"},
    {"drift_diffusion", "reverse"},
    {"learning"},
    {"propositions", "experiments"},
    {"figures"},
    {"comparison_figures", "widgets"},
    {"cli"},
    {"__main__"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def own_imports(source: str) -> set[str]:
    """Top-level modules of scalelib that a source imports."""
    dotted = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            dotted += [alias.name for alias in node.names]
            assert "scalelib" not in dotted, "a bare import hides what is used: import the module"
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            parents = node.module == "scalelib"
            dotted += [f"scalelib.{a.name}" for a in node.names] if parents else [str(node.module)]
    return {name.split(".")[1] for name in dotted if name.startswith("scalelib.")}


def upward(module: str, source: str) -> set[str]:
    """What a module of the given name imports although it must not."""
    top = len(LAYERS)
    found = own_imports(source) - {module}
    return {name for name in found if LEVEL.get(name, top) >= LEVEL[module]}


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_run_downward(path: Path) -> None:
    module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert module in LEVEL, f"{module} has no layer yet: add it to LAYERS"
    found = upward(module, path.read_text(encoding="utf-8"))
    assert found == set(), "a layer above, or a name that its own module should give"


@pytest.mark.parametrize(
    "source",
    [
        "from scalelib.figures import film_strip",
        "import scalelib.osmosis",
        "from scalelib import processes",
        "from scalelib import VariancePreserving",
        "def late():\n    from scalelib.cli import main",
    ],
)
def test_an_upward_import_is_seen(source: str) -> None:
    assert upward("schedules", source)


def test_a_bare_import_is_refused() -> None:
    with pytest.raises(AssertionError, match="bare import"):
        own_imports("import scalelib")


def test_a_downward_import_is_allowed() -> None:
    source = "import torch\nfrom scalelib import _check\nfrom scalelib.transforms import dct2"
    assert not upward("processes", source)
    assert not upward("processes", "from scalelib.processes.base import LinearGaussianScaleSpace")
