"""Configurations: everything that numbers depend on, checked at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from experiments.cases import configuration

from scalelib.experiments.configuration import Configuration


def test_json_keeps_everything() -> None:
    found = configuration()
    again = Configuration.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    assert not found.differences(again)


def test_every_field_is_told_apart() -> None:
    changes = {
        "data": "0" * 64, "features": "other", "models": ("osmosis",), "scales": 4, "size": 9,
        "channels": 1, "crops": 2, "seeds": (0,), "contrast": 0.4, "offset": 300.0,
        "sigma_max": 2.5, "heat_sigma": 0.01, "last_beta": 0.1, "blurring_schedule": "published",
    }  # fmt: skip
    first = configuration()
    assert set(changes) == set(first.to_dict())
    for name, value in changes.items():
        other = configuration(**{name: value})
        assert list(first.differences(other)) == [name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("vp", "blurring")}, "with osmosis among them, found vp, blurring"),
        ({"models": ("osmosis", "ddpm")}, "models must be different ones"),
        ({"models": ("osmosis", "osmosis")}, "models must be different ones"),
        ({"scales": 0}, "scales must be at least 2, found 0"),
        ({"channels": 2}, "channels must be 1 or 3, found 2"),
        ({"blurring_schedule": "linear"}, "one of matched, published, found 'linear'"),
        ({"seeds": ()}, "seeds must be different numbers"),
        ({"seeds": (3, 3)}, "seeds must be different numbers"),
        ({"seeds": (-1,)}, "seed must be at least 0"),
        ({"contrast": 0.0}, "contrast must be finite and in"),
        ({"offset": 200.0}, "at least 255 for the contrast 0.5, found 200"),
        ({"contrast": 0.1, "offset": -10.0}, "offset must be positive"),
        ({"last_beta": 1.0}, "last_beta must be finite and in"),
    ],
)
def test_bad_fields(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        configuration(**changes)


def test_fields_of_another_version_are_refused() -> None:
    stored = configuration().to_dict()
    with pytest.raises(ValueError, match=r"fields of this version, found \['extra'\]"):
        Configuration.from_dict(stored | {"extra": 1})
