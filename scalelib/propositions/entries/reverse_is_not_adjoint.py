"""E-11: the backward equation is the adjoint one; turning the process round takes the score."""

from __future__ import annotations

import math
from typing import Any

import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture, marginal
from scalelib.processes import VariancePreserving
from scalelib.propositions import _feller as feller
from scalelib.propositions._reverse import evolve, grid
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import VP, process
from scalelib.propositions.reversal import (
    Kernel,
    Reversal,
    entropy_to_match,
    exact,
    matched,
    on_pairs,
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
SINGLE = Mixture(torch.tensor([[0.6]]).double(), torch.tensor([0.25]).double())
"""Gaussian data: here the exact kernel is Gaussian."""


def derivation() -> Derivation:
    """Turn a diffusion round: the density times the transition density is what evolves."""
    u = sympy.Symbol("u", real=True)
    m1, m2, p, k = (sympy.Function(name)(u) for name in ("m_1", "m_2", "p", "k"))
    drift = -m1 + sympy.Derivative(m2 * p, u) / p

    def forward(first: Any, q: Any) -> Any:
        return sympy.Derivative(m2 * q, (u, 2)) / 2 - sympy.Derivative(first * q, u)

    backward = m2 / 2 * sympy.Derivative(k, (u, 2)) + m1 * sympy.Derivative(k, u)
    steps = Derivation()
    steps.equal(
        r"With the drift $-m_1 + \partial(m_2 p) / p$ the right-hand side of (24) changes its "
        r"sign: the density goes back the way it came.",
        forward(drift, p),
        -forward(m1, p),
    )
    steps.equal(
        r"So it does for the joint density $p k$; the right-hand side is $-\partial_\tau (p k)$ by "
        "(24) for $p$ and by (25) for the transition density $k$.",
        forward(drift, p * k),
        p * backward - k * forward(m1, p),
    )
    score = -u / 2 * p + sympy.Derivative(p, u)
    return steps.equal(
        r"For $m_1 = -\tfrac12 u$, $m_2 = 1$: equation (25) and the reverse one differ by",
        sympy.Derivative(p, (u, 2)) / 2
        - u / 2 * sympy.Derivative(p, u)
        - (sympy.Derivative(p, (u, 2)) / 2 - sympy.Derivative(score + u * p, u)),
        sympy.Derivative(p, (u, 2)) + p / 2,
    )


def turned(weight: float) -> feller.Terms:
    """Forward equation of the reverse process; the score enters the drift with a weight."""

    def terms(u: Tensor, t: float, p: Tensor) -> Tensor:
        beta = feller.rate(t)
        drift = weight * beta * feller.along(feller.density(u, t).log(), u) - feller.drift(u, t)
        return feller.along(drift * p, u) - beta / 2 * feller.along(feller.along(p, u), u)

    return terms


def adjoint(u: Tensor, t: float, p: Tensor) -> Tensor:
    """Backward equation (25), with the minus on the time derivative."""
    slope = feller.along(p, u)
    return -feller.rate(t) / 2 * feller.along(slope, u) - feller.drift(u, t) * slope


def joint(u: Tensor, t: float) -> Tensor:
    """Joint density of U_t and of a fixed value at the end."""
    return feller.density(u, t) * feller.kernel(torch.tensor(0.3).double(), feller.END, u, t)


def solves(field: feller.Field, terms: feller.Terms) -> Check:
    """Relative residual of an equation."""
    return lambda trial: Outcome(feller.residual(field, terms), TOLERANCE)


def backward_solution(u: Tensor, t: float) -> Tensor:
    """Solution of (25) that is the density of U_END at the end: its conditional expectation."""
    factor, variance = feller.process(t, feller.END).direct(1)
    late = marginal(feller.process(0.0, feller.END), feller.DATA, 1)
    widened = Mixture(late.means, late.variances + variance, late.log_weights.exp())
    return feller.mixture_density(widened, factor * u)


def mass(trial: Trial) -> Outcome:
    """Integral at time 0 of what (25) makes of the density of U_END."""
    del trial
    u = torch.linspace(-40, 40, 8001, dtype=torch.float64)
    found = float(backward_solution(u, 0.0).sum() * (u[1] - u[0]))
    return Outcome(found, TOLERANCE, expected=math.exp((feller.END + feller.END**2 / 2) / 2))


def arrival(weight: float, data: Mixture) -> Check:
    """L1 distance from the data of the reverse evolution that starts at U_END."""

    def check(trial: Trial) -> Outcome:
        del trial
        expected = data.log_density(grid()[:, None]).exp()
        gap = (evolve(data, weight) - expected).abs().sum() * (grid()[1] - grid()[0])
        return Outcome(float(gap), 1e-8)  # a hundred times that of the time integration

    return check


def one_step_back(data: Mixture, kernel: Kernel = exact) -> Check:
    """L1 distance of a reverse step from the law it must reach, over all steps."""

    def check(trial: Trial) -> Outcome:
        del trial
        back, gap = Reversal(process(VP), data, (0,)), 0.0
        u = torch.linspace(-7, 7, 601, dtype=torch.float64)[:, None]
        width = float(u[1] - u[0])
        for i in range(1, back.chain.steps + 1):
            early, late = (back.law(k).log_density(u).exp() for k in (i - 1, i))
            found = on_pairs(kernel, back, u, u, i - 1, i).exp() @ (width * late)
            gap = max(gap, width * float((found - early).abs().sum()))
        return Outcome(gap, TOLERANCE)

    return check


def small_steps(order: int) -> Check:
    """Relative entropy of exact and Gaussian kernel over its leading term, extrapolated."""

    def check(trial: Trial) -> Outcome:
        del trial
        half = VariancePreserving([0.5])
        early = marginal(half, feller.DATA, 1)
        ratios = [non_normality(early, beta) / beta**order for beta in (2.0**-7, 2.0**-8)]
        leading = third_derivative(early) / 12
        # The next term is of relative size beta; extrapolation leaves terms of size beta^2.
        return Outcome((2 * ratios[1] - ratios[0]) / leading, 1e-3, expected=1.0)

    return check


def non_normality(early: Mixture, beta: float) -> float:
    """Mean relative entropy, in nats, of a reverse step and the Gaussian with its moments."""
    back = Reversal(VariancePreserving([beta]), early, (0,))
    u = torch.linspace(-7, 7, 701, dtype=torch.float64)[:, None]
    weights = back.law(1).log_density(u).exp() * (u[1] - u[0])
    return float(weights @ entropy_to_match(back, u, 0, 1))


def third_derivative(law: Mixture) -> float:
    """Mean square of the third derivative of the log-density."""
    u = torch.linspace(-8, 8, 1601, dtype=torch.float64).requires_grad_()
    p = feller.mixture_density(law, u)
    found = p.log()
    for _ in range(3):
        found = feller.along(found, u)
    return float((p * found.square()).sum().detach() * (u[1] - u[0]).detach())


PROPOSITIONS = (
    Proposition(
        label="E-11",
        title="The reverse process needs the score",
        source="2023, Section 3.2, equation (25)",
        statement=(
            r"(25) is the adjoint of (24), in the earlier variable. The reverse process has the "
            r"drift $-m_1 + m_2\, \partial \ln p_t$, with the score of the density. Its exact "
            r"transition kernels are mixtures for mixed data, and Gaussian only in the limit of "
            r"small steps."
        ),
        topic=Topic.READING,
        chapter="reading-notes",
        anchors=("note-e-11",),
        claims=(
            Claim(
                VP,
                Expectation.HOLDS,
                solves(feller.density, turned(1.0)),
                "relative residual of the density",
                aspect="score",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                solves(joint, turned(1.0)),
                "relative residual of the joint density",
                aspect="joint density",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                solves(backward_solution, adjoint),
                "relative residual of the conditional expectation",
                aspect="backward equation",
            ),
            Claim(
                VP,
                Expectation.FAILS,
                mass,
                "integral at time 0 of what was a density at the end",
                aspect="mass under the backward equation",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                arrival(1.0, feller.DATA),
                "L1 distance from the data",
                aspect="evolution, mixture",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                arrival(1.0, SINGLE),
                "L1 distance from the data",
                aspect="evolution, Gaussian",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                one_step_back(feller.DATA),
                "L1 distance, worst of 12 steps",
                aspect="kernel is a mixture",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                one_step_back(SINGLE, matched),
                "L1 distance, worst of 12 steps",
                aspect="kernel for Gaussian data",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                small_steps(3),
                "relative entropy to a Gaussian kernel over its leading term in beta^3",
                aspect="small steps",
            ),
        ),
        controls=(
            Control("drift without score", VP, solves(feller.density, turned(0.0))),
            Control("drift with 99% of the score", VP, solves(feller.density, turned(0.99))),
            Control("density in (25)", VP, solves(feller.density, adjoint)),
            Control("evolution without score", VP, arrival(0.0, feller.DATA)),
            Control("evolution with half of the score", VP, arrival(0.5, feller.DATA)),
            Control("Gaussian kernel", VP, one_step_back(feller.DATA, matched)),
            Control("leading term in beta^2", VP, small_steps(2)),
        ),
        functions=("scalelib.VariancePreserving", "scalelib.information.marginal"),
        derivation=derivation,
    ),
)
