"""T-lin: with a large offset osmosis becomes linear in image and guidance, at first order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.processes import LinearGaussianScaleSpace, LinearisedOsmosis
from scalelib.propositions.couplings import Draw, in_modes, markov, measure, one_jump_each
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import diffuse
from scalelib.propositions.grid import laplacian_matrix
from scalelib.propositions.instances import LO, SHAPE, STEPS, pairs, process
from scalelib.propositions.linear_limit import first_order, interface_drift, linear_limit
from scalelib.propositions.patterns import SIZES, guidances, images
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
from scalelib.propositions.walks import matrix
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["PROPOSITIONS"]

SHAPES = SIZES[0], SIZES[3]
"""A row of pixels and a grid."""

TIMES = (0.3, 1.0, 2.0)
OFFSETS = np.geomspace(4e3, 2.56e5, 4)
"""From where on the error is of first order: grey values reach 255."""


Limit = Callable[[Tensor, Tensor, float], Tensor]


# The proof, at one interface and in one mode


def derivation() -> Derivation:
    """Exchange of two neighbours, its limit and first order; then the limit in one mode."""
    vp, vr, c = sympy.symbols("v_p v_r c", positive=True)
    qp, qr = sympy.symbols("q_p q_r", real=True)
    rate, back = (2 * (x + c) / (vp + vr + 2 * c) for x in (vr, vp))
    leaves = rate * (vp + qp + c) - back * (vr + qr + c)
    drift = (vr - vp) * (qp + qr) / 2
    steps = Derivation()
    steps.equal(
        "What leaves p towards its neighbour r, image $u = v + q$ and guidance $v$ with the "
        "offset: a diffusion of $q$ and a drift of $q$.",
        leaves,
        (qp - qr) + drift / (c + (vp + vr) / 2),
    )
    steps.equal("In the limit only diffusion is left.", sympy.limit(leaves, c, sympy.oo), qp - qr)
    rest = sympy.limit((leaves - (qp - qr)) * c, c, sympy.oo)
    steps.equal("The first order, an entry of $B$.", sympy.factor(rest), drift)
    return _coefficient(_limit_in_one_mode(steps))


def _limit_in_one_mode(steps: Derivation) -> Derivation:
    """Solve the limit; a constant added to the guidance and its noise level."""
    t, lam, s = sympy.symbols("t lambda s", positive=True)
    f, v, g, mu, k = sympy.symbols("f v g mu k", real=True)

    def u(v: sympy.Expr, rate: sympy.Expr = lam) -> sympy.Expr:
        return v + sympy.exp(-rate * t) * (f - v)

    steps.equal(
        "The limit solves $\\partial_t u = -\\lambda (u - v)$,",
        sympy.diff(u(v), t),
        -lam * (u(v) - v),
    )
    steps.equal("and starts at the image.", u(v).subs(t, 0), f)
    text = r"A constant $k$ added to the guidance: it lies in the mode $\lambda = 0$ and cancels."
    steps.equal(text, u(v + k, sympy.Integer(0)), u(v, sympy.Integer(0)))
    noise = sympy.diff(u(mu + s * g), g)
    return steps.equal("Noise of the limit.", noise, s * (1 - sympy.exp(-lam * t)))


def _coefficient(steps: Derivation) -> Derivation:
    """Solve for the first order, driven by one mode; and the part of unequal means."""
    t, k, m, b = sympy.symbols("t lambda_k lambda_l b", positive=True)
    found = b * (sympy.exp(-m * t) - sympy.exp(-k * t)) / (k - m)
    text = "First order in mode k, driven by mode l of the difference."
    steps.equal(text, sympy.diff(found, t), -k * found + b * sympy.exp(-m * t))
    delta, v = sympy.symbols("delta v", real=True)
    part = delta * (1 - sympy.exp(-k * t)) * v
    text = r"Driven by the mean $\delta$ of the difference, since $B 1 = -\Delta v$."
    return steps.equal(text, sympy.diff(part, t), -k * part + k * v * delta)


# Limit, rate and first order


def cases() -> Iterator[tuple[Tensor, Tensor, float]]:
    """One image, one guidance with contrast and a time; with equal and with unequal means."""
    for shape in SHAPES:
        for name in ("mild", "strong"):
            v = guidances(shape)[name]
            for f in images(shape)[1:]:
                yield f, v, TIMES[0]
                yield f - f.mean() + v.mean(), v, TIMES[1]
            yield images(shape)[0], v, TIMES[2]


def difference(trial: Trial) -> Outcome:
    r"""Gap of u to :math:`v + e^{tA_c}(f - v)`, a share of 255, and of A_c to its entries."""
    del trial
    worst = 0.0
    for f, v, t in cases():
        for c in (128.0, 1e4):
            walk = matrix(Osmosis(guidance=v, offset=c))
            moved = torch.linalg.matrix_exp(t * walk) @ (f - v).flatten()
            gap = Osmosis(guidance=v, offset=c).exact(f, t) - v - moved.view_as(v)
            worst = max(worst, float(gap.abs().max()) / 255)
    return Outcome(worst, 1e-11)  # offsets of 1e4 cost a factor of 40 in rounding


def entries(operator: Callable[[Tensor, float], Tensor]) -> Outcome:
    """Largest gap of (c + mean of both) (A_c - Delta) to B, off the diagonal, per grey value."""
    worst = 0.0
    for shape in SIZES:
        heat = -laplacian_matrix(shape)
        for v in guidances(shape).values():
            grey, drift = v.flatten(), torch.from_numpy(interface_drift(v).toarray())
            mean = (grey + grey[:, None]) / 2
            for c in (0.0, 255.0, 1e4):
                gap = (c + mean) * (operator(v, c) - heat) - drift
                worst = max(worst, float(gap.fill_diagonal_(0).abs().max()) / 255)
    return Outcome(worst, 1e-13)


def order(limit: Limit, coefficient: Limit, expected: float) -> Outcome:
    """Order in 1 / (c + mean of v) that is farthest from the expected one."""
    found = [_order(*case, limit, coefficient) for case in cases()]
    return Outcome(max(found, key=lambda x: abs(x - expected)), 0.15, expected)


def _order(f: Tensor, v: Tensor, t: float, limit: Limit, coefficient: Limit) -> float:
    goal, first = limit(f, v, t), coefficient(f, v, t)
    shifted = OFFSETS + float(v.mean())
    errors = [
        float((Osmosis(guidance=v, offset=c).exact(f, t) - goal - first / size).norm())
        for c, size in zip(OFFSETS.tolist(), shifted.tolist(), strict=True)
    ]
    return -float(np.polyfit(np.log(shifted), np.log(errors), 1)[0])


def nothing(f: Tensor, v: Tensor, t: float) -> Tensor:
    """No first order."""
    del f, t
    return torch.zeros_like(v)


def doubled(f: Tensor, v: Tensor, t: float) -> Tensor:
    """Break: diffusion at double speed."""
    return linear_limit(f, v, 2 * t)


def bound(power: int) -> Check:
    """Largest excess over the bound of the theorem, in units of it; ``power`` of c is 1 there."""

    def check(trial: Trial) -> Outcome:
        del trial
        worst = 0.0
        for f, v, t in cases():
            half = np.abs(interface_drift(v).toarray())
            np.fill_diagonal(half, 0)
            steepest = 2 * float(half.sum(axis=0).max())
            for c in (64.0, 255.0, 1e4):
                gap = Osmosis(guidance=v, offset=c).exact(f, t) - linear_limit(f, v, t)
                limit = t * steepest / float(c + v.min()) ** power * float((f - v).abs().sum())
                worst = max(worst, float(gap.abs().sum()) / limit - 1)
        return Outcome(worst, 1e-12)

    return check


def means(trial: Trial) -> Outcome:
    """Gap of the first order to its part of equal means plus that of the mean difference."""
    del trial
    worst = 0.0
    for f, v, t in cases():
        delta = f.mean() - v.mean()
        split = first_order(f - delta, v, t) + delta * (v - diffuse(v, t))
        worst = max(worst, float((first_order(f, v, t) - split).abs().max()) / 255**2)
    return Outcome(worst, 1e-12)


# One noise image for all scales


def samples(draw: Draw, contrast: float = 0.5) -> Outcome:
    """Gap of a sampler to the limit of osmosis towards 0.2 + contrast g, data in [-1, 1]."""
    chain = process(LO)
    assert isinstance(chain, LinearisedOsmosis)
    generator = torch.Generator().manual_seed(0)
    f = 2 * torch.rand(1, 1, *SHAPE, generator=generator, dtype=torch.float64) - 1
    noise = torch.randn(STEPS, 1, 1, *SHAPE, generator=generator, dtype=torch.float64)
    found = draw(f, noise)
    goals = [linear_limit(f, 0.2 + contrast * noise[0], t) for t in chain.times.tolist()]
    return Outcome(float((found - torch.stack(goals)).abs().max()), 1e-13)


def one_minus_square(chain: LinearGaussianScaleSpace) -> Draw:
    """Break: noise variance s^2 (1 - M^2), as if the noise were fresh at all times."""

    def draw(u: Tensor, noise: Tensor) -> Tensor:
        white = chain.to_modes(noise[0])
        found = []
        for i in range(1, STEPS + 1):
            factor, _ = chain.direct(i)
            deviation = 0.5 * (1 - factor.square()).sqrt()
            found.append(chain.from_modes(factor * chain.to_modes(u) + deviation * white))
        return torch.stack(found)

    return draw


def joint(draw: Draw, *, shared: bool) -> Outcome:
    """Gap of the covariances of all pairs of scales to their closed form, in units of s^2."""
    chain, gap = process(LO), 0.0
    found = measure(in_modes(chain, draw), STEPS, SHAPE)
    for k, i in (pair for pair in pairs(STEPS) if pair[0] > 0):
        expected = covariance(k, i, shared=shared).flatten().diag()
        gap = max(gap, float((found.covariance(k, i) - expected).abs().max()) / 0.25)
    return Outcome(gap, 1e-12)


def covariance(k: int, i: int, *, shared: bool) -> Tensor:
    """S_k S_i for one noise image, M_{k,i} S_k^2 for the Markov process, of each mode."""
    chain = process(LO)
    assert isinstance(chain, LinearisedOsmosis)
    rates, (early, late) = laplacian_eigenvalues(SHAPE), chain.times[[k - 1, i - 1]]
    first = 0.5 * (1 - torch.exp(-rates * early))
    if shared:
        return first * 0.5 * (1 - torch.exp(-rates * late))
    return torch.exp(-rates * (late - early)) * first.square()


def apart(trial: Trial) -> Outcome:
    """Largest difference of the correlation of two scales between both couplings."""
    del trial
    chain, worst, expected = process(LO), 0.0, 0.0
    laws = [measure(in_modes(chain, d(chain)), STEPS, SHAPE) for d in (one_jump_each, markov)]
    for k, i in (pair for pair in pairs(STEPS) if pair[0] > 0):
        both = [law.covariance(k, i).diagonal()[1:] for law in laws]
        spread = (covariance(k, k, shared=True) * covariance(i, i, shared=True)).sqrt()
        size = spread.flatten()[1:]
        worst = max(worst, float(((both[0] - both[1]) / size).abs().max()))
        forgotten = covariance(k, i, shared=False).flatten()[1:] / size
        expected = max(expected, 1 - float(forgotten.min()))
    return Outcome(worst, 1e-12, expected)


CLAIMS = (
    Claim(
        "osmosis",
        Expectation.HOLDS,
        difference,
        "gap of u to v plus the evolved difference, share of 255",
        "difference",
    ),
    Claim(
        "osmosis",
        Expectation.HOLDS,
        lambda trial: entries(lambda v, c: matrix(Osmosis(guidance=v, offset=c))),
        "gap of the matrix to the Laplacian and B, per grey value of 255",
        "matrix",
    ),
    Claim(
        "osmosis",
        Expectation.HOLDS,
        lambda trial: order(linear_limit, nothing, 1.0),
        "order in 1/(c + mean of v), the one farthest from 1",
        "rate",
    ),
    Claim(
        "osmosis",
        Expectation.HOLDS,
        lambda trial: order(linear_limit, first_order, 2.0),
        "order of what the first-order term leaves, the one farthest from 2",
        "coefficient",
    ),
    Claim("osmosis", Expectation.HOLDS, bound(1), "largest excess, in units of the bound", "bound"),
    Claim("osmosis", Expectation.HOLDS, means, "gap in units of 255 squared", "unequal means"),
    Claim(
        LO,
        Expectation.HOLDS,
        lambda trial: samples(one_jump_each(process(LO))),
        "gap of samples with one noise image to the limit, images in [-1, 1]",
        "one noise image",
    ),
    Claim(
        LO,
        Expectation.HOLDS,
        lambda trial: joint(one_jump_each(process(LO)), shared=True),
        "gap of the covariance of two scales to S_k S_i, in units of s^2",
        "covariance, one noise image",
    ),
    Claim(
        LO,
        Expectation.HOLDS,
        lambda trial: joint(markov(process(LO)), shared=False),
        "gap of the covariance of two scales to M_{k,i} S_k^2, in units of s^2",
        "covariance, Markov",
    ),
    Claim(
        LO,
        Expectation.FAILS,
        apart,
        "the Markov process has the marginals only: difference of the correlation of two scales",
        "joint law",
    ),
)

CONTROLS = (
    Control(
        "rates without offset",
        "osmosis",
        lambda trial: entries(lambda v, c: matrix(Osmosis(guidance=v))),
    ),
    Control(
        "limit of an image that is brighter by one grey value",
        "osmosis",
        lambda trial: order(lambda f, v, t: linear_limit(f + 1, v, t), nothing, 1.0),
    ),
    Control("diffusion at double speed", "osmosis", lambda trial: order(doubled, nothing, 1.0)),
    Control("second order", "osmosis", lambda trial: order(linear_limit, nothing, 2.0)),
    Control(
        "first-order term larger by 1%",
        "osmosis",
        lambda trial: order(linear_limit, lambda f, v, t: 1.01 * first_order(f, v, t), 2.0),
    ),
    Control("bound of second order", "osmosis", bound(2)),
    Control("noise stronger by 1%", LO, lambda trial: samples(one_jump_each(process(LO)), 0.505)),
    Control("variance s^2 (1 - M^2)", LO, lambda trial: samples(one_minus_square(process(LO)))),
    Control("new noise in every step", LO, lambda trial: samples(markov(process(LO)))),
    Control(
        "covariance of the other coupling",
        LO,
        lambda trial: joint(markov(process(LO)), shared=True),
    ),
)

PROPOSITIONS = (
    Proposition(
        label="T-lin",
        title="Linear limit of osmosis",
        source="Our addition; 2024, Figure 3 (d, e) shows what it may explain",
        statement=(
            r"With the offset $c$ on image and guidance, osmosis is "
            r"$u_c(t) = v + e^{tA_c}(f - v)$, and it tends to $v + e^{t\Delta}(f - v)$ as "
            r"$c \to \infty$, with an error of first order in $1/c$. For $v = \mu + s\,g$ the "
            r"limit is linearised osmosis with one noise image $g$ for all scales; the Markov "
            r"process has its marginals only."
        ),
        topic=Topic.OSMOSIS,
        chapter="blurring-resembles-osmosis",
        anchors=("thm-lin", "prop-lin-noise"),
        claims=CLAIMS,
        controls=CONTROLS,
        functions=(
            "scalelib.Osmosis.exact",
            "scalelib.Osmosis.operator",
            "scalelib.LinearGaussianScaleSpace.sample",
        ),
        derivation=derivation,
        tests=(
            "tests/osmosis/test_filter.py"
            "::test_large_offset_makes_the_evolution_linear_at_first_order",
        ),
    ),
)
