"""scalelib compare and scalelib plot: scale-spaces side by side, on a folder of images."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console

from scalelib import _check
from scalelib.cli._device import device
from scalelib.cli._progress import progress
from scalelib.features import (
    CosineFeatures,
    FeatureExtractor,
    InceptionFeatures,
    LiteFeatures,
    PixelFeatures,
)
from scalelib.images import Collection

if TYPE_CHECKING:
    from scalelib.experiments import Configuration, Store

__all__ = ["add_compare", "add_plot"]

RESULTS = "results.nc"
STAGE = 5
FEATURES = ("lite0", "inception", "pixels", "dct")
DEFAULTS = {
    "scales": 50,
    "size": 64,
    "crops": 5,
    "channels": 3,
    "contrast": 0.5,
    "offset": 255.0,
    "sigma_max": 20.0,
    "heat_sigma": 0.02,
    "last_beta": 0.2,
    "blurring_schedule": "matched",
}
IMAGES = {
    "size": "height and width in pixels, 8 or more, 32 for lite0; images are never enlarged",
    "crops": "random crops of each image, 1 for its centre; 20 are needed in all",
    "channels": "1 for grey values, 3 for colours",
}
SCALE_SPACES = {
    "scales": "number of scales, 2 or more",
    "sigma_max": "standard deviation of the last blur in pixels",
    "contrast": "standard deviation of osmosis' guidance images, unit 127.5 grey values",
    "offset": "offset of osmosis in grey values, at least 765 contrast - 127.5",
    "heat_sigma": "standard deviation of ihd's noise, images in [-1, 1]",
    "last_beta": "last noise variance of vp, above 1e-4 and below 1",
    "blurring_schedule": "noise of blurring: matched to linearised osmosis, or as published",
}
CHOICES = {"channels": (1, 3), "blurring_schedule": ("matched", "published")}


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command compare."""
    parser.epilog = (
        "Called again with the same options, it goes on where it stopped. Exit status: 0; 1 if a "
        "file cannot be written; 2 for bad options, images or results; 130 if interrupted."
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="RESULTS", help="folder; it is made"
    )
    _add_images(parser.add_argument_group("images"))
    _add_scale_spaces(parser.add_argument_group("scale-spaces"))
    _add_features(parser.add_argument_group("features"))
    _add_computation(parser.add_argument_group("computation"))
    parser.set_defaults(
        run=_compare,
        arguments={
            "name_or_folder": "--data",
            "path": "--out",
            "results": "--out",
            "seed": "--seeds",
            "weights": "--inception",
            "images": "images of --size",
        },
        afterwards="; what has been measured is kept, and the same command goes on with it",
    )


def _add_images(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data",
        required=True,
        metavar="FOLDER",
        help="images, or a name of them such as photographs",
    )
    _add_numbers(group, IMAGES)
    group.add_argument("--skip-bad", action="store_true", help="leave out unusable images")


def _add_scale_spaces(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--models",
        metavar="A,B,...",
        help="of vp, ihd, diffusion, blurring, osmosis, linearised, with osmosis; default: all",
    )
    group.add_argument("--seeds", default="0,1,2", metavar="N,N,...", help="default: 0,1,2")
    _add_numbers(group, SCALE_SPACES)


def _add_numbers(group: argparse._ArgumentGroup, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(DEFAULTS[name]),
            default=DEFAULTS[name],
            choices=CHOICES.get(name),
            metavar=None if name in CHOICES else "X" if type(DEFAULTS[name]) is float else "N",
            help=f"{text}; default: {DEFAULTS[name]}",
        )


def _add_features(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--features", choices=FEATURES, default="lite0", help="default: lite0")
    group.add_argument(
        "--stage", type=int, metavar="N", help=f"stage 1 to 8 of lite0; default: {STAGE}"
    )
    group.add_argument("--inception", type=Path, metavar="FILE", help="weights, for inception")


def _add_computation(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default) or cuda")
    where = group.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="processes on this machine")
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster")


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command plot."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder of a comparison")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="for the figures; default: RESULTS"
    )
    parser.set_defaults(run=_plot, arguments={"results": "RESULTS", "path": "--out"})


