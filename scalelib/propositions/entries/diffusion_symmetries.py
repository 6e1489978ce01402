"""H-symmetry: the permutations that commute with homogeneous diffusion are those of the grid."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from scalelib.propositions.evolutions import Evolution, diffuse, matrix_of, unequal_axes
from scalelib.propositions.patterns import images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)

__all__ = ["PROPOSITIONS"]

TIME = 1.3


def commuting(evolve: Evolution, shape: tuple[int, int], expected: int) -> Outcome:
    """Count the pixel permutations, among all of them, that commute with the evolution."""
    weights = matrix_of(evolve, shape, TIME)
    kept = torch.zeros(1, 0, dtype=torch.long)
    # Pixel by pixel: an image that disagrees with an earlier one cannot be completed.
    for p in range(len(weights)):
        free = torch.arange(len(weights)).repeat(len(kept), 1)
        grown = torch.cat([kept.repeat_interleave(free.shape[1], dim=0), free.view(-1, 1)], dim=1)
        new = (grown[:, :-1] != grown[:, -1:]).all(dim=1)
        moved = weights[grown[:, -1:], grown]
        kept = grown[new & ((moved - weights[p, : p + 1]).abs() < 1e-12).all(dim=1)]
    return Outcome(len(kept), 0.0, expected)


def symmetric(evolve: Evolution) -> Outcome:
    """Largest defect under flips and transposition, as a share of the largest grey value."""
    u = images((8, 8))
    later = evolve(u, TIME)
    pairs = ((u.flip(-1), later.flip(-1)), (u.flip(-2), later.flip(-2)), (u.mT, later.mT))
    return Outcome(max(_defect(evolve, moved, expected) for moved, expected in pairs), 1e-13)


def shifted(evolve: Evolution) -> Outcome:
    """Check a cyclic shift as if it were a symmetry."""
    u = images((8, 8))
    return Outcome(_defect(evolve, u.roll(1, -1), evolve(u, TIME).roll(1, -1)), 1e-13)


def _defect(evolve: Evolution, moved: Tensor, expected: Tensor) -> float:
    return float((evolve(moved, TIME) - expected).abs().max() / moved.max())


def brute_force(shape: tuple[int, int], expected: int) -> Outcome:
    """Count by trying all permutations of a small grid, one by one."""
    weights = matrix_of(diffuse, shape, TIME)
    order = torch.tensor(list(itertools.permutations(range(len(weights)))))
    moved = weights[order[:, :, None], order[:, None, :]]
    found = ((moved - weights).abs() < 1e-12).all(dim=(1, 2)).sum()
    return Outcome(int(found), 0.0, expected)


def counted(shape: tuple[int, int], expected: int) -> Claim:
    """Claim for one size."""
    return Claim(
        "homogeneous diffusion",
        Expectation.HOLDS,
        lambda trial: commuting(diffuse, shape, expected),
        "number of commuting permutations",
        f"{shape[0]} x {shape[1]} pixels",
    )


PROPOSITIONS = (
    Proposition(
        label="H-symmetry",
        title="Symmetries of the grid",
        source="Our addition: that there are no others",
        statement=(
            r"Let $t > 0$ and $H, W \ge 2$. A permutation of the pixels commutes with $P_t$ if and "
            r"only if it maps neighbours to neighbours: 4 permutations for $H \ne W$, 8 for "
            r"$H = W$."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-hd-symmetry",),
        claims=(
            *(
                counted(shape, n)
                for shape, n in (((2, 3), 4), ((3, 3), 8), ((6, 5), 4), ((6, 6), 8))
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: brute_force((2, 3), 4),
                "number of commuting permutations among all 720",
                "2 x 3 pixels, one by one",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: symmetric(diffuse),
                "defect as a share of the largest grey value",
                "flips and transposition",
            ),
        ),
        controls=(
            Control(
                "vertical diffusion at double speed",
                "homogeneous diffusion",
                lambda trial: commuting(unequal_axes, (3, 3), 8),
            ),
            Control(
                "transposition at unequal speeds",
                "homogeneous diffusion",
                lambda trial: symmetric(unequal_axes),
            ),
            Control(
                "a cyclic shift",
                "homogeneous diffusion",
                lambda trial: shifted(diffuse),
            ),
        ),
        functions=("scalelib.HomogeneousDiffusion",),
        tests=(
            "tests/processes/test_homogeneous_diffusion.py::test_the_symmetries_of_the_grid_commute",
            "tests/processes/test_homogeneous_diffusion.py::test_a_cyclic_shift_does_not_commute",
        ),
    ),
)
