"""scalelib compare and scalelib plot: scale-spaces side by side, on a folder of images."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from scalelib.cli._device import device
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
SUBSETS = 10
"""Disjoint subsets for the standard error of the kernel distance."""

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
HELP = {
    "scales": "number of scales",
    "size": "height and width of the images in pixels",
    "crops": "crops of each image",
    "channels": "1 for grey values, 3 for colours",
    "contrast": "standard deviation of the guidance images of osmosis by 127.5",
    "offset": "of osmosis, in grey values",
    "sigma_max": "standard deviation of the last blur, in pixels",
    "heat_sigma": "noise of inverse heat dissipation, images in [-1, 1]",
    "last_beta": "last noise variance of the variance preserving process",
    "blurring_schedule": "of blurring diffusion, matched or published",
}


def add_compare(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command compare."""
    parser.add_argument("--data", required=True, metavar="FOLDER", help="or a name of a data set")
    parser.add_argument("--out", required=True, type=Path, metavar="RESULTS", help="folder")
    parser.add_argument("--models", metavar="A,B,...", help="all by default")
    parser.add_argument("--seeds", default="0,1,2", metavar="N,N,...", help="0,1,2 by default")
    for name, value in DEFAULTS.items():
        text = f"{HELP[name]}; {value} by default"
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(value), default=value, help=text
        )
    parser.add_argument("--features", choices=FEATURES, default="lite0", help="lite0 by default")
    parser.add_argument("--stage", type=int, default=5, help="stage of lite0; 5 by default")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="weights, for inception")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--workers", type=int, metavar="N", help="processes on this machine")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster")
    parser.add_argument("--skip-bad", action="store_true", help="leave out unusable images")
    parser.set_defaults(run=_compare)


def add_plot(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the command plot."""
    parser.add_argument("results", type=Path, metavar="RESULTS", help="folder of a comparison")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="RESULTS itself by default")
    parser.set_defaults(run=_plot)


def _compare(options: argparse.Namespace) -> int:
    from scalelib.experiments import (  # noqa: PLC0415  (an extra, not needed by other commands)
        Store,
        summarise,
        write_results,
    )

    console = Console()
    chosen = device(options.device)
    images = Collection(
        options.data,
        options.size,
        options.crops,
        channels=options.channels,
        skip_bad=options.skip_bad,
    )
    for label, reason in images.skipped.items():
        console.print(f"Left out: {label} ({reason})", highlight=False)
    _enough(images)
    features = _features(options, chosen)
    configuration = _configuration(options, images, features)
    store = Store(options.out, configuration)
    _few(console, len(images), features.dimension)
    with _progress(console) as told:
        _work(options, store, images, features, told)
    write_results(options.out / RESULTS, summarise(store, len(images), SUBSETS))
    console.print(f"Written: {options.out / RESULTS}", highlight=False)
    return 0


def _work(
    options: argparse.Namespace,
    store: Store,
    images: Collection,
    features: FeatureExtractor,
    told: Callable[[str, int, int], None],
) -> None:
    from scalelib.experiments import run  # noqa: PLC0415

    given = (store.configuration, images, features, store)
    chosen = device(options.device)
    if options.workers is None and options.scheduler is None:
        run(*given, device=chosen, progress=told)
        return
    if options.workers is not None and options.scheduler is not None:
        raise ValueError("at most one of --workers and --scheduler must be given, found both")
    from distributed import Client, LocalCluster  # noqa: PLC0415

    from scalelib.experiments.cluster import run_on  # noqa: PLC0415

    with ExitStack() as stack:
        address = options.scheduler
        if address is None:
            if options.workers < 1:
                raise ValueError(f"--workers must be at least 1, found {options.workers}")
            address = stack.enter_context(
                LocalCluster(options.workers, threads_per_worker=1, dashboard_address=None)
            )
        run_on(stack.enter_context(Client(address)), *given, device=chosen, progress=told)


def _configuration(
    options: argparse.Namespace, images: Collection, features: FeatureExtractor
) -> Configuration:
    from scalelib.experiments import Configuration  # noqa: PLC0415

    fields = {name: getattr(options, name) for name in DEFAULTS}
    if options.models is not None:
        fields["models"] = tuple(options.models.split(","))
    try:
        fields["seeds"] = tuple(int(seed) for seed in options.seeds.split(","))
    except ValueError as error:
        raise ValueError(f"--seeds must be integers, found {options.seeds!r}") from error
    return Configuration(data=images.fingerprint, features=features.name, **fields)


def _features(options: argparse.Namespace, chosen: object) -> FeatureExtractor:
    """Features by name. Noisy images leave [-1, 1]: the network takes them as they are.

    The standard Inception network reads 8-bit images and sees them clipped.
    """
    shape = (options.channels, options.size, options.size)
    match options.features:
        case "pixels":
            return PixelFeatures(shape)
        case "dct":
            return CosineFeatures(shape)
        case "inception":
            if options.inception is None:
                raise ValueError("--features inception needs --inception FILE with its weights")
            return InceptionFeatures(options.inception, outside="clip", device=str(chosen))
    return LiteFeatures(options.stage, outside="keep", device=str(chosen))


def _enough(images: Collection) -> None:
    """Raise before hours of work if the kernel distance would miss vectors in the end."""
    least = 2 * SUBSETS
    if len(images) < least:
        raise ValueError(
            f"--crops must lead to {least} images or more for the kernel distance, "
            f"found {len(images)} in all"
        )


def _few(console: Console, count: int, dimension: int) -> None:
    """Say what few samples mean for a distance."""
    if count <= 2 * dimension:
        console.print(
            f"{count} images for {dimension} features: the Frechet distance is biased upward by "
            f"a share of the order of {dimension}/{count}. Compare it with that of osmosis to "
            "itself with another seed, which the figure shows if there are two seeds or more.",
            highlight=False,
        )


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Comparing", total=None)
        yield lambda model, done, total: bar.update(
            task, description=model, completed=done, total=total
        )


def _plot(options: argparse.Namespace) -> int:
    from scalelib.cli._plot import plot  # noqa: PLC0415

    return plot(options)
