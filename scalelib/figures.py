r"""Figures: film strips, galleries, curves and maps that know what they were made from.

Each function returns a :class:`Drawing`. A notebook shows it as the last expression of a cell, as
PNG for photographs and as SVG for curves. The record of its making lies inside the file, together
with the fingerprints of all tensors on show; :func:`scalelib.provenance.read` takes it out. A
chapter names and describes the figure in the metadata of the cell::

    ---
    tags: [hide-input]
    mystnb:
      figure:
        name: fig-film-strip
        caption: A caption that can be understood alone.
      image:
        alt: What is seen.
        classes: photo
    ---
    film_strip(
        {"variance preserving": trajectory},
        columns=["i = 10", "i = 20"],
        provenance=record(process.trajectory, seed=0, data={"cat": cat}, scales=[10, 20]),
    )

``classes`` is ``photo`` for film strips and galleries, which lie on a light card in dark mode, and
``plot`` for curves and maps, which are inverted there. There are no titles: the caption says it,
and the text refers to it by ``{numref}`fig-film-strip```. Letters are large enough for a
telephone, which halves the figure.

A process has the same colour, dashes and marker in every figure. Colours can be told apart with any
colour vision, stand out from white, and stay so when a page in dark mode inverts them.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, final

import matplotlib.style
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from scalelib import _check, _files, _png
from scalelib.provenance import PNG_KEY, Provenance, fingerprint

__all__ = ["COLOURS", "Drawing", "curves", "film_strip", "gallery", "mode_map"]

COLOURS = ("#3b3fb6", "#e0691b", "#0b6e3a", "#000000", "#3a97dc", "#c2649e", "#7a1f57")
"""At least 20 CIELAB units apart, also without one kind of cones; contrast on white at least 3."""

_DASHES: Any = (
    "-",
    (0, (5, 1.5)),
    (0, (6, 1.5, 1, 1.5)),
    "-",
    (0, (1.5, 1)),
    (0, (3, 1, 1, 1)),
    "--",
)
_MARKERS = "os^DvPX"
_PROCESSES = (  # each has the colour, dashes and marker of its place
    "inverse heat dissipation",
    "variance preserving",
    "blurring diffusion",
    "osmosis",
    "homogeneous diffusion",
    "linearised osmosis",
    "variance exploding",
)

_STYLE: Any = {  # matplotlib types the keys as one literal after the other
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.labelsize": 13,
    "lines.linewidth": 2.0,
    "lines.markersize": 7.0,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "legend.handlelength": 3.2,
    "svg.fonttype": "path",
    "svg.hashsalt": "scalelib",
}

# Film strips are drawn pixel by pixel, up to 1900 pixels wide.
_DPI = 192  # two pixels per CSS pixel
_WIDTH = 1900
_COLUMN = 1480  # width of a text column
_TILE = 640  # widest tile, where there are few
_GAP = 10
_LABEL = 58  # height of a label's letters with their leading, in pixels


@final
class Drawing:
    """A finished figure together with the record of its making.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What is drawn.
    kind : {"png", "svg"}
        File format: PNG for photographs, SVG for lines.
    provenance : Provenance
        Record that is written into the file.

    Examples
    --------
    >>> import torch
    >>> from scalelib.provenance import record
    >>> x = torch.linspace(0, 1, 5)
    >>> drawing = curves(x, {"square": x**2}, x_label="x", y_label="y", provenance=record("x**2"))
    >>> drawing.kind, drawing.provenance.function
    ('svg', 'x**2')
    """

    def __init__(self, figure: Figure, kind: Literal["png", "svg"], provenance: Provenance) -> None:
        if not isinstance(provenance, Provenance):
            found = type(provenance).__name__
            raise TypeError(f"provenance must be a Provenance, found {found}")
        self.figure = figure
        self.kind = kind
        self.provenance = provenance

    def to_bytes(self) -> bytes:
        """Return the content of the file; the same drawing gives the same bytes."""
        return self._bytes(self.kind)

    def _bytes(self, kind: Literal["png", "svg"]) -> bytes:
        buffer = io.BytesIO()
        text = self.provenance.to_json()
        svg = {"Description": text, "Date": None, "Creator": None}
        with _style():
            if isinstance(self.figure.get_layout_engine(), ConstrainedLayoutEngine):
                # The layout moves from one pass to the next: let it settle, then keep it.
                self.figure.draw_without_rendering()
                self.figure.draw_without_rendering()
                self.figure.set_layout_engine("none")
            if kind == "svg":
                self.figure.savefig(buffer, format="svg", dpi=_DPI, metadata=svg)
                return buffer.getvalue()
            self.figure.savefig(buffer, format="png", dpi=_DPI, pil_kwargs={"compress_level": 0})
        with Image.open(buffer) as drawn:
            return _png.encode(np.asarray(drawn.convert("RGB")), {PNG_KEY: text}, _DPI)

    def save(self, path: str | Path) -> None:
        """Write the file; it appears whole or not at all.

        Parameters
        ----------
        path : str or Path
            Where to write; the suffix must be that of ``kind``.

        Raises
        ------
        ValueError
            If the suffix does not fit.
        """
        path = Path(path)
        if path.suffix != f".{self.kind}":
            raise ValueError(f"path must end in .{self.kind}, found {path.name!r}")
        content = self.to_bytes()
        _files.replace(path, lambda stream: stream.write(content))

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        # The PNG comes along with an SVG for formats without vectors. Its width is in CSS pixels;
        # a height beside it would distort the picture where a page is narrower.
        data = {"image/png": base64.b64encode(self._bytes("png")).decode()}
        if self.kind == "svg":
            data["image/svg+xml"] = self._bytes("svg").decode()
        width = round(96 * self.figure.get_figwidth())
        return data, {"image/png": {"width": width}}


def film_strip(
    rows: Mapping[str, Tensor],
    *,
    columns: Sequence[str],
    provenance: Provenance,
    value_range: tuple[float, float] = (-1.0, 1.0),
) -> Drawing:
    """Draw trajectories below each other: one row per model, one column per scale.

    Parameters
    ----------
    rows : Mapping[str, Tensor], each of shape (n, C, H, W) with C = 1 or 3
        Name of a row -> its images. All rows have the same shape.
    columns : sequence of str
        The n labels of the columns.
    provenance : Provenance
        Record of what is shown.
    value_range : (float, float)
        Values shown as black and white. Values beyond are shown as black and white too: say so in
        the caption. The record tells their fraction.

    Returns
    -------
    Drawing
        A PNG. Every pixel of an image is a square of whole pixels.

    Raises
    ------
    TypeError, ValueError
        If there is no row, shapes differ or are no images, or there are not as many labels as
        images, or one is too wide.

    Examples
    --------
    >>> import torch
    >>> from scalelib.provenance import record
    >>> rows = {"noise": torch.zeros(3, 1, 8, 8)}
    >>> film_strip(rows, columns=["a", "b", "c"], provenance=record("zeros")).kind
    'png'
    """
    tiles = {name: _tiles(f"rows[{name!r}]", images, value_range) for name, images in rows.items()}
    if not tiles:
        raise ValueError("rows must hold at least one row, found none")
    shapes = {name: found.shape for name, found in tiles.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"rows must have the same shape, found {shapes}")
    count, height, width = next(iter(tiles.values())).shape[:3]
    if len(columns) != count:
        raise ValueError(f"columns must hold {count} labels, found {len(columns)}")
    sheet = _Sheet(count, width, height)
    sheet.text_row(columns, "center")
    for name, images in tiles.items():
        sheet.text_row([name], "left")
        sheet.image_row(images)
    return Drawing(sheet.figure(), "png", _shown(provenance, "film_strip", rows, value_range))


def gallery(
    images: Mapping[str, Tensor],
    *,
    provenance: Provenance,
    columns: int = 4,
    value_range: tuple[float, float] = (-1.0, 1.0),
) -> Drawing:
    """Draw single images with their names above.

    Parameters
    ----------
    images : Mapping[str, Tensor], each of shape (C, H, W) with C = 1 or 3
        Name -> image. All images have the same height and width.
    provenance : Provenance
        Record of what is shown.
    columns : int
        Images per row, at least 1.
    value_range : (float, float)
        As for :func:`film_strip`.

    Returns
    -------
    Drawing
        A PNG.

    Raises
    ------
    TypeError, ValueError
        If there is no image, shapes differ or are no images, or a name is too wide.

    Examples
    --------
    >>> import torch
    >>> from scalelib.provenance import record
    >>> gallery({"grey": torch.zeros(1, 8, 8)}, provenance=record("zeros")).kind
    'png'
    """
    columns = _check.integer("columns", columns, low=1)
    tiles = [
        _tiles(f"images[{name!r}]", _check.image("images", u)[None], value_range)[0]
        for name, u in images.items()
    ]
    if not tiles:
        raise ValueError("images must hold at least one image, found none")
    shapes = {name: tile.shape for name, tile in zip(images, tiles, strict=True)}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"images must have the same size, found {shapes}")
    names = list(images)
    columns = min(columns, len(names))
    sheet = _Sheet(columns, tiles[0].shape[1], tiles[0].shape[0])
    for start in range(0, len(names), columns):
        sheet.text_row(names[start : start + columns], "center")
        sheet.image_row(tiles[start : start + columns])
    return Drawing(sheet.figure(), "png", _shown(provenance, "gallery", images, value_range))


def curves(
    x: Tensor,
    lines: Mapping[str, Tensor],
    *,
    x_label: str,
    y_label: str,
    provenance: Provenance,
    log_x: bool = False,
    log_y: bool = False,
    bands: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    levels: Mapping[str, float] | None = None,
    marks: Mapping[str, float] | None = None,
) -> Drawing:
    """Draw curves over a common axis.

    Parameters
    ----------
    x : Tensor, shape (n,)
        Abscissae.
    lines : Mapping[str, Tensor], each of shape (n,) or (k, n)
        Name -> values; k curves of one name share their colour, and are thin and solid.
    x_label, y_label : str
        Names of the axes, with units.
    provenance : Provenance
        Record of what is shown.
    log_x, log_y : bool
        Logarithmic axes.
    bands : Mapping[str, (Tensor, Tensor)], each of shape (n,)
        Name of a line -> lower and upper end of a band around it.
    levels : Mapping[str, float]
        Name -> height of a thin horizontal line, named at its right end.
    marks : Mapping[str, float]
        Name -> abscissa of a thin vertical line, named at its upper end.

    Returns
    -------
    Drawing
        An SVG.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, there are more than seven lines, a band belongs to no line, or values
        are not finite, or not positive on a logarithmic axis.

    Examples
    --------
    >>> import torch
    >>> from scalelib.provenance import record
    >>> x = torch.linspace(1, 10, 50)
    >>> lines = {"ln x": x.log(), "three roots": torch.stack([x**0.5, x**0.3, x**0.2])}
    >>> curves(x, lines, x_label="x", y_label="y", provenance=record("log"), log_x=True).kind
    'svg'
    """
    if not 1 <= len(lines) <= len(COLOURS):
        raise ValueError(f"lines must hold 1 to {len(COLOURS)} lines, found {len(lines)}")
    abscissae = _values("x", x, log_x)
    if abscissae.ndim != 1:
        raise ValueError(f"x must have shape (n,), found {abscissae.shape}")
    if unknown := set(bands or {}) - set(lines):
        raise ValueError(f"bands must belong to lines, found {sorted(unknown)}")
    figure, axes = _plot(x_label, y_label, names=len(lines))
    places = _places(lines)
    for number, (name, y) in enumerate(lines.items()):
        values = np.atleast_2d(_values(f"lines[{name!r}]", y, log_y))
        if values.ndim != 2 or values.shape[1] != len(abscissae):
            raise ValueError(
                f"lines[{name!r}] must have shape (n,) or (k, n) with n = {len(abscissae)}, "
                f"found {tuple(y.shape)}"
            )
        drawn = axes.plot(abscissae, values.T, color=COLOURS[places[name]], linewidth=1.0)
        drawn[0].set_label(name)
        if len(values) == 1:
            _dress(drawn[0], places[name], _marked(len(abscissae), number, len(lines)))
    shown = {"x": x, **lines}
    for name, (low, high) in (bands or {}).items():
        lower, upper = (_values(f"bands[{name!r}]", end, log_y) for end in (low, high))
        colour = COLOURS[places[name]]
        axes.fill_between(abscissae, lower, upper, color=colour, alpha=0.2, linewidth=0)
        shown |= {f"{name}, lower end": low, f"{name}, upper end": high}
    _finish(axes, log_x, log_y, levels or {}, marks or {}, legend=len(lines) > 1)
    return Drawing(figure, "svg", _shown(provenance, "curves", shown))


def mode_map(
    values: Tensor,
    *,
    x_label: str,
    y_label: str,
    value_label: str,
    provenance: Provenance,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    log: bool = False,
) -> Drawing:
    """Draw a matrix as a map of colours, row 0 at the bottom.

    Parameters
    ----------
    values : Tensor, shape (rows, columns)
        What is shown, such as a noise level per scale and frequency.
    x_label, y_label, value_label : str
        Names of the axes and of the colour scale, with units.
    provenance : Provenance
        Record of what is shown.
    x, y : (float, float)
        Centres of the first and last column or row; by default their numbers.
    log : bool
        Logarithmic colours; values must be positive.

    Returns
    -------
    Drawing
        A PNG, since its cells are pixels.

    Raises
    ------
    TypeError, ValueError
        If ``values`` is no finite matrix, or not positive on a logarithmic scale.

    Examples
    --------
    >>> import torch
    >>> from scalelib.provenance import record
    >>> labels = {"x_label": "mode", "y_label": "scale", "value_label": "factor"}
    >>> mode_map(torch.ones(3, 4), **labels, provenance=record("ones")).kind
    'png'
    """
    matrix = _values("values", values, log)
    if matrix.ndim != 2:
        raise ValueError(f"values must have shape (rows, columns), found {matrix.shape}")
    figure, axes = _plot(x_label, y_label)
    extent = (*_edges(x, matrix.shape[1]), *_edges(y, matrix.shape[0]))
    with _style():
        image = axes.imshow(
            matrix,
            origin="lower",
            aspect="auto",
            extent=extent,
            norm=LogNorm() if log else None,
            cmap="cividis",
            interpolation="nearest",
        )
        figure.colorbar(image, ax=axes, label=value_label)
    return Drawing(figure, "png", _shown(provenance, "mode_map", {"values": values}))


class _Sheet:
    """Rows of labels and of equal tiles, placed in whole pixels."""

    def __init__(self, columns: int, width: int, height: int) -> None:
        room = min((_WIDTH - (columns - 1) * _GAP) / columns, _TILE)
        self.zoom = max(1, int(room / width))
        self.tile = (self.zoom * width, self.zoom * height)
        self.size = [columns * self.tile[0] + (columns - 1) * _GAP, 0]
        # Labels keep their size relative to the width at which the figure is read.
        self.label = math.ceil(_LABEL * max(self.size[0], _COLUMN) / _WIDTH)
        self.rows: list[tuple[str, Any, int]] = []

    def text_row(self, labels: Sequence[str], align: Literal["left", "center"]) -> None:
        self.rows.append((align, labels, self.size[1]))
        self.size[1] += round(1.5 * self.label)

    def image_row(self, images: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> None:
        self.rows.append(("image", images, self.size[1]))
        self.size[1] += self.tile[1] + _GAP

    def figure(self) -> Figure:
        width, height = self.size
        with _style():
            figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
            FigureCanvasAgg(figure)
            for kind, content, top in self.rows:
                for k, item in enumerate(content):
                    left = k * (self.tile[0] + _GAP)
                    if kind == "image":
                        zoomed = item.repeat(self.zoom, axis=0).repeat(self.zoom, axis=1)
                        figure.figimage(zoomed, left, height - top - self.tile[1])
                    else:
                        self._text(figure, str(item), kind, left, top)
        return figure

    def _text(self, figure: Figure, text: str, align: str, left: float, top: float) -> None:
        width, height = self.size
        x = left + (self.tile[0] / 2 if align == "center" else 0)
        y = height - top - 0.75 * self.label
        points = 0.72 * self.label * 72 / _DPI
        weight = "bold" if align == "left" else "normal"
        label = figure.text(
            x / width, y / height, text, ha=align, va="center", fontsize=points, weight=weight
        )
        room = self.tile[0] + _GAP if align == "center" else width
        needed = label.get_window_extent().width
        if needed > room:
            raise ValueError(
                f"labels must fit: {text!r} takes {needed:.0f} pixels, found room for {room}"
            )


def _tiles(name: str, images: Tensor, value_range: tuple[float, float]) -> NDArray[np.float32]:
    """Return images (n, H, W, 3) with colours in [0, 1]."""
    _check.image(name, images)
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} must have shape (n, C, H, W) with C = 1 or 3, found {tuple(images.shape)}"
        )
    low, high = (_check.number("value_range", end) for end in value_range)
    if not low < high:
        raise ValueError(f"value_range must be increasing, found {value_range}")
    colours = ((images.detach().double() - low) / (high - low)).clamp(0, 1)
    found: NDArray[np.float32] = colours.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
    return found


def _plot(x_label: str, y_label: str, names: int = 1) -> tuple[Figure, Axes]:
    legend = 0.0 if names == 1 else 0.26 * math.ceil(names / 2)
    with _style():
        figure = Figure(figsize=(7.2, 4.2 + legend), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
    return figure, axes


def _finish(
    axes: Axes,
    log_x: bool,
    log_y: bool,
    levels: Mapping[str, float],
    marks: Mapping[str, float],
    *,
    legend: bool,
) -> None:
    grey: Any = {"color": "#555555"}
    text: Any = {"textcoords": "offset points", "fontsize": 12, **grey}
    with _style():
        axes.set_xscale("log" if log_x else "linear")
        axes.set_yscale("log" if log_y else "linear")
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        for name, height in levels.items():
            axes.axhline(_check.number(f"levels[{name!r}]", height), linewidth=1, **grey)
            place: Any = {"xycoords": ("axes fraction", "data"), "xytext": (0, 3), "ha": "right"}
            axes.annotate(name, (1, height), **place, **text)
        for name, abscissa in marks.items():
            axes.axvline(_check.number(f"marks[{name!r}]", abscissa), linewidth=1, **grey)
            place = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "ha": "center"}
            axes.annotate(name, (abscissa, 1), **place, **text)
        if legend:
            axes.figure.legend(loc="outside upper left", ncols=2)


def _style() -> AbstractContextManager[None]:
    """Matplotlib's own defaults and the look of the book, whatever the reader has set."""
    return matplotlib.style.context(["default", _STYLE])


