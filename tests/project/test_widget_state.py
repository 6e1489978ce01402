"""A page embeds the state of the widgets that it shows, and of no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import widget_state

MODULES = Path(__file__).resolve().parents[2] / "book/_vendor/node_modules"
STATE = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">(.*?)</script>', re.DOTALL
)
HEAD = """---
file_format: mystnb
kernelspec: {display_name: P, name: python3}
---
# Title
"""
HIDDEN = """
```{code-cell}
:tags: [remove-cell]
import ipywidgets

output = ipywidgets.Output()
output.append_stdout("not on the page")
ipywidgets.VBox([ipywidgets.IntSlider(7, description="absent"), output])
```
"""
SHOWN = """
```{code-cell}
play, slider = ipywidgets.Play(), ipywidgets.IntSlider(3, description="present </script>")
link = ipywidgets.jslink((play, "value"), (slider, "value"))
ipywidgets.HBox([slider])
```
"""


def state(page: str) -> dict[str, Any]:
    """Models that a page embeds."""
    found = STATE.findall(page)
    return {} if not found else json.loads(found[0])["state"]


@pytest.mark.skipif(not MODULES.is_dir(), reason="browser assets are fetched by 'make book'")
def test_widgets_of_removed_cells_leave_no_trace(small_book: Any) -> None:
    small_book.configure("local_assets", "widget_state")
    small_book.write("book/page.md", HEAD + HIDDEN)
    small_book.write("book/both.md", HEAD + HIDDEN + SHOWN)
    small_book.write("_toc.yml", "format: jb-book\nroot: book/page\nchapters: [{file: book/both}]")
    (small_book.root / "book/_vendor").symlink_to(MODULES.parent, target_is_directory=True)
    small_book.build()
    page, both = small_book.html(), (small_book.root / "_build/html/book/both.html").read_text()
    assert state(page) == {}
    assert "embed-amd.js" not in page
    assert "require.js" not in page
    assert "absent" not in both
    assert "not on the page" not in both
    assert "embed-amd.js" in both
    names = sorted(model["model_name"] for model in state(both).values())
    parts = ["HBoxModel", "IntSliderModel", "LinkModel", "PlayModel", "SliderStyleModel"]
    assert [name for name in names if name not in ("LayoutModel", "DescriptionStyleModel")] == parts
    executed = json.loads((small_book.root / "_build/jupyter_execute/book/page.ipynb").read_text())
    assert "absent" in json.dumps(executed["metadata"]["widgets"])  # it was executed


MODELS = {
    "box": {"children": ["IPY_MODEL_slider"]},
    "slider": {"layout": "IPY_MODEL_look"},
    "look": {},
    "link": {"source": ["IPY_MODEL_slider", "value"], "target": ["IPY_MODEL_far", "value"]},
    "far": {},
    "other": {"outputs": [{"data": {"model_id": "inside"}}]},
    "inside": {},
}


def test_models_that_hang_together() -> None:
    assert widget_state.connected(MODELS, {"box"}) == {"box", "slider", "look", "link", "far"}
    assert widget_state.connected(MODELS, {"other"}) == {"other", "inside"}
    assert widget_state.connected(MODELS, set()) == set()
    assert widget_state.connected(MODELS, {"gone"}) == set()
