"""P-contract: two laws of data come closer, in relative entropy and in Wasserstein distance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture, gaussian_relative_entropy
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import OSMOSIS, PROCESSES, STEPS, Tampered, process
from scalelib.propositions.laws import SPECTRUM, in_modes, nodes, per_mode
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

TOLERANCE = 1e-10
"""Nats, or relative: sums of 30 modes, each exact to a few units in the last place."""

SHIFT = 0.4 * SPECTRUM.sqrt() * torch.tensor([1.0, -1.0, 0.5]).double().repeat(len(SPECTRUM) // 3)
OTHER = SPECTRUM * torch.tensor([0.5, 2.0]).double().repeat(len(SPECTRUM) // 2)
"""Mean and variances of the second Gaussian law; the first is N(0, SPECTRUM)."""

TWO = (
    Mixture(
        torch.tensor([[-0.8], [0.6]], dtype=torch.float64),
        torch.tensor([0.04], dtype=torch.float64),
    ),
    Mixture(
        torch.tensor([[-0.5], [0.1], [0.9]], dtype=torch.float64),
        torch.tensor([0.02], dtype=torch.float64),
        torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64),
    ),
)
"""Two laws of one mode, both with several peaks."""

LOW, HIGH = 1, len(SPECTRUM) - 1
"""Modes in which they are followed: slowly and quickly blurred."""

HALVES = range(0, STEPS + 1, STEPS // 2)
"""Scales at which the distance of quantiles is measured."""


def derivation() -> Derivation:
    """Show what a step forgets of two Gaussian laws; and how it moves their deviations."""
    a, b, c, d, r = sympy.symbols("a b c c' r", positive=True)
    delta, x, gain_p, gain_q = sympy.symbols("Delta x g g'", real=True)
    steps = Derivation()
    steps.equal(
        "One mode; $p$ has variance $c$, $q$ variance $c'$, their means are apart by $\\Delta$. "
        "The reverse steps are regressions with gains $g$ and $g'$. From a value that lies $x$ off "
        "its mean under $p$ they lead to means apart by",
        delta + gain_p * x - gain_q * (a * delta + x),
        (1 - a * gain_q) * delta + (gain_p - gain_q) * x,
    )
    w, v = a**2 * c + b**2, a**2 * d + b**2
    left = d * b**2 / v
    square = ((1 - a * a * d / v) ** 2 * delta**2 + (a * c / w - a * d / v) ** 2 * w) / left
    before, after = c / d - 1 + delta**2 / d, w / v - 1 + (a * delta) ** 2 / v
    steps.equal(
        "Relative entropies, doubled: the fall is that between the reverse steps. Their gains are "
        "$a c / (a^2 c + b^2)$ and likewise; the logarithms agree and are left out:",
        before - after,
        (c * b**2 / w) / left - 1 + square,
    )
    moved = sympy.sqrt(a**2 * r**2 + b**2)
    slope = a**2 * r / moved
    steps.equal("A step maps the deviation $r$ with slope", sympy.Derivative(moved, r), slope)
    return steps.equal(
        "which is below $a$, since the right-hand side is not negative:",
        1 / slope**2 - 1 / a**2,
        b**2 / (a**4 * r**2),
    )


Laws = Callable[[int], tuple[Tensor, Tensor]]
"""Scale -> means and variances of a Gaussian law, mode by mode."""


def gaussian(chain: LinearGaussianScaleSpace, mean: Tensor, c: Tensor) -> Laws:
    """Law of every scale for Gaussian data."""

    def law(i: int) -> tuple[Tensor, Tensor]:
        factor, variance = per_mode(chain, i)
        return factor * mean, factor.square() * c + variance

    return law


def between_ways_back(
    p: tuple[Tensor, Tensor], q: tuple[Tensor, Tensor], a: Tensor, b2: Tensor
) -> Tensor:
    """Mean relative entropy of the reverse steps p(u_{i-1}|u_i) to q(u_{i-1}|u_i), per mode."""
    (mean_p, c), (mean_q, d) = p, q
    w, v = a.square() * c + b2, a.square() * d + b2
    ratio = c * v / (d * w)
    gap = (b2 / v * (mean_p - mean_q)).square() + (a * (c / w - d / v)).square() * w
    values = 0.5 * (ratio - 1 - torch.log(ratio) + gap * v / (d * b2))
    return torch.where(b2 > 0, values, 0.0)  # without noise there is one way back


def relative_entropy(chain: LinearGaussianScaleSpace, second: Laws | None = None) -> Outcome:
    """Gap between the fall in nats and what the reverse steps tell; or scales with a rise."""
    first = gaussian(chain, 0 * SHIFT, SPECTRUM)
    second = second or gaussian(chain, SHIFT, OTHER)
    found = [gaussian_relative_entropy(*first(i), *second(i)) for i in range(STEPS + 1)]
    gaps, rises = [], 0
    for i in range(1, STEPS + 1):
        told = between_ways_back(first(i - 1), second(i - 1), *per_mode(chain, i, i - 1))
        fall = found[i - 1] - found[i]
        gaps.append(abs(fall - float(told.sum())))
        rises += fall < -TOLERANCE
    return Outcome(max(*gaps, rises), TOLERANCE)


def constant(trial: Trial) -> Outcome:
    """Largest change of relative entropy in nats along homogeneous diffusion."""
    del trial
    chain = process("homogeneous diffusion")
    first, second = gaussian(chain, 0 * SHIFT, SPECTRUM), gaussian(chain, SHIFT, OTHER)
    found = [gaussian_relative_entropy(*first(i), *second(i)) for i in range(STEPS + 1)]
    return Outcome(max(found) - min(found), TOLERANCE)


def mixtures(chain: LinearGaussianScaleSpace, tail: Tensor | None = None) -> Outcome:
    """Largest rise of the relative entropy of two multimodal laws, in nats, in two modes.

    ``tail`` replaces the variances of the second law: a process of its own for each law.
    """
    worst = 0.0
    for mode in (LOW, HIGH):
        found = []
        for i in range(STEPS + 1):
            p, q = (in_modes(chain, i, law, (mode,)) for law in TWO)
            if tail is not None:
                q = Mixture(q.means, q.variances + i * tail, q.log_weights.exp())
            u, weights = nodes(p)
            found.append(float(weights @ (p.log_density(u) - q.log_density(u))))
        worst = max(worst, *(late - early for early, late in itertools.pairwise(found)))
    return Outcome(worst, TOLERANCE)


def squared_distance(p: tuple[Tensor, Tensor], q: tuple[Tensor, Tensor]) -> float:
    """Squared 2-Wasserstein distance of two diagonal Gaussians."""
    (mean_p, c), (mean_q, d) = p, q
    return float(((mean_p - mean_q).square() + (c.sqrt() - d.sqrt()).square()).sum())


def wasserstein(chain: LinearGaussianScaleSpace) -> Outcome:
    """Largest relative excess of the distance over max |a_i| times the distance before.

    A shift in the mode with the largest factor attains the bound, which is checked as well.
    """
    first, second = gaussian(chain, 0 * SHIFT, SPECTRUM), gaussian(chain, SHIFT, OTHER)
    excess = 0.0
    for i in range(1, STEPS + 1):
        a, _ = per_mode(chain, i, i - 1)
        before, after = (squared_distance(first(j), second(j)) ** 0.5 for j in (i - 1, i))
        excess = max(excess, after / (float(a.max()) * before) - 1)
        slowest = torch.zeros_like(a)
        slowest[a.argmax()] = 1.0
        shifted = gaussian(chain, slowest, SPECTRUM)
        before, after = (squared_distance(first(j), shifted(j)) ** 0.5 for j in (i - 1, i))
        excess = max(excess, abs(after / (float(a.max()) * before) - 1))
    return Outcome(excess, TOLERANCE)


def transport(p: Mixture, q: Mixture) -> float:
    """2-Wasserstein distance in one dimension: the map of equal quantiles, by bisection."""
    u, weights = nodes(p)
    low, high = u.min() - 2 + 0 * u[:, 0], u.max() + 2 + 0 * u[:, 0]
    below, above = cumulative(p, u[:, 0])
    for _ in range(60):
        middle = (low + high) / 2
        reached, missing = cumulative(q, middle)
        early = torch.where(below < 0.5, reached < below, missing > above)
        low, high = torch.where(early, middle, low), torch.where(early, high, middle)
    return math.sqrt(float(weights @ (u[:, 0] - low).square()))


def cumulative(law: Mixture, u: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities below and above: the smaller one is exact to rounding."""
    z = (u[:, None] - law.means[:, 0]) / law.variances.sqrt()
    share = law.log_weights.exp()
    return torch.special.ndtr(z) @ share, torch.special.ndtr(-z) @ share


