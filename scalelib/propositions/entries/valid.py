"""P-valid: marginals come from a Markov chain iff no mode's signal-to-noise ratio increases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import sympy
import torch
from torch import Tensor

from scalelib.processes import BlurringDiffusion, LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import OSMOSIS, PROCESSES, SHAPE, process
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

TOLERANCE = 1e-14
"""Relative; the products below lose a few units in the last place."""

SCHEDULES = 100
"""Random schedules that the constructor is given."""

Marginals = Sequence[tuple[Tensor, Tensor]]
"""Mean factor and variance per mode, of the scales 0..m."""

Rule = Callable[[Tensor, Tensor], bool]
"""Takes mean factors and deviations of three scales; whether there is a chain."""


def derivation() -> Derivation:
    """Solve for the only possible step: its noise is what the ratio loses."""
    M, S, M_i, S_i = sympy.symbols("M_{i-1} S_{i-1} M_{i} S_{i}", positive=True)
    a, b2 = sympy.symbols("a_{i} b_{i}^{2}", real=True)
    recursion = [a * M - M_i, a**2 * S**2 + b2 - S_i**2]
    (found,) = sympy.solve(recursion, [a, b2], dict=True)
    noise = S_i**2 - (M_i / M) ** 2 * S**2
    steps = Derivation()
    steps.equal("The recursion has one solution for the noise of a step.", found[b2], noise)
    steps.equal(
        "It has the sign of what the signal-to-noise ratio loses.",
        M**2 / S**2 - M_i**2 / S_i**2,
        noise * M**2 / (S**2 * S_i**2),
    )
    c, ratio = sympy.symbols("c R", positive=True)
    return steps.equal(
        "The information that scale and image share, for Gaussian data of variance c, increases "
        "with the ratio R.",
        sympy.Derivative(sympy.log(1 + c * ratio) / 2, ratio),
        c / (2 * (1 + c * ratio)),
    )


def marginals(chain: LinearGaussianScaleSpace) -> Marginals:
    """Mean factor and variance of every scale."""
    return [chain.direct(i) for i in range(chain.steps + 1)]


def rise(laws: Marginals) -> Outcome:
    """Largest relative increase of the signal-to-noise ratio over a step, as products."""
    largest = 0.0
    for (M, S2), (M_i, S2_i) in pairwise(laws):
        late, early = M_i.square() * S2, M.square() * S2_i
        scale = torch.maximum(late, early)
        largest = max(largest, float(torch.where(scale > 0, (late - early) / scale, 0.0).max()))
    return Outcome(largest, TOLERANCE)


def checked(name: str) -> Check:
    """Check of a standard instance."""
    return lambda trial: rise(marginals(process(name)))


def disagreements(rule: Rule, trial: Trial) -> Outcome:
    """Random schedules for which the rule and the sign of all b_i^2 differ."""
    draws = torch.rand(SCHEDULES, 2, 3, generator=trial.generator(), dtype=torch.float64)
    factors = 1 - draws[:, 0].cumsum(dim=1) / 4
    count = 0
    for alphas, sigmas in zip(factors, draws[:, 1], strict=True):
        noise = sigmas[1:].square() - (alphas[1:] / alphas[:-1] * sigmas[:-1]).square()
        count += rule(alphas, sigmas) != bool((noise >= 0).all())
    return Outcome(float(count), 0.0)


def constructor(alphas: Tensor, sigmas: Tensor) -> bool:
    """Whether blurring diffusion takes a schedule."""
    try:
        BlurringDiffusion([0.5, 1.0, 1.5], alphas, sigmas, SHAPE)
    except ValueError:
        return False
    return True


def noise_grows(alphas: Tensor, sigmas: Tensor) -> bool:
    """Forget the contrast: noise that does not decrease."""
    del alphas
    return bool((sigmas.diff() >= 0).all())


def quieter(trial: Trial) -> Outcome:
    """Blurring diffusion, drawn from scale 0, whose noise falls from scale 8 on."""
    del trial
    laws = list(marginals(process("blurring diffusion")))
    loud = laws[7][1]
    return rise([(M, S2 if i < 8 else 0.5 * loud) for i, (M, S2) in enumerate(laws)])


def sharper(trial: Trial) -> Outcome:
    """Inverse heat dissipation with its scales in the wrong order from 8 to 9."""
    del trial
    laws = list(marginals(process("inverse heat dissipation")))
    laws[8], laws[9] = laws[9], laws[8]
    return rise(laws)


def _remark(name: str) -> str:
    kept = {
        "inverse heat dissipation": "; constant in the mean grey value, which takes no new noise",
        "linearised osmosis": "; the mean grey value has no noise at all",
        "homogeneous diffusion": "; no noise, so the ratio is infinite throughout",
    }
    return "largest relative increase of the ratio, all modes and steps" + kept.get(name, "")


PROPOSITIONS = (
    Proposition(
        label="P-valid",
        title="Markov condition",
        source="Our addition.",
        statement=(
            r"Mean factors $M_i > 0$ and noise variances $S_i^2$ belong to a Markov chain of the "
            r"family if and only if in no mode the signal-to-noise ratio $M_i^2 / S_i^2$ "
            r"increases: $M_i^2 S_{i-1}^2 \le M_{i-1}^2 S_i^2$."
        ),
        topic=Topic.TRANSITION,
        chapter="semigroup",
        anchors=("prop-valid", "prop-valid-necessary"),
        claims=(
            *(Claim(name, Expectation.HOLDS, checked(name), _remark(name)) for name in PROCESSES),
            Claim(
                "blurring diffusion",
                Expectation.HOLDS,
                lambda trial: disagreements(constructor, trial),
                "random schedules that the constructor takes and must not, or must and does not",
                aspect="both directions",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no noise of its own"),
        ),
        controls=(
            Control("noise that falls from scale 8 on", "blurring diffusion", quieter),
            Control("two scales exchanged", "inverse heat dissipation", sharper),
            Control(
                "a rule that forgets the contrast",
                "blurring diffusion",
                lambda trial: disagreements(noise_grows, trial),
            ),
        ),
        functions=("scalelib.BlurringDiffusion", "scalelib.LinearGaussianScaleSpace.direct"),
        derivation=derivation,
        tests=("tests/processes/test_base.py::test_signal_to_noise_ratio_never_increases",),
    ),
)
