"""R-perm: reverse trajectories move along with the pixels if and only if the denoiser does."""

from __future__ import annotations

from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.entries.permutation import moved, white
from scalelib.propositions.grid import cyclic_shift, grid_symmetries, transition_matrices
from scalelib.propositions.instances import (
    BD,
    BLURRING,
    HD,
    IHD,
    LO,
    OSMOSIS,
    SHAPE,
    VE,
    VP,
    process,
)
from scalelib.propositions.reversal import IMAGES, exact_posterior
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
from scalelib.reverse import Denoiser, NoisePrediction, Posterior, ancestral

__all__ = ["PROPOSITIONS"]

ROUNDING = 1e-10
"""Relative; weights are exponentials of numbers up to 1e4, which sums in another order change."""

WAY = (9, 6, 3, 0)
"""Scales of a reverse trajectory from the last one."""

SCALE = 4
"""Scale at which denoisers are compared."""

PIXELS = SHAPE[0] * SHAPE[1]


# The proof


def derivation() -> Derivation:
    """Derive the share of the denoiser in a step, its equivariance, and Tweedie's formula."""
    M, a, b, S = sympy.symbols("M_{k} M_{k\\,i} S_{k\\,i} S_{k}", positive=True)
    late = a**2 * S**2 + b**2
    gain = a * S**2 / late
    steps = Derivation()
    steps.equal(
        "Factor of the denoised image in a step from i to k: positive if the step carries noise.",
        M - gain * a * M,
        M * b**2 / late,
    )
    c, g, s = sympy.symbols("c g s", positive=True)
    q, u, d, n = sympy.symbols("Q u D(u) G", commutative=False)
    steps.equal(
        r"If $D(Q u) = Q D(u)$, the step of the moved image is the moved step.",
        c * q * d + g * q * u + s * q * n,
        q * (c * d + g * u + s * n),
    )
    return _tweedie(steps)


def _tweedie(steps: Derivation) -> Derivation:
    """Score and denoiser for two images, with weights that contain the exponentials."""
    u, x, y = sympy.symbols("u x y", real=True)
    m, r, p, q = sympy.symbols("M_{i} S_{i} p q", positive=True)
    density = sympy.exp(-((u - m * x) ** 2) / (2 * r**2))
    steps.equal(
        "Tweedie's formula. One image: the derivative of the logarithm of its density.",
        sympy.Derivative(sympy.log(density), u),
        (m * x - u) / r**2,
    )
    return steps.equal(
        r"Two images x and y, with densities p and q that contain their weights: the score is "
        r"$(M_i D_i(u) - u) / S_i^2$.",
        (p * (m * x - u) / r**2 + q * (m * y - u) / r**2) / (p + q),
        (m * (p * x + q * y) / (p + q) - u) / r**2,
    )


# Groups and data


def scramble() -> Tensor:
    """Permutation of the pixels with five cycles of length six, which knows no neighbours."""
    draw = torch.Generator().manual_seed(5)
    cycles = torch.randperm(PIXELS, generator=draw).view(5, 6)
    index = torch.empty(PIXELS, dtype=torch.int64)
    index[cycles.flatten()] = cycles.roll(1, dims=1).flatten()
    return index


def shifts() -> list[Tensor]:
    """All cyclic shifts of the rows and columns."""
    pixels = torch.arange(PIXELS).view(SHAPE)
    return [
        pixels.roll((r, c), dims=(0, 1)).flatten() for r in range(SHAPE[0]) for c in range(SHAPE[1])
    ]


def powers(index: Tensor, count: int) -> list[Tensor]:
    """Identity and powers of a permutation."""
    found = [torch.arange(len(index))]
    while len(found) < count:
        found.append(found[-1][index])
    return found


def orbit(group: list[Tensor]) -> Tensor:
    """Images that a group makes of one, which differ little, shape (count, 1, H, W)."""
    return torch.stack([0.5 + 0.5 * moved(IMAGES[0] - 0.5, index) / 5 for index in group])


GROUPS: dict[str, Callable[[], list[Tensor]]] = {
    "cyclic shifts": shifts,
    "scrambling": lambda: powers(scramble(), 6),
    "grid symmetries": lambda: list(grid_symmetries(SHAPE).values()),
}


# Checks


