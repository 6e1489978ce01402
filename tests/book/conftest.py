"""The built pages. Without them these tests say so; .ci/run builds them first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import browser

HTML = Path(__file__).resolve().parents[2] / "_build/html"


@pytest.fixture(scope="session")
def html() -> Path:
    if not (HTML / "book/intro.html").exists():
        pytest.skip("the book is not built: run 'make book' first")
    return HTML


@pytest.fixture(scope="session")
def base(html: Path) -> Iterator[str]:
    """Address under which the built pages are served."""
    with browser.served(html) as address:
        yield address
