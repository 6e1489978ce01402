"""Figures: what is drawn, how it looks, and the record inside the file."""

import base64
import io
import itertools
import subprocess
import sys
import textwrap

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from scalelib.figures import COLOURS, Drawing, curves, film_strip, gallery, mode_map
from scalelib.provenance import Provenance, fingerprint, read, record

RECORD = record("tests", seed=3)
X = torch.linspace(1, 10, 40)
AXES = {"x_label": "time t in pixel²", "y_label": "variance", "provenance": RECORD}
MAP = {"x_label": "k", "y_label": "i", "value_label": "factor", "provenance": RECORD}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def strip(**changes):
    rows = {"first": noise(3, 1, 8, 8), "second": noise(3, 3, 8, 8, seed=1)}
    options = {"columns": ["a", "b", "c"], "value_range": (-2, 2), "provenance": RECORD}
    return film_strip(**({"rows": rows} | options | changes))


EVERY = {
    "film_strip": strip,
    "gallery": lambda: gallery({"x": noise(1, 8, 6), "y": noise(3, 8, 6)}, provenance=RECORD),
    "curves": lambda: curves(
        X,
        {"f": X, "g": torch.stack([X, 2 * X])},
        bands={"f": (X - 1, X + 1)},
        levels={"limit": 3.0},
        marks={"k": 2.0},
        **AXES,
    ),
    "mode_map": lambda: mode_map(noise(5, 4).square(), log=True, **MAP),
}
each = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)


def pixels(drawing):
    png = drawing._repr_mimebundle_()[0]["image/png"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))


# Files


@each
def test_the_same_drawing_gives_the_same_bytes(make):
    one, other = make(), make()
    assert one.to_bytes() == one.to_bytes() == other.to_bytes()


def test_another_process_with_other_settings_gives_the_same_bytes(tmp_path):
    """Not the hash seed, nor the reader's own matplotlib settings."""
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\nsvg.fonttype: none")
    code = """
        import sys, torch
        from scalelib.figures import curves
        from scalelib.provenance import record
        x = torch.linspace(1, 10, 40)
        labels = {"x_label": "x", "y_label": "y"}
        lines = {"f": x, "g": x**2}
        drawing = curves(x, lines, **labels, levels={"l": 3.0}, provenance=record("f"))
        found = drawing.to_bytes()
    """
    names: dict[str, bytes] = {}
    exec(textwrap.dedent(code), names)
    code += "    sys.stdout.buffer.write(found)"
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, timeout=120)
    assert done.stdout == names["found"]


