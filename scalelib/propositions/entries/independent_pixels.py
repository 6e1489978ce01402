"""E-12: the noise is independent and identically distributed, the pixels are only independent."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scalelib.information import gaussian_relative_entropy
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.instances import SHAPE, VP, Tampered, process
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

TOLERANCE = 1e-14
STEP = 7


def noise_covariance(chain: LinearGaussianScaleSpace) -> Outcome:
    """Covariance of all pixels after one step given the image, against 1 - a^2 times I."""
    count = SHAPE[0] * SHAPE[1]
    units = torch.eye(count, dtype=torch.float64).view(count, 1, *SHAPE)
    # The image is linear in its noise: unit vectors as noise give the columns of a root.
    root = chain.sample(torch.zeros_like(units), STEP, STEP - 1, noise=units).flatten(1)
    a, _ = chain.coefficients(STEP)
    expected = (1 - a.square()) * torch.eye(count, dtype=torch.float64)
    return Outcome(float((root.T @ root - expected).abs().max()), TOLERANCE)


def step_noise(trial: Trial) -> Outcome:
    """Noise of the process: the second argument of (3) is a covariance matrix."""
    del trial
    return noise_covariance(process("variance preserving"))


def tampered(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Outcome:
    """Noise of a broken step."""
    return noise_covariance(Tampered(process("variance preserving"), change))


def two_pixels(trial: Trial) -> Outcome:
    """Relative entropy of the laws of two pixels with values 1/2 and -1/4, in nats."""
    del trial
    a, b2 = process("variance preserving").coefficients(STEP)
    first, second = (torch.tensor([x], dtype=torch.float64) for x in (0.5, -0.25))
    found = gaussian_relative_entropy(a * first, b2.view(1), a * second, b2.view(1))
    return Outcome(found, TOLERANCE, expected=float(a.square() * 0.75**2 / (2 * (1 - a.square()))))


def another_chain(trial: Trial) -> Outcome:
    """Take a chain that satisfies (2), with steps that are not (4)."""
    del trial
    a, b2 = process("variance exploding").coefficients(STEP)
    # Deviations from 0.02 to 10 by a constant factor.
    s, before = (0.02 * 500 ** ((i - 1) / 11) for i in (STEP, STEP - 1))
    return Outcome(float(a.square() + b2 - 1), 1e-12, expected=s**2 - before**2)


PROPOSITIONS = (
    Proposition(
        label="E-12",
        title="Independent pixels",
        source="2023, equations (2) to (4) and Property 5",
        statement=(
            r"Given $u_{i-1}$ the pixels of $U_i$ are independent, and identically distributed "
            r"only where $u_{i-1}$ is constant. The noise is identically distributed. The second "
            r"argument of $\mathcal N$ is a covariance. (4) follows from (3); (2) holds for every "
            r"Markov chain."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-12",),
        claims=(
            Claim(VP, Expectation.HOLDS, step_noise, "gap of the covariance", aspect="noise"),
            Claim(
                VP,
                Expectation.FAILS,
                two_pixels,
                "relative entropy of two pixels, nats",
                aspect="identical pixels",
            ),
            Claim(
                "variance exploding",
                Expectation.FAILS,
                another_chain,
                "a^2 + b^2 - 1, which (4) makes 0",
                aspect="(2) alone",
            ),
        ),
        controls=(
            Control(
                "beta as a standard deviation",
                VP,
                lambda trial: tampered(lambda a, b2: (a, b2.square())),
            ),
            Control(
                "variance 1% too large", VP, lambda trial: tampered(lambda a, b2: (a, 1.01 * b2))
            ),
        ),
        functions=("scalelib.VariancePreserving", "scalelib.VarianceExploding"),
    ),
)
