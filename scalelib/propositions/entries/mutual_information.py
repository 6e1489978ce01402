"""P-MI: no scale knows more of the image than the scale before it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import final

import sympy
import torch
from torch import Tensor

from scalelib.information import (
    Mixture,
    entropy_by_quadrature,
    gaussian_entropy,
    gaussian_mutual_information,
)
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    NOISY,
    OSMOSIS,
    SHAPE,
    STEPS,
    Tampered,
    process,
)
from scalelib.propositions.laws import (
    FOUR,
    SPECTRUM,
    in_modes,
    information_on_points,
    log_ratios,
    nodes,
    over_log_ratios,
    per_mode,
    sampled_mean,
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

TOLERANCE = 1e-10
"""Nats; sums of a hundred logarithms, and integrals whose error is far below rounding."""

DRAWS = 20_000
"""Sample size."""


def derivation() -> Derivation:
    """Show what a step takes away from Gaussian data in one mode, and the parts of the entropy."""
    M, c, S, a, b = sympy.symbols("M_{i-1} c S_{i-1} a_i b_i", positive=True)
    steps = Derivation()
    noise, v = a**2 * S**2 + b**2, M**2 * c + S**2
    w = a**2 * v + b**2
    before, after = M**2 / S**2, a**2 * M**2 / noise
    fall = M**2 * b**2 / (S**2 * noise)
    steps.equal("A step lowers the signal-to-noise ratio by", before - after, fall)
    steps.true("which is positive if the step carries noise:", sympy.Gt(fall, 0, evaluate=False))
    steps.equal(r"Given $U_i$, the variance of $U_0$ is", c - (a * M * c) ** 2 / w, c * noise / w)
    steps.equal(r"that of $U_{i-1}$ is", v - (a * v) ** 2 / w, b**2 * v / w)
    steps.equal("and their covariance is", M * c - (a * M * c) * (a * v) / w, M * c * b**2 / w)
    told = (M * c * b**2 / w) ** 2 / ((c * noise / w) * (b**2 * v / w))
    steps.equal(
        r"The fall of $I$ is their conditional information, $-\tfrac12 \ln(1 - \rho^2)$:",
        (1 + before * c) / (1 + after * c),
        1 / (1 - told),
    )
    return steps.equal(
        r"Entropy power: that of $U_i$ is that of the noise times $e^{2 I}$,",
        sympy.exp(sympy.log(noise) + sympy.log(1 + after * c)),
        w,
    )


def spectrum(chain: LinearGaussianScaleSpace) -> Tensor:
    """Variances of Gaussian data; linearised osmosis keeps the mean, which is left out."""
    _, variance = per_mode(chain, chain.steps)
    return torch.where(variance > 0, SPECTRUM, 0.0)


def forgotten(chain: LinearGaussianScaleSpace, i: int, c: Tensor) -> Tensor:
    """Conditional information I(U_0; U_{i-1} | U_i) of Gaussian data per mode, from one step."""
    a, b2 = per_mode(chain, i, i - 1)
    factor, variance = per_mode(chain, i - 1)
    signal = factor.square() * c
    squared = signal * b2 / ((a.square() * variance + b2) * (signal + variance))
    return -0.5 * torch.log1p(-torch.where(signal > 0, squared, 0.0))


def chain_rule(chain: LinearGaussianScaleSpace) -> Outcome:
    """Gap of the chain rule in nats; or the number of scales at which nothing is forgotten."""
    c = spectrum(chain)
    told = [gaussian_mutual_information(chain, i, c) for i in range(1, chain.steps + 1)]
    falls = torch.tensor(told, dtype=torch.float64).diff().neg()
    expected = torch.stack([forgotten(chain, i, c).sum() for i in range(2, chain.steps + 1)])
    standing = int((falls <= 0).sum())
    return Outcome(max(float((falls - expected).abs().max()), standing), TOLERANCE)


def finite_laws(chain: LinearGaussianScaleSpace) -> list[Mixture]:
    """Laws of the scales 1..m for four images that differ in the lowest horizontal frequency."""
    data = Mixture(FOUR, torch.zeros(1).double())
    return [in_modes(chain, i, data, (1,)) for i in range(1, chain.steps + 1)]


def finite_data(
    chain: LinearGaussianScaleSpace, noise_entropy: Callable[[Tensor], float] = gaussian_entropy
) -> Outcome:
    """Gap of H = H(.|U_0) + I in nats; or the number of scales without a fall, or above ln N."""
    laws = finite_laws(chain)
    told = [information_on_points(law) for law in laws]
    gaps = [
        abs(entropy_by_quadrature(law) - noise_entropy(law.variances) - known)
        for law, known in list(zip(laws, told, strict=True))[::6]
    ]
    falls = sum(late < early for early, late in itertools.pairwise(told))
    wrong = len(told) - 1 - falls + sum(known > math.log(len(FOUR)) for known in told)
    return Outcome(max(*gaps, wrong), TOLERANCE)


def mean_remains(trial: Trial) -> Outcome:
    """Information at the last scale of heat dissipation; expected: that of the mean grey value."""
    del trial
    chain = process("inverse heat dissipation")
    data = Mixture(torch.cat([FOUR, FOUR.roll(1, 0)], dim=1), torch.zeros(2).double())
    last = in_modes(chain, chain.steps, data, (0, math.prod(SHAPE) - 1))
    mean = Mixture(last.means[:, :1], last.variances[:1])
    found = entropy_by_quadrature(last) - gaussian_entropy(last.variances)
    return Outcome(found, 2e-10, information_on_points(mean))  # twice the error of the quadrature


def entropy_turns(name: str, sign: int) -> Check:
    """Count scales at which the differential entropy of finite data does not go that way."""

    def check(trial: Trial) -> Outcome:
        del trial
        found = []
        for law in finite_laws(process(name)):
            u, weights = nodes(law)
            found.append(-weights @ law.log_density(u))
        return Outcome(int((sign * torch.stack(found).diff() <= 0).sum()), 0.0)

    return check


def atoms(factor: Tensor, variance: Tensor) -> Outcome:
    """Nats of ln N that a step without noise loses on N images that differ in one mode each."""
    images = torch.eye(len(factor), dtype=torch.float64) * factor
    kept = len(torch.unique(images, dim=0)) if not bool(variance.any()) else 1
    return Outcome(math.log(len(factor) / kept), 0.0)


def invertible(trial: Trial) -> Outcome:
    """Homogeneous diffusion maps different images to different images at every scale."""
    del trial
    chain = process("homogeneous diffusion")
    return max(
        (atoms(*per_mode(chain, i)) for i in range(1, STEPS + 1)), key=lambda found: found.value
    )


def mean_is_kept(trial: Trial) -> Outcome:
    """Mode 0 of linearised osmosis: distance of its factor from 1, plus its noise variance."""
    del trial
    chain = process("linearised osmosis")
    pairs = [per_mode(chain, i) for i in range(1, STEPS + 1)]
    return Outcome(max(abs(float(M[0]) - 1) + float(S2[0]) for M, S2 in pairs), 0.0)


def density(log_ratio: Tensor) -> Tensor:
    """Information density ln p(u|x)/p(u) in nats for two images."""
    return math.log(2) + torch.nn.functional.logsigmoid(log_ratio)


def sampled(chain: LinearGaussianScaleSpace, trial: Trial) -> Outcome:
    """Mean information density of trajectories from two images, against its exact mean in nats."""
    found = log_ratios(chain, chain.steps // 2, 2.0, DRAWS, generator=trial.generator())
    return sampled_mean(density(found), *over_log_ratios(density, 2.0), trial.alpha)


@final
class Fading(LinearGaussianScaleSpace):
    """Marginals of no Markov chain: the noise of scale i is divided by i."""

    def __init__(self, original: LinearGaussianScaleSpace) -> None:
        super().__init__(original.steps, original.shape)
        self._original = original

    def _transition(self, start: int, i: int) -> tuple[Tensor, Tensor]:
        factor, variance = self._original.direct(i, start)
        return factor, variance / i**2


def low_pass(trial: Trial) -> Outcome:
    """Cut sharply at half of the modes: images that differ above the cut become one."""
    del trial
    factor = torch.ones(math.prod(SHAPE), dtype=torch.float64)
    factor[len(factor) // 2 :] = 0
    return atoms(factor, 0 * factor)


def noisier(chain: LinearGaussianScaleSpace, gain: float) -> Tampered:
    """Single steps with more noise than the transitions say."""
    return Tampered(chain, lambda a, b2: (a, gain * b2))


def on_standard(name: str) -> tuple[Claim, ...]:
    """Claims of a process with noise."""
    off = ", off the mean grey value" if name == "linearised osmosis" else ""
    return (
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: chain_rule(process(name)),
            f"gap of the chain rule in nats{off}",
            "Gaussian data",
        ),
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: finite_data(process(name)),
            "gap of H = H(.|U_0) + I in nats, four images",
            "finite data",
        ),
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: sampled(process(name), trial),
            f"mutual information of two images in nats{off}",
            "samples",
            sampled=True,
        ),
    )


PROPOSITIONS = (
    Proposition(
        label="P-MI",
        title="Mutual information",
        source="Our addition; not in the papers. Rests on the data processing inequality",
        statement=(
            r"$I(U_0; U_i)$ does not increase with $i$ along any Markov process, for every law of "
            r"the data, and falls strictly where the steps carry noise in a mode that tells "
            r"something. $H(U_i) = H(U_i \mid U_0) + I(U_0; U_i)$. Deterministic invertible "
            r"filters keep it; a mode without noise keeps what it tells."
        ),
        topic=Topic.ENTROPY,
        chapter="information",
        anchors=("prop-mi",),
        claims=(
            *(claim for name in NOISY for claim in on_standard(name)),
            Claim(
                "variance exploding",
                Expectation.HOLDS,
                entropy_turns("variance exploding", 1),
                "scales at which the differential entropy does not increase",
                "differential entropy increases",
            ),
            Claim(
                "inverse heat dissipation",
                Expectation.HOLDS,
                entropy_turns("inverse heat dissipation", -1),
                "scales at which the differential entropy does not decrease",
                "differential entropy decreases",
            ),
            Claim(
                "inverse heat dissipation",
                Expectation.FAILS,
                mean_remains,
                "does not tend to 0: what the mean grey value tells remains, in nats",
                "limit 0",
            ),
            Claim(
                "linearised osmosis",
                Expectation.WEAKLY,
                mean_is_kept,
                "the mean grey value is kept exactly: defect of factor 1 and noise 0",
                "mean grey value",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.WEAKLY,
                invertible,
                "constant, since the map is invertible: nats lost of ln N",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no transition kernel"),
        ),
        controls=(
            Control(
                "noise that fades: no Markov chain",
                "inverse heat dissipation",
                lambda trial: chain_rule(Fading(process("inverse heat dissipation"))),
            ),
            Control(
                "steps with 1% more noise variance",
                "variance preserving",
                lambda trial: chain_rule(noisier(process("variance preserving"), 1.01)),
            ),
            Control(
                "entropy without the factor 1/2",
                "variance preserving",
                lambda trial: finite_data(
                    process("variance preserving"),
                    lambda variances: 2 * gaussian_entropy(variances),
                ),
            ),
            Control(
                "samples with 30% more noise variance",
                "blurring diffusion",
                lambda trial: sampled(noisier(process("blurring diffusion"), 1.3), trial),
            ),
            Control("sharp low-pass", "homogeneous diffusion", low_pass),
            Control(
                "entropy claimed to decrease",
                "variance exploding",
                entropy_turns("variance exploding", -1),
            ),
        ),
        functions=(
            "scalelib.information.gaussian_mutual_information",
            "scalelib.information.entropy_by_quadrature",
        ),
        derivation=derivation,
    ),
)