def _compare(options: argparse.Namespace) -> int:
    from scalelib.cli._memory import check_memory  # noqa: PLC0415  (the extra experiments)
    from scalelib.experiments import Store, summarise, write_results  # noqa: PLC0415  (extra)

    console = Console()
    chosen = device(options.device)
    configuration = _configuration(options)
    features = _features(options, chosen)
    images = _images(options, console)
    configuration = replace(configuration, data=images.fingerprint, features=features.name)
    check_memory(configuration, features.dimension, len(images), options.workers or 0)
    _few(console, len(images), features.dimension)
    store = Store(options.out, configuration)
    if any(options.out.glob("parts/*")):
        console.print(f"Going on with what has been measured in {options.out}", highlight=False)
    with progress(console) as told:
        _work(options, store, images, features, told)
    write_results(options.out / RESULTS, summarise(store, len(images)))
    console.print(f"Written: {options.out / RESULTS}", highlight=False)
    return 0


def _work(
    options: argparse.Namespace,
    store: Store,
    images: Collection,
    features: FeatureExtractor,
    told: Callable[[str, int, int], None],
) -> None:
    from scalelib.experiments import run  # noqa: PLC0415  (extra)

    given = (store.configuration, images, features, store)
    chosen = device(options.device)
    if options.workers is None and options.scheduler is None:
        run(*given, device=chosen, progress=told)
        return
    from distributed import Client, LocalCluster  # noqa: PLC0415  (extra)

    from scalelib.experiments.cluster import run_on  # noqa: PLC0415  (extra)

    with ExitStack() as stack:
        address = options.scheduler
        if address is None:
            address = stack.enter_context(
                LocalCluster(
                    n_workers=options.workers, threads_per_worker=1, dashboard_address=":0"
                )
            )
        run_on(stack.enter_context(Client(address)), *given, device=chosen, progress=told)


def _configuration(options: argparse.Namespace) -> Configuration:
    """Check all but images and features, so that a bad option is told before they are read."""
    from scalelib.experiments import Configuration  # noqa: PLC0415  (extra)

    if options.workers is not None:
        _check.integer("workers", options.workers, low=1)
    fields = {name: getattr(options, name) for name in DEFAULTS}
    if options.models is not None:
        fields["models"] = tuple(options.models.split(","))
    try:
        fields["seeds"] = tuple(int(seed) for seed in options.seeds.split(","))
    except ValueError as error:
        raise ValueError(f"--seeds must be integers, found {options.seeds!r}") from error
    return Configuration(data="", features="", **fields)


def _features(options: argparse.Namespace, chosen: torch.device) -> FeatureExtractor:
    """Features by name. Noisy images leave [-1, 1]: the network takes them as they are.

    The standard Inception network reads 8-bit images and sees them clipped.
    """
    for name, owner in (("stage", "lite0"), ("inception", "inception")):
        if getattr(options, name) is not None and options.features != owner:
            raise ValueError(
                f"--{name} must come with --features {owner}, found --features {options.features}"
            )
    shape = (options.channels, options.size, options.size)
    found: FeatureExtractor
    match options.features:
        case "pixels":
            found = PixelFeatures(shape)
        case "dct":
            found = CosineFeatures(shape)
        case "inception":
            if options.inception is None:
                raise ValueError("--features inception needs --inception FILE with its weights")
            found = InceptionFeatures(options.inception, outside="clip", device=chosen)
        case _:
            stage = STAGE if options.stage is None else options.stage
            found = LiteFeatures(stage, outside="keep", device=chosen)
    found(torch.zeros(1, *shape))  # raises if such images are too small for a network
    return found


def _images(options: argparse.Namespace, console: Console) -> Collection:
    """Images of the folder; raise if the kernel distance would miss some in the end."""
    images = Collection(
        options.data,
        options.size,
        options.crops,
        channels=options.channels,
        skip_bad=options.skip_bad,
    )
    if images.skipped:
        console.print(f"Images left out: {len(images.skipped)}", highlight=False)
    for label, reason in images.skipped.items():
        console.print(f"  {label} ({reason})", highlight=False)
    from scalelib.experiments.results import SUBSETS  # noqa: PLC0415  (extra)

    least = 2 * SUBSETS
    if len(images) < least:
        raise ValueError(
            f"--crops must lead to {least} images or more for the kernel distance, "
            f"found {len(images)} in all"
        )
    return images


def _few(console: Console, count: int, dimension: int) -> None:
    """Say what few samples mean for a distance."""
    if count <= 2 * dimension:
        console.print(
            f"{count} images for {dimension} features: the Frechet distance is biased upward by "
            f"a share of the order of {dimension}/{count}. Compare it with that of osmosis to "
            "itself with another seed, which the figure shows if there are two seeds or more. "
            "The kernel distance has no such bias.",
            highlight=False,
        )


def _plot(options: argparse.Namespace) -> int:
    from scalelib.cli._plot import plot  # noqa: PLC0415  (extra)

    return plot(options)
