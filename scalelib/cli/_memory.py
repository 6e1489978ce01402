"""Whether the statistics of a comparison fit in memory, asked before the work begins."""

from __future__ import annotations

from scalelib.experiments import Configuration
from scalelib.experiments._memory import available
from scalelib.experiments._parts import KEPT

__all__ = ["check_memory", "part_bytes"]

FLOAT, DOUBLE = 4, 8


def part_bytes(scales: int, dimension: int, images: int) -> int:
    """Memory of the statistics of one model with one seed.

    At each scale 0..m these are the moments in double precision, as vectors or as a d x d matrix,
    whichever is smaller, and the vectors that the kernel distance needs.
    """
    moments = DOUBLE * min(images, dimension) * dimension
    kept = FLOAT * min(images, KEPT) * dimension
    return (scales + 1) * (moments + kept)


def check_memory(
    configuration: Configuration, dimension: int, images: int, workers: int = 0
) -> None:
    """Raise if the statistics that are held at the same time need more than there is.

    In the end osmosis with all seeds is compared with one model after the other; reading that one
    takes its place three times over. A worker on this machine merges two parts, and so does the
    program that collects them.
    """
    parts = max(len(configuration.seeds) + 3, 2 * workers + 2)
    needed = parts * part_bytes(configuration.scales, dimension, images)
    free = available("cpu")
    if needed > free:
        raise ValueError(
            f"the statistics must fit in memory, found {needed / 1e9:.3g} GB for {dimension} "
            f"features of {images} images at {configuration.scales + 1} scales, and "
            f"{free / 1e9:.3g} GB free: {_remedy(configuration)}"
        )


def _remedy(configuration: Configuration) -> str:
    if configuration.features.startswith("EfficientNet"):
        return "take an earlier --stage, or fewer --scales, --seeds or --crops"
    if configuration.features.startswith("Inception"):
        return "take --features lite0, or fewer --scales, --seeds or --crops"
    return "take a smaller --size or --channels 1, or fewer --scales, --seeds or --crops"
