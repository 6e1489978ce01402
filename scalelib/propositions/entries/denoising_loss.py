"""P-mmse: the denoising loss is the slope of the mutual information."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture, gaussian_mutual_information
from scalelib.processes import LinearGaussianScaleSpace, VarianceExploding, VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    NOISY,
    OSMOSIS,
    STEPS,
    Tampered,
    pairs,
    process,
    relative_gap,
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
"""Nats; Gauss-Legendre rules of smooth functions, exact to rounding."""

RELATIVE = 1e-12
"""Of transitions; the difference of two noise variances loses a few digits."""

MODE = 1
"""Lowest horizontal frequency, in which the images of finite data differ."""

DRAWS = 20_000
"""Sample size."""


def derivation() -> Derivation:
    """Derive the slope from the heat equation and Tweedie's formula; show it on Gaussian data."""
    steps = Derivation()
    _slope(steps)
    _examples(steps)
    return steps


def _slope(steps: Derivation) -> None:
    u, x = sympy.symbols("u x", real=True)
    s, n = sympy.symbols("s n", positive=True)
    mmse = sympy.Symbol(r"\mathrm{mmse}", positive=True)
    kernel = sympy.exp(-((u - x) ** 2) / (2 * s)) / sympy.sqrt(2 * sympy.pi * s)
    steps.equal(
        "Noise of variance $s$ is added: a component obeys the heat equation,",
        sympy.Derivative(kernel, s),
        sympy.Derivative(kernel, u, u) / 2,
    )
    steps.equal("and has the score", sympy.Derivative(sympy.log(kernel), u), -(u - x) / s)
    slope = (n * s - mmse) / (2 * s**2) - n / (2 * s)
    steps.equal(
        "Half the Fisher information by Tweedie's formula, minus the slope of the entropy of the "
        "noise:",
        slope,
        -mmse / (2 * s**2),
    )
    steps.equal(
        r"In the signal-to-noise ratio $\gamma = 1/s$ the slope is",
        slope / sympy.Derivative(1 / s, s),
        mmse / 2,
    )


def _examples(steps: Derivation) -> None:
    u, x, e = sympy.symbols("u x e", real=True)
    c, gamma, alpha = sympy.symbols(r"c gamma \bar{\alpha}", positive=True)
    steps.equal(
        "Gaussian data, whose mean squared error is $c / (1 + \\gamma c)$:",
        sympy.Derivative(sympy.log(1 + gamma * c) / 2, gamma),
        (c / (1 + gamma * c)) / 2,
    )
    factor, deviation = sympy.sqrt(alpha), sympy.sqrt(1 - alpha)
    steps.equal(
        "VP: an error $e$ in $U_0$ is one in the noise; squared, it is weighted by the ratio:",
        ((u - factor * x) / deviation - (u - factor * (x + e)) / deviation) ** 2,
        alpha / (1 - alpha) * e**2,
    )


def rescaled(preserving: LinearGaussianScaleSpace, exploding: LinearGaussianScaleSpace) -> Outcome:
    """Largest relative gap of VP transitions and those of VE times the factor of the scale."""
    gap = 0.0
    for k, i in pairs(preserving.steps):
        early, late = preserving.direct(k)[0], preserving.direct(i)[0]
        factor, variance = preserving.direct(i, k)
        grown, added = exploding.direct(i, k)
        gap = max(gap, relative_gap(factor, late / early * grown))
        gap = max(gap, relative_gap(variance, late.square() * added))
    return Outcome(gap, RELATIVE)


def to_exploding(power: float = 0.5) -> Outcome:
    """Compare the standard VP process with VE of the same noise-to-signal ratios."""
    chain = process("variance preserving")
    ratios = [chain.direct(i)[1] / chain.direct(i)[0].square() for i in range(1, STEPS + 1)]
    return rescaled(chain, VarianceExploding(torch.stack(ratios) ** power))


def to_preserving(trial: Trial) -> Outcome:
    """Compare the standard VE process with VP of the same noise-to-signal ratios."""
    del trial
    chain = process("variance exploding")
    squares = torch.stack([chain.direct(i)[1] for i in range(1, STEPS + 1)])
    gains = torch.cat([squares[:1], squares.diff()])
    return rescaled(VariancePreserving(gains / (1 + squares)), chain)


def ratio(chain: LinearGaussianScaleSpace, i: int) -> Tensor:
    """Signal-to-noise ratio per mode; 0 in modes without noise, which are left out."""
    factor, variance = per_mode(chain, i)
    return torch.where(variance > 0, factor.square() / variance, 0.0)


Loss = Callable[[Tensor], Tensor]
"""Signal-to-noise ratio -> smallest mean squared error of a denoiser, element by element."""


def between(loss: Loss, low: Tensor, high: Tensor) -> Tensor:
    """Half the integral of a loss over the signal-to-noise ratio, by Gauss-Legendre in its log."""
    x, w = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(24))
    present = low > 0
    start = torch.where(present, low, 1.0).log()
    width = torch.where(present, high, 1.0).log() - start
    snr = torch.exp(start + width * (x[:, None] + 1) / 2)
    return w @ (loss(snr) * snr) * width / 4


def gaussian_data(chain: LinearGaussianScaleSpace, half: float = 1.0) -> Outcome:
    """Largest gap in nats of falls of information and integrals of the loss, all modes."""
    gap, known = 0.0, torch.where(ratio(chain, 1) > 0, SPECTRUM, 0.0)
    for i in range(1, STEPS):
        early, late = (gaussian_mutual_information(chain, j, known) for j in (i, i + 1))
        parts = between(lambda snr: known / (1 + snr * known), ratio(chain, i + 1), ratio(chain, i))
        gap = max(gap, abs(early - late - half * float(parts.sum())))
    return Outcome(gap, TOLERANCE)


