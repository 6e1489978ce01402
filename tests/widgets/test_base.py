"""What holds for every widget of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import javascript
import pytest

import scalelib.widgets
from scalelib.widgets import Widget

FOLDER = Path(scalelib.widgets.__file__).parent
every_widget = pytest.mark.parametrize(
    "widget", javascript.widget_classes(), ids=lambda widget: widget.__name__
)


@every_widget
def test_its_module_is_sound(widget: type[Widget], tmp_path: Path) -> None:
    assert "export default { render };" in widget._esm
    javascript.check(widget._esm, tmp_path)


@every_widget
def test_other_viewers_get_a_picture(widget: type[Widget]) -> None:
    data, _ = widget()._repr_mimebundle_()
    assert next(iter(data)) == "text/plain"
    assert data["text/plain"].startswith(f"{widget.__name__}(")
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "image/png" in data


@every_widget
def test_unknown_traits_are_refused(widget: type[Widget]) -> None:
    with pytest.raises(TypeError, match=r"traits among .*, found \['no_such_trait'\]"):
        widget(no_such_trait=1)


def test_every_script_belongs_to_a_widget() -> None:
    bundles = "".join(widget._esm for widget in javascript.widget_classes())
    for path in FOLDER.rglob("*.js"):
        exports = [line for line in path.read_text().splitlines() if line.startswith("export ")]
        own = exports[0].removeprefix("export ").removeprefix("default ")
        assert own in bundles, f"{path.name} is used by no widget"


def test_numerics_do_not_draw() -> None:
    for path in (FOLDER / "numerics").glob("*.js"):
        text = path.read_text()
        assert not [w for w in ("document.", "window.", "../", "Math.random") if w in text], path


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'beta' trait .* 0\.99"):
        scalelib.widgets.BetaBound(beta=2.0)


def test_a_widget_must_have_a_picture() -> None:
    with pytest.raises(NotImplementedError, match="Widget must define fallback"):
        Widget().fallback()


def test_without_anywidget_the_import_says_what_to_install() -> None:
    script = "import sys; sys.modules['anywidget'] = None\nimport scalelib.widgets"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "anywidget must be installed for widgets: pip install 'scalelib[book]'" in done.stderr
