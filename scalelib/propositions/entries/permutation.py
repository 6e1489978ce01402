"""P-perm: trajectories move along with the pixels; which permutations, for which process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
)
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.grid import (
    cyclic_shift,
    grid_symmetries,
    laplacian_matrix,
    osmosis_matrix,
    transition_matrices,
)
from scalelib.propositions.instances import BLURRING, OSMOSIS, PROCESSES, SHAPE, process
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

Walk = Callable[[Tensor, Tensor], Tensor]
"""Takes images (N, 1, H, W) and noise (2, N, 1, H, W), returns images (scales, N, 1, H, W)."""

SCALES = (3, 7)
"""Scales of a trajectory: early enough for blur to leave something."""

ROUNDING = 1e-12
"""Relative; a cosine transform there and back loses a few units in the last place."""

TAU = 2.0
"""Time step of osmosis, pixel^2."""


def moved(u: Tensor, index: Tensor) -> Tensor:
    """Permute the pixels of images: pixel p of the result is pixel index[p] of ``u``."""
    return u.flatten(-2)[..., index].reshape(u.shape)


def resized(chain: LinearGaussianScaleSpace, shape: Sequence[int]) -> LinearGaussianScaleSpace:
    """Return the same process for images of another size."""
    match chain:
        case HeatDissipation():
            return HeatDissipation(chain.times, chain.sigma, shape)
        case BlurringDiffusion():
            return BlurringDiffusion(chain.times, chain.alphas, chain.sigmas, shape, chain.d_min)
        case LinearisedOsmosis():
            return LinearisedOsmosis(chain.times, chain.contrast, shape)
        case HomogeneousDiffusion():
            return HomogeneousDiffusion(chain.times, shape)
    return chain


def walker(chain: LinearGaussianScaleSpace) -> Walk:
    """Trajectory of a process with given noise."""
    return lambda u, noise: chain.trajectory(u, SCALES, noise=noise)


def osmosis(u: Tensor, noise: Tensor) -> Tensor:
    """One osmosis step; the noise is the guidance, both in positive grey values."""
    guidance = 128 + 16 * noise[0]
    return Osmosis(guidance, solver="cg", rtol=1e-14).step(128 + 16 * u, TAU)[None]


def alone(u: Tensor, noise: Tensor) -> Tensor:
    """One osmosis step with a guidance that stays where it is."""
    still = torch.linspace(-1, 1, u[0].numel(), dtype=torch.float64).view(1, *u.shape[1:])
    return osmosis(u, still.expand(len(noise), *u.shape))


def white(trial: Trial, *shape: int) -> Tensor:
    """Draw standard normal numbers in float64."""
    return torch.randn(*shape, generator=trial.generator(), dtype=torch.float64)


def gaps(walk: Walk, shape: Sequence[int], permutations: Tensor, trial: Trial) -> Tensor:
    """Relative gap between walking after and before each permutation, shape (N,)."""
    drawn = white(trial, 3, 1, *shape)
    image, noise = drawn[0], drawn[1:]
    straight = walk(image[None], noise[:, None])[:, 0]
    count = len(permutations)
    after = walk(
        torch.stack([moved(image, index) for index in permutations]),
        torch.stack([moved(noise, index) for index in permutations], dim=1),
    )
    before = torch.stack([moved(straight, index) for index in permutations], dim=1)
    distance = (after - before).movedim(1, 0).reshape(count, -1).abs().amax(dim=1)
    return distance / straight.abs().max()


def all_permutations(count: int) -> Tensor:
    """All orders of a few pixels, shape (count!, count)."""
    return torch.tensor(list(itertools.permutations(range(count))))


def bit_for_bit(walk: Walk, trial: Trial) -> Outcome:
    """Largest gap over all 720 permutations of 2 x 3 pixels and 20 of 17 x 19."""
    generator = trial.generator()
    drawn = torch.stack([torch.randperm(17 * 19, generator=generator) for _ in range(20)])
    cases = (((2, 3), all_permutations(6)), ((17, 19), drawn))
    found = [float(gaps(walk, shape, index, trial).max()) for shape, index in cases]
    return Outcome(max(found), tolerance=0.0)


def orthogonal(walk: Walk, trial: Trial, factor: float = 1.0) -> Outcome:
    """Gap for an orthogonal matrix Q: of trajectories, and of the covariance of the noise."""
    n = SHAPE[0] * SHAPE[1]
    q = factor * torch.linalg.qr(white(trial, n, n)).Q
    drawn = white(trial, 3, 50, 1, *SHAPE)
    turned = (drawn.flatten(-2) @ q.T).view_as(drawn)
    straight = walk(drawn[0], drawn[1:]).flatten(-2)
    gap = (walk(turned[0], turned[1:]).flatten(-2) - straight @ q.T).norm() / straight.norm()
    units = torch.eye(2 * n, dtype=torch.float64).view(2 * n, 2, 1, *SHAPE).movedim(1, 0)
    response = walk(torch.zeros_like(units[0]), units)[-1].flatten(1).T
    covariance = response @ response.T
    change = (q @ covariance @ q.T - covariance).norm() / covariance.norm()
    return Outcome(max(float(gap), float(change)), ROUNDING)


def symmetries(walks: Iterable[tuple[Walk, Sequence[int]]], trial: Trial) -> Outcome:
    """Largest gap over the symmetries of grids."""
    found = [
        gaps(walk, shape, torch.stack(list(grid_symmetries(shape).values())), trial).max()
        for walk, shape in walks
    ]
    return Outcome(float(max(found)), ROUNDING)


def how_many(walk: Walk, expected: int, trial: Trial) -> Outcome:
    """Count the permutations of 2 x 3 pixels, of 720, that the process respects."""
    found = gaps(walk, (2, 3), all_permutations(6), trial)
    return Outcome(float((found <= ROUNDING).sum()), tolerance=0.0, expected=expected)


def defect(
    chain: LinearGaussianScaleSpace, reference: LinearGaussianScaleSpace, index: Tensor
) -> Outcome:
    r"""Relative Frobenius norm of :math:`T P - P T` for the linear map T from image and noise.

    Measured by sending all unit vectors through ``chain``; predicted from the Laplacian matrix
    and the arguments of ``reference``.
    """
    n = len(index)
    units = torch.eye(3 * n, dtype=torch.float64).view(3 * n, 3, 1, *SHAPE)
    moves = moved(units, index)
    straight, after = (
        chain.trajectory(x[:, 0], SCALES, noise=x[:, 1:].movedim(1, 0)) for x in (units, moves)
    )
    measured = (after - moved(straight, index)).norm() / straight.norm()
    (a, b), (c, d) = (transition_matrices(reference, *step) for step in ((3, 0), (7, 3)))
    blocks = (a, b, c @ a, c @ b, d)
    # (P x)[p] = x[index[p]], so P T P^T has the rows and the columns of T permuted alike.
    squares = sum(float((x[index][:, index] - x).square().sum()) for x in blocks)
    size = sum(float(x.square().sum()) for x in blocks)
    return Outcome(float(measured), 1e-10, expected=(squares / size) ** 0.5)


def osmosis_defect(index: Tensor, trial: Trial) -> Outcome:
    """Relative distance of osmosis after and before a permutation of image and guidance."""
    drawn = white(trial, 2, 1, *SHAPE)
    u, v = drawn[0], drawn[1]
    straight = osmosis(u[None], v[None, None])
    after = osmosis(moved(u, index)[None], moved(v, index)[None, None])
    measured = (after - moved(straight, index)).norm() / straight.norm()
    one = torch.eye(u.numel(), dtype=torch.float64)
    grey = 128 + 16 * drawn
    first = torch.linalg.solve(one - TAU * osmosis_matrix(grey[1, 0]), grey[0].flatten())
    grey = moved(grey, index)
    second = torch.linalg.solve(one - TAU * osmosis_matrix(grey[1, 0]), grey[0].flatten())
    return Outcome(float(measured), 1e-10, float((second - first[index]).norm() / first.norm()))


def derivation() -> Derivation:
    """Derive the induction step for a matrix, the noise of a rotation, a flip and a shift."""
    a, b, phi = sympy.symbols("a b varphi", real=True)
    q, u, g = sympy.symbols("Q u g", commutative=False)
    steps = Derivation()
    steps.equal("A step is linear in image and noise.", a * q * u + b * q * g, q * (a * u + b * g))
    turn = sympy.rot_axis3(phi)[:2, :2]
    spread = sympy.Matrix([b * turn[0, 0], b * turn[0, 1]])
    steps.equal("A rotation keeps the variance of the noise.", spread.dot(spread), b**2)
    terms = (b**2 * turn[0, k] * turn[1, k] for k in range(2))
    steps.equal("It creates no covariance.", sympy.Add(*terms, evaluate=False), 0)
    path = sympy.ImmutableMatrix(laplacian_matrix((1, 4)).int().tolist())
    flip = path[:, ::-1][::-1, :]
    text = "The Laplacian of 4 pixels in a row is its own reflection: the difference has norm 0."
    steps.equal(text, _squared(path, flip), 0)
    order = [3, 0, 1, 2]
    shift = path.extract(order, order)
    text = "A cyclic shift moves one edge: the difference has the squared norm 6."
    return steps.equal(text, _squared(path, shift), 6)


def _squared(left: sympy.MatrixBase, right: sympy.MatrixBase) -> sympy.Expr:
    difference = sympy.MatAdd(right, sympy.MatMul(-1, left))
    return sympy.Trace(sympy.MatPow(difference, 2))


def scrambled() -> Tensor:
    """Return one fixed permutation without structure."""
    return torch.randperm(SHAPE[0] * SHAPE[1], generator=torch.Generator().manual_seed(1))


def pixelwise(name: str) -> tuple[Claim, Claim]:
    """Claims for a process that treats every pixel alike."""
    walk = walker(process(name))
    return (
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: bit_for_bit(walk, trial),
            "largest relative gap, bit for bit",
            "permutations",
        ),
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: orthogonal(walk, trial),
            "relative gap of trajectories and of the covariance of the noise",
            "orthogonal matrices",
        ),
    )


def blurred(name: str) -> tuple[Claim, ...]:
    """Claims for a process that is diagonal in the cosine basis."""

    def sized(shape: Sequence[int]) -> Walk:
        return walker(resized(process(name), shape))

    def lost(index: Tensor) -> Check:
        return lambda trial: defect(process(name), process(name), index)

    fails = partial(Claim, name, Expectation.FAILS)
    grids = ((6, 5), (5, 5))
    return (
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: symmetries([(sized(shape), shape) for shape in grids], trial),
            "largest relative gap over flips, on a square also transposition and quarter turns",
            "grid symmetries",
        ),
        fails(
            lambda trial: how_many(sized((2, 3)), 4, trial),
            "permutations of 2 x 3 pixels, of 720, that are respected: those of the grid only",
            "permutations",
        ),
        *(
            fails(lost(index), "relative Frobenius defect", aspect)
            for aspect, index in (
                ("cyclic shift", cyclic_shift(SHAPE)),
                ("scrambling", scrambled()),
            )
        ),
    )


OSMOTIC = (
    Claim(
        OSMOSIS,
        Expectation.HOLDS,
        lambda trial: symmetries([(osmosis, (6, 5)), (osmosis, (5, 5))], trial),
        "largest relative gap, image and guidance permuted alike",
        "grid symmetries",
    ),
    Claim(
        OSMOSIS,
        Expectation.FAILS,
        lambda trial: how_many(osmosis, 4, trial),
        "permutations of image and guidance, of 720, that are respected: those of the grid only",
        "permutations",
    ),
    Claim(
        OSMOSIS,
        Expectation.FAILS,
        lambda trial: how_many(alone, 1, trial),
        "permutations, of 720, that are respected if the guidance stays: the identity only",
        "image alone",
    ),
    Claim(
        OSMOSIS,
        Expectation.FAILS,
        lambda trial: osmosis_defect(cyclic_shift(SHAPE), trial),
        "relative defect of one step",
        "cyclic shift",
    ),
)


def same_seed(u: Tensor, noise: Tensor) -> Tensor:
    """Draw the noise from the same seed instead of permuting it."""
    del noise
    chain = process("variance preserving")
    return chain.trajectory(u, SCALES, generator=torch.Generator().manual_seed(0))


def uneven(u: Tensor, noise: Tensor) -> Tensor:
    """Draw noise whose deviation grows from pixel to pixel."""
    deviation = torch.linspace(0.9, 1.1, noise[0, 0].numel(), dtype=torch.float64)
    return walker(process("variance preserving"))(u, noise * deviation.view(noise.shape[2:]))


def continuous(trial: Trial) -> Outcome:
    """Predict the defect from the discrete Laplacian for a process with the continuous one."""
    del trial
    chain = process("inverse heat dissipation")
    assert isinstance(chain, HeatDissipation)  # for the type checker
    other = HeatDissipation(chain.times, chain.sigma, SHAPE, eigenvalues="continuous")
    return defect(other, chain, cyclic_shift(SHAPE))


def shifted(u: Tensor, noise: Tensor) -> Tensor:
    """Blur on a grid whose left and right edge do not lie at the border."""
    index = cyclic_shift(SHAPE)
    back = torch.argsort(index)
    walk = walker(process("inverse heat dissipation"))
    return moved(walk(moved(u, index), moved(noise, index)), back)


CONTROLS = (
    Control(
        "same seed, noise not permuted",
        "variance preserving",
        lambda trial: bit_for_bit(same_seed, trial),
    ),
    Control(
        "noise level depends on the pixel",
        "variance preserving",
        lambda trial: bit_for_bit(uneven, trial),
    ),
    Control(
        "a similarity of factor 1.01 for an orthogonal matrix",
        "variance preserving",
        lambda trial: orthogonal(walker(process("variance preserving")), trial, factor=1.01),
    ),
    Control(
        "border moved by one pixel",
        "inverse heat dissipation",
        lambda trial: symmetries([(shifted, SHAPE)], trial),
    ),
    Control("eigenvalues of the continuous Laplacian", "inverse heat dissipation", continuous),
    Control(
        "noise level depends on the pixel, counted",
        "variance preserving",
        lambda trial: how_many(uneven, 720, trial),
    ),
    Control(
        "guidance not permuted",
        OSMOSIS,
        lambda trial: symmetries([(alone, SHAPE)], trial),
    ),
)

PROPOSITIONS = (
    Proposition(
        label="P-perm",
        title="Permutation invariant trajectories",
        source="2024, Proposition 4; 2023, Proposition 3. Our addition: other matrices, processes",
        statement=(
            r"A trajectory from the permuted image $P u_0$, with permuted noise, is the permuted "
            r"trajectory from $u_0$. For pixel-wise processes every orthogonal matrix $Q$ may take "
            r"the place of $P$. A process that blurs respects a permutation if and only if it is a "
            r"symmetry of the pixel grid."
        ),
        topic=Topic.INVARIANCE,
        chapter="invariance",
        anchors=("prop-perm", "prop-orthogonal", "prop-grid"),
        claims=(
            *(
                claim
                for name in PROCESSES
                for claim in (blurred(name) if name in BLURRING else pixelwise(name))
            ),
            *OSMOTIC,
        ),
        controls=CONTROLS,
        functions=("scalelib.LinearGaussianScaleSpace.trajectory", "scalelib.Osmosis.step"),
        derivation=derivation,
        tests=(
            "tests/processes/test_variance_preserving.py"
            "::test_permuted_noise_gives_the_permuted_trajectory",
        ),
    ),
)