def trajectories(denoiser: Denoiser, group: list[Tensor], trial: Trial) -> Outcome:
    """Largest relative gap of reverse trajectories, moved before and after."""
    chain = denoiser.process
    drawn = white(trial, len(WAY) + 1, 1, *SHAPE)
    # Noise as wide as the last scale, around an image: no scale of the data, but a possible one.
    _, variance = chain.direct(chain.steps)
    start = chain.mean(orbit(group[:1])[0], chain.steps)
    start = start + chain.from_modes(variance.sqrt() * chain.to_modes(drawn[0]))
    straight = ancestral(denoiser, start, WAY, noise=drawn[1:])
    gap = 0.0
    for index in group:
        after = ancestral(denoiser, moved(start, index), WAY, noise=moved(drawn[1:], index))
        gap = max(gap, float((after - moved(straight, index)).abs().max() / straight.abs().max()))
    return Outcome(gap, ROUNDING)


def closed(name: str, group: str, data: Callable[[list[Tensor]], Tensor] = orbit) -> Check:
    """Trajectories of the exact denoiser, for the orbit of an image under a group."""

    def check(trial: Trial) -> Outcome:
        found = GROUPS[group]()
        posterior = exact_posterior(process(name), data(found), weights=None)
        return trajectories(posterior, found, trial)

    return check


def kernels(name: str, group: str, data: Callable[[list[Tensor]], Tensor] = orbit) -> Check:
    """Gap in nats of the weights of the exact kernel, moved before and after, at four scales."""

    def check(trial: Trial) -> Outcome:
        chain, elements, gap = process(name), GROUPS[group](), 0.0
        images = data(elements)
        posterior = exact_posterior(chain, images, weights=None)
        for i in (1, 4, 8, 12):
            u = chain.sample(images[:1], i, generator=trial.generator())
            before = posterior.log_weights(u, i)[0]
            for index in elements:
                after = posterior.log_weights(moved(u, index), i)[0]
                partner = torch.cdist(moved(images, index).flatten(1), images.flatten(1)).argmin(1)
                likely = before > before.max() - 300  # the rest is rounding
                gap = max(gap, float((after[partner] - before)[likely].abs().max()))
        return Outcome(gap, 1e-9)  # squared norms in units of the noise reach 1e5

    return check


def defect(name: str, index: Tensor, data: Tensor = IMAGES, seen: Tensor | None = None) -> Check:
    """Relative defect of the exact denoiser; expected is that of dense matrices of the grid."""

    def check(trial: Trial) -> Outcome:
        chain = process(name)
        images = IMAGES if seen is None else seen
        posterior = exact_posterior(chain, data, weights=None)
        u = chain.sample(data, SCALE, generator=trial.generator())
        both = torch.stack([u, moved(u, index)])
        found = [
            float((after - moved(before, index)).norm() / before.norm())
            for before, after in (
                posterior.denoise(both, SCALE),
                torch.stack([written_out(chain, images, x, SCALE) for x in both]),
            )
        ]
        return Outcome(found[0], 1e-9, expected=found[1])

    return check


def written_out(chain: LinearGaussianScaleSpace, data: Tensor, u: Tensor, i: int) -> Tensor:
    """Posterior mean from the matrices of mean and noise, in the pixel domain."""
    if chain.shape is None:
        one = torch.eye(PIXELS, dtype=torch.float64)
        factor, variance = chain.direct(i)
        blur, noise = factor * one, variance.sqrt() * one
    else:
        blur, noise = transition_matrices(chain, i)
    inverse: Tensor = torch.linalg.pinv(noise, hermitian=True, rtol=1e-12)
    gaps = u.flatten(1)[:, None] - data.flatten(1) @ blur.T
    weights = (-(gaps @ inverse).square().sum(dim=2) / 2).softmax(dim=1)
    mean: Tensor = (weights @ data.flatten(1)).view_as(u)
    if bool(noise.sum(dim=1).abs().max() < 1e-9):  # the mean grey value is kept
        mean = mean + (u - mean).mean(dim=(-2, -1), keepdim=True)
    return mean


