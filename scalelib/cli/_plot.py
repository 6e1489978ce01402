"""scalelib plot: the figures of a comparison."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from scalelib.cli._compare import RESULTS
from scalelib.comparison_figures import frechet_figure, kernel_figure, variance_figure
from scalelib.experiments import read_results

__all__ = ["plot"]

FIGURES = {"variance": variance_figure, "frechet": frechet_figure, "kernel": kernel_figure}


def plot(options: argparse.Namespace) -> int:
    """Draw what a comparison has found."""
    folder: Path = options.out or options.results
    if not (options.results / RESULTS).exists():
        raise ValueError(
            f"RESULTS must be the folder of a finished comparison, found no {RESULTS} in "
            f"{options.results}: run scalelib compare to its end first"
        )
    results = read_results(options.results / RESULTS)
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in FIGURES.items():
        path = folder / f"{name}.svg"
        figure(results).save(path)
        Console().print(f"Written: {path}", highlight=False)
    return 0
