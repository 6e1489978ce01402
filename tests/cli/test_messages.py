"""Errors in the words of the command line."""

from __future__ import annotations

import argparse

import pytest

from scalelib.cli._messages import in_options

OPTIONS = argparse.Namespace(
    last_beta=0.2, skip_bad=False, out="r", arguments={"path": "--out", "seed": "--seeds"}
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("last_beta must be in (0, 1)", "--last-beta must be in (0, 1)"),
        ("path must be empty, found r", "--out must be empty, found r"),
        ("path 'a b' must be a folder", "--out 'a b' must be a folder"),
        ("seed[1] must be at least 0", "--seeds[1] must be at least 0"),
        ("found 'a.png' (path must exist)", "found 'a.png' (--out must exist)"),
        ("bad; skip_bad=True leaves them out", "bad; --skip-bad leaves them out"),
        ("no/such/path must be a file", "no/such/path must be a file"),
        ("results of 'path must be'", "results of 'path must be'"),
        ("the path of seed is last_beta", "the path of seed is last_beta"),
        ("shape must be a pair", "shape must be a pair"),
    ],
)
def test_arguments_become_options(message: str, expected: str) -> None:
    assert in_options(message, OPTIONS) == expected