@each
def test_the_settings_of_the_reader_are_left_alone(make):
    before = dict(mpl.rcParams)
    make().to_bytes()
    assert dict(mpl.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


@each
def test_the_record_lies_inside_the_file(make, tmp_path):
    drawing = make()
    path = tmp_path / f"figure.{drawing.kind}"
    drawing.save(path)
    found = read(path)
    assert found == drawing.provenance
    assert (found.function, found.seed) == ("tests", 3)
    assert found.parameters["drawn"]["by"].startswith("scalelib.figures.")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_record_holds_fingerprints_of_what_is_shown():
    first, second = noise(3, 1, 8, 8), noise(3, 1, 8, 8, seed=1)
    made = record("f", data={"cat": X}, beta=0.02)
    found = strip(rows={"first": first, "second": second}, provenance=made).provenance
    assert found.data == {
        "cat": fingerprint(X),
        "shown: first": fingerprint(first),
        "shown: second": fingerprint(second),
    }
    assert found.parameters["beta"] == 0.02
    shown = curves(X, {"f": X}, bands={"f": (X - 1, X + 1)}, **AXES).provenance.data
    assert shown["shown: f, lower end"] == fingerprint(X - 1)
    assert shown["shown: f, upper end"] == fingerprint(X + 1)


def test_the_record_tells_the_fraction_beyond_the_range():
    rows = {"inside": torch.zeros(2, 1, 8, 8), "beyond": torch.zeros(2, 1, 8, 8)}
    rows["beyond"][0, 0, 0, :4] = 3.0
    rows["beyond"][1, 0, 0, :4] = -3.0
    drawn = strip(rows=rows, columns=["a", "b"]).provenance.parameters["drawn"]
    assert drawn["value_range"] == [-2, 2]
    assert drawn["beyond_range"] == {"inside": 0.0, "beyond": 8 / 128}


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(Drawing, "to_bytes", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        strip().save(path)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["figure.svg", "figure.jpg", "figure"])
def test_save_wants_the_suffix_of_the_kind(tmp_path, name):
    with pytest.raises(ValueError, match=rf"path must end in .png, found '{name}'"):
        strip().save(tmp_path / name)


# In a notebook


def test_photographs_are_shown_as_png_with_two_pixels_per_css_pixel():
    data, notes = strip()._repr_mimebundle_()
    assert list(data) == ["image/png"]
    width = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).width
    assert notes == {"image/png": {"width": width // 2}}  # and no height, which would distort


def test_curves_are_shown_as_svg_and_come_with_a_png():
    data, notes = EVERY["curves"]()._repr_mimebundle_()
    assert set(data) == {"image/svg+xml", "image/png"}
    assert data["image/svg+xml"].startswith("<?xml")
    assert "<text" not in data["image/svg+xml"]  # letters are outlines: no font is needed
    assert notes["image/png"]["width"] == 691


@each
def test_nothing_sticks_out_of_the_figure(make):
    drawing = make()
    drawing.to_bytes()
    box, size = drawing.figure.get_tightbbox(), drawing.figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.02  # inches
    assert (box.x1, box.y1) <= tuple(size + 0.02)


# Film strips and galleries


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_shown_value_by_value(channels):
    """Each value is a square of whole pixels with the very colour of the value."""
    rows = {"row": noise(2, channels, 5, 7)}
    found = pixels(strip(rows=rows, columns=["a", "b"]))
    zoom = 640 // 7
    unit = ((rows["row"].double() + 2) / 4).clamp(0, 1).expand(-1, 3, -1, -1).movedim(1, -1)
    for k in range(2):
        left = k * (7 * zoom + 10)
        tile = found[-5 * zoom - 10 : -10, left : left + 7 * zoom].astype(int)
        cells = tile.reshape(5, zoom, 7, zoom, 3)
        assert np.ptp(cells, axis=(1, 3)).max() == 0
        assert np.abs(cells[:, 0, :, 0] - 255 * unit[k].numpy()).max() <= 1


def test_the_range_is_that_of_the_caller():
    image = torch.tensor([[0.0, 64.0], [128.0, 255.0]])[None]
    found = pixels(gallery({"u": image}, value_range=(0, 255), provenance=RECORD))
    corners = found[-20, 5], found[-20, -5]
    assert [corner.tolist() for corner in corners] == [[128] * 3, [255] * 3]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_strips_fit_the_page(count):
    rows = {"row": noise(count, 1, 8, 8)}
    width = strip(rows=rows, columns=["a"] * count).figure.get_size_inches()[0] * 192
    assert width <= 1900.5


def test_letters_are_legible_on_a_telephone():
    """At least 6.5 CSS pixels high where the figure is 330 CSS pixels wide."""
    for columns in (1, 2, 4, 7):
        figure = strip(rows={"row": noise(columns, 1, 64, 64)}, columns=["t"] * columns).figure
        width = figure.get_size_inches()[0] * 96
        for text in figure.texts:
            assert text.get_fontsize() * 96 / 72 * min(1, 330 / width) >= 6.5


def test_galleries_break_into_rows():
    images = {str(k): torch.zeros(1, 8, 8) for k in range(5)}
    heights = [
        gallery(images, columns=columns, provenance=RECORD).figure.get_size_inches()[1]
        for columns in (1, 2, 5, 9)
    ]
    assert heights[0] > heights[1] > heights[2] == heights[3]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"rows": {}}, ValueError, "rows must hold at least one row, found none"),
        ({"rows": {"r": [0.0]}}, TypeError, r"rows\['r'\] must be a torch.Tensor, found list"),
        (
            {"rows": {"r": noise(3, 8, 8)}},
            ValueError,
            r"rows\['r'\] must have shape \(n, C, H, W\)",
        ),
        ({"rows": {"r": noise(3, 2, 8, 8)}}, ValueError, "with C = 1 or 3, found .3, 2, 8, 8."),
        ({"rows": {"r": noise(3, 1, 8, 8) / 0}}, ValueError, r"rows\['r'\] must be finite"),
        (
            {"rows": {"r": noise(3, 1, 8, 8), "s": noise(3, 1, 8, 9)}},
            ValueError,
            "rows must have the same shape",
        ),
        ({"columns": ["a"]}, ValueError, "columns must hold 3 labels, found 1"),
        ({"columns": ["a", "b", "c" * 50]}, ValueError, "labels must fit: 'c{50}' takes .* pixels"),
        ({"value_range": (1, -1)}, ValueError, "value_range must be increasing"),
        ({"value_range": (0, float("nan"))}, ValueError, "value_range must be finite"),
        ({"provenance": None}, TypeError, "provenance must be a Provenance, found NoneType"),
    ],
)
def test_bad_strips_are_named(changes, error, message):
    with pytest.raises(error, match=message):
        strip(**changes)


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        ({}, {}, ValueError, "images must hold at least one image, found none"),
        ({"u": noise(8, 8)}, {}, ValueError, r"images\['u'\] must have shape"),
        ({"u": noise(1, 8, 8), "v": noise(1, 9, 8)}, {}, ValueError, "must have the same size"),
        ({"u": noise(1, 8, 8)}, {"columns": 0}, ValueError, "columns must be at least 1, found 0"),
        ({"u" * 90: noise(1, 8, 8)}, {}, ValueError, "labels must fit"),
        ({"u": noise(1, 8, 8)}, {"provenance": "f"}, TypeError, "found str"),
    ],
)
def test_bad_galleries_are_named(images, options, error, message):
    with pytest.raises(error, match=message):
        gallery(images, **({"provenance": RECORD} | options))