def _places(lines: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the style of each line: that of the process, else the first one left."""
    fixed = {name: _PROCESSES.index(name) for name in lines if name in _PROCESSES}
    free = (k for k in range(len(COLOURS)) if k not in fixed.values())
    return {name: fixed[name] if name in fixed else next(free) for name in lines}


def _marked(points: int, number: int, lines: int) -> slice:
    """Return the points that carry a marker: about eight, between those of the other lines."""
    step = max(1, round(points / 8))
    return slice(number * step // lines, None, step)


def _dress(line: Line2D, place: int, every: slice) -> None:
    line.set_linewidth(_STYLE["lines.linewidth"])
    line.set_linestyle(_DASHES[place])
    line.set_marker(_MARKERS[place])
    line.set_markevery(every)


def _shown(
    provenance: Provenance,
    by: str,
    tensors: Mapping[str, Tensor],
    value_range: tuple[float, float] | None = None,
) -> Provenance:
    """Return the record, with fingerprints of what is on show and the fraction out of range."""
    if not isinstance(provenance, Provenance):
        found = type(provenance).__name__
        raise TypeError(f"provenance must be a Provenance, found {found}")
    drawn: dict[str, Any] = {"by": f"scalelib.figures.{by}"}
    if value_range is not None:
        low, high = value_range
        beyond = {n: ((u < low) | (u > high)).double().mean() for n, u in tensors.items()}
        drawn |= {"value_range": [low, high], "beyond_range": beyond}
    return replace(
        provenance,
        parameters={**provenance.parameters, "drawn": drawn},
        data={**provenance.data, **{f"shown: {n}": fingerprint(u) for n, u in tensors.items()}},
    )


def _values(name: str, values: Tensor, positive: bool) -> NDArray[np.float64]:
    _check.floating(name, values)
    if positive and bool((values <= 0).any()):
        raise ValueError(f"{name} must be positive on a logarithmic scale")
    found: NDArray[np.float64] = values.detach().to("cpu", torch.float64).numpy()
    return found


def _edges(ends: tuple[float, float] | None, count: int) -> tuple[float, float]:
    """Outer edges of ``count`` equal cells with given centres of the first and the last."""
    first, last = ends if ends is not None else (0.0, count - 1.0)
    half = (last - first) / (2 * (count - 1)) if count > 1 else 0.5
    return first - half, last + half
