"""What all widgets share."""

from __future__ import annotations

from typing import Any

import anywidget
from traitlets import TraitError

from scalelib.figures import Drawing
from scalelib.widgets._bundle import FOLDER

__all__ = ["Widget"]


class Widget(anywidget.AnyWidget):
    """Interactive figure that computes in the browser; abstract.

    A subclass names its module, ``_esm = bundle("its_file.js")``, declares the traits that the
    module reads and writes, and draws the static figure. Every state is shown by the traits alone.

    A notebook shows the widget. What cannot show widgets, such as the printed book, shows
    :meth:`fallback`. A page of the book holds both and shows one of them.

    Raises
    ------
    ValueError
        If a trait is outside of its range. Later assignments raise ``traitlets.TraitError``.
    TypeError
        If there is no such trait.
    """

    _css = (FOLDER / "widget.css").read_text(encoding="utf-8")

    def __init__(self, **traits: Any) -> None:
        names = self.class_own_traits(sync=True)
        if unknown := set(traits) - set(names):
            raise TypeError(f"expected traits among {sorted(names)}, found {sorted(unknown)}")
        try:
            super().__init__(**traits)
        except TraitError as error:
            raise ValueError(str(error)) from error

    def fallback(self) -> Drawing:
        """Draw the present state as a static figure."""
        raise NotImplementedError(f"{type(self).__name__} must define fallback()")

    def __repr__(self) -> str:
        """Name the class and its traits."""
        traits = (f"{name}={getattr(self, name)!r}" for name in self.class_own_traits(sync=True))
        return f"{type(self).__name__}({', '.join(traits)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # A viewer takes the richest kind that it knows: the widget, a drawing, its pixels, text.
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        drawn, about = self.fallback()._repr_mimebundle_()
        return {**data, **drawn}, {**metadata, **about}