# Curves and maps


def test_curves_are_drawn_as_given():
    drawing = curves(X, {"f": X**2, "g": torch.stack([X, -X])}, **AXES)
    axes = drawing.figure.axes[0]
    assert [len(line.get_xdata()) for line in axes.lines] == [40] * 3
    assert np.allclose(axes.lines[0].get_ydata(), X.numpy() ** 2)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time t in pixel²", "variance")
    assert not axes.get_title()
    names = [text.get_text() for text in drawing.figure.legends[0].get_texts()]
    assert names == ["f", "g"]


def test_levels_and_marks_are_drawn_and_named():
    axes = curves(X, {"f": X}, levels={"limit": 3.0}, marks={"k": 2.0}, **AXES).figure.axes[0]
    assert list(axes.lines[1].get_ydata()) == [3, 3]
    assert list(axes.lines[2].get_xdata()) == [2, 2]
    assert [text.get_text() for text in axes.texts] == ["limit", "k"]


def test_axes_are_logarithmic_on_request():
    for log_x, log_y in itertools.product([False, True], repeat=2):
        axes = curves(X, {"f": X}, log_x=log_x, log_y=log_y, **AXES).figure.axes[0]
        assert axes.get_xscale() == ("log" if log_x else "linear")
        assert axes.get_yscale() == ("log" if log_y else "linear")


def look(name, *others):
    lines = dict.fromkeys((*others, name), X)
    line = curves(X, lines, **AXES).figure.axes[0].lines[-1]
    return line.get_color(), line.get_marker(), str(line._dash_pattern)


def test_a_process_looks_the_same_in_every_figure():
    assert look("osmosis") == look("osmosis", "blurring diffusion") == look("osmosis", "f", "g")
    assert look("osmosis") != look("blurring diffusion")


def test_lines_of_a_figure_differ_in_colour_and_marker():
    names = ["f", "osmosis", "g", "variance preserving", "h", "i", "j"]
    lines = curves(X, dict.fromkeys(names, X), **AXES).figure.axes[0].lines
    assert len({line.get_color() for line in lines}) == len(names)
    assert len({line.get_marker() for line in lines}) == len(names)


