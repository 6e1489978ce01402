"""P-steady: which law is left in the end, how fast it is reached, and what it still knows."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import sympy
import torch
from torch import Tensor

from scalelib.information import (
    Mixture,
    entropy_by_quadrature,
    gaussian_relative_entropy,
    marginal,
    relative_entropy_by_quadrature,
)
from scalelib.osmosis import Osmosis
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import IHD, OSMOSIS, SHAPE, VE, VP, process
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
from scalelib.schedules import arctan_noise, geometric_sigma, linear_beta, log_blur, sin2_blur

__all__ = ["PROPOSITIONS"]

QUADRATURE = 1e-12
"""Nats; the smallest rest in the checks of orders is 2e-9."""

IDENTITY = 1e-10
"""Nats; a sum of a few integrals, each with an error below that of the quadrature."""

REACHED = 1e-5
"""Nats; half of the signal power times E|U_0|^2 is less than half of it at the last scale."""

ORDER = 0.15
"""Distance of an observed order from the expected one, as for every convergence in this project."""

STEPS = 10**6
"""Scales of the slow schedule 1 / (i + 1)."""

PUBLISHED = ((28, 20.0, 0.08), (32, 24.0, 0.06), (256, 128.0, 0.29))
"""Image size, widest blur (both in pixels), and what is left of the first mode, two digits."""

LINE = Mixture(
    torch.tensor([[-1.0], [0.5], [3.0]]).double(),
    torch.zeros(1).double(),
    torch.tensor([0.2, 0.5, 0.3]).double(),
)
"""Three grey values, as a law on the line."""

PLANE = Mixture(
    torch.tensor([[-1.0, 0.5], [1.0, 1.0], [0.0, -1.0], [2.0, 0.0]]).double(),
    torch.zeros(2).double(),
    torch.tensor([0.3, 0.3, 0.3, 0.1]).double(),
)
"""Four images of two pixels."""


def to_gaussian(law: Mixture, mean: Tensor, variance: float) -> float:
    """Integrate the relative entropy to a white Gaussian."""
    white = Mixture(mean[None], torch.full_like(mean, variance))
    return relative_entropy_by_quadrature(law, white, tolerance=QUADRATURE)


def information(law: Mixture) -> float:
    """Mutual information of component and point: the mean relative entropy of the components."""
    parts = [
        relative_entropy_by_quadrature(
            Mixture(mean[None], law.variances), law, tolerance=QUADRATURE
        )
        for mean in law.means
    ]
    return float(law.log_weights.exp() @ torch.tensor(parts, dtype=torch.float64))


def harmonic() -> Tensor:
    """Variances 1 / (i + 1), whose product of 1 - beta is 1 / (i + 1)."""
    return 1 / torch.arange(2, STEPS + 2, dtype=torch.float64)


def halving(steps: int = 60) -> Tensor:
    """Variances 2^-(i+1), which have a finite sum."""
    return 0.5 ** torch.arange(2, steps + 2, dtype=torch.float64)


def distance_left(betas: Tensor) -> Check:
    """Relative entropy to N(0, 1) at the last scale of a variance preserving process."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain = VariancePreserving(betas)
        law = marginal(chain, LINE, chain.steps)
        return Outcome(to_gaussian(law, torch.zeros(1).double(), 1.0), REACHED)

    return check


