"""E-13: translations are cyclic; contraction and noise make the limit; no Brownian motion."""

from __future__ import annotations

from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.processes import LinearGaussianScaleSpace, VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import SHAPE, VE, VP, Tampered, fold, process
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
PIXELS = SHAPE[0] * SHAPE[1]
EARLY, LATE = 3, 9


def derivation() -> Derivation:
    """Continuous time: limit, covariance of increments, mean of a sample."""
    t, s, v = sympy.symbols("t s v", positive=True)
    n, k = sympy.symbols("n k", positive=True, integer=True)
    signal = sympy.exp(-2 * t)
    steps = Derivation()
    text = r"Variance of a pixel, $v$ at the start, in the time $t = \tfrac12 \int \beta$."
    steps.equal(text, sympy.Limit(v * signal + 1 - signal, t, sympy.oo), 1)
    steps.equal("Contraction alone.", sympy.Limit(v * signal, t, sympy.oo), 0)
    steps.equal("Noise alone grows for ever, at the rate", sympy.Derivative(v + 2 * t, t), 2)
    u = sympy.Symbol("u", real=True)
    normal = sympy.exp(-(u**2) / 2) / sympy.sqrt(2 * sympy.pi)
    steps.equal(
        r"$\operatorname{Cov}(U_t, U_{t+s} - U_t)$ in the steady state; $0$ for Brownian motion.",
        sympy.Integral(u * (sympy.exp(-s) * u - u) * normal, (u, -sympy.oo, sympy.oo)),
        -(1 - sympy.exp(-s)),
    )
    mean = sympy.Sum(1 / n**2, (k, 1, n))
    return steps.equal("Variance of the mean of $n$ standard normal pixels.", mean, 1 / n)


def cyclic(u: Tensor) -> Tensor:
    """Move all pixels one to the right; the last column comes first."""
    return u.roll(1, dims=-1)


def repeated(u: Tensor) -> Tensor:
    """Move all pixels one to the right; the first column is repeated."""
    return torch.cat([u[..., :1], u[..., :-1]], dim=-1)


def units() -> Tensor:
    """Return all images with one pixel that is 1."""
    return torch.eye(PIXELS, dtype=torch.float64).view(PIXELS, 1, *SHAPE)


def covariance(chain: LinearGaussianScaleSpace, move: Callable[[Tensor], Tensor]) -> Tensor:
    """Covariance of the moved image at scale LATE, given the image."""
    root = move(chain.sample(torch.zeros_like(units()), LATE, noise=units())).flatten(1)
    return root.T @ root


def invariance(name: str, move: Callable[[Tensor], Tensor], expected: float = 0.0) -> Check:
    """Trajectories from a moved image against moved trajectories, in units of the variance."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain = process(name)
        gap = covariance(chain, move) - covariance(chain, lambda u: u)
        _, variance = chain.direct(LATE)
        return Outcome(float(gap.abs().max() / variance), TOLERANCE, expected=expected)

    return check


def limit(chain: LinearGaussianScaleSpace) -> Outcome:
    """Variance at the last scale for data of variance 4, which tends to 1."""
    factor, variance = fold(chain, chain.steps)
    return Outcome(float(4 * factor.square() + variance), 1e-12, expected=1.0)


def long() -> VariancePreserving:
    """Process with a signal power of 1e-18 at the end."""
    return VariancePreserving([0.5] * 60)


def noise_alone(trial: Trial) -> Outcome:
    """Without contraction the variances add up; the last deviation is 10."""
    del trial
    chain = process(VE)
    factor, variance = fold(chain, chain.steps)
    return Outcome(float(4 * factor.square() + variance), 1e-10, expected=104.0)


def increments(name: str, expected: Callable[[LinearGaussianScaleSpace], float]) -> Check:
    """Covariance of U_k and U_i - U_k for data of variance 1."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain = process(name)
        first, variance = fold(chain, EARLY)
        further, _ = fold(chain, LATE, EARLY)
        found = (further - 1) * (first.square() + variance)
        return Outcome(float(found), TOLERANCE, expected=expected(chain))

    return check


def power_lost(chain: LinearGaussianScaleSpace) -> float:
    """Covariance of increments of the Ornstein-Uhlenbeck process, from the schedule."""
    assert isinstance(chain, VariancePreserving)
    return float((1 - chain.betas[EARLY:LATE]).prod().sqrt() - 1)


def mean_grey_value(pixels: int) -> Check:
    """Variance of the mean grey value of a steady state, times the number of pixels."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain = long()
        means = chain.sample(torch.zeros_like(units()), 60, noise=units()).flatten(1).mean(dim=1)
        return Outcome(float(means.square().sum()) * pixels, 1e-12, expected=1.0)

    return check


PROPOSITIONS = (
    Proposition(
        label="E-13",
        title="Translations, the limit and Brownian motion",
        source="2023, Properties 4 and 5, Section 4.4",
        statement=(
            r"A translation is a permutation if it is cyclic. The limit $N(0, I)$ comes from "
            r"contraction and noise together. The process is an Ornstein-Uhlenbeck process: its "
            r"increments are correlated, those of Brownian motion are not. The mean grey value of "
            r"a sample of the limit is $0$ in expectation, with variance $1 / n$."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-13",),
        claims=(
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    invariance(name, cyclic),
                    "gap of the covariance, in units of the variance",
                    aspect="cyclic translation",
                )
                for name in (VP, VE)
            ),
            Claim(
                VP,
                Expectation.FAILS,
                invariance(VP, repeated, 1.0),
                "gap of the covariance, in units of the variance",
                aspect="translation that repeats the border",
            ),
            Claim(VP, Expectation.HOLDS, lambda _: limit(long()), "variance", aspect="limit"),
            Claim(VE, Expectation.FAILS, noise_alone, "variance at the end", aspect="limit"),
            Claim(
                VP,
                Expectation.FAILS,
                increments(VP, power_lost),
                "covariance of an increment with its start",
                aspect="independent increments",
            ),
            Claim(
                VE,
                Expectation.HOLDS,
                increments(VE, lambda chain: 0.0),
                "covariance of an increment with its start",
                aspect="independent increments",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                mean_grey_value(PIXELS),
                "n times the variance of the mean",
                aspect="mean of a sample",
            ),
        ),
        controls=(
            Control("translation that repeats the border", VP, invariance(VP, repeated)),
            Control("noise without contraction", VE, lambda _: limit(process(VE))),
            Control(
                "contraction without noise",
                VP,
                lambda _: limit(Tampered(long(), lambda a, b2: (a, 0 * b2))),
            ),
            Control("independent increments", VP, increments(VP, lambda chain: 0.0)),
            Control("mean of one pixel less", VP, mean_grey_value(PIXELS - 1)),
        ),
        functions=("scalelib.VariancePreserving", "scalelib.VarianceExploding"),
        derivation=derivation,
    ),
)
