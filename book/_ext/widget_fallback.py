"""Put the static figure of a widget beside it.

A widget of ``scalelib.widgets`` comes as a bundle of kinds: itself and pictures of its state.
A page would keep the widget alone. It has to hold both, since scripts may be off or the page be
printed; the style sheet shows one of them. Other builders take a picture by themselves.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

VIEW = "application/vnd.jupyter.widget-view+json"


class SplitWidgetBundle(SphinxPostTransform):
    """Make two bundles of one, before the best kind of each bundle is chosen."""

    default_priority = 3  # myst-nb chooses at 4
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        """Split each bundle that holds a widget and a picture."""
        del kwargs
        for bundle in list(self.document.findall(nodes.container)):
            if bundle.get("nb_element") == "mime_bundle":
                self._split(bundle)

    def _split(self, bundle: nodes.container) -> None:
        kinds = {child["mime_type"]: child for child in bundle.children}
        images = [image for child in bundle.children for image in child.findall(nodes.image)]
        if VIEW not in kinds or not images:
            return
        first = next(iter(self.document.findall(nodes.image)))
        for image in images:
            image["classes"].append("widget-fallback")
            if first not in images:  # the first picture of a page is what a reader waits for
                image["loading"] = "lazy"  # a browser leaves it out for as long as it is hidden
        view = bundle.copy()
        view += kinds.pop(VIEW)
        bundle.children = list(kinds.values())
        bundle.parent.insert(bundle.parent.index(bundle), view)


def setup(app: Sphinx) -> dict[str, object]:
    """Connect the extension."""
    app.add_post_transform(SplitWidgetBundle)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