def error_on_points(snr: Tensor) -> Tensor:
    """Smallest mean squared error on four images that differ in one mode."""
    found = []
    for value in snr.flatten():
        law = Mixture(value.sqrt() * FOUR, torch.ones(1, dtype=torch.float64))
        u, weights = nodes(law)
        share = torch.softmax(-(u - law.means[:, 0]).square() / 2, dim=1)
        mean = share @ FOUR[:, 0]
        found.append(weights @ (share * (FOUR[:, 0] - mean[:, None]).square()).sum(dim=1))
    return torch.stack(found).view(snr.shape)


def linear_error(snr: Tensor) -> Tensor:
    """Mean squared error of the best linear denoiser on the same images."""
    c = float(FOUR.var(correction=0))
    return c / (1 + snr * c)


def finite_data(chain: LinearGaussianScaleSpace, loss: Loss = error_on_points) -> Outcome:
    """Largest gap in nats of falls of information and integrals of the loss, four images."""
    data, gap = Mixture(FOUR, torch.zeros(1).double()), 0.0
    for i in range(1, STEPS, 6):
        early, late = (information_on_points(in_modes(chain, j, data, (MODE,))) for j in (i, i + 1))
        low, high = (ratio(chain, j)[MODE : MODE + 1] for j in (i + 1, i))
        gap = max(gap, abs(early - late - float(between(loss, low, high))))
    return Outcome(gap, TOLERANCE)


def sampled(chain: LinearGaussianScaleSpace, trial: Trial) -> Outcome:
    """Noise-prediction loss of trajectories from two images, against twice the slope of I."""
    distance = 2.0
    found = log_ratios(chain, STEPS // 2, distance, DRAWS, generator=trial.generator())

    def loss(log_ratio: Tensor) -> Tensor:
        # The denoiser takes the wrong image for as likely as it is: error = distance times that.
        return (distance * torch.sigmoid(-log_ratio)).square()

    _, variance = over_log_ratios(loss, distance)
    return sampled_mean(loss(found), 2 * slope(distance), variance, trial.alpha)


def slope(distance: float) -> float:
    """Slope of the information on two images in the logarithm of the ratio, by differences."""

    def told(shift: float) -> float:
        far = distance * float(np.exp(shift / 2))
        return over_log_ratios(torch.nn.functional.logsigmoid, far)[0]

    h = 0.05  # eighth order: the remainder is below 1e-12
    weights = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
    return sum(w * (told(j * h) - told(-j * h)) / h for j, w in enumerate(weights, 1))


def on_standard(name: str) -> tuple[Claim, ...]:
    """Claims of a process with noise."""

    def checked(check: Callable[[LinearGaussianScaleSpace], Outcome]) -> Check:
        return lambda trial: check(process(name))

    gap = "gap of the fall of information and half the integral of the loss, in nats"
    off = ", off the mean grey value" if name == "linearised osmosis" else ""
    return (
        Claim(name, Expectation.HOLDS, checked(gaussian_data), gap + off, "Gaussian data"),
        Claim(name, Expectation.HOLDS, checked(finite_data), gap, "finite data"),
        Claim(
            name,
            Expectation.HOLDS,
            lambda trial: sampled(process(name), trial),
            f"noise-prediction loss and twice the slope of the information{off}",
            "samples",
            sampled=True,
        ),
    )


PROPOSITIONS = (
    Proposition(
        label="P-mmse",
        title="The denoising loss is the slope of the mutual information",
        source="Our addition; the identity is that of Guo, Shamai and Verdú (2005)",
        statement=(
            r"The variance preserving process is a rescaled variance exploding one with "
            r"$\sigma_i^2 = (1 - \bar\alpha_i) / \bar\alpha_i$. With the signal-to-noise ratio "
            r"$\gamma$ of a mode, $\mathrm{d} I / \mathrm{d} \gamma = \tfrac12 \mathrm{mmse}$: "
            r"the smallest noise-prediction loss is twice the slope of $I(U_0; U_i)$ in "
            r"$\ln\gamma$. With several modes the contributions add."
        ),
        topic=Topic.ENTROPY,
        chapter="information",
        anchors=("prop-mmse", "cor-loss"),
        claims=(
            Claim(
                "variance preserving",
                Expectation.HOLDS,
                lambda trial: to_exploding(),
                "largest relative gap of the transitions",
                "rescaled variance exploding",
            ),
            Claim(
                "variance exploding",
                Expectation.HOLDS,
                to_preserving,
                "largest relative gap of the transitions",
                "rescaled variance preserving",
            ),
            *(claim for name in NOISY for claim in on_standard(name)),
            Claim(
                "homogeneous diffusion",
                Expectation.NOT_APPLICABLE,
                remark="no noise: the signal-to-noise ratio is infinite",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter adds no noise"),
        ),
        controls=(
            Control(
                "noise variance taken for its deviation",
                "variance preserving",
                lambda trial: to_exploding(power=1.0),
            ),
            Control(
                "slope without the factor 1/2",
                "blurring diffusion",
                lambda trial: gaussian_data(process("blurring diffusion"), half=2.0),
            ),
            Control(
                "loss of the best linear denoiser",
                "variance preserving",
                lambda trial: finite_data(process("variance preserving"), linear_error),
            ),
            Control(
                "samples with 30% more noise variance",
                "variance exploding",
                lambda trial: sampled(
                    Tampered(process("variance exploding"), lambda a, b2: (a, 1.3 * b2)), trial
                ),
            ),
        ),
        functions=(
            "scalelib.VariancePreserving",
            "scalelib.VarianceExploding",
            "scalelib.information.gaussian_mutual_information",
        ),
        derivation=derivation,
    ),
)
