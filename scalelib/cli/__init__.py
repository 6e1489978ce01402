"""The command line: scalelib verify, train, compare and plot."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scalelib.cli import _compare, _train, _verify
from scalelib.cli._messages import in_options
from scalelib.learning import DivergenceError

__all__ = ["main"]

COMMANDS = {
    "verify": (_verify.add, "check every proposition and negative control"),
    "train": (_train.add, "train a denoiser, or go on with its training"),
    "compare": (_compare.add_compare, "compare scale-spaces on a folder of images"),
    "plot": (_compare.add_plot, "draw the figure of a comparison"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line without the program's name; that of the process by default.

    Returns
    -------
    int
        Exit status: 0; 1 if a check fails, a negative control passes, a training diverges or a file
        cannot be written; 2 for bad arguments; 130 if interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ModuleNotFoundError as error:
        print(
            f"scalelib: this command needs more: pip install 'scalelib[experiments,features]' "
            f"({error})",
            file=sys.stderr,
        )
        return 2
    except ValueError as error:
        print(f"scalelib: {in_options(str(error), options)}", file=sys.stderr)
        return 2
    except DivergenceError as error:
        print(f"scalelib: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"scalelib: {error}{options.afterwards}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"scalelib: interrupted{options.afterwards}", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scalelib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (add, description) in COMMANDS.items():
        command = commands.add_parser(
            name, help=description, description=f"{description.capitalize()}."
        )
        command.set_defaults(arguments={}, afterwards="")
        add(command)
    return parser
