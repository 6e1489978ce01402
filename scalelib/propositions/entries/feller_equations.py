"""T-feller: forward and backward equation of the variance preserving process, by duality."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import sympy
import torch
from scipy.special import ndtr
from torch import Tensor

from scalelib.information import marginal
from scalelib.processes import VariancePreserving
from scalelib.propositions import _feller as feller
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import VP
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

__all__ = ["PROPOSITIONS", "chain", "lead"]

LINE = torch.linspace(-12, 12, 2401, dtype=torch.float64)
WIDTH = float(LINE[1] - LINE[0])


def derivation() -> Derivation:
    """Moments of a short step, the equations of all moments, and why the two are adjoint."""
    u = sympy.Symbol("u", real=True)
    h, beta = sympy.symbols("h beta", positive=True)
    gap = sympy.sqrt(1 - beta * h) - 1
    steps = Derivation()
    text = "First moment (23) of a step with noise variance $\\beta h$."
    steps.equal(text, sympy.Limit(gap * u / h, h, 0), -beta * u / 2)
    text = "Second moment: that of the noise, and the square of the mean, which is of second order."
    steps.equal(text, sympy.Limit((gap**2 * u**2 + beta * h) / h, h, 0), beta)
    fourth = (gap * u) ** 4 + 6 * (gap * u) ** 2 * beta * h + 3 * (beta * h) ** 2
    text = "The fourth moment vanishes: the limit has no jumps."
    steps.equal(text, sympy.Limit(fourth / h, h, 0), 0)
    m1, m2, p, y = (sympy.Function(name)(u) for name in ("m_1", "m_2", "p", "y"))
    backward = m1 * sympy.Derivative(y, u) + m2 / 2 * sympy.Derivative(y, (u, 2))
    forward = sympy.Derivative(m2 * p, (u, 2)) / 2 - sympy.Derivative(m1 * p, u)
    flux = m1 * p * y + (m2 * p * sympy.Derivative(y, u) - y * sympy.Derivative(m2 * p, u)) / 2
    text = (
        "The two right-hand sides are adjoint: their difference is the derivative of a flux, "
        "whose integral vanishes."
    )
    return steps.equal(text, p * backward - y * forward, sympy.Derivative(flux, u))


# Moments of a short step


def moment(order: int, noise: Callable[[float], float] = lambda b: b) -> Check:
    """Gap of a moment (23) over its leading term in the step, extrapolated."""

    def check(trial: Trial) -> Outcome:
        del trial
        ratios = [_moment_gap(order, h, noise) for h in (2.0**-12, 2.0**-13)]
        # The next term is of relative size h; extrapolation leaves terms of size h^2.
        return Outcome(2 * ratios[1] - ratios[0], 1e-6, expected=1.0)

    return check


def _moment_gap(order: int, h: float, noise: Callable[[float], float]) -> float:
    """Gap of the moment at one place over -h beta^2 u / 8 or h beta^2 u^2 / 4."""
    u, beta = 1.3, 1.7
    process = VariancePreserving([noise(beta * h)])
    factor, variance = (float(x) for x in process.direct(1))
    mean = -float(variance) / (1 + factor) * u  # sqrt(1 - b) - 1 without cancellation
    if order == 1:
        return (mean / h + beta * u / 2) / (-h * beta**2 * u / 8)
    return ((variance + mean**2) / h - beta) / (h * beta**2 * u**2 / 4)


# Duality


def conditional_probability(u: Tensor, t: float, delay: float = 0.0) -> Tensor:
    r"""Conditional probability of a positive grey value at the end, given the one at time t."""
    factor, variance = feller.process(t, feller.END + delay).direct(1)
    return torch.from_numpy(ndtr((factor * u / variance.sqrt()).numpy()))


def duality(delay: float) -> Check:
    """Integral of density times conditional expectation at all times: largest gap to the end."""

    def check(trial: Trial) -> Outcome:
        del trial
        end = marginal(feller.process(0.0, feller.END), feller.DATA, 1)
        scores = (end.means[:, 0] / end.variances[:, 0].sqrt()).numpy()
        expected = float(end.log_weights.exp() @ torch.from_numpy(ndtr(scores)))
        found = [
            float(feller.density(LINE, t) @ conditional_probability(LINE, t, delay)) * WIDTH
            for t in feller.times().tolist()
        ]
        return Outcome(max(abs(x - expected) for x in found), 1e-12)

    return check


# The chain in the limit


def chain(steps: int) -> VariancePreserving:
    r"""Chain on [0, 1] with :math:`\beta_i = \beta(t_i) h`, the rate at the end of each step."""
    h = feller.END / steps
    return VariancePreserving([h * feller.rate((i + 1) * h) for i in range(steps)])


def lead(steps: int) -> float:
    r"""Leading term of the time, in the clock s, by which the chain is ahead of the equation."""
    h, end = feller.END / steps, feller.END
    square = ((1 + end) ** 3 - 1) / 3  # integral of (1 + t)^2
    return h / 4 * (feller.rate(end) - feller.rate(0.0) + square)


def ahead(shift: Callable[[int], float]) -> Check:
    """L1 distance of chain and equation over that of a shifted clock, extrapolated."""

    def check(trial: Trial) -> Outcome:
        del trial
        ratios = [chain_gap(steps) / (shift(steps) * speed()) for steps in (256, 512)]
        return Outcome(2 * ratios[1] - ratios[0], 1e-3, expected=1.0)

    return check


def chain_gap(steps: int) -> float:
    """L1 distance of the law of the chain after its last step from the solution at the end."""
    found = marginal(chain(steps), feller.DATA, steps).log_density(LINE[:, None]).exp()
    return float((found - feller.density(LINE, feller.END)).abs().sum()) * WIDTH


def speed() -> float:
    """L1 norm of the change of the density with the clock s, at the end."""
    u = LINE.clone().requires_grad_()
    p = feller.density(u, feller.END)
    return float((feller.along(feller.along(p, u) + u * p, u)).abs().sum().detach()) * WIDTH


def adapted(trial: Trial) -> Outcome:
    """Distance where every step lasts as long as the clock asks for."""
    del trial
    ends = [k / 8 for k in range(9)]
    betas = [float(feller.process(a, b).betas[0]) for a, b in itertools.pairwise(ends)]
    law = marginal(VariancePreserving(betas), feller.DATA, 8)
    gap = law.log_density(LINE[:, None]).exp() - feller.density(LINE, feller.END)
    return Outcome(float(gap.abs().sum()) * WIDTH, 1e-13)


PROPOSITIONS = (
    Proposition(
        label="T-feller",
        title="Feller's equations of the variance preserving process",
        source="2023, equations (23) to (25), with the precisions E-5, E-6 and E-10",
        statement=(
            r"Steps of variance $\beta h$ have the moments $m_1 = -\tfrac12 \beta u$ and "
            r"$m_2 = \beta$ as $h \to 0$. Densities $p$ obey the forward equation, conditional "
            r"expectations $y$ the backward one, and $\int p\, y$ is the same at all times. The "
            r"chain is ahead of the equations by a time of first order in $h$."
        ),
        topic=Topic.TRANSITION,
        chapter="feller",
        anchors=("thm-feller", "prop-feller-chain"),
        claims=(
            Claim(
                VP,
                Expectation.HOLDS,
                moment(1),
                "gap of the moment over its leading term in h",
                aspect="first moment",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                moment(2),
                "gap of the moment over its leading term in h",
                aspect="second moment",
            ),
            Claim(VP, Expectation.HOLDS, duality(0.0), "largest gap", aspect="duality"),
            Claim(
                VP,
                Expectation.HOLDS,
                ahead(lead),
                "L1 distance of chain and equation over its leading term",
                aspect="limit of the chain",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                adapted,
                "L1 distance with steps made for the clock",
                aspect="adapted chain",
            ),
        ),
        controls=(
            Control("first moment, noise 1% too large", VP, moment(1, lambda b: 1.01 * b)),
            Control("second moment, noise of variance beta^2", VP, moment(2, lambda b: b**2)),
            Control("expectation at a time 1% later", VP, duality(0.01)),
            Control("no lead from the square of the rate", VP, ahead(lambda n: 1 / (4 * n))),
        ),
        functions=("scalelib.VariancePreserving", "scalelib.information.marginal"),
        derivation=derivation,
    ),
)
