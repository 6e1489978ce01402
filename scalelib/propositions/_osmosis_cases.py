"""What functionals of osmosis are checked on: steps of all filters, and their steady states."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.patterns import SIZES, images
from scalelib.propositions.walks import Step, euler, filters, matrix

Case = tuple[Step, Tensor, Tensor]
"""Step, initial images, image that the ratio is taken to."""


def implicit() -> Iterator[Case]:
    """Implicit steps of all filters, and the steady states that they name."""
    return _all(lambda osmosis: osmosis.step)


def explicit() -> Iterator[Case]:
    """Break: explicit steps of any length."""
    return _all(lambda osmosis: euler(matrix(osmosis)))


def _all(step_of: Callable[[Osmosis], Step]) -> Iterator[Case]:
    for shape in SIZES:
        f = images(shape)
        for osmosis in filters(shape).values():
            yield step_of(osmosis), f, osmosis.steady_state(f)
