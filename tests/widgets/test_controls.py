"""Controls draw when they are moved; an error is seen where the picture was."""

from __future__ import annotations

import base64

import ipywidgets
import pytest
import torch

from scalelib.figures import gallery
from scalelib.provenance import record
from scalelib.widgets import explore


def draw(photograph="cat", scale=2, offset=1.0):
    if scale == 7:
        raise ArithmeticError("no scale 7")
    grey = {"cat": 0.1, "dog": 0.2}[photograph] * scale / offset
    image = torch.full((1, 8, 8), grey)
    return gallery({photograph: image}, provenance=record(gallery, scale=scale))


@pytest.fixture
def shown():
    return explore(draw, photograph=["cat", "dog"], scale=range(0, 9), offset=[0.5, 1.0, 10.0])


def output(shown):
    (only,) = shown.children[-1].outputs
    return only


def test_choices_become_controls(shown):
    menu, slider, steps, _ = shown.children
    assert [type(control) for control in (menu, slider, steps)] == [
        ipywidgets.Dropdown,
        ipywidgets.IntSlider,
        ipywidgets.SelectionSlider,
    ]
    assert [control.value for control in (menu, slider, steps)] == ["cat", 2, 1.0]
    assert (slider.min, slider.max, slider.step) == (0, 8, 1)
    assert [label for label, _ in steps.options] == ["0.5", "1", "10"]
    assert not slider.continuous_update
    assert not steps.continuous_update


def test_a_move_draws_anew(shown):
    values = [("dog", 2, 1.0), ("dog", 3, 1.0), ("dog", 3, 10.0)]
    pictures = [output(shown)["data"]["image/png"]]
    for chosen in values:
        for control, value in zip(shown.children, chosen, strict=False):
            control.value = value
        pictures.append(output(shown)["data"]["image/png"])
        assert base64.b64decode(pictures[-1]) == draw(*chosen).to_bytes()
    assert len(set(pictures)) == 4


def test_an_error_is_shown_and_passes(shown):
    slider = shown.children[1]
    slider.value = 7
    assert output(shown)["output_type"] == "error"
    assert output(shown)["ename"] == "ArithmeticError"
    assert output(shown)["evalue"] == "no scale 7"
    assert any("raise ArithmeticError" in line for line in output(shown)["traceback"])
    assert not any("\n" in line for line in output(shown)["traceback"])
    slider.value = 2
    assert output(shown)["output_type"] == "display_data"


def test_the_first_error_is_raised():
    with pytest.raises(ArithmeticError, match="no scale 7"):
        explore(lambda scale: draw(scale=scale), scale=[7, 8])


def test_without_a_default_the_first_value_is_taken():
    shown = explore(lambda scale: draw(scale=scale), scale=range(3, 9, 2))
    assert shown.children[0].value == 3
    assert (shown.children[0].max, shown.children[0].step) == (7, 2)


def test_words_of_a_name_are_parted():
    shown = explore(lambda one_word: draw(scale=one_word), one_word=[1, 2])
    assert shown.children[0].description == "one word"


@pytest.mark.parametrize(
    ("choices", "error", "message"),
    [
        ({"scale": 3}, TypeError, "scale must be a range, strings or numbers, found int"),
        ({"photograph": "cat"}, TypeError, "photograph must be a range, strings or numbers"),
        ({"scale": {1, 2}}, TypeError, "found set"),
        ({"scale": [2, None]}, TypeError, "scale must hold strings or numbers only, found None"),
        ({"scale": [2, True]}, TypeError, "found True"),
        ({"photograph": ["cat", 2]}, TypeError, "found 2"),
        ({"scale": []}, ValueError, "scale must hold at least one value, found none"),
        ({"scale": range(0)}, ValueError, "at least one value"),
        ({"scale": range(3, 9)}, ValueError, "scale must hold the default 2"),
        ({"size": [1, 2]}, TypeError, "size"),
    ],
)
def test_wrong_choices(choices, error, message):
    with pytest.raises(error, match=message):
        explore(draw, **choices)


def test_only_drawings_are_shown():
    with pytest.raises(TypeError, match="draw must return a Drawing, found int"):
        explore(lambda scale: scale, scale=[1, 2])