def known(group: str) -> Check:
    """Homogeneous diffusion: gap of moved blurred images led back, and the moved images."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain, elements = process(HD), GROUPS[group]()
        images = orbit(elements)
        posterior = Posterior(chain, images)
        found = torch.stack(
            [posterior.denoise(moved(chain.mean(images, SCALE), g), SCALE) for g in elements]
        )
        expected = torch.stack([moved(images, g) for g in elements])
        return Outcome(float((found - expected).abs().max()), 1e-12)

    return check


# Convolutional networks


def filters(symmetric: bool = False) -> tuple[Tensor, Tensor]:
    """Random filters of two layers with four channels in between, 3 x 3 pixels."""
    draw = torch.Generator().manual_seed(7)
    first = torch.randn(4, 1, 3, 3, generator=draw, dtype=torch.float64) / 3
    second = torch.randn(1, 4, 3, 3, generator=draw, dtype=torch.float64) / 6
    if symmetric:
        first, second = (w + w.flip(-1) for w in (first, second))
    return first, second


def network(border: str = "constant", *, symmetric: bool = False) -> NoisePrediction:
    """Two-layer network that predicts the noise; zeros or a periodic image beyond the border."""
    first, second = filters(symmetric)

    def layer(u: Tensor, weight: Tensor) -> Tensor:
        wide = torch.nn.functional.pad(u, (1, 1, 1, 1), mode=border)
        return torch.nn.functional.conv2d(wide, weight)

    def predict(u: Tensor, i: int) -> Tensor:
        batch = u.view(-1, 1, *SHAPE)
        return layer(layer(batch, first).tanh() + i / 12, second).view(u.shape)

    return NoisePrediction(process(VP), predict)


def as_matrices(weight: Tensor) -> Tensor:
    """Matrices (out, in, n, n) of a convolution with zeros beyond the border, tap by tap."""
    height, width = SHAPE
    found = torch.zeros(*weight.shape[:2], PIXELS, PIXELS, dtype=torch.float64)
    for p in range(PIXELS):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                y, x = p // width + dy, p % width + dx
                if 0 <= y < height and 0 <= x < width:
                    found[:, :, p, y * width + x] = weight[:, :, dy + 1, dx + 1]
    return found


def dense_end(start: Tensor, noise: Tensor) -> Tensor:
    """Scale 0 of the trajectory that the network drives, from matrices and the step's formula."""
    first, second = (as_matrices(w) for w in filters())
    chain, u, i = process(VP), start.flatten(), process(VP).steps
    for k, g in zip(WAY, noise.flatten(1), strict=True):
        hidden = torch.einsum("oipq,q->op", first, u).tanh() + i / 12
        predicted = torch.einsum("oipq,iq->p", second, hidden)
        (M, V), (a, b2) = chain.direct(i), chain.direct(i, k)
        late = chain.direct(k)
        image = (u - V.sqrt() * predicted) / M
        gain = a * late[1] / V
        u = late[0] * image + gain * (u - M * image) + (late[1] * b2 / V).sqrt() * g
        i = k
    return u


def driven(index: Tensor, denoiser: Callable[[], Denoiser] = network) -> Check:
    """Relative defect of the end of a trajectory that a network drives; expected from matrices."""

    def check(trial: Trial) -> Outcome:
        drawn = white(trial, len(WAY) + 1, 1, *SHAPE)
        start, noise = drawn[0], drawn[1:]
        straight = ancestral(denoiser(), start, WAY, noise=noise)[-1]
        after = ancestral(denoiser(), moved(start, index), WAY, noise=moved(noise, index))[-1]
        found = (after - moved(straight, index)).norm() / straight.norm()
        first = dense_end(start, noise)
        second = dense_end(moved(start, index), moved(noise, index))
        expected = (second - first[index]).norm() / first.norm()
        return Outcome(float(found), ROUNDING, expected=float(expected))

    return check


def one_convolution(border: str) -> Check:
    """Relative Frobenius defect of one convolution under a shift; expected: the links it cuts."""

    def check(trial: Trial) -> Outcome:
        weight = white(trial, 1, 1, 3, 3)
        units = torch.eye(PIXELS, dtype=torch.float64).view(-1, 1, *SHAPE)
        wide = torch.nn.functional.pad(units, (1, 1, 1, 1), mode=border)
        matrix = torch.nn.functional.conv2d(wide, weight).flatten(1).T
        index = cyclic_shift(SHAPE)
        found = (matrix[index][:, index] - matrix).norm() / matrix.norm()
        rows = torch.tensor([SHAPE[0] - 1, SHAPE[0], SHAPE[0] - 1])
        columns = torch.tensor([SHAPE[1] - 1, SHAPE[1], SHAPE[1] - 1])
        squares = weight[0, 0].square() * rows[:, None]
        cut = 2 * squares[:, [0, 2]].sum() / (squares * columns).sum()
        return Outcome(float(found), 1e-12, expected=float(cut.sqrt()))

    return check


# Claims