def quantiles(chain: LinearGaussianScaleSpace, share: float = 1.0) -> Outcome:
    """Largest relative excess over a share of the factor of a mode, for two multimodal laws."""
    found = [transport(*(in_modes(chain, i, law, (LOW,)) for law in TWO)) for i in HALVES]
    excess = 0.0
    for i, (before, after) in zip(HALVES, itertools.pairwise(found), strict=False):
        factor, _ = per_mode(chain, i + HALVES.step, i)
        excess = max(excess, after / (share * float(factor[LOW]) * before) - 1)
    return Outcome(excess, TOLERANCE)


def smaller_factor(name: str) -> Tampered:
    """Single steps that claim 1% more contraction than the transitions have."""
    return Tampered(process(name), lambda a, b2: (0.99 * a, b2))


def other_process(trial: Trial) -> Outcome:
    """Send the two laws through different processes."""
    del trial
    own = process("variance exploding")
    return relative_entropy(process("variance preserving"), gaussian(own, SHIFT, OTHER))


def more_noise(trial: Trial) -> Outcome:
    """Check steps whose noise variance is 1% above that of the transitions."""
    del trial
    name = "blurring diffusion"
    return relative_entropy(Tampered(process(name), lambda a, b2: (a, 1.01 * b2)))


def on_standard(name: str) -> tuple[Claim, ...]:
    """Claims of a process: Gaussian data first, then laws with several peaks."""
    strict = name in ("variance preserving", "blurring diffusion")
    weak = Expectation.HOLDS if strict else Expectation.WEAKLY
    shift = "" if strict else ", which is 1: a shift of the mean grey value stays"
    entropy = _of_relative_entropy(name)
    distance = Claim(
        name,
        weak,
        _checked(wasserstein, name),
        f"relative excess over max |a_i|{shift}",
        "Wasserstein distance",
    )
    peaks = Claim(
        name,
        entropy.expectation,
        _checked(mixtures, name),
        "largest rise in nats, in two modes",
        "relative entropy, several peaks",
    )
    moved = Claim(
        name,
        Expectation.HOLDS,
        _checked(quantiles, name),
        "relative excess over the factor of the mode",
        "Wasserstein distance, several peaks",
    )
    return (entropy, distance, peaks, moved)


