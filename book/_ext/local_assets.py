"""Serve MathJax, require.js and the Jupyter widget manager from the book itself.

The files come from ``book/_vendor/node_modules`` (``npm ci``) and from anywidget's wheel. They are
staged in one folder, which becomes a static path of the book, so that no page asks another host.
"""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

# Runs between require.js and the widget manager: modules lie beside this script.
REQUIRE_CONFIG = "requirejs.config({ baseUrl: new URL('.', document.currentScript.src).href });\n"

# The theme brings its icons twice. Its style sheet draws them with a font. Its script, half a
# megabyte compressed, turns each <i> into <svg>, also those inside widgets, where the player looks
# for its <i> and fails. This takes the place of the script.
NO_ICON_SCRIPT = "// The icons are drawn by the style sheet.\n"


def _anywidget_amd() -> Path:
    for file in metadata.files("anywidget") or ():
        if file.as_posix().endswith("nbextensions/anywidget/index.js"):
            return Path(str(file.locate()))
    raise ExtensionError("the installed anywidget has no AMD build")


def _copy(modules: Path, out: Path) -> None:
    manager = modules / "@jupyter-widgets/html-manager/dist"
    mathjax = modules / "mathjax/es5"
    fonts = "output/chtml/fonts"
    shutil.copytree(mathjax / fonts, out / "mathjax" / fonts)
    shutil.copy2(mathjax / "tex-chtml-full.js", out / "mathjax")
    shutil.copy2(modules / "requirejs/require.js", out)
    (out / "require-config.js").write_text(REQUIRE_CONFIG, encoding="utf-8")
    shutil.copy2(manager / "embed-amd.js", out)
    shutil.copy2(_anywidget_amd(), out / "anywidget.js")
    # Both parts of the manager look for its fonts, each beside the module that it is named after.
    for folder in ("@jupyter-widgets", "@jupyter-widgets/html-manager/dist"):
        (out / folder).mkdir(parents=True)
        for font in manager.glob("*.woff2"):
            shutil.copy2(font, out / folder)


def _stage(app: Sphinx, config: Config) -> None:
    modules = Path(app.srcdir, "book/_vendor/node_modules")
    if not modules.is_dir():
        raise ExtensionError(f"{modules} is missing: run 'npm ci' in {modules.parent}")
    stage = Path(app.outdir).parent / "assets"
    shutil.rmtree(stage, ignore_errors=True)
    _copy(modules, stage / "vendor")
    (stage / "scripts").mkdir()
    (stage / "scripts/fontawesome.js").write_text(NO_ICON_SCRIPT, encoding="utf-8")
    config.html_static_path.append(str(stage))
    config.mathjax_path = "vendor/mathjax/tex-chtml-full.js"
    config.nb_ipywidgets_js = {
        "vendor/require.js": {"defer": "defer"},
        "vendor/require-config.js": {"defer": "defer"},
        "vendor/embed-amd.js": {"defer": "defer", "data-jupyter-widgets-cdn": "./"},
    }


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.connect("config-inited", _stage, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
