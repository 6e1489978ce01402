"""Run the benchmarks: python -m benchmarks [--only NAME] [--rounds N] [--quick] [--json FILE]."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks import (
    comparison,
    frechet,
    osmosis,
    osmosis_trajectory,
    paint,
    report,
    reverse,
    training,
    trajectories,
    transforms,
)
from benchmarks.harness import Result, Settings

ROOT = Path(__file__).resolve().parent.parent

BUSY = 0.5
"""Load above which the threads of the contenders do not get the cores they count on."""

BENCHMARKS: dict[str, Callable[[Settings], Iterator[Result]]] = {
    "sampling": transforms.sampling,
    "blur": transforms.blur,
    "scipy-fft": transforms.scipy_fft,
    "trajectories": trajectories.floors,
    "memory": trajectories.memory,
    "osmosis-iterations": osmosis.iterations,
    "osmosis-batch": osmosis.batch,
    "osmosis": osmosis.step,
    "training": training.step,
    "osmosis-trajectory": osmosis_trajectory.trajectory,
    "frechet": frechet.distance,
    "moments": frechet.moments,
    "compare": comparison.cost,
    "compare-bytes": comparison.moved,
    "compare-workers": comparison.workers,
    "reverse": reverse.step,
    "reverse-memory": reverse.memory,
    "paint": paint.paint,
}


def main() -> None:
    """Run, print and record."""
    options = _options()
    rounds = options.rounds or (1 if options.quick else 7)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    environment = report.environment()
    print(_introduction(environment, rounds, options.quick))
    if (environment["load"] or 0) > BUSY:
        print(f"The machine is busy (load {environment['load']:.1f}): preliminary.")
    results: list[Result] = []
    for name in _chosen(options.only):
        print(f"\n{name}\n{report.heading()}")
        for device in devices:
            for result in BENCHMARKS[name](Settings(rounds, options.quick, device)):
                print(report.line(result, verdict=not options.quick), flush=True)
                results.append(result)
    if "cuda" not in devices:
        print("\nNo CUDA device: its rows are left out.")
    record = {
        "environment": environment,
        "settings": asdict(Settings(rounds, options.quick, "+".join(devices))),
        "results": [result.record() for result in results],
    }
    report.write_json(options.json, record)
    for result in results:
        if result.drawing is not None:
            plot = options.json.with_name(f"{options.json.stem}-{result.benchmark}.svg")
            result.drawing.save(plot)
            print(f"Written: {plot}")
    if not options.quick:
        judged = [result.reached for result in results if result.reached is not None]
        print(f"\n{sum(judged)} of {len(judged)} targets reached.")
    print(f"Written: {options.json}")


def _chosen(only: list[str] | None) -> list[str]:
    """Names of what to run; without a built book paint is left out, or refused if asked for."""
    names = only or list(BENCHMARKS)
    if "paint" not in names or not (lacking := paint.lacking()):
        return names
    if only:
        raise SystemExit(f"paint: {lacking}")
    print(f"paint is left out: {lacking}")
    return [name for name in names if name != "paint"]


def _introduction(environment: dict[str, object], rounds: int, quick: bool) -> str:
    kind = "Quick run: small sizes, no verdict" if quick else f"Median of {rounds} rounds"
    few = "" if quick or rounds >= 7 else " (preliminary: fewer than 7)"
    return (
        f"{kind}{few}, contenders in turn, ratios round by round.\n"
        f"{environment['cpu']}, {environment['threads']} threads, torch {environment['torch']}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time scalelib.")
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS, help="run this benchmark; may be repeated"
    )
    parser.add_argument("--rounds", type=_positive, help="rounds per comparison, 7 by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, no verdict")
    parser.add_argument(
        "--json",
        type=Path,
        default=ROOT / "_build" / "benchmarks.json",
        metavar="FILE",
        help="where to write the record, _build/benchmarks.json by default",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"rounds must be at least 1, found {number}")
    return number


if __name__ == "__main__":
    main()