def _of_relative_entropy(name: str) -> Claim:
    aspect = "relative entropy"
    if name == "homogeneous diffusion":
        remark = "constant, since the map is invertible: largest change in nats"
        return Claim(name, Expectation.WEAKLY, constant, remark, aspect)
    remark = "gap between the fall and the relative entropy of the reverse steps, in nats"
    return Claim(name, Expectation.HOLDS, _checked(relative_entropy, name), remark, aspect)


def _checked(check: Callable[[LinearGaussianScaleSpace], Outcome], name: str) -> Check:
    return lambda trial: check(process(name))


PROPOSITIONS = (
    Proposition(
        label="P-contract",
        title="Two laws come closer",
        source="Our addition; not in the papers. Rests on the data processing inequality",
        statement=(
            r"Let $p_i$ and $q_i$ be the laws of scale $i$ for two laws of the data. "
            r"$\mathrm{KL}(p_i \| q_i)$ does not increase with $i$; what a step takes away is the "
            r"relative entropy between the two reverse steps. The 2-Wasserstein distance shrinks "
            r"at least by the largest factor, $W_2(p_i, q_i) \le \max_k |a_i(k)|\, "
            r"W_2(p_{i-1}, q_{i-1})$, and no smaller constant will do."
        ),
        topic=Topic.ENTROPY,
        chapter="information",
        anchors=("prop-contract", "lem-data-processing"),
        claims=(
            *(claim for name in PROCESSES for claim in on_standard(name)),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no transition kernel"),
        ),
        controls=(
            Control("each law has its own process", "variance preserving", other_process),
            Control("steps with 1% more noise variance", "blurring diffusion", more_noise),
            Control(
                "each law has its own process, several peaks",
                "inverse heat dissipation",
                lambda trial: mixtures(
                    process("inverse heat dissipation"), torch.tensor([0.5]).double()
                ),
            ),
            Control(
                "factors 1% too small",
                "variance preserving",
                lambda trial: wasserstein(smaller_factor("variance preserving")),
            ),
            Control(
                "factors 1% too small, several peaks",
                "homogeneous diffusion",
                lambda trial: quantiles(process("homogeneous diffusion"), 0.99),
            ),
        ),
        functions=(
            "scalelib.information.gaussian_relative_entropy",
            "scalelib.information.Mixture",
            "scalelib.LinearGaussianScaleSpace.coefficients",
        ),
        derivation=derivation,
    ),
)
