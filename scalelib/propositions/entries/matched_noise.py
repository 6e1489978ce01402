"""T-match: which white noise comes closest to the noise of linearised osmosis, and how close."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.special
import sympy
import torch
from torch import Tensor

from scalelib.processes import BlurringDiffusion, LinearisedOsmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import BD
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.schedules import matched_sigma

__all__ = ["PROPOSITIONS"]

CONTRAST = 0.5
TIMES = (0.01, 0.125, 1.0, 10.0, 60.0)
SHAPE = (96, 80)
"""Its walks of duration 60 hardly meet the border twice, which the closed form leaves out."""


Level = Callable[[Tensor], Tensor]
"""Noise of all modes -> level of the white noise."""


def derivation() -> Derivation:
    """Stationary points of both distances, the defect, its two limits."""
    a, b, x = sympy.symbols("S_1 S_2 sigma", positive=True)
    square, mean = (a**2 + b**2) / 2, (a + b) / 2
    divergence = sum((s**2 / x**2 - 1 - sympy.log(s**2 / x**2)) / 2 for s in (a, b))
    transport = (a - x) ** 2 + (b - x) ** 2
    steps = Derivation()
    text = "Slope of the relative entropy in the level, two modes stand for n."
    steps.equal(text, sympy.diff(divergence, x), 2 * (x**2 - square) / x**3)
    text = "Slope of the squared Wasserstein distance."
    steps.equal(text, sympy.diff(transport, x), 4 * (x - mean))
    rms = sympy.sqrt(square)
    text = r"Squared distance at the matched level, per $\sum_k S_k^2$."
    steps.equal(text, transport.subs(x, rms) / (2 * square), 2 - 2 * mean / rms)
    p, q = sympy.symbols("p q", real=True)
    rate = 4 - 2 * sympy.cos(p) - 2 * sympy.cos(q)
    average = [
        sympy.integrate(sympy.expand(rate**k), (p, 0, sympy.pi), (q, 0, sympy.pi)) / sympy.pi**2
        for k in (1, 2)
    ]
    text = r"Short times, $S \approx s \lambda t$, many pixels: mean over rms of $\lambda$."
    return steps.equal(text, average[0] / sympy.sqrt(average[1]), 2 / sympy.sqrt(5))


def noise(t: float, shape: tuple[int, int] = SHAPE) -> Tensor:
    """Return the standard deviation of linearised osmosis in all modes."""
    return LinearisedOsmosis([t], CONTRAST, shape).direct(1)[1].sqrt().flatten()


def matched(t: float, shape: tuple[int, int] = SHAPE) -> Tensor:
    """Level of blurring diffusion with the matched schedule."""
    sigma = matched_sigma([t], CONTRAST, shape)
    white = BlurringDiffusion([t], torch.ones(1), sigma, shape, d_min=0.0)
    return white.direct(1)[1].sqrt().flatten()[0]


def mean(s: Tensor) -> Tensor:
    """Plain mean over the modes."""
    return s.mean()


def divergence(s: Tensor, level: Tensor) -> Tensor:
    """Relative entropy per mode, less the term without ``level``; mode 0 has S = 0."""
    return ((s / level).square() / 2 + level.log()).mean()


def transport(s: Tensor, level: Tensor) -> Tensor:
    """Squared Wasserstein distance relative to the squared size of the noise."""
    return (s - level).square().sum() / s.square().sum()


def stationary(
    distance: Callable[[Tensor, Tensor], Tensor],
    level: Callable[[float], Tensor],
    first: int = 0,
) -> Outcome:
    """Largest slope of a distance in the logarithm of the level, from mode ``first`` on."""
    worst = 0.0
    for t in TIMES:
        log = level(t).log().requires_grad_()
        (slope,) = torch.autograd.grad(distance(noise(t)[first:], log.exp()), log)
        worst = max(worst, abs(float(slope)))
    return Outcome(worst, 1e-13)


def returns(t: float) -> float:
    r"""Mean of the heat kernel at its centre, :math:`\frac1n \sum_k e^{-\lambda_k t}`.

    On one axis a Bessel function, and the share of the border; walks that meet both ends aside.
    """
    inside = float(scipy.special.ive(0, 2 * t))
    return math.prod(inside + (1 - math.exp(-4 * t)) / (2 * n) for n in SHAPE)


def closed_form(short: float = 2.0) -> Outcome:
    r"""Relative gap of the schedule to :math:`s^2 (1 - 2 P(t) + P(2t))`, largest of all times."""
    worst = 0.0
    for t in TIMES[1:]:
        expected = CONTRAST**2 * (1 - short * returns(t) + returns(2 * t))
        worst = max(worst, abs(float(matched(t)) ** 2 / expected - 1))
    return Outcome(worst, 1e-12)


def early(*, border: bool = True) -> Outcome:
    """Relative Wasserstein defect of the matched level for a short time."""
    t = 1e-6
    found = transport(noise(t), matched(t)).sqrt()
    height, width = SHAPE
    ends = torch.tensor([1.0] + [2.0] * (height - 2) + [1.0], dtype=torch.float64)
    sides = torch.tensor([1.0] + [2.0] * (width - 2) + [1.0], dtype=torch.float64)
    degree = ends[:, None] + sides if border else torch.full(SHAPE, 4.0, dtype=torch.float64)
    # Traces of the Laplacian and of its square: mean rate, mean squared rate.
    ratio = degree.mean() / (degree.square().mean() + degree.mean()).sqrt()
    return Outcome(float(found), 16 * t, math.sqrt(2 - 2 * float(ratio)))


def decay(expected: float) -> Outcome:
    """Order in time of the defect from 10 to 60, on a grid so large that mode 0 hardly counts."""
    times, shape = np.geomspace(10, 60, 6), (512, 512)
    gaps = [float(transport(noise(t, shape), matched(t, shape)).sqrt()) for t in times.tolist()]
    return Outcome(-float(np.polyfit(np.log(times), np.log(gaps), 1)[0]), 0.15, expected)


PROPOSITIONS = (
    Proposition(
        label="T-match",
        title="Matched noise schedule",
        source="Our addition; 2024, Figure 3 speaks of a suitable noise schedule",
        statement=(
            r"Let linearised osmosis have the noise $S_k$ in mode k. White noise of variance "
            r"$\frac1n \sum_k S_k^2$ has the same variance per pixel and minimises the part of "
            r"the relative entropy that depends on its level; the whole is infinite. The mean "
            r"$\frac1n \sum_k S_k$ minimises the Wasserstein distance. The relative distance "
            r"falls from $\sqrt{2 - 4/\sqrt5} \approx 0.46$ like $1/\sqrt{8 \pi t}$ to "
            r"$1/\sqrt n$."
        ),
        topic=Topic.OSMOSIS,
        chapter="blurring-resembles-osmosis",
        anchors=("prop-match",),
        claims=(
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: stationary(divergence, matched),
                "slope of the relative entropy per mode in the logarithm of the level",
                "relative entropy",
            ),
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: stationary(transport, lambda t: mean(noise(t))),
                "slope of the relative squared distance in the logarithm of the level",
                "Wasserstein distance",
            ),
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: closed_form(),
                "relative gap of the variances to their closed form",
                "closed form",
            ),
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: early(),
                "relative Wasserstein defect at t = 1e-6",
                "short times",
            ),
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: decay(0.5),
                "order in time of the defect, 512 x 512 pixels",
                "long times",
            ),
        ),
        controls=(
            Control(
                "relative entropy at the plain mean",
                BD,
                lambda trial: stationary(divergence, lambda t: mean(noise(t))),
            ),
            Control(
                "Wasserstein distance at the matched level",
                BD,
                lambda trial: stationary(transport, matched),
            ),
            Control(
                "relative entropy without mode 0, whose level is n / (n - 1) times as high",
                BD,
                lambda trial: stationary(divergence, matched, first=1),
            ),
            Control("closed form with 1 - P(t) + P(2t)", BD, lambda trial: closed_form(1.0)),
            Control("no border", BD, lambda trial: early(border=False)),
            Control("defect of first order in time", BD, lambda trial: decay(1.0)),
        ),
        functions=("scalelib.schedules.matched_sigma", "scalelib.BlurringDiffusion"),
        derivation=derivation,
        tests=("tests/test_schedules.py::test_matched_noise_has_the_mean_variance_of_the_modes",),
    ),
)
