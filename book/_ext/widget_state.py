"""Embed the state of those widgets alone that a page shows.

A kernel reports the state of all its widgets, also of those in cells that the page leaves out:
controls for readers with a kernel. A page that shows none would carry their state, and load the
widget manager for nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from docutils import nodes
from myst_nb.core.render import sanitize_script_content
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx

VIEW = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-view\+json">(.*?)</script>', re.DOTALL
)
STATE = "ipywidgets_state"  # names of myst-nb: the state, and the scripts that read it
SCRIPTS = "ipywidgets_"


def views(document: nodes.document) -> set[str]:
    """Return the models that the outputs on a page show."""
    found = (VIEW.findall(node.astext()) for node in document.findall(nodes.raw))
    return {json.loads(view)["model_id"] for texts in found for view in texts}


def connected(models: Mapping[str, Any], shown: set[str]) -> set[str]:
    """Return the models that hang together with those on show: parts, looks and links."""
    texts = {name: json.dumps(model) for name, model in models.items()}
    named = {name: {other for other in models if other in texts[name]} for name in models}
    neighbours = {
        name: named[name] | {other for other in models if name in named[other]} for name in models
    }
    kept: set[str] = set()
    waiting = set(models) & shown
    while waiting:
        kept |= waiting
        waiting = {other for name in waiting for other in neighbours[name]} - kept
    return kept


def _keep_what_is_shown(app: Sphinx, document: nodes.document) -> None:
    files = NbMetadataCollector.get_js_files(app.env, app.env.docname)
    if STATE not in files:
        return
    path, settings = files[STATE]
    body = json.loads(settings["body"])
    kept = connected(body["state"], views(document))
    if kept:
        body["state"] = {name: body["state"][name] for name in kept}
        text = sanitize_script_content(json.dumps(body))
        files[STATE] = (path, settings | {"body": text})
    else:
        for name in [name for name in files if name.startswith(SCRIPTS)]:
            del files[name]


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.connect("doctree-read", _keep_what_is_shown)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
