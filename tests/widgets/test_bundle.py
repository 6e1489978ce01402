"""Modules joined into one, by what Node.js makes of them."""

from __future__ import annotations

from pathlib import Path

import javascript
import pytest

from scalelib.widgets import bundle

LEAF = """// A value and two functions.
export const unit = 2;
const hidden = 10;

export function scaled(x) {
  return hidden * unit * x;
}

export async function later() {
  return import.meta.url;
}
"""
MIDDLE = """import { unit, scaled as multiplied } from "../leaf.js";
const hidden = 5;
export class Sum {
  static of(x) { return hidden + unit + multiplied(x); }
}
"""
ENTRY = """import {
  Sum,
} from "./deep/middle.js";
import { unit } from "./leaf.js";

const hidden = 1;
export default { result: hidden + unit + Sum.of(3) };
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.js"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_files_with_the_same_names_are_joined(tmp_path: Path) -> None:
    write(tmp_path, leaf=LEAF, deep__middle=MIDDLE, entry=ENTRY)
    joined = bundle("entry.js", tmp_path)
    assert joined.count("const unit = 2") == 1
    javascript.check(joined, tmp_path)
    probe = (
        joined.replace("export default", "export const found =") + "export const f = () => found;"
    )
    (tmp_path / "joined.mjs").write_text(probe, encoding="utf-8")
    assert javascript.call(str(tmp_path / "joined.mjs"), "f", ()) == [
        {"result": 1 + 2 + 5 + 2 + 60}
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('import { none } from "./leaf.js";', "imports 'none', which leaf.js does not export"),
        ('import unit from "./leaf.js";', "entry.js:1: expected import"),
        ('import * as leaf from "./leaf.js";', "entry.js:1: expected import"),
        ('import { unit } from "leaf";', "entry.js:1: expected import"),
        ("import { unit } from './leaf.js';", "entry.js:1: expected import"),
        ('import { unit } from "./leaf.js"', "entry.js:1: expected import"),
        ("\nexport let x = 1;", "entry.js:2: expected export"),
        ("export { x };", "entry.js:1: expected export"),
        ('export * from "./leaf.js";', "entry.js:1: expected export"),
        ("export const { a } = b;", "entry.js:1: expected export"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, leaf=LEAF, entry=text)
    with pytest.raises(ValueError, match=r".*") as error:
        bundle("entry.js", tmp_path)
    assert message in str(error.value)


def test_a_default_export_belongs_to_the_entry(tmp_path: Path) -> None:
    write(tmp_path, leaf="export default 1;", entry='import { x } from "./leaf.js";')
    with pytest.raises(ValueError, match=r"leaf\.js:1: expected export"):
        bundle("entry.js", tmp_path)


def test_circles_are_refused(tmp_path: Path) -> None:
    write(tmp_path, a='import { b } from "./b.js";', b='import { a } from "./a.js";')
    with pytest.raises(ValueError, match=r"each other: a\.js -> b\.js -> a\.js"):
        bundle("a.js", tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, entry='import { a } from "./absent.js";')
    with pytest.raises(FileNotFoundError, match="absent"):
        bundle("entry.js", tmp_path)
