"""The printed book: macros of LaTeX, and what is missing on a machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree

import build_pdf
import printed

CONFIG = Path(__file__).resolve().parents[2] / "_config.yml"
MACROS = yaml.safe_load(CONFIG.read_text("utf-8"))["sphinx"]["config"]["mathjax3_config"]


@pytest.mark.parametrize(
    ("name", "meaning", "expected"),
    [
        ("R", r"\mathbb{R}", r"\providecommand{\R}{}\renewcommand{\R}{\mathbb{R}}"),
        (
            "vec",
            [r"\boldsymbol{#1}", 1],
            r"\providecommand{\vec}{}\renewcommand{\vec}[1]{\boldsymbol{#1}}",
        ),
    ],
)
def test_a_macro_of_the_pages_is_one_of_latex(name, meaning, expected):
    assert printed.macro(name, meaning) == expected


@pytest.mark.skipif(not shutil.which("xelatex"), reason="needs XeLaTeX")
def test_latex_accepts_every_macro(tmp_path):
    macros = MACROS["tex"]["macros"]
    uses = "".join(
        rf"$\{m}{{x}}$ " if isinstance(v, list) else rf"$\{m} x$ " for m, v in macros.items()
    )
    lines = [r"\documentclass{article}\usepackage{amsmath,amssymb}"]
    lines += [printed.macro(name, meaning) for name, meaning in macros.items()]
    lines += [r"\begin{document}", uses, r"\end{document}"]
    (tmp_path / "a.tex").write_text("\n".join(lines), encoding="utf-8")
    command = ["xelatex", "-halt-on-error", "-interaction=nonstopmode", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_what_is_missing_is_named_with_its_package(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert build_pdf.build() == 1
    said = capsys.readouterr().out
    for name, package in build_pdf.PROGRAMS.items():
        assert f"{name} ({package})" in said


def test_a_missing_font_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: name)
    other = subprocess.CompletedProcess([], 0, stdout="DejaVu Sans")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: other)
    assert build_pdf.missing() == {"the font FreeSerif": "fonts-freefont-otf"}


@pytest.mark.skipif(not shutil.which("rsvg-convert"), reason="needs rsvg-convert")
def test_a_drawing_becomes_a_pdf_and_a_broken_one_is_named(tmp_path):
    converter = printed.VectorGraphics.__new__(printed.VectorGraphics)
    good, bad, out = (tmp_path / name for name in ("good.svg", "bad.svg", "out.pdf"))
    good.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    bad.write_text("<svg")
    assert converter.convert(str(good), str(out))
    assert out.read_bytes().startswith(b"%PDF")
    with pytest.raises(printed.ExtensionError, match=r"bad\.svg was not converted"):
        converter.convert(str(bad), str(out))


@pytest.mark.parametrize(("letters", "expected"), [(40, [1, 1]), (200, [7, 45])])
def test_columns_of_a_wide_table_get_widths(letters, expected):
    line = f"======= {'=' * letters}"
    document = publish_doctree(f"{line}\nprocess b\n{line}\nVP      {'x' * letters}\n{line}\n")
    columns = list(document.findall(nodes.colspec))
    for column in columns:
        column["colwidth"] = 1
    printed.NarrowTables(document).run()
    assert [column["colwidth"] for column in columns] == expected
    (table,) = document.findall(nodes.table)
    assert ("colwidths-given" in table["classes"]) == (letters == 200)
