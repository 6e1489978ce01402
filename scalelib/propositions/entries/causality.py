"""P-causal: variance preserving and exploding processes create no modes in one dimension."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import sympy
import torch
from torch import Tensor

from scalelib.information.densities import Mixture, marginal
from scalelib.information.modes import critical_points, modes_near
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import BLURRING, OSMOSIS, PIXELWISE, SHAPE, STEPS, process
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
    Trial,
)

__all__ = ["PROPOSITIONS"]


GREY = torch.tensor([[-0.95], [-0.6], [-0.52], [-0.1], [0.3], [0.41], [0.9]], dtype=torch.float64)
"""Grey values of one pixel in seven images."""

FREQUENCIES = (0, 1, 13)
"""Modes, numbered row by row, that are tried one by one; 0 is the mean grey value."""

PLANE = (1, 5)
"""The lowest horizontal and the lowest vertical frequency."""

MIDDLE = STEPS // 2

NARROW = 1e-4
"""Variance of each component of the data, so that there is a density without noise as well."""

EQUIDISTANT = 8
"""Number of images at equal distances."""


def derivation() -> Derivation:
    """Differentiate as Rolle does in one dimension; place N equidistant images."""
    x, y, c = sympy.symbols("x y c", real=True)
    steps = Derivation()
    steps.equal(
        "Multiplied by exp(-c x), each exponential gains a factor that changes its sign at y = c.",
        sympy.diff(sympy.exp(-c * x) * sympy.exp(x * y), x),
        (y - c) * sympy.exp(x * (y - c)),
    )
    z = sympy.symbols("z_1:4", positive=True)
    powers = sympy.Matrix(3, 3, lambda i, j: z[i] ** j)
    product = math.prod((b - a for a, b in itertools.combinations(z, 2)), start=sympy.Integer(1))
    steps.equal("On a grid the kernel is a Vandermonde matrix.", powers.det(), product)
    steps.true("All of its minors are positive, here for the kernel $2^{ij}$.", _minors() > 0)
    return _equidistant(steps)


def _minors() -> sympy.Integer:
    """Smallest minor of a totally positive matrix of integers."""
    size = 5
    matrix = sympy.Matrix(size, size, lambda i, j: 2 ** (i * j))
    found = [
        matrix.extract(list(rows), list(columns)).det()
        for order in range(1, size + 1)
        for rows in itertools.combinations(range(size), order)
        for columns in itertools.combinations(range(size), order)
    ]
    return min(found)


def _equidistant(steps: Derivation) -> Derivation:
    """On the line from the mean of N equidistant points (circumradius 1) to one of them."""
    q, n = sympy.symbols("q N", positive=True)
    weight = sympy.exp(q) / (sympy.exp(q) + n - 1)
    others = -(1 - weight) / (n - 1)  # together they lie at -1/(N-1)
    place = (sympy.exp(q) - 1) / (sympy.exp(q) + n - 1)
    steps.equal("Posterior mean for the advantage q of the near point.", weight + others, place)
    variance = n * place / ((n - 1) * q)
    steps.equal(
        "It is a critical point if the noise has this variance.",
        q,
        place * n / ((n - 1) * variance),
    )
    steps.equal(
        "At the mean the variance is 1/(N-1).", sympy.limit(variance, q, 0, "+"), 1 / (n - 1)
    )
    slope = sympy.limit(sympy.diff(variance, q), q, 0, "+")
    steps.equal(
        "Away from it the variance grows for N > 2: both kinds of modes coexist.",
        slope,
        (n - 2) / (2 * n * (n - 1)),
    )
    return steps


def gain(chains: Iterable[Sequence[Mixture]], expected: float = 0.0) -> Outcome:
    """Largest increase of the number of modes from one scale to the next; certified counts."""
    gains = [0]
    for chain in chains:
        counts = [len(critical_points(density).modes) for density in chain]
        gains += [after - before for before, after in itertools.pairwise(counts)]
    return Outcome(max(gains), 0.0, expected)


def part(density: Mixture, coordinates: Sequence[int]) -> Mixture:
    """Marginal law of some coordinates of a mixture with shared variances."""
    chosen = list(coordinates)
    weights = density.log_weights.exp()
    return Mixture(density.means[:, chosen], density.variances[chosen], weights)


def line(name: str) -> list[list[Mixture]]:
    """Laws of one pixel, or of each of several modes by itself, over all scales."""
    chain = process(name)
    if chain.shape is None:
        data = Mixture(GREY, torch.zeros(1, dtype=torch.float64))
        return [[marginal(chain, data, i) for i in range(1, STEPS + 1)]]
    draw = torch.Generator().manual_seed(1)
    means = torch.rand(7, math.prod(SHAPE), generator=draw, dtype=torch.float64) * 2 - 1
    data = Mixture(means, torch.full((math.prod(SHAPE),), NARROW, dtype=torch.float64))
    laws = [marginal(chain, data, i) for i in range(STEPS + 1)]
    return [[part(law, [k]) for law in laws] for k in FREQUENCIES]


def triangle() -> Tensor:
    """Three points at distance 1 from their mean, shape (3, 2)."""
    angle = torch.arange(3, dtype=torch.float64) * (2 * math.pi / 3)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def plane(name: str, points: Tensor) -> list[list[Mixture]]:
    """Laws of two coordinates; at the middle scale the deviation is 0.72 circumradii."""
    chain = process(name)
    size = 2 if chain.shape is None else math.prod(SHAPE)
    pair = (0, 1) if chain.shape is None else PLANE
    factor, variance = (x.flatten().expand(size)[list(pair)] for x in chain.direct(MIDDLE))
    variance = torch.where(variance > 0, variance, factor.square() * NARROW)
    means = torch.zeros(len(points), size, dtype=torch.float64)
    means[:, list(pair)] = points * variance.sqrt() / (0.72 * factor)
    spread = NARROW if name == "homogeneous diffusion" else 0.0
    data = Mixture(means, torch.full((size,), spread, dtype=torch.float64))
    return [[part(marginal(chain, data, i), pair) for i in (MIDDLE - 1, MIDDLE, MIDDLE + 1)]]


def pixel(name: str) -> list[list[Mixture]]:
    """Laws of a pixel at the seam of two halves, each black or white by itself."""
    chain = process(name)
    halves = torch.tensor(list(itertools.product((-5.0, 5.0), repeat=2)), dtype=torch.float64)
    images = halves[:, [0, 0, 0, 1, 1]].view(4, 1, 1, SHAPE[1]).expand(4, 1, *SHAPE).contiguous()
    return [[_at_pixel(chain, images, i, (2, 2)) for i in range(STEPS + 1)]]


def _at_pixel(
    chain: LinearGaussianScaleSpace, images: Tensor, i: int, place: tuple[int, int]
) -> Mixture:
    unit = torch.zeros(1, *SHAPE, dtype=torch.float64)
    unit[0, *place] = 1
    factor, variance = chain.direct(i)
    shares = chain.to_modes(unit)[0].square()
    total = (shares * (factor.square() * NARROW + variance)).sum()
    return Mixture(chain.mean(images, i)[:, 0, *place].view(-1, 1), total.view(1))


def equidistant(ratio: float, count: int = EQUIDISTANT) -> Outcome:
    """Modes beyond the number of equidistant images; noise in units of their circumradius."""
    images = torch.eye(count, dtype=torch.float64)
    centre = images.mean(dim=0)
    radius = float((images[0] - centre).norm())
    variances = torch.full((count,), (ratio * radius) ** 2, dtype=torch.float64)
    # Next to the mean image: it would be kept in place even where it is no mode.
    starts = torch.cat([images, (centre + 1e-6 * images[0])[None]])
    found = modes_near(Mixture(images, variances), starts)
    return Outcome(len(found) - count, 0.0, 1.0)


def window(count: int) -> tuple[float, float]:
    """Deviations, in circumradii, between which N equidistant images have N + 1 modes or more."""
    q = torch.linspace(1e-3, 40, 400_000, dtype=torch.float64)
    squares = count * torch.expm1(q) / ((count - 1) * q * (q.exp() + count - 1))
    return (count - 1) ** -0.5, math.sqrt(float(squares.max()))


def random_sign(trial: Trial) -> Outcome:
    """Noise of one size and random sign, besides the noise of the process."""
    del trial
    laws = line("variance exploding")[0]
    signs = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    copies = [
        Mixture((law.means + 20 * law.variances.sqrt() * signs).view(-1, 1), law.variances)
        for law in laws
    ]
    return gain([[laws[0], *copies]])


def collinear() -> Tensor:
    """Three points on a line."""
    return torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)


def _pixelwise_claims(name: str) -> list[Claim]:
    return [
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: gain(line(name)),
            "modes gained by the law of one pixel",
            "one dimension",
        ),
        Claim(
            name,
            Expectation.FAILS,
            lambda trial: gain(plane(name, triangle()), expected=1),
            "modes gained by three equidistant points, from 3 to 4",
            "two dimensions",
        ),
    ]


def _blurring_claims(name: str) -> list[Claim]:
    invertible = name == "homogeneous diffusion"
    return [
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: gain(line(name)),
            "modes gained by the law of one frequency",
            "each frequency by itself",
        ),
        Claim(
            name,
            Expectation.HOLDS if invertible else Expectation.FAILS,
            lambda trial: gain(plane(name, triangle()), expected=0 if invertible else 1),
            "modes gained: an invertible map keeps them" if invertible else "from 3 to 4 modes",
            "two frequencies together",
        ),
        Claim(
            name,
            Expectation.FAILS,
            lambda trial: gain(pixel(name), expected=2),
            "modes gained by the law of a pixel that mixes with its neighbours, from 2 to 4",
            "a pixel by itself",
        ),
    ]


PROPOSITIONS = (
    Proposition(
        label="P-causal",
        title="Causality: modes of the density",
        source="2023, Section 5 names causality; Carreira-Perpiñán and Williams 2003; Edelsbrunner "
        "et al. 2013; blurring processes: our addition",
        statement=(
            r"In one dimension the number of modes of $p(u_i)$ does not increase in $i$ for the "
            r"variance preserving and the variance exploding process. In two dimensions it may: "
            r"three equidistant points at distance $R$ from their mean have 3 modes below the "
            r"deviation $R/\sqrt2$, then 4 up to $0.7391\,R$. Blurring processes create no modes "
            r"in the law of a single frequency, but may do so in the law of a single pixel."
        ),
        topic=Topic.CAUSALITY,
        chapter="causality",
        anchors=(
            "prop-causal",
            "prop-causal-triangle",
            "prop-causal-equidistant",
            "prop-causal-frequency",
        ),
        claims=(
            *(claim for name in PIXELWISE for claim in _pixelwise_claims(name)),
            Claim(
                PIXELWISE[1],
                Expectation.FAILS,
                lambda trial: equidistant(sum(window(EQUIDISTANT)) / 2),
                "modes beyond the number of images",
                "eight images at equal distances",
            ),
            *(claim for name in BLURRING for claim in _blurring_claims(name)),
            Claim(
                OSMOSIS,
                Expectation.NOT_APPLICABLE,
                remark="a filter of single images has no density",
            ),
        ),
        controls=(
            Control("noise of random sign", "variance exploding", random_sign),
            Control(
                "three points on a line",
                "variance preserving",
                lambda trial: gain(plane("variance preserving", collinear()), expected=1),
            ),
            Control(
                "equal distances below the critical scale",
                "variance exploding",
                lambda trial: equidistant(0.99 * window(EQUIDISTANT)[0]),
            ),
        ),
        functions=(
            "scalelib.LinearGaussianScaleSpace.direct",
            "scalelib.information.marginal",
            "scalelib.information.critical_points",
            "scalelib.information.modes_near",
        ),
        derivation=derivation,
        tests=("tests/information/test_modes.py::test_three_points_gain_a_mode",),
    ),
)
