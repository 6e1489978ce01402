"""Draw the buttons that need the repository only once its address is known.

``repository: url`` of ``_config.yml`` is the one setting. While it is empty there is no launch,
edit, issue or repository button; once it is set they all appear.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config

BUTTONS = ("use_repository_button", "use_edit_page_button", "use_issues_button")
LAUNCH = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}


def _draw_buttons(_app: Sphinx, config: Config) -> None:
    options = config.html_theme_options
    known = bool(options.get("repository_url"))
    options.update(dict.fromkeys(BUTTONS, known))
    options["launch_buttons"] = dict(LAUNCH) if known else {}


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.connect("config-inited", _draw_buttons, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
