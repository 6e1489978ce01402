r"""Figures: film strips, galleries, curves and maps that know what they were made from.

Each function returns a :class:`Drawing`. A notebook shows it as the last expression of a cell, as
PNG for photographs and as SVG for curves; the record of its making lies inside the file. A chapter
names and describes it in the metadata of the cell::

    ---
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
``plot`` for curves and maps, which are inverted there. There are no titles: the caption says it.

Colours are those of Okabe and Ito, which readers with any colour vision can tell apart; curves also
differ by their dashes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from scalelib import _check
from scalelib.provenance import PNG_KEY, Provenance

__all__ = ["COLOURS", "Drawing", "curves", "film_strip", "gallery", "mode_map"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito, Color universal design, 2008; the yellow is left out, it is too pale on white."""

_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))

_STYLE: Any = {  # matplotlib types the keys as one literal after the other
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.labelsize": 13,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "legend.handlelength": 2.6,
    "svg.fonttype": "path",
    "svg.hashsalt": "scalelib",
}

# Film strips are drawn pixel by pixel: up to 1900 pixels wide, twice the width of a text column.
_DPI = 200
_WIDTH = 1900
_GAP = 10
_LABEL = 46  # height of a label's letters with their leading, in pixels


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
        buffer = io.BytesIO()
        text = self.provenance.to_json()
        png = {PNG_KEY: text, "Software": None}
        svg = {"Description": text, "Date": None, "Creator": None}
        with matplotlib.rc_context(_STYLE):
            self.figure.savefig(
                buffer, format=self.kind, dpi=_DPI, metadata=png if self.kind == "png" else svg
            )
        return buffer.getvalue()

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
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(self.to_bytes())
        partial.replace(path)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        if self.kind == "svg":
            return {"image/svg+xml": self.to_bytes().decode()}
        return {"image/png": self.to_bytes()}


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
        Values shown as black and white. Values beyond are shown as black and white too.

    Returns
    -------
    Drawing
        A PNG. Every pixel of an image is a square of whole pixels.

    Raises
    ------
    TypeError, ValueError
        If there is no row, shapes differ or are no images, or labels do not fit.

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
    return Drawing(sheet.figure(), "png", provenance)


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
        Values shown as black and white. Values beyond are shown as black and white too.

    Returns
    -------
    Drawing
        A PNG.

    Raises
    ------
    TypeError, ValueError
        If there is no image, or shapes differ or are no images.

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
    return Drawing(sheet.figure(), "png", provenance)


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
) -> Drawing:
    """Draw curves over a common axis.

    Parameters
    ----------
    x : Tensor, shape (n,)
        Abscissae.
    lines : Mapping[str, Tensor], each of shape (n,) or (k, n)
        Name -> values; k curves of one name share colour and dashes and are thinner.
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

    Returns
    -------
    Drawing
        An SVG.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit, there are more than seven lines, values are not finite, or not
        positive on a logarithmic axis.

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
    figure, axes = _plot(x_label, y_label)
    for k, (name, y) in enumerate(lines.items()):
        values = np.atleast_2d(_values(f"lines[{name!r}]", y, log_y))
        if values.ndim != 2 or values.shape[1] != len(abscissae):
            raise ValueError(
                f"lines[{name!r}] must have shape (n,) or (k, n) with n = {len(abscissae)}, "
                f"found {tuple(y.shape)}"
            )
        width = 2.0 if len(values) == 1 else 1.0
        drawn = axes.plot(
            abscissae, values.T, color=COLOURS[k], linestyle=_DASHES[k], linewidth=width
        )
        drawn[0].set_label(name)
        if bands and name in bands:
            low, high = (_values(f"bands[{name!r}]", end, log_y) for end in bands[name])
            axes.fill_between(abscissae, low, high, color=COLOURS[k], alpha=0.2, linewidth=0)
    if bands and (unknown := set(bands) - set(lines)):
        raise ValueError(f"bands must belong to lines, found {sorted(unknown)}")
    _finish(axes, log_x, log_y, levels or {}, legend=len(lines) > 1)
    return Drawing(figure, "svg", provenance)


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
        An SVG.

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
    'svg'
    """
    matrix = _values("values", values, log)
    if matrix.ndim != 2:
        raise ValueError(f"values must have shape (rows, columns), found {matrix.shape}")
    figure, axes = _plot(x_label, y_label)
    extent = (*_edges(x, matrix.shape[1]), *_edges(y, matrix.shape[0]))
    norm = LogNorm() if log else None
    image = axes.imshow(
        matrix, origin="lower", aspect="auto", extent=extent, norm=norm, cmap="cividis"
    )
    figure.colorbar(image, ax=axes, label=value_label)
    return Drawing(figure, "svg", provenance)


class _Sheet:
    """Rows of labels and of equal tiles, placed in whole pixels."""

    def __init__(self, columns: int, width: int, height: int) -> None:
        room = (_WIDTH - (columns - 1) * _GAP) / columns
        self.zoom = max(1, int(room / width))
        self.tile = (self.zoom * width, self.zoom * height)
        self.size = [columns * self.tile[0] + (columns - 1) * _GAP, 0]
        # Labels keep their size relative to the width at which the figure is read.
        self.label = math.ceil(_LABEL * max(self.size[0], 400) / _WIDTH)
        self.rows: list[tuple[str, Any, int]] = []

    def text_row(self, labels: Sequence[str], align: Literal["left", "center"]) -> None:
        self.rows.append((align, labels, self.size[1]))
        self.size[1] += round(1.5 * self.label)

    def image_row(self, images: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> None:
        self.rows.append(("image", images, self.size[1]))
        self.size[1] += self.tile[1] + _GAP

    def figure(self) -> Figure:
        width, height = self.size
        with matplotlib.rc_context(_STYLE):
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
        figure.text(
            x / width, y / height, text, ha=align, va="center", fontsize=points, weight=weight
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


def _plot(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
    return figure, axes


def _finish(
    axes: Axes, log_x: bool, log_y: bool, levels: Mapping[str, float], *, legend: bool
) -> None:
    with matplotlib.rc_context(_STYLE):
        if log_x:
            axes.set_xscale("log")
        if log_y:
            axes.set_yscale("log")
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        for name, height in levels.items():
            axes.axhline(_check.number(f"levels[{name!r}]", height), color="#555555", linewidth=1)
            axes.annotate(
                name,
                (1, height),
                xycoords=("axes fraction", "data"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="right",
                color="#555555",
                fontsize=12,
            )
        if legend:
            axes.figure.legend(loc="outside upper left", ncols=2)


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