HOLDS, FAILS = Expectation.HOLDS, Expectation.FAILS
FLIP = grid_symmetries(SHAPE)["left-right flip"]


def claims(name: str) -> tuple[Claim, ...]:
    """Claims about the exact posterior of a process with noise."""
    groups = ("grid symmetries",) if name in BLURRING else ("cyclic shifts", "scrambling")
    gap = "relative gap of trajectories of the exact denoiser, data: orbit of an image"
    weights = "gap of the weights of the exact kernel, nats, data: orbit of an image"
    unlike = "relative defect of the exact denoiser, data not closed: five images"
    move = cyclic_shift(SHAPE)
    found = [
        *(Claim(name, HOLDS, closed(name, group), gap, group) for group in groups),
        *(
            Claim(name, HOLDS, kernels(name, group), weights, f"{group}, kernel")
            for group in groups
        ),
        Claim(name, FAILS, defect(name, move), unlike, "five images"),
    ]
    if name in BLURRING:
        every = orbit(shifts())
        text = "relative defect of the exact denoiser for a shift, data closed under shifts"
        found.append(Claim(name, FAILS, defect(name, move, every, every), text, "cyclic shift"))
    return tuple(found)


PROPOSITIONS = (
    Proposition(
        label="R-perm",
        title="Permutation invariant reverse trajectories",
        source="Our formulation; the forward statement is 2024, Proposition 4",
        statement=(
            r"Let the forward process respect the permutation $\Pi$. Reverse trajectories that a "
            r"denoiser $D$ drives are permuted with their start and noise if and only if "
            r"$D(\Pi u) = \Pi D(u)$. For the exact denoiser this is so if and only if the law of "
            r"the data is invariant under $\Pi$, where every mode carries noise. A convolutional "
            r"network violates it: shifts at the border, mirror images by its filters."
        ),
        topic=Topic.REVERSE,
        chapter="exact-reverse",
        anchors=("prop-r-perm",),
        claims=(
            *(claim for name in (VP, VE, IHD, BD, LO) for claim in claims(name)),
            Claim(
                VP,
                FAILS,
                one_convolution("constant"),
                "relative Frobenius defect of a convolution under a shift by one column",
                "one convolution",
            ),
            Claim(
                VP,
                FAILS,
                driven(cyclic_shift(SHAPE)),
                "relative defect of the end, two-layer network, shift by one column",
                "network, cyclic shift",
            ),
            Claim(
                VP,
                FAILS,
                driven(FLIP),
                "relative defect of the end, two-layer network, mirror image",
                "network, mirror image",
            ),
            Claim(
                VP,
                HOLDS,
                lambda trial: trajectories(network("circular"), shifts(), trial),
                "relative gap, network with a periodic border",
                "periodic network, cyclic shifts",
            ),
            Claim(
                VP,
                HOLDS,
                lambda trial: trajectories(
                    network(symmetric=True), [torch.arange(PIXELS), FLIP], trial
                ),
                "relative gap, network with filters that are their own mirror images",
                "symmetric network, mirror image",
            ),
            Claim(
                HD,
                Expectation.WEAKLY,
                known("grid symmetries"),
                "blurred images only, data: orbit under grid symmetries: gap",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no denoiser"),
        ),
        controls=(
            Control(
                "one image of the orbit left out",
                VP,
                closed(VP, "cyclic shifts", lambda group: orbit(group)[1:]),
            ),
            Control(
                "one image of the orbit changed, kernel",
                VE,
                kernels(VE, "scrambling", lambda group: torch.cat([orbit(group[1:]), IMAGES[:1]])),
            ),
            Control("blurring under cyclic shifts", BD, closed(BD, "cyclic shifts")),
            Control("defect of other data", BD, defect(BD, cyclic_shift(SHAPE), seen=0.9 * IMAGES)),
            Control("periodic border, one convolution", VP, one_convolution("circular")),
            Control(
                "network with zeros beyond the border",
                VP,
                lambda trial: trajectories(network(), shifts(), trial),
            ),
            Control(
                "network with a periodic border, defect",
                VP,
                driven(cyclic_shift(SHAPE), lambda: network("circular")),
            ),
        ),
        functions=(
            "scalelib.reverse.Posterior.denoise",
            "scalelib.reverse.NoisePrediction",
            "scalelib.reverse.ancestral",
        ),
        derivation=derivation,
        tests=("tests/reverse/test_posterior.py::test_tweedie_joins_denoiser_and_score",),
    ),
)
