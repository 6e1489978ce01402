"""Controls that need a kernel: they call Python at each move, and leave the static pages alone."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from scalelib.figures import Drawing

__all__ = ["explore"]


def explore(
    draw: Callable[..., Drawing], /, **choices: range | Sequence[str] | Sequence[float]
) -> ipywidgets.VBox:
    """Draw anew whenever a control is moved.

    Parameters
    ----------
    draw : callable
        Function of the values under control, by name, that returns a
        :class:`~scalelib.figures.Drawing`. Where a parameter has a default, its control starts
        there; the others start with their first value.
    **choices : range, sequence of str or sequence of float
        Parameter of ``draw`` -> its values. A range of integers becomes a slider, numbers become a
        slider that visits each of them, such as powers of ten, and strings become a menu.

    Returns
    -------
    ipywidgets.VBox
        The controls, and below them the drawing. A slider draws when it is let go. An error in a
        later drawing takes the place of the picture.

    Raises
    ------
    TypeError, ValueError
        If a choice is none of the above, is empty, lacks the default of its parameter, or if
        ``draw`` does not take it. What ``draw`` raises for the first values is raised too, so that
        a broken cell cannot pass as a picture.

    Notes
    -----
    A cell of the book that calls it carries the tag ``remove-cell``: a page without a kernel has
    nobody to draw.

    Examples
    --------
    >>> import torch
    >>> from scalelib.figures import gallery
    >>> from scalelib.provenance import record
    >>> def draw(grey=0.5):
    ...     return gallery({"grey": torch.full((1, 8, 8), grey)}, provenance=record("torch.full"))
    >>> shown = explore(draw, grey=[0.0, 0.5, 1.0])
    >>> slider, output = shown.children
    >>> slider.description, slider.value, output.outputs[0]["output_type"]
    ('grey', 0.5, 'display_data')
    """
    signature = inspect.signature(draw)
    signature.bind(**choices)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    controls = {
        name: _control(name, values, defaults.get(name, signature.empty))
        for name, values in choices.items()
    }
    output = ipywidgets.Output()

    def shown() -> dict[str, Any]:
        return _picture(draw(**{name: control.value for name, control in controls.items()}))

    def redraw(_: object) -> None:
        # Set as a whole: what is printed into an output arrives late and flickers.
        try:
            output.outputs = (shown(),)
        except Exception as error:  # shown: a callback has no caller that would tell of it
            output.outputs = (_failure(error),)

    output.outputs = (shown(),)
    for control in controls.values():
        control.observe(redraw, names="value")
    return ipywidgets.VBox([*controls.values(), output])


def _control(name: str, values: Any, start: Any) -> ipywidgets.ValueWidget:
    """Return a slider or a menu of these values."""
    options = _options(name, values)
    if start is inspect.Signature.empty:
        start = options[0]
    elif start not in options:
        raise ValueError(f"{name} must hold the default {start!r} of its parameter")
    look = {"value": start, "description": name.replace("_", " ")}
    look |= {"style": {"description_width": "9em"}, "layout": {"width": "min(34em, 95%)"}}
    if isinstance(values, range):
        ends = {"min": min(values), "max": max(values), "step": abs(values.step)}
        return ipywidgets.IntSlider(**look, **ends, continuous_update=False)
    if isinstance(options[0], str):
        return ipywidgets.Dropdown(**look, options=options)
    labelled = [(f"{value:g}", value) for value in options]
    return ipywidgets.SelectionSlider(**look, options=labelled, continuous_update=False)


def _options(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        found = type(values).__name__
        raise TypeError(f"{name} must be a range, strings or numbers, found {found}")
    if not values:
        raise ValueError(f"{name} must hold at least one value, found none")
    options = list(values)
    kind = str if isinstance(options[0], str) else (int, float)
    if strange := [v for v in options if not isinstance(v, kind) or isinstance(v, bool)]:
        raise TypeError(f"{name} must hold strings or numbers only, found {strange[0]!r}")
    return options


def _picture(drawing: Drawing) -> dict[str, Any]:
    """Return the message by which a kernel shows a drawing."""
    if not isinstance(drawing, Drawing):
        raise TypeError(f"draw must return a Drawing, found {type(drawing).__name__}")
    data, metadata = drawing._repr_mimebundle_()
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def _failure(error: Exception) -> dict[str, Any]:
    """Return the message by which a kernel shows an error."""
    name, lines = type(error).__name__, "".join(traceback.format_exception(error)).splitlines()
    return {"output_type": "error", "ename": name, "evalue": str(error), "traceback": lines}
