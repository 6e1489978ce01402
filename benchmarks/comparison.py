"""The comparison of scale-spaces: where its time goes, what it costs, two workers against one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import skimage.data
import torch
from distributed.protocol import serialize
from PIL import Image

from benchmarks.harness import Result, Settings, interleave, ratios
from benchmarks.peak import peak
from scalelib import Osmosis, _random
from scalelib.experiments import Configuration, Store
from scalelib.experiments._memory import COPIES
from scalelib.experiments._models import build
from scalelib.experiments._parts import BLOCK, KEPT, Part
from scalelib.experiments.cluster import run_on
from scalelib.experiments.engine import empty, measure
from scalelib.features import EfficientNetLite0, LiteFeatures
from scalelib.images import Collection
from scalelib.processes import base

ROOT = Path(__file__).resolve().parent.parent

SHARE = 0.85
"""Part of the time that network, noise, transforms and osmosis take, at least."""

SPEED_UP = 1.6
"""Times that two workers are faster than one, at least, if each has a core."""

PHOTOGRAPHS, CROPS = 16, 4
"""Two blocks of images, from files of the size of those of BSDS500."""

SHARED_MODELS = ("vp", "ihd", "blurring", "osmosis")
"""Models of the runs on workers: with all six they would take too long."""

WORK = ("network", "noise", "transforms", "osmosis")
NOTHING = "nothing"
TRANSFORMS = ("cosine_transform", "cosine_image", "cosine_transition", "cosine_filter")


def cost(settings: Settings) -> Iterator[Result]:
    """Seconds per image of every model, by what they are spent on, in one thread."""
    configuration, images, features = _given(settings)
    labels = f"{configuration.scales} scales, {configuration.size} pixels, {settings.device}"
    models, rounds = build(configuration), min(settings.rounds, 3)
    with _one_thread(), _stopwatch(settings.device) as spent:
        _seconds(settings, models["osmosis"], images, features, spent)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in models}
        for _ in range(rounds):
            for name, model in models.items():
                found[name].append(_seconds(settings, model, images, features, spent))
    for name, listed in found.items():
        means = {kind: float(np.median([x[kind] for x in listed])) for kind in listed[0]}
        yield Result(
            benchmark="compare",
            setting=f"{name}, {labels}",
            quantity="seconds per image",
            values=[x["all"] for x in listed],
            details={"parts": means, "share": sum(means[k] for k in WORK) / means["all"]},
        )
    totals = [
        {k: sum(x[j][k] for x in found.values()) for k in ("all", *WORK)} for j in range(rounds)
    ]
    yield Result(
        benchmark="compare",
        setting=f"all models, {labels}",
        quantity="share of network, noise, transforms, osmosis",
        values=[sum(t[k] for k in WORK) / t["all"] for t in totals],
        at_least=SHARE,
    )


def moved(settings: Settings) -> Iterator[Result]:
    """Bytes: read for an image, sent to a worker, sent back by it, and held while it works."""
    if settings.device != "cpu":
        return
    configuration, images, features = _given(settings)
    read = sum(path.stat().st_size for path in _folder().iterdir()) / len(images)
    yield _bytes("files of 321 x 481 pixels, 4 crops of each", "read per image and model", read)
    yield _bytes("network", "sent to each worker", _sent(features))
    late = -(-KEPT // BLOCK)
    for start, kept in ((0, "features kept"), (late, "features not kept")):
        for blocks in (1, 8, 64):
            part = empty(configuration, features)
            for block in range(start, start + blocks):
                scales = configuration.scales + 1
                part.add(
                    block, torch.randn(scales, BLOCK, features.dimension), torch.rand(scales, BLOCK)
                )
            yield _bytes(f"part of {blocks * BLOCK} images, {kept}", "sent back", _sent(part))
    nothing = _peak(NOTHING, settings)
    unit = 4 * BLOCK * configuration.channels * configuration.size**2 * (configuration.scales + 1)
    for name in ("vp", "blurring", "osmosis"):
        highest = _peak(name, settings)
        yield Result(
            benchmark="compare-bytes",
            setting=f"{name}, {BLOCK} images, {configuration.scales} scales",
            quantity="trajectories held at the same time",
            values=[(highest - nothing) / unit],
            at_most=COPIES,
            details={"peak": highest, "without a trajectory": nothing, "trajectory": unit},
        )


def workers(settings: Settings) -> Iterator[Result]:
    """Two workers against one, each with one thread on a core of its own."""
    if settings.device != "cpu" or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        return
    configuration, images, features = _given(settings, models=SHARED_MODELS)
    with ExitStack() as stack:
        clients = {n: stack.enter_context(_cluster(cores[:n])) for n in (1, 2)}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runs = 0

        def run(client: distributed.Client, what: Configuration) -> None:
            nonlocal runs
            runs += 1
            run_on(client, what, images, features, Store(folder / str(runs), what))

        short = Configuration(**{**configuration.to_dict(), "scales": 3})
        for client in clients.values():
            run(client, short)
        seconds = interleave(
            {str(n): lambda c=c: run(c, configuration) for n, c in clients.items()},
            min(settings.rounds, 3),
            warm_up=False,
        )
    yield Result(
        benchmark="compare-workers",
        setting=f"{len(images)} images, {len(SHARED_MODELS)} models, one core a worker",
        quantity="times faster with two workers",
        values=ratios(seconds["1"], seconds["2"]),
        at_least=SPEED_UP,
        seconds=seconds,
    )


def _given(settings: Settings, **changes: Any) -> tuple[Configuration, Collection, LiteFeatures]:
    features = LiteFeatures(outside="keep", device=settings.device)
    images = Collection(_folder(), 64, CROPS)
    scales = settings.pick(50, 3)
    return (
        Configuration(
            images.fingerprint, features.name, scales=scales, seeds=(0,), crops=CROPS, **changes
        ),
        images,
        features,
    )


def _folder() -> Path:
    """Pieces of photographs, 321 x 481 pixels, as files; written once."""
    folder = ROOT / "_build" / "benchmark-photographs"
    folder.mkdir(parents=True, exist_ok=True)
    sources = [
        getattr(skimage.data, n)() for n in ("astronaut", "coffee", "hubble_deep_field", "retina")
    ]
    for j in range(PHOTOGRAPHS):
        pixels, place = sources[j % 4], j // 4 / (PHOTOGRAPHS // 4)
        top, left = (int(place * (n - m)) for n, m in zip(pixels.shape, (321, 481), strict=False))
        path = folder / f"{j:02}.jpg"
        if not path.exists():
            Image.fromarray(pixels[top : top + 321, left : left + 481]).save(path, quality=90)
    return folder


def _seconds(
    settings: Settings,
    model: Any,
    images: Collection,
    features: LiteFeatures,
    spent: dict[str, float],
) -> dict[str, float]:
    """Seconds per image of one block: all, and those of the parts."""
    part = Part.empty(settings.pick(50, 3), features.dimension, features.name)
    spent.clear()
    clock = _clock(settings.device)
    begin = clock()
    part.add(1, *measure(model, images, features, 1, 0, settings.device))
    spent["all"] = clock() - begin
    return {k: spent.get(k, 0.0) / BLOCK for k in ("all", *WORK, "reading", "statistics")}


def _clock(device: str) -> Callable[[], float]:
    """Processor time, which other programs hardly disturb; of a device, time on the wall."""

    def wall() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return time.process_time if device == "cpu" else wall


@contextmanager
def _stopwatch(device: str) -> Iterator[dict[str, float]]:
    """Seconds inside functions, by kind; what one of them calls counts as its own."""
    spent: dict[str, float] = defaultdict(float)
    clock, inside = _clock(device), [False]

    def watched(function: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if inside[0]:
                return function(*args, **kwargs)
            inside[0], begin = True, clock()
            try:
                return function(*args, **kwargs)
            finally:
                inside[0] = False
                spent[kind] += clock() - begin

        return call

    places: list[tuple[Any, str, str]] = [
        (EfficientNetLite0, "stage", "network"),
        (_random, "normal", "noise"),
        *((base, name, "transforms") for name in TRANSFORMS),
        (Osmosis, "exact_trajectory", "osmosis"),
        (Collection, "load", "reading"),
        (Part, "add", "statistics"),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, kind in places:
        setattr(owner, name, watched(getattr(owner, name), kind))
    try:
        yield spent
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _cluster(cores: list[int]) -> Iterator[distributed.Client]:
    """Workers, one on each core. The scheduler and this program may use any."""
    with (
        distributed.LocalCluster(
            n_workers=len(cores), threads_per_worker=1, dashboard_address=":0", memory_limit=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(len(cores))
        for address, core in zip(client.nthreads(), cores, strict=True):
            client.run(_pin, core, workers=[address])
        yield client


def _pin(core: int) -> None:
    """Keep every thread of this process on one core."""
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), {core})


def _sent(what: object) -> int:
    """Bytes of an object on its way from process to process."""
    _, frames = serialize(what)
    return sum(memoryview(frame).nbytes for frame in frames)


def _bytes(setting: str, quantity: str, count: float) -> Result:
    return Result(
        benchmark="compare-bytes", setting=setting, quantity=f"MB {quantity}", values=[count / 1e6]
    )


def _peak(name: str, settings: Settings) -> int:
    """Peak memory in bytes of a program of its own."""
    command = [sys.executable, "-m", "benchmarks.comparison", name, str(int(settings.quick))]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return int(run.stdout)


def main(name: str, quick: str) -> None:
    """Print the peak memory of measuring one block with a model."""
    settings = Settings(quick=quick == "1")
    torch.set_num_threads(1)
    configuration, images, features = _given(settings)
    if name == NOTHING:
        features(images.load(range(BLOCK)))
    else:
        measure(build(configuration)[name], images, features, 0, 0)
    print(peak("cpu"))


if __name__ == "__main__":
    main(*sys.argv[1:])
