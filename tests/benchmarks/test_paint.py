"""Which pages are loaded, and what the benchmark of painting refuses."""

from __future__ import annotations

import pytest

import browser
from benchmarks import __main__ as bench
from benchmarks import paint
from benchmarks.harness import Settings

PAGE = "<!doctype html><link rel=icon href=data:,><h1>A heading</h1>"


@pytest.fixture
def html(tmp_path, monkeypatch):
    (tmp_path / "book").mkdir()
    (tmp_path / "_images").mkdir()
    for name, size in {"intro": 900, "a": 10, "b": 30, "c": 20, "d": 40}.items():
        (tmp_path / f"book/{name}.html").write_text(f"{PAGE}<!--{'x' * size}-->")
    monkeypatch.setattr(paint, "HTML", tmp_path)
    monkeypatch.setattr(paint, "ROOT", tmp_path)
    return tmp_path


def test_the_heaviest_pages_count_their_figures(html):
    assert paint.heaviest(html, 2) == ["book/d.html", "book/b.html"]
    (html / "_images/f.png").write_bytes(bytes(99))
    (html / "book/a.html").write_text(PAGE + '<img src="../_images/f.png">')
    assert paint.heaviest(html, 2) == ["book/a.html", "book/d.html"]


def test_without_a_book_it_is_left_out_or_refused(html, capsys):
    (html / paint.FIRST).unlink()
    assert "paint" not in bench._chosen(None)
    assert "paint is left out: no built book" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"no built book: book/intro\.html is missing"):
        bench._chosen(["paint"])
    assert bench._chosen(["blur"]) == ["blur"]


@pytest.mark.browser
def test_what_is_painted_has_a_tag_and_a_time(html):
    found = list(paint.paint(Settings(rounds=1, quick=True)))
    assert [result.setting for result in found] == [
        f"{paint.FIRST}, {v}" for v in ("wide", "phone")
    ]
    for result in found:
        assert 0 < result.median < 60
        assert result.details["largest"] == ["h1"]


@pytest.mark.browser
def test_the_processor_is_slowed_down(html, monkeypatch):
    work = "<script>let x = 0; for (let i = 0; i < 3e8; i++) x += i % 7;</script>"
    (html / "book/a.html").write_text(work + PAGE)
    seconds = {}
    with browser.served(html) as base:
        for factor in (1, 8):
            monkeypatch.setattr(paint, "SLOWDOWN", factor)
            seconds[factor], _ = paint.painted(browser, "wide-light", f"{base}/book/a.html")
    assert seconds[8] > 3 * seconds[1]
