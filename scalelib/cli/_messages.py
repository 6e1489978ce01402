"""Errors in the words of the command line."""

from __future__ import annotations

import argparse
import re

__all__ = ["in_options"]

# Messages name an argument where they say what it must be, or which value of a flag helps.
ARGUMENT = re.compile(r"(?<![\w/'-])([a-z_]+)(?:=True\b|(?=(?:\[\d+\]| '[^']*')? must\b))")


def in_options(message: str, options: argparse.Namespace) -> str:
    """Name the options in place of the arguments of the package.

    An option that is called otherwise than the argument it becomes stands in the table
    ``arguments`` of the command: argument -> option.
    """
    names = {name: f"--{name.replace('_', '-')}" for name in vars(options)} | options.arguments
    return ARGUMENT.sub(lambda found: names.get(found[1], found[0]), message)