@pytest.mark.parametrize(
    ("x", "lines", "options", "error", "message"),
    [
        (X, {}, {}, ValueError, "lines must hold 1 to 7 lines, found 0"),
        (X, {str(k): X for k in range(8)}, {}, ValueError, "lines must hold 1 to 7 lines, found 8"),
        (X[:, None], {"f": X}, {}, ValueError, r"x must have shape \(n,\), found \(40, 1\)"),
        (
            X,
            {"f": X[:-1]},
            {},
            ValueError,
            r"lines\['f'\] must have shape .* n = 40, found \(39,\)",
        ),
        (X, {"f": X.log() / 0}, {}, ValueError, r"lines\['f'\] must be finite"),
        (X, {"f": [1.0]}, {}, TypeError, r"lines\['f'\] must be a torch.Tensor"),
        (X - 1, {"f": X}, {"log_x": True}, ValueError, "x must be positive on a logarithmic scale"),
        (X, {"f": -X}, {"log_y": True}, ValueError, r"lines\['f'\] must be positive on a log"),
        (X, {"f": X}, {"bands": {"g": (X, X)}}, ValueError, r"belong to lines, found \['g'\]"),
        (X, {"f": X}, {"levels": {"l": float("nan")}}, ValueError, r"levels\['l'\] must be finite"),
        (X, {"f": X}, {"marks": {"k": float("inf")}}, ValueError, r"marks\['k'\] must be finite"),
        (X, {"f": X}, {"provenance": None}, TypeError, "provenance must be a Provenance"),
    ],
)
def test_bad_curves_are_named(x, lines, options, error, message):
    with pytest.raises(error, match=message):
        curves(x, lines, **(AXES | options))


def test_maps_have_row_0_at_the_bottom_and_centres_where_the_caller_says():
    values = torch.arange(6.0).reshape(2, 3)
    axes = mode_map(values, x=(0.0, 2.0), y=(10.0, 20.0), **MAP).figure.axes[0]
    image = axes.images[0]
    assert np.array_equal(image.get_array(), values.numpy())
    assert image.origin == "lower"
    assert tuple(image.get_extent()) == (-0.5, 2.5, 5.0, 25.0)
    assert image.get_cmap().name == "cividis"


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (noise(4), {}, ValueError, r"values must have shape \(rows, columns\), found \(4,\)"),
        (noise(2, 2) / 0, {}, ValueError, "values must be finite"),
        (torch.zeros(2, 2), {"log": True}, ValueError, "values must be positive on a logarithmic"),
    ],
)
def test_bad_maps_are_named(values, options, error, message):
    with pytest.raises(error, match=message):
        mode_map(values, **(MAP | options))


# Colours

# Linear RGB as seen without the cones for long, middle and short waves: Machado, Oliveira and
# Fernandes, A physiologically-based model for simulation of colour vision deficiency, 2009.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(rgb):
    return linear(rgb) @ [0.2126, 0.7152, 0.0722]


def cielab(light):
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    t = np.array(to_xyz) @ light.clip(0, 1) / [0.9505, 1.0, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def in_dark_mode(rgb):
    """The filter of the book's style sheet: invert(0.93) hue-rotate(180deg)."""
    inverted = 0.93 - 0.86 * rgb
    grey = inverted @ [0.213, 0.715, 0.072]
    return (2 * grey - inverted).clip(0, 1)


RGB = [np.array([int(c[k : k + 2], 16) for k in (1, 3, 5)]) / 255 for c in COLOURS]


@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart(vision):
    seen = [cielab(np.array(VISION[vision]) @ linear(rgb)) for rgb in RGB]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 20


def test_colours_stand_out_from_white_and_in_dark_mode():
    dark = luminance(np.array([0x12, 0x12, 0x12]) / 255)  # the theme's background
    for rgb in RGB:
        assert 1.05 / (luminance(rgb) + 0.05) >= 3
        assert (luminance(in_dark_mode(rgb)) + 0.05) / (dark + 0.05) >= 3


def test_okabe_and_itos_colours_would_not_stand_out():
    """The check sees colours that are too pale: orange and sky blue of that palette."""
    for rgb in (np.array([0xE6, 0x9F, 0x00]) / 255, np.array([0x56, 0xB4, 0xE9]) / 255):
        assert 1.05 / (luminance(rgb) + 0.05) < 3


def test_drawings_want_a_record():
    with pytest.raises(TypeError, match="provenance must be a Provenance, found str"):
        Drawing(strip().figure, "png", "f")
    assert isinstance(strip().provenance, Provenance)
