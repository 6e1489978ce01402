"""P-trans: any scale is reached from the image in one Gaussian jump."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import sympy
import torch
from torch import Tensor

from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.couplings import Draw, independent, markov, measure, one_noise
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    NOISY,
    OSMOSIS,
    PROCESSES,
    SHAPE,
    Tampered,
    fold,
    pairs,
    process,
    relative_gap,
)
from scalelib.propositions.laws import white_noise_test
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

__all__ = ["PROPOSITIONS", "closed_form"]

TOLERANCE = 1e-12
"""Relative; the closed forms below lose up to three digits to cancellation."""

SAMPLES = 4000
"""Images of 30 pixels that a sampled check draws."""

Pair = tuple[Tensor, Tensor]
"""Mean factor and variance per mode."""

Change = Callable[[Tensor, Tensor], Pair]
"""Takes a_i and b_i^2 and returns others."""


# The proof, in one mode


def derivation() -> Derivation:
    """Induction over the scale: a step of the family, then the rows of the table."""
    M, S, a, b = sympy.symbols("M_{i-1} S_{i-1} a_{i} b_{i}", positive=True)
    u, omega = sympy.symbols("u omega", real=True)
    steps = Derivation()
    steps.equal(
        "Given the image u, one step. Characteristic functions of independent summands multiply: "
        "a normal law stays normal.",
        _characteristic(M * u, S**2, a * omega) * _characteristic(0, b**2, omega),
        _characteristic(a * M * u, a**2 * S**2 + b**2, omega),
    )
    M_k, S_k = sympy.symbols(r"M_{k\,i-1} S_{k}", positive=True)
    steps.equal(
        "From scale k instead of 0, less what scale k has already: the same recursion.",
        a**2 * (S**2 - M_k**2 * S_k**2) + b**2,
        (a**2 * S**2 + b**2) - (a * M_k) ** 2 * S_k**2,
    )
    return _rows(steps)


def _characteristic(mean: Any, variance: Any, omega: Any) -> Any:
    return sympy.exp(sympy.I * omega * mean - omega**2 * variance / 2)


def _rows(steps: Derivation) -> Derivation:
    """Fill in the rows of the table, where there is something to be calculated."""
    beta = sympy.Symbol("beta_i", positive=True)
    power = sympy.Symbol(r"\bar{\alpha}_{i-1}", positive=True)
    a, M, s = sympy.symbols("a_{i} M_{i-1} s", positive=True)
    steps.equal(
        "Variance preserving: the variance of scale i.",
        (1 - beta) * (1 - power) + beta,
        1 - (1 - beta) * power,
    )
    steps.equal(
        "Inverse heat dissipation: the variance is kept.",
        a**2 * s**2 + s**2 * (1 - a**2),
        s**2,
    )
    return steps.equal(
        "Linearised osmosis: the noise variance of a step, not negative as a and M are at most 1.",
        s**2 * (1 - a * M) ** 2 - a**2 * s**2 * (1 - M) ** 2,
        s**2 * (1 - a) * ((1 - a * M) + a * (1 - M)),
    )


# The table a second time, from the arguments of the constructors


def _preserved(power: Any) -> tuple[Any, Any]:
    return power**0.5, 1 - power


def _heat(chain: Any, j: int, lam: Tensor) -> Tensor:
    return torch.exp(-lam * chain.times[j])


ROWS: dict[str, Callable[[Any, int, Tensor], tuple[Any, Any]]] = {
    "VariancePreserving": lambda chain, j, _: _preserved(math.prod(1 - chain.betas[: j + 1])),
    "VarianceExploding": lambda chain, j, _: (1, chain.sigmas[j] ** 2),
    "HeatDissipation": lambda chain, j, lam: (_heat(chain, j, lam), chain.sigma**2),
    "BlurringDiffusion": lambda chain, j, lam: (
        chain.alphas[j] * ((1 - chain.d_min) * _heat(chain, j, lam) + chain.d_min),
        chain.sigmas[j] ** 2,
    ),
    "LinearisedOsmosis": lambda chain, j, lam: (
        _heat(chain, j, lam),
        chain.contrast**2 * (1 - _heat(chain, j, lam)) ** 2,
    ),
    "HomogeneousDiffusion": lambda chain, j, lam: (_heat(chain, j, lam), 0),
}
"""Class of a process -> M and S^2 at index j of its schedules, given the eigenvalues."""


def closed_form(chain: LinearGaussianScaleSpace, i: int, start: int = 0) -> Pair:
    r"""Mean factor and variance of ``start -> i`` as the table of the theory has them.

    .. math:: M_{k,i} = M_i / M_k, \qquad S_{k,i}^2 = S_i^2 - M_{k,i}^2 S_k^2

    with :math:`M_i` and :math:`S_i^2` from the arguments of the constructor alone. Naive: accurate
    for short schedules only.

    Parameters
    ----------
    chain : LinearGaussianScaleSpace
        One of the six processes.
    i, start : int
        Scales, 0 <= start <= i <= m.

    Returns
    -------
    factor, variance : Tensor, shape () or (H, W), float64
    """
    (late, variance), (early, before) = _marginal(chain, i), _marginal(chain, start)
    factor = late / early
    return factor, variance - factor.square() * before


def _marginal(chain: LinearGaussianScaleSpace, i: int) -> Pair:
    """M_i and S_i^2."""
    lam = torch.zeros((), dtype=torch.float64)
    lam = lam if chain.shape is None else eigenvalues(chain.shape)
    factor, variance = (1.0, 0.0) if i == 0 else ROWS[type(chain).__name__](chain, i - 1, lam)
    return factor + 0 * lam, variance + 0 * lam


def eigenvalues(shape: tuple[int, int]) -> Tensor:
    """4 - 2 cos(pi k1 / H) - 2 cos(pi k2 / W)."""
    k1, k2 = (torch.arange(n, dtype=torch.float64) * math.pi / n for n in shape)
    return 4 - 2 * torch.cos(k1)[:, None] - 2 * torch.cos(k2)


def modes(shape: tuple[int, int] | None) -> Tensor:
    """Matrix V whose columns are the modes: pixels, or the orthonormal DCT-II basis."""
    if shape is None:
        return torch.eye(math.prod(SHAPE), dtype=torch.float64)
    vertical, horizontal = (_cosines(n) for n in shape)
    return torch.kron(vertical, horizontal)


def _cosines(n: int) -> Tensor:
    """Columns of the orthonormal DCT-II basis of one axis."""
    k = torch.arange(n, dtype=torch.float64)
    norm = ((1 + (k > 0)) / torch.tensor(n).double()).sqrt()
    return norm * torch.cos(math.pi * (k[:, None] + 0.5) * k / n)


# Checks


def jumps(chain: LinearGaussianScaleSpace, original: LinearGaussianScaleSpace) -> Outcome:
    """Largest relative gap between the table and direct or folded transitions, all pairs."""
    gap = 0.0
    for k, i in pairs(chain.steps):
        expected = closed_form(original, i, k)
        for found in (chain.direct(i, k), fold(chain, i, k)):
            gap = max(gap, *map(relative_gap, found, expected))
    return Outcome(gap, TOLERANCE)


def trajectories(draw: Draw, chain: LinearGaussianScaleSpace) -> Outcome:
    """Gap between the exact law of every scale of a trajectory and the table.

    Mean maps and covariance matrices; largest entry over the largest entry that is expected.
    """
    found, V, gap = measure(draw, chain.steps, SHAPE), modes(chain.shape), 0.0
    for i in range(1, chain.steps + 1):
        factor, variance = (x.expand(SHAPE).flatten() for x in closed_form(chain, i))
        expected = ((V * factor) @ V.T, (V * variance) @ V.T)
        for one, other in zip((found.from_image[i], found.covariance(i, i)), expected, strict=True):
            scale = other.abs().max().clamp(min=torch.finfo(torch.float64).tiny)
            gap = max(gap, float((one - other).abs().max() / scale))
    return Outcome(gap, TOLERANCE)


def samples(chain: LinearGaussianScaleSpace, original: LinearGaussianScaleSpace) -> Check:
    """Distance of the last scale from its law, in single steps and in one jump."""

    def check(trial: Trial) -> Outcome:
        generator, m = trial.generator(), chain.steps
        u = 2 * torch.rand(SAMPLES, 1, *SHAPE, generator=generator, dtype=torch.float64) - 1
        drawn = (
            chain.trajectory(u, range(1, m + 1), generator=generator)[-1],
            chain.sample(u, m, generator=generator),
        )
        law = closed_form(original, m)
        return white_noise_test([residual(chain, u, found, law) for found in drawn], trial.alpha)

    return check


def residual(chain: LinearGaussianScaleSpace, u: Tensor, found: Tensor, law: Pair) -> Tensor:
    """Subtract the mean and divide by the deviation, in all modes with noise, shape (N, d)."""
    factor, variance = (x.expand(SHAPE) for x in law)
    noisy = variance > 0  # linearised osmosis keeps the mean grey value
    noise = (chain.to_modes(found) - factor * chain.to_modes(u))[:, 0, noisy]
    return noise / variance[noisy].sqrt()


def table(name: str) -> Check:
    """All jumps of a standard instance."""
    return lambda trial: jumps(process(name), process(name))


def steps(name: str) -> Check:
    """Exact law of a trajectory in single steps."""
    return lambda trial: trajectories(markov(process(name)), process(name))


def separate(name: str) -> Check:
    """Exact law of a trajectory with every scale from scale 0."""
    return lambda trial: trajectories(independent(process(name)), process(name))


def reused(name: str) -> Check:
    """Negative control: one noise for all steps."""
    return lambda trial: trajectories(one_noise(process(name)), process(name))


def tampered(name: str, change: Change) -> Check:
    """Negative control: single steps with other coefficients."""
    return lambda trial: jumps(Tampered(process(name), change), process(name))


def squared(a: Tensor, b2: Tensor) -> Pair:
    """Take the variance for a standard deviation."""
    return a, b2.square()


PROPOSITIONS = (
    Proposition(
        label="P-trans",
        title="Transition from the initial distribution",
        source="2024, Proposition 1; 2023, equation (5)",
        statement=(
            r"Given the image, scale $i$ is normal, $U_i \mid U_0 \sim N(V \mathrm{diag}(M_i) "
            r"V^\top U_0, V \mathrm{diag}(S_i^2) V^\top)$ with $M_i = \prod_{j \le i} a_j$ and "
            r"$S_i^2 = a_i^2 S_{i-1}^2 + b_i^2$, in the closed forms of the table."
        ),
        topic=Topic.TRANSITION,
        chapter="transition",
        anchors=("prop-transition", "prop-trans"),
        claims=(
            *(
                Claim(name, Expectation.HOLDS, table(name), "largest relative gap, all pairs")
                for name in PROCESSES
            ),
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    steps(name),
                    "largest relative gap of mean map and covariance, all scales",
                    aspect="trajectories",
                )
                for name in PROCESSES
            ),
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    samples(process(name), process(name)),
                    "Kolmogorov-Smirnov distance of the last scale, in 12 steps and at once",
                    aspect="samples",
                    sampled=True,
                )
                for name in NOISY
            ),
            Claim(
                "inverse heat dissipation",
                Expectation.HOLDS,
                separate("inverse heat dissipation"),
                "noise independent across scales, as published: the same law of every scale",
                aspect="published coupling",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no transition law"),
        ),
        controls=(
            Control(
                "noise of variance beta^2",
                "variance preserving",
                tampered("variance preserving", squared),
            ),
            Control(
                "noise larger by 1%",
                "variance exploding",
                tampered("variance exploding", lambda a, b2: (a, 1.01 * b2)),
            ),
            Control(
                "blur weaker by 1%",
                "homogeneous diffusion",
                tampered("homogeneous diffusion", lambda a, b2: (a**0.99, b2)),
            ),
            Control(
                "noise for what every step takes away, not for what the blur does",
                "inverse heat dissipation",
                tampered("inverse heat dissipation", lambda a, b2: (a, b2.max() * (1 - a))),
            ),
            Control(
                "one noise for all steps", "variance preserving", reused("variance preserving")
            ),
            Control(
                "samples with noise of variance beta^2",
                "variance preserving",
                samples(
                    Tampered(process("variance preserving"), squared),
                    process("variance preserving"),
                ),
            ),
        ),
        functions=(
            "scalelib.LinearGaussianScaleSpace.coefficients",
            "scalelib.LinearGaussianScaleSpace.direct",
            "scalelib.LinearGaussianScaleSpace.sample",
            "scalelib.LinearGaussianScaleSpace.trajectory",
        ),
        derivation=derivation,
        tests=(
            "tests/processes/test_base.py::test_direct_transitions_are_those_of_the_table",
            "tests/processes/test_base.py::test_folded_steps_are_the_direct_transition",
            "tests/processes/test_base.py::test_folding_wrong_steps_is_noticed",
        ),
    ),
)