def rate(*laws: Mixture, with_mean: bool = True) -> Check:
    """Check the bound minus relative entropy minus mutual information, over scales and laws."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain, gap = process("variance preserving"), 0.0
        for data in laws:
            n = data.dimension
            square = data.covariance_trace() + with_mean * float(data.mean().square().sum())
            for i in (8, 12):
                law = marginal(chain, data, i)
                power = float(chain.direct(i)[0]) ** 2
                bound = 0.5 * (power * square - n * power - n * math.log1p(-power))
                left = to_gaussian(law, torch.zeros(n).double(), 1.0)
                gap = max(gap, abs(bound - left - information(law)))
        return Outcome(gap, IDENTITY)

    return check


def expansion(data: Mixture, power: float, *, share: float = 0.25, mean: float = 0.5) -> float:
    """Two terms in the signal power: of the mean, and of the distance of Cov from I."""
    covariance = covariance_of(data) - torch.eye(data.dimension, dtype=torch.float64)
    squares = float(data.mean().square().sum()), float(covariance.square().sum())
    return mean * power * squares[0] + share * power * power * squares[1]


def covariance_of(data: Mixture) -> Tensor:
    """Covariance matrix of a finite set of images."""
    weights, gaps = data.log_weights.exp(), data.means - data.mean()
    return gaps.T @ (weights[:, None] * gaps)


def slope(x: Tensor, y: list[float]) -> float:
    """Exponent by regression: slope of ln y over ln x."""
    u, v = x.log(), torch.tensor(y, dtype=torch.float64).log()
    return float(((u - u.mean()) * (v - v.mean())).sum() / (u - u.mean()).square().sum())


def order(data: Mixture, leading: Callable[[Mixture, float], float] = expansion) -> Check:
    """Check the order of what two terms leave, over four signal powers."""

    def check(trial: Trial) -> Outcome:
        del trial
        powers, rest = 0.5 ** torch.arange(5, 9, dtype=torch.float64), []
        for power in powers.tolist():
            law = marginal(VariancePreserving([1 - power]), data, 1)
            left = to_gaussian(law, torch.zeros(data.dimension).double(), 1.0)
            rest.append(abs(left - leading(data, power)))
        return Outcome(slope(powers, rest), ORDER, expected=3)

    return check


def exploding_order(data: Mixture, expected: int = -4) -> Check:
    """Check the power of s with which the distance to a Gaussian of the same width falls."""

    def check(trial: Trial) -> Outcome:
        del trial
        sigmas, left = torch.tensor([8.0, 16.0, 32.0, 64.0]).double(), []
        for i, s in enumerate(sigmas.tolist(), start=1):
            law = marginal(VarianceExploding(sigmas), data, i)
            left.append(to_gaussian(law, data.mean(), s**2))
        return Outcome(slope(sigmas, left), ORDER, expected=expected)

    return check


def restless(trial: Trial) -> Outcome:
    """Mean square of U_2i - U_i for a start in the steady state: it tends to 2 - sqrt(2)."""
    del trial
    factor, variance = VariancePreserving(harmonic()).direct(STEPS, STEPS // 2)
    square = (1 - factor).square() + variance  # E U_i^2 = 1
    return Outcome(float(square), 2 / STEPS, expected=2 - math.sqrt(2))


def pentagonal(x: float) -> float:
    """Euler's product of 1 - x^j over all j >= 1, by his pentagonal number theorem."""
    exponents = ((k, k * (3 * k - 1) // 2) for k in range(1, 12))
    return 1 + math.fsum((-1.0) ** k * (x**e + x ** (e + k)) for k, e in exponents)


def summable(trial: Trial) -> Outcome:
    """Signal power that variances 2^-(i+1) leave for ever."""
    del trial
    factor, _ = VariancePreserving(halving()).direct(60)
    return Outcome(float(factor) ** 2, 1e-14, expected=pentagonal(0.5) / 0.5)


def published_end(trial: Trial) -> Outcome:
    """Bound per pixel at the end of the linear schedule, for pixels of mean square 1."""
    del trial
    factor, variance = VariancePreserving(linear_beta()).direct(1000)
    one = factor.new_ones(1)
    left = gaussian_relative_entropy(factor * one, variance * one, 0 * one, one)
    power = math.prod(1 - (1e-4 + (0.02 - 1e-4) * i / 999) for i in range(1000))
    return Outcome(left, 1e-15, expected=-math.log1p(-power) / 2)


EXPLODING = geometric_sigma(40, 0.02, 1e4)


def growth(trial: Trial) -> Outcome:
    """Growth of the entropy in the last step, which a limit would bring to 0."""
    del trial
    chain = VarianceExploding(EXPLODING)
    before, after = (entropy_by_quadrature(marginal(chain, LINE, i)) for i in (39, 40))
    slack = LINE.covariance_trace() / (2 * float(EXPLODING[-2]) ** 2)
    return Outcome(after - before, slack, expected=math.log(float(EXPLODING[-1] / EXPLODING[-2])))


def origin(data: Mixture) -> Tensor:
    """Put 0 where the mean of the data belongs."""
    return torch.zeros_like(data.mean())


def exploding_rate(target: Callable[[Mixture], Tensor], *laws: Mixture) -> Check:
    """Gap of the bound for the distance to a white Gaussian of the same width."""

    def check(trial: Trial) -> Outcome:
        del trial
        sigmas, gap = (2.0, 10.0), 0.0
        chain = VarianceExploding(sigmas)
        for data in laws:
            for i, s in enumerate(sigmas, start=1):
                law = marginal(chain, data, i)
                left = to_gaussian(law, target(data), s**2)
                gap = max(gap, abs(data.covariance_trace() / (2 * s**2) - left - information(law)))
        return Outcome(gap, IDENTITY)

    return check


def image(trial: Trial, shape: tuple[int, int] = SHAPE) -> Tensor:
    """Random image in [-1, 1] with a mean that is not 0."""
    drawn = torch.rand(1, *shape, generator=trial.generator(), dtype=torch.float64)
    return 0.3 + 0.7 * (2 * drawn - 1)


def given_image(chain: LinearGaussianScaleSpace, u: Tensor, mean: Tensor, noise: float) -> float:
    """Relative entropy at the last scale, given the image, to white noise around ``mean``."""
    factor, variance = (x.flatten() for x in chain.direct(chain.steps))
    noisy = variance > 0  # linearised osmosis: the complement of the constants
    found, target = factor * chain.to_modes(u).flatten(), chain.to_modes(mean).flatten()
    wide = torch.full_like(found, noise**2)
    parts = (x[noisy] for x in (found, variance, target, wide))
    return gaussian_relative_entropy(*parts)


def flat(u: Tensor) -> Tensor:
    """Image with the mean grey value everywhere."""
    return u.mean().expand_as(u)


LONG = log_blur(12, 30.0)
"""Blur far wider than the images of the standard instances."""


def heat(times: Tensor, shape: tuple[int, int] = SHAPE) -> Check:
    """Distance of heat dissipation from white noise around the mean grey value, in nats."""

    def check(trial: Trial) -> Outcome:
        u = image(trial, shape)
        return Outcome(given_image(HeatDissipation(times, 0.02, shape), u, flat(u), 0.02), IDENTITY)

    return check


def first_modes(trial: Trial) -> Outcome:
    """Largest distance of what the published schedules leave from the two digits quoted."""
    del trial
    left = [
        float(HeatDissipation(log_blur(2, width), 0.01, (size, size)).direct(2)[0][0, 1])
        for size, width, _ in PUBLISHED
    ]
    gap = max(abs(m - quoted) for m, (_, _, quoted) in zip(left, PUBLISHED, strict=True))
    return Outcome(gap, 0.005)


def blurring(log_snr_max: float) -> Check:
    """Distance of blurring diffusion from N(0, I) at the last scale, in nats."""

    def check(trial: Trial) -> Outcome:
        chain = BlurringDiffusion(sin2_blur(12), *arctan_noise(12, log_snr_max), SHAPE)
        u = image(trial)
        return Outcome(given_image(chain, u, torch.zeros_like(u), 1.0), IDENTITY)

    return check


def blurring_end(trial: Trial) -> Outcome:
    """Distance that the published angle leaves, against its leading terms in cos(theta)."""
    chain, u = BlurringDiffusion(sin2_blur(12), *arctan_noise(12), SHAPE), image(trial)
    left = given_image(chain, u, torch.zeros_like(u), 1.0)
    cosine = math.sin(math.atan(math.exp(-5)))
    n = u.numel()
    mean = float(u.mean())
    # A blur of 20 pixels leaves the mean and d_min = 1e-3 of the rest.
    rest = float((u - mean).square().sum()) * 1e-6
    signal = cosine**2 * (n * mean**2 + rest)
    noise = -n * (cosine**2 + math.log1p(-(cosine**2)))
    return Outcome(left, IDENTITY, expected=(signal + noise) / 2)


def linearised(trial: Trial) -> Outcome:
    """Distance of linearised osmosis from white noise without mean, around the mean grey value."""
    u = image(trial)
    return Outcome(given_image(LinearisedOsmosis(LONG, 0.5, SHAPE), u, flat(u), 0.5), IDENTITY)


def flattened(trial: Trial) -> Outcome:
    """Largest distance of homogeneous diffusion from the mean grey value."""
    u = image(trial)
    found = HomogeneousDiffusion(LONG, SHAPE).mean(u, len(LONG))
    return Outcome(float((found - flat(u)).abs().max()), IDENTITY)


def osmosis(*, rescaled: bool) -> Check:
    """Relative distance of osmosis from the rescaled guidance, after one very long step."""

    def check(trial: Trial) -> Outcome:
        f, v = 100 * (2 + image(trial)), 100 * (2 + image(trial).flip(-1).square())
        found = Osmosis(v, rtol=1e-13).step(f, 1e13)
        target = v * (f.mean() / v.mean()) if rescaled else v
        return Outcome(float((found / target - 1).abs().max()), IDENTITY)

    return check


def derivation() -> Derivation:
    """Derive the slow schedule, the bound, its gap, and the expansions for Gaussian data."""
    i, c = sympy.symbols("i c", positive=True)
    power = sympy.Symbol("alphabar", positive=True)
    m, u = sympy.symbols("m u_0", real=True)
    steps = Derivation()
    text = (
        "Slow schedule: if the signal power is $1/i$ before step $i$, it is $1/(i + 1)$ after it."
    )
    steps.equal(text, (1 - 1 / (i + 1)) / i, 1 / (i + 1))
    bound = (power * u**2 - power - sympy.log(1 - power)) / 2
    square = power * u**2 + 1 - power  # E[U_i^2 | u_0]
    entropy = (sympy.log(2 * sympy.pi * (1 - power)) + 1) / 2
    text = "Distance to N(0, 1) given one grey value: cross-entropy minus entropy."
    steps.equal(text, square / 2 + sympy.log(2 * sympy.pi) / 2 - entropy, bound)
    excess = power * (c - 1)
    left = (excess + power * m**2 - sympy.log(1 + excess)) / 2
    shared = (sympy.log(1 - power + power * c) - sympy.log(1 - power)) / 2
    text = "Data N(m, c): mean of the bound minus distance is the mutual information."
    steps.equal(text, bound.subs(u**2, c + m**2) - left, shared)
    _small_power(steps, power)
    return _exploding(steps, m, c, u)


def _small_power(steps: Derivation, power: sympy.Symbol) -> None:
    """Insert the first two terms of the mutual information, with the traces of C and C^2."""
    n, mean, first, second = sympy.symbols("n |m|^2 T_1 T_2", positive=True)
    ratio = power / (1 - power)
    told = ratio * first / 2 - ratio**2 * second / 4
    bound = (power * (mean + first) - n * power - n * sympy.log(1 - power)) / 2
    series = sympy.series(bound - told, power, 0, 3).removeO()
    text = r"Two terms; the traces $T_1$ of $C$, $T_2$ of $C^2$; $|C - I|^2 = n - 2 T_1 + T_2$."
    steps.equal(text, series, power * mean / 2 + power**2 * (n - 2 * first + second) / 4)


def _exploding(steps: Derivation, m: sympy.Symbol, c: sympy.Symbol, u: sympy.Symbol) -> Derivation:
    s = sympy.Symbol("s", positive=True)
    law = sympy.exp(-((u - m) ** 2) / (2 * c)) / sympy.sqrt(2 * sympy.pi * c)
    mean = sympy.Integral((u - m) ** 2 / (2 * s**2) * law, (u, -sympy.oo, sympy.oo))
    text = "Variance exploding, data N(m, c): mean distance of $N(u_0, s^2)$ to $N(m, s^2)$."
    return steps.equal(text, mean, c / (2 * s**2))


HOLDS, WEAKLY, FAILS = Expectation.HOLDS, Expectation.WEAKLY, Expectation.FAILS
BLUR, LINEAR, FLAT = "blurring diffusion", "linearised osmosis", "homogeneous diffusion"

CLAIMS = (
    Claim(
        VP,
        HOLDS,
        distance_left(harmonic()),
        "relative entropy to N(0, 1) after 10^6 steps of beta = 1/(i + 1), in nats",
        "limit",
    ),
    Claim(
        VP,
        HOLDS,
        rate(LINE, PLANE),
        "bound - relative entropy - mutual information, in nats",
        "rate",
    ),
    Claim(
        VP,
        HOLDS,
        order(PLANE),
        "order, in the signal power, of the rest after two terms",
        "order",
    ),
    Claim(
        VP,
        HOLDS,
        published_end,
        "distance left by the linear schedule per pixel of mean square 1, in nats",
        "published end",
    ),
    Claim(VP, FAILS, restless, "mean square of U_2i - U_i per pixel for large i", "trajectories"),
    Claim(
        VP,
        FAILS,
        summable,
        "signal power that beta = 2^-(i+1) leaves for ever: no limit N(0, I)",
        "summable variances",
    ),
    Claim(VE, FAILS, growth, "growth of the entropy in the last step, in nats", "limit"),
    Claim(
        VE,
        HOLDS,
        exploding_rate(Mixture.mean, LINE, PLANE),
        "bound - relative entropy to N(E U_0, s^2 I) - mutual information, in nats",
        "rate",
    ),
    Claim(
        VE,
        HOLDS,
        exploding_order(PLANE),
        "power of s with which the relative entropy to N(E U_0, s^2 I) falls",
        "order",
    ),
    Claim(IHD, WEAKLY, heat(LONG), "distance to noise around the mean grey value, nats", "limit"),
    Claim(
        IHD,
        WEAKLY,
        first_modes,
        "first-mode factors 0.08, 0.06, 0.29 left: largest deviation from two digits",
        "published end",
    ),
    Claim(BLUR, HOLDS, blurring(40.0), "distance to N(0, I) for theta near pi/2, nats", "limit"),
    Claim(
        BLUR,
        HOLDS,
        blurring_end,
        "distance to N(0, I) that cos(theta) = 0.0067 leaves, in nats",
        "published end",
    ),
    Claim(
        LINEAR, WEAKLY, linearised, "distance to noise around the mean grey value, nats", "limit"
    ),
    Claim(FLAT, WEAKLY, flattened, "distance from the mean grey value", "limit"),
    Claim(OSMOSIS, WEAKLY, osmosis(rescaled=True), "relative distance from (mu_f/mu_v) v", "limit"),
)

CONTROLS = (
    Control("summable variances 2^-(i+1)", VP, distance_left(halving())),
    Control("bound with the variance for the mean square", VP, rate(LINE, with_mean=False)),
    Control("half for a quarter", VP, order(LINE, partial(expansion, share=0.5))),
    Control("term of the mean forgotten", VP, order(LINE, partial(expansion, mean=0.0))),
    Control("order of the bound", VE, exploding_order(LINE, expected=-2)),
    Control("target with mean 0", VE, exploding_rate(origin, LINE)),
    Control("published schedule for 28 pixels", IHD, heat(log_blur(100, 20.0), (28, 28))),
    Control("published angle", BLUR, blurring(10.0)),
    Control("guidance without the ratio of the means", OSMOSIS, osmosis(rescaled=False)),
)

PROPOSITIONS = (
    Proposition(
        label="P-steady",
        title="Steady states and rates",
        source="2024, Proposition 6; 2023, Proposition 4. Our addition: rates, other processes",
        statement=(
            r"Variance preserving: $U_i \to \mathcal N(0, I)$ in law for every $p(u_0)$ if and "
            r"only if $\sum \beta_i = \infty$; the relative entropy is "
            r"$\tfrac12 (\bar\alpha_i\, \mathrm E|U_0|^2 - n \bar\alpha_i "
            r"- n \ln(1 - \bar\alpha_i)) - I(U_0; U_i)$, for bounded data "
            r"$\tfrac12 \bar\alpha_i\, |\mathrm E U_0|^2 "
            r"+ \tfrac14 \bar\alpha_i^2\, \|\mathrm{Cov}(U_0) - I\|_F^2 + o(\bar\alpha_i^2)$. "
            r"Variance exploding: no limit. Blurring "
            r"diffusion: $\mathcal N(0, I)$. Heat dissipation, homogeneous diffusion and osmosis: "
            r"a steady state that knows the mean grey value and nothing else of the image."
        ),
        topic=Topic.STEADY,
        chapter="steady-states",
        anchors=("prop-steady", "prop-steady-rate", "prop-steady-ve", "prop-steady-blur"),
        claims=CLAIMS,
        controls=CONTROLS,
        functions=(
            "scalelib.VariancePreserving",
            "scalelib.information.relative_entropy_by_quadrature",
            "scalelib.Osmosis.step",
        ),
        derivation=derivation,
    ),
)
