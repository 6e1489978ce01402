"""C-perm: a law of images that a permutation leaves as it is stays so at every scale."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture, marginal
from scalelib.osmosis import Osmosis
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.entries.permutation import TAU, all_permutations, moved, white
from scalelib.propositions.grid import (
    cyclic_shift,
    grid_symmetries,
    osmosis_matrix,
    transition_matrices,
)
from scalelib.propositions.instances import (
    BLURRING,
    NOISY,
    OSMOSIS,
    PIXELWISE,
    SHAPE,
    process,
)
from scalelib.propositions.statement import (
    Check,
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
    Trial,
)

__all__ = ["PROPOSITIONS"]

SCALE = 3
"""Scale at which laws are compared: noise is there, and so is the image."""

TOLERANCE = 1e-10
"""Nats, for the densities; relative, for images without noise."""


def grid_group() -> Tensor:
    """Symmetries of the grid of the standard instances, shape (4, n)."""
    return torch.stack(list(grid_symmetries(SHAPE).values()))


def shift_group() -> Tensor:
    """Cyclic shifts of the columns, shape (W, n)."""
    return torch.stack([cyclic_shift(SHAPE, columns) for columns in range(SHAPE[1])])


def orbit(image: Tensor, group: Tensor) -> Tensor:
    """All images that a group makes of one; the set is closed under it."""
    return torch.stack([moved(image, index) for index in group])


def log_density(chain: LinearGaussianScaleSpace, data: Tensor, points: Tensor) -> Tensor:
    """Exact log-density at SCALE of a finite data set, in the basis of the process."""
    modes, targets = (chain.to_modes(u).flatten(1) for u in (data, points))
    law = marginal(chain, Mixture(modes, torch.zeros_like(modes[0])), SCALE)
    noisy = law.variances > 0  # linearised osmosis keeps the mean: take the complement
    return Mixture(law.means[:, noisy], law.variances[noisy]).log_density(targets[:, noisy])


def log_density_by_matrices(
    chain: LinearGaussianScaleSpace, data: Tensor, points: Tensor
) -> Tensor:
    """Compute it up to a constant, from the Laplacian matrix in the pixel domain."""
    blur, noise = transition_matrices(chain, SCALE)
    # All images have one mean: a variance for it, where there is none, adds a constant.
    covariance = noise @ noise.T + torch.ones_like(noise) / len(noise)
    distance = points.flatten(1)[:, None] - data.flatten(1) @ blur.T
    squares = (distance @ torch.linalg.inv(covariance) * distance).sum(dim=-1)
    return torch.logsumexp(-squares / 2, dim=1)


def spread(found: Tensor) -> float:
    """Largest difference of the log-density over the orbit of a point, in nats."""
    return float(found.max() - found.min())


def start(trial: Trial, chain: LinearGaussianScaleSpace, group: Tensor) -> tuple[Tensor, Tensor]:
    """Make a closed data set of one image, and the orbit of a point near one of them."""
    count = group.shape[1]
    image, noise = white(trial, 2, 1, *(SHAPE if count == SHAPE[0] * SHAPE[1] else (2, 3)))
    return orbit(image, group), orbit(chain.sample(image, SCALE, noise=noise), group)


def invariant(name: str, group: Tensor, missing: int = 0, uneven: float = 0.0) -> Check:
    """Check that the density is constant on orbits, for a closed data set or a broken one."""

    def check(trial: Trial) -> Outcome:
        chain = process(name)
        data, points = start(trial, chain, group)
        data = data[missing:]
        if uneven:  # noise whose variance depends on the pixel
            factor, variance = chain.direct(SCALE)
            slope = torch.linspace(1 - uneven, 1 + uneven, data[0].numel(), dtype=torch.float64)
            law = Mixture(factor * data.flatten(1), variance * slope)
            return Outcome(spread(law.log_density(points.flatten(1))), TOLERANCE)
        return Outcome(spread(log_density(chain, data, points)), TOLERANCE)

    return check


def shift_defect(name: str) -> Check:
    """Check the spread of the density over cyclic shifts against the one from matrices."""

    def check(trial: Trial) -> Outcome:
        chain = process(name)
        data, points = start(trial, chain, shift_group())
        expected = spread(log_density_by_matrices(chain, data, points))
        measured = spread(log_density(chain, data, points))
        return Outcome(measured, TOLERANCE * max(1.0, expected), expected)

    return check


def openness(images: Tensor, group: Tensor) -> float:
    """How far permuted images lie from a finite set, relative to the largest norm in it."""
    points = images.flatten(1)
    all_moved = torch.stack([points[:, index] for index in group]).flatten(0, 1)
    nearest = torch.cdist(all_moved, points, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    return float(nearest.max() / points.norm(dim=1).max())


def blurred_set(group: Tensor, *, closed: bool) -> Check:
    """Check homogeneous diffusion of a closed data set: without noise the law is a finite set."""

    def check(trial: Trial) -> Outcome:
        chain = process("homogeneous diffusion")
        data, _ = start(trial, chain, group)
        found = openness(chain.mean(data, SCALE), group)
        blur, _ = transition_matrices(chain, SCALE)
        expected = 0.0 if closed else openness(data.flatten(1) @ blur.T, group)
        return Outcome(found, TOLERANCE, expected)

    return check


def osmosis_set(group: Tensor, *, closed: bool, follows: bool = True) -> Check:
    """Check osmosis of a set of pairs of image and guidance that is closed under the group."""

    def check(trial: Trial) -> Outcome:
        f, v = (orbit(128 + 16 * u, group) for u in white(trial, 2, 1, *SHAPE))
        v = v if follows else v[:1].expand_as(v)
        found = openness(Osmosis(v, solver="cg", rtol=1e-14).step(f, TAU), group)
        one = torch.eye(v[0].numel(), dtype=torch.float64)
        systems = torch.stack([one - TAU * osmosis_matrix(guide[0]) for guide in v])
        expected = openness(torch.linalg.solve(systems, f.flatten(1)[..., None]), group)
        return Outcome(found, TOLERANCE, 0.0 if closed else expected)

    return check


def derivation() -> Derivation:
    """Exchange two pixels: a law on (x, y) and (y, x) is symmetric if both are equally likely."""
    x, y, u, v = sympy.symbols("x y u v", real=True)
    factor, variance, weight = sympy.symbols("M S^2 w", positive=True)

    def part(a: sympy.Symbol, b: sympy.Symbol, p: sympy.Symbol, q: sympy.Symbol) -> sympy.Expr:
        return sympy.exp(-((p - factor * a) ** 2 + (q - factor * b) ** 2) / (2 * variance))

    def density(p: sympy.Symbol, q: sympy.Symbol) -> sympy.Expr:
        return weight * part(x, y, p, q) + (1 - weight) * part(y, x, p, q)

    text = "Density at $(u, v)$ minus density at $(v, u)$, if $(x, y)$ has the probability $w$."
    difference = (2 * weight - 1) * (part(x, y, u, v) - part(y, x, u, v))
    steps = Derivation().equal(text, density(u, v) - density(v, u), difference)
    text = "The second factor is not 0 unless $x = y$ or $u = v$: ratio of its terms."
    ratio = sympy.exp(factor * (u - v) * (x - y) / variance)
    return steps.equal(text, part(x, y, u, v) / part(y, x, u, v), ratio)


NOISY_BLUR = tuple(name for name in BLURRING if name in NOISY)
SPREAD = "largest difference of the log-density on an orbit, in nats"
DISTANCE = "relative distance of the permuted set from the set"

CLAIMS = (
    *(
        Claim(
            name,
            Expectation.HOLDS,
            invariant(name, all_permutations(6)),
            f"{SPREAD}; all 720 permutations of 2 x 3 pixels",
            "permutations",
        )
        for name in PIXELWISE
    ),
    *(
        claim
        for name in NOISY_BLUR
        for claim in (
            Claim(
                name, Expectation.HOLDS, invariant(name, grid_group()), SPREAD, "grid symmetries"
            ),
            Claim(name, Expectation.FAILS, shift_defect(name), SPREAD, "cyclic shifts"),
        )
    ),
    *(
        Claim(name, expectation, check(group, closed=closed), DISTANCE, aspect)
        for name, check in (("homogeneous diffusion", blurred_set), (OSMOSIS, osmosis_set))
        for expectation, group, closed, aspect in (
            (Expectation.HOLDS, grid_group(), True, "grid symmetries"),
            (Expectation.FAILS, shift_group(), False, "cyclic shifts"),
        )
    ),
)

PROPOSITIONS = (
    Proposition(
        label="C-perm",
        title="Permutation invariant distributions",
        source="2024, Corollary 5 (our formulation); the other direction is our addition",
        statement=(
            r"If the process respects the permutation $P$, then $p(u_i)$ is invariant under $P$ at "
            r"one scale with $M_i \ne 0$ if and only if $p(u_0)$ is, and then at every scale."
        ),
        topic=Topic.INVARIANCE,
        chapter="invariance",
        anchors=("cor-perm",),
        claims=CLAIMS,
        controls=(
            Control(
                "one of 720 images is missing",
                "variance preserving",
                invariant("variance preserving", all_permutations(6), missing=1),
            ),
            Control(
                "noise level depends on the pixel by 1%",
                "variance exploding",
                invariant("variance exploding", all_permutations(6), uneven=0.01),
            ),
            Control(
                "one of 4 images is missing",
                "blurring diffusion",
                invariant("blurring diffusion", grid_group(), missing=1),
            ),
            Control(
                "closed under shifts, not under flips",
                "homogeneous diffusion",
                blurred_set(shift_group(), closed=True),
            ),
            Control(
                "guidance that is not permuted",
                OSMOSIS,
                osmosis_set(grid_group(), closed=True, follows=False),
            ),
        ),
        functions=("scalelib.information.marginal", "scalelib.information.Mixture.log_density"),
        derivation=derivation,
    ),
)
