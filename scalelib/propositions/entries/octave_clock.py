"""D-clock: for a power law the geometric schedule passes all octaves at one pace."""

from __future__ import annotations

import math
from collections.abc import Sequence

import sympy
import torch
from torch import Tensor

from scalelib.information import signal_to_noise
from scalelib.processes import LinearGaussianScaleSpace, VarianceExploding, VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import STEPS, VE, VP, process
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.schedules import geometric_sigma

__all__ = ["PROPOSITIONS"]

A, EXPONENT = 3.0, 2.2
"""Of the power law of the data."""

SMALLEST, LARGEST = 0.02, 10.0
"""Noise of the first and of the last scale."""

TOLERANCE = 1e-12
"""Relative; powers of ratios of up to 1e5 lose a few digits."""


def derivation() -> Derivation:
    """Solve for the frequency, and count steps in an octave."""
    factor, a, early, late = sympy.symbols("A a gamma_{i-1} gamma_i", positive=True)
    threshold = (factor * late) ** (1 / a)
    steps = Derivation()
    steps.equal("The ratio is 1 at $f_i$:", late * factor * threshold ** (-a), 1)
    before = threshold.subs(late, early)
    steps.equal(
        "The logarithm of its fall in a step is that of the ratio, divided by a:",
        sympy.expand_log(sympy.log(before) - sympy.log(threshold), force=True),
        (sympy.log(early) - sympy.log(late)) / a,
    )
    one, two = sympy.symbols("sigma_{i-1} sigma_i", positive=True)
    fall = (sympy.log(early) - sympy.log(late)).subs({early: one**-2, late: two**-2}) / a
    return steps.equal(
        "For noise $\\sigma$ an octave takes so many steps:",
        sympy.expand_log(sympy.log(2) / fall, force=True),
        a * sympy.log(2) / (2 * (sympy.log(two) - sympy.log(one))),
    )


def frequencies(gamma: Tensor) -> Tensor:
    """Frequency at which the ratio is 1, for each ratio of white data."""
    return (A * gamma) ** (1 / EXPONENT)


def ratios(chain: LinearGaussianScaleSpace) -> Tensor:
    """Signal-to-noise ratios of white data at all scales, from the transitions."""
    pairs = [chain.direct(i) for i in range(1, chain.steps + 1)]
    return torch.stack([factor.square() / variance for factor, variance in pairs])


def threshold(chain: LinearGaussianScaleSpace, exponent: float = EXPONENT) -> Outcome:
    """Largest distance from 1 of the ratio at the frequency of the statement."""
    worst = 0.0
    for i, f in enumerate(frequencies(ratios(chain)).tolist(), 1):
        c = torch.tensor([[A * f**-exponent]], dtype=torch.float64)
        worst = max(worst, abs(float(signal_to_noise(chain, i, c)) - 1))
    return Outcome(worst, TOLERANCE)


def pace(chain: LinearGaussianScaleSpace) -> Outcome:
    """Largest relative difference of two steps of the logarithm of the frequency."""
    steps = frequencies(ratios(chain)).log().diff()
    return Outcome(float((steps / steps.mean() - 1).abs().max()), TOLERANCE)


def per_octave(a: float = EXPONENT) -> Outcome:
    """Compare the steps per octave of the standard instance with the formula."""
    f = frequencies(ratios(process(VE)))
    found = math.log(2) / float(f.log().diff().neg().mean())
    said = a * math.log(2) / (2 * math.log(LARGEST / SMALLEST) / (STEPS - 1))
    return Outcome(found, TOLERANCE * said, said)


def preserving(sigmas: Sequence[float]) -> VariancePreserving:
    """Write noise of these sizes as a variance preserving process."""
    powers = 1 / (1 + torch.tensor(sigmas, dtype=torch.float64).square())
    return VariancePreserving(1 - powers / torch.cat([torch.ones(1), powers[:-1]]))


def evenly() -> VariancePreserving:
    """Write the geometric schedule as a variance preserving process."""
    return preserving(geometric_sigma(STEPS, SMALLEST, LARGEST).tolist())


def arithmetic() -> VarianceExploding:
    """Break: noise that grows by the same amount in each step."""
    return VarianceExploding(torch.linspace(SMALLEST, LARGEST, STEPS, dtype=torch.float64))


PROPOSITIONS = (
    Proposition(
        label="D-clock",
        title="The clock of octaves",
        source="Our addition",
        statement=(
            r"Let $c_k = A f^{-a}$ with $A, a > 0$. A mode has $\mathrm{SNR}_i(k) = 1$ at the "
            r"frequency $f_i = (A \gamma_i)^{1/a}$ for VP and VE, with $\gamma_i = 1 / \sigma_i^2$ "
            r"for VE and $\bar\alpha_i / (1 - \bar\alpha_i)$ for VP. "
            r"$f_i$ falls by the same factor in each step if and only if $\ln \gamma_i$ is an "
            r"arithmetic sequence; the steps per octave are then "
            r"$a \ln 2 / (2 \ln(\sigma_i / \sigma_{i-1}))$."
        ),
        topic=Topic.COMPARISON,
        chapter="design-guidance",
        anchors=("prop-octave-clock",),
        claims=(
            Claim(
                VE,
                Expectation.HOLDS,
                lambda trial: threshold(process(VE)),
                "distance from 1 of the ratio at the frequency",
                "frequency",
            ),
            Claim(
                VE,
                Expectation.HOLDS,
                lambda trial: pace(process(VE)),
                "relative difference of two steps of its logarithm",
                "pace",
            ),
            Claim(
                VE,
                Expectation.HOLDS,
                lambda trial: per_octave(),
                "steps per octave",
                "steps per octave",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                lambda trial: threshold(process(VP)),
                "distance from 1 of the ratio at the frequency",
                "frequency",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                lambda trial: pace(evenly()),
                "relative difference of two steps of its logarithm, geometric schedule",
                "pace",
            ),
        ),
        controls=(
            Control("another exponent", VE, lambda trial: threshold(process(VE), 1.01 * EXPONENT)),
            Control("linear schedule", VP, lambda trial: pace(process(VP))),
            Control("noise in equal steps", VE, lambda trial: pace(arithmetic())),
            Control("steps of another exponent", VE, lambda trial: per_octave(1.01 * EXPONENT)),
        ),
        functions=(
            "scalelib.information.signal_to_noise",
            "scalelib.schedules.geometric_sigma",
        ),
        derivation=derivation,
    ),
)
