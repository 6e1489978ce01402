"""The picture of README.md is the one that the package draws, with its record and its text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from readme_picture import PICTURE
from scalelib.provenance import fingerprint, read
from scalelib.widgets import ScaleExplorer

ROOT = Path(__file__).resolve().parents[2]


def difference(one: Path, other: Path) -> float:
    """Mean difference of two pictures in grey values, infinite for different sizes."""
    first, second = (np.asarray(Image.open(path).convert("L"), float) for path in (one, other))
    return float(np.abs(first - second).mean()) if first.shape == second.shape else float("inf")


def test_the_picture_is_the_one_that_is_drawn(tmp_path: Path) -> None:
    explorer = ScaleExplorer()
    explorer.fallback().save(tmp_path / "new.png")
    made, new = read(PICTURE), read(tmp_path / "new.png")
    assert (made.function, made.seed) == (new.function, new.seed)
    assert made.parameters["scales"] == new.parameters["scales"]
    assert made.data["chelsea"] == fingerprint(explorer.image())
    assert difference(PICTURE, tmp_path / "new.png") < 0.5  # versions may draw letters otherwise


def test_another_photograph_is_another_picture(tmp_path: Path) -> None:
    ScaleExplorer(photograph="coffee").fallback().save(tmp_path / "other.png")
    assert difference(PICTURE, tmp_path / "other.png") > 5


def test_the_readme_shows_and_describes_it() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    ((source, words),) = re.findall(r'<img src="([^"]+)" width="\d+" alt="([^"]+)">', text)
    assert ROOT / source == PICTURE
    assert len(words.split()) > 20
    assert "tools/readme_picture.py" in text
