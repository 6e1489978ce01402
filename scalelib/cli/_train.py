"""scalelib train: train a denoiser, or go on with its training."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from scalelib.cli._device import device
from scalelib.learning import Trained, preset_images, preset_process, train

__all__ = ["add"]


def add(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command."""
    parser.add_argument(
        "--data",
        default="digits",
        metavar="NAME",
        help="digits (default), fashion-mnist, or a name or folder of photographs",
    )
    parser.add_argument("--process", choices=("vp", "blurring"), default="vp", help="vp by default")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="checkpoint")
    parser.add_argument("--steps", type=int, help="in all; by default those of the preset")
    parser.add_argument("--seed", type=int, default=0, help="of everything random; 0 by default")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.set_defaults(
        run=_train,
        arguments={
            "name_or_folder": "--data",
            "path": "--out",
            "size": "the size of the training images",
        },
        afterwards="; the last checkpoint is kept, and the same command goes on from it",
    )


def _train(options: argparse.Namespace) -> int:
    console = Console()
    chosen = device(options.device)
    with console.status("Loading the images"):
        preset, images = preset_images(options.data)
    process = preset_process(options.process, preset)
    settings = replace(preset.settings, seed=options.seed)
    steps = preset.steps if options.steps is None else options.steps
    console.print(f"{len(images)} images, {process!r}", highlight=False)
    if options.out.exists():
        done = len(Trained.load(options.out).losses)
        console.print(f"{options.out} has {done} steps: going on from there", highlight=False)
    found = train(images, process, settings, steps, path=options.out, device=chosen, progress=True)
    recent = found.losses[-100:]
    console.print(
        f"Mean loss of the last {len(recent)} steps: {recent.mean():.4f}", highlight=False
    )
    console.print(f"Written: {options.out}", highlight=False)
    return 0
