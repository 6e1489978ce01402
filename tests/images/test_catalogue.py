"""The photographs that ship inside scikit-image."""

import dataclasses
import hashlib
import importlib.util
import inspect

import pytest
import skimage.data
from PIL import Image

from scalelib.images import PHOTOGRAPHS, catalogue, list_names, load

STATED = {"CC0": ("CC0",), "public domain": ("public domain",)}


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda p: p.name)
def test_the_file_is_that_of_the_catalogue(photograph):
    content = photograph.path().read_bytes()
    assert hashlib.sha256(content).hexdigest() == photograph.sha256
    left, top, side = photograph.crop
    with Image.open(photograph.path()) as image:
        assert 0 <= left <= left + side <= image.width
        assert 0 <= top <= top + side <= image.height


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda p: p.name)
def test_the_documentation_states_the_licence(photograph):
    text = inspect.getdoc(getattr(skimage.data, photograph.name))
    assert any(words in text for words in STATED[photograph.licence])
    assert "known copyright restrictions, r" in text or "No known" not in text
    if photograph.author not in ("NASA", "NASA, ESA and the HUDF09 Team", "linolafett"):
        assert photograph.author in " ".join(text.split())
    if photograph.source != photograph.documentation:
        assert photograph.source in text


def test_names_are_sorted_and_unique():
    names = [photograph.name for photograph in PHOTOGRAPHS]
    assert names == sorted(set(names))
    assert set(names) < set(list_names())


def test_another_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / "chelsea.png").write_bytes(b"another cat")
    monkeypatch.setattr(catalogue, "_data_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"'chelsea' \(chelsea.png .* must have SHA-256 596aa1e7"):
        load("chelsea")


def test_a_missing_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "_data_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match=r"'coffee' must be the file coffee.png of scikit-image"):
        load("coffee")


def test_missing_scikit_image_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="must come from scikit-image, found none"):
        load("chelsea")


def test_a_wrong_hash_is_seen():
    wrong = dataclasses.replace(PHOTOGRAPHS[0], sha256="0" * 64)
    with pytest.raises(ValueError, match="must have SHA-256 0000"):
        wrong.path()
