"""R-init: where the reverse process starts, and what an inexact start costs at its end."""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture, relative_entropy_by_quadrature
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    BD,
    HD,
    IHD,
    LO,
    OSMOSIS,
    STEPS,
    VE,
    VP,
    process,
)
from scalelib.propositions.laws import information_on_points, nodes
from scalelib.propositions.reversal import (
    IMAGES,
    LINE,
    SET,
    WEIGHTS,
    Kernel,
    Reversal,
    denoised,
    exact,
    exact_posterior,
    grid,
    image_of,
    on_line,
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
from scalelib.reverse import Posterior

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-10
"""Nats; sums of a few integrals, each known to 1e-11."""

WIDER = 1.25
"""Published ratio of the noise of the way back to that of inverse heat dissipation."""

SHIFT = 0.5
"""Mean of the data: what is forgotten last."""

MODES = {VP: 1, VE: 1, IHD: 1, BD: 0, LO: 1}
"""Mode that is followed: of blurring diffusion the mean grey value, which survives longest."""


def derivation() -> Derivation:
    """Take one pixel with Gaussian data, start at N(0, 1), and split the relative entropy."""
    g, q, P = sympy.symbols("g q P_{m}", positive=True)
    c, r = g**2 * P + q, g**2 + q
    steps = Derivation()
    steps.equal(
        r"Gaussian data, one pixel. The reverse kernel has gain g and variance q, the start has "
        r"variance 1 in place of $P_m$. The variances of the data, $c = g^2 P_m + q$, and of the "
        r"output, $r = g^2 + q$, differ by",
        c - r,
        g**2 * (P - 1),
    )
    steps.equal(
        "Given the end, the mean of the start is the end times a factor; the factors differ by",
        g * P / c - g / r,
        g * q * (P - 1) / (c * r),
    )
    steps.equal(
        r"and the variances, $q P_m / c$ and $q / r$, have a quotient that makes the logarithms of "
        r"all relative entropies agree: times $c / r$ it is",
        (q * P / c) / (q / r) * (c / r),
        P,
    )
    return steps.equal(
        "So does the rest: twice the relative entropy of outputs, and of starts given the end.",
        c / r + P * r / c + g**2 * q * (P - 1) ** 2 / (c * r),
        P + 1,
    )


# Starts


def moved(data: Mixture) -> Mixture:
    """Move the data away from mean 0."""
    return Mixture(data.means + SHIFT, data.variances, data.log_weights.exp())


def start(name: str, back: Reversal, i: int, *, white: bool = False) -> Mixture:
    """Law that the reverse process of a kind is started with, one mode."""
    factor, variance = back.transition(i)
    if name == IHD and not white:  # blurred data, noise as on the way back
        return Mixture(factor * back.data.means, WIDER**2 * variance, back.data.log_weights.exp())
    if name in (VP, BD):
        return Mixture(torch.zeros(1, 1).double(), torch.ones(1).double())
    return Mixture((factor * back.data.mean())[None], variance)


def followed(name: str, data: Mixture, mode: int | None = None) -> Reversal:
    """Mode of a process with moved data; linearised osmosis keeps the mean, which is left out."""
    chosen = MODES[name] if mode is None else mode
    return on_line(process(name), data if name == LO else moved(data), chosen)


# Outputs


def carried_back(back: Reversal, law: Mixture, i: int, kernel: Kernel = exact) -> Tensor:
    """Density of scale 1 on its grid, composed of single reverse steps from a start at scale i."""
    u, _ = grid(back.law(i))
    density = law.log_density(u).exp()
    for k in range(i - 1, 0, -1):
        (u, width), v = grid(back.law(k + 1)), grid(back.law(k))[0]
        density = width * on_pairs(kernel, back, v, u, k, k + 1).exp() @ density
    return density


def finite(name: str, i: int, *, swapped: bool = False) -> Check:
    """Gap of the split for four values: start = output + start given the output, in nats.

    The weights of the output are those of the package, averaged over the start. A relative entropy
    of the output above that of the start counts as 1.
    """

    def check(trial: Trial) -> Outcome:
        del trial
        back = followed(name, SET)
        law, shares = start(name, back, i), SET.log_weights.exp()
        output = jump(back, law, i)
        p, r = (output, shares) if swapped else (shares, output)
        lost = float(p @ (p / r).log())
        begun = relative_entropy_by_quadrature(back.law(i), law, tolerance=1e-12)
        gap = abs(begun - lost - given_output(back, law, output, i))
        return Outcome(max(gap, lost > begun), TOLERANCE)

    return check


def jump(back: Reversal, law: Mixture, i: int) -> Tensor:
    """Weights of the output of one jump from scale i, with the posterior of the package."""
    shares = back.data.log_weights.exp()
    posterior = exact_posterior(back.chain, image_of(back, back.data.means), shares)
    u, width = grid(back.law(i))
    weights = posterior.log_weights(image_of(back, u), i)
    return width * law.log_density(u).exp() @ weights.exp()


def stepwise(name: str, kernel: Kernel = exact) -> Check:
    """Gap of the weights of the output, in single steps from the last scale and in one jump."""

    def check(trial: Trial) -> Outcome:
        del trial
        back = followed(name, SET)
        m = back.chain.steps
        law = start(name, back, m)
        v, width = grid(back.law(1))
        found = width * carried_back(back, law, m, kernel) @ back.weights(v, 1).exp()
        return Outcome(float((found - jump(back, law, m)).abs().max()), TOLERANCE)

    return check


def given_output(back: Reversal, law: Mixture, output: Tensor, i: int) -> float:
    """Mean relative entropy, in nats, of the starts that lead to one value, exact and inexact."""
    parts = []
    for j, mean in enumerate(back.law(i).means):
        exact_one = Mixture(mean[None], back.law(i).variances)
        u, weights = nodes(exact_one)
        logs = law.log_density(u) + back.weights(u, i)[:, j] - output[j].log()
        parts.append(weights @ (exact_one.log_density(u) - logs))
    return float(back.data.log_weights.exp() @ torch.stack(parts))


def dense(name: str, i: int) -> Check:
    """Gap of the split for a law with a density, in nats."""

    def check(trial: Trial) -> Outcome:
        del trial
        back = followed(name, LINE)
        law = start(name, back, i)
        (u, du), (v, dv) = grid(back.law(i)), grid(back.law(0))
        joint = on_pairs(exact, back, v, u, 0, i) + law.log_density(u)
        output = (joint.logsumexp(dim=1) + math.log(du)).nan_to_num()
        p = back.data.log_density(v)
        lost = dv * float(p.exp() @ (p - output))
        factor, variance = back.transition(i)
        forth = -(u[:, 0] - factor * v).square() / (2 * variance)
        forth = forth - (2 * math.pi * variance).log() / 2
        inner = (forth.exp() * (forth + output[:, None] - joint)).sum(dim=1)
        rest = dv * du * float(p.exp() @ inner)
        begun = relative_entropy_by_quadrature(back.law(i), law, tolerance=1e-12)
        return Outcome(max(abs(begun - lost - rest), lost > begun), TOLERANCE)

    return check


def bound(name: str, i: int, mode: int | None = None, *, variance_only: bool = False) -> Check:
    """Nats of a start without data, by quadrature; expected from two moments and information."""

    def check(trial: Trial) -> Outcome:
        del trial
        back = followed(name, SET, mode)
        law, last = start(name, back, i, white=True), back.law(i)
        (mean, width), noise = (law.means[0, 0], law.variances[0]), last.variances[0]
        moment = float(last.covariance_trace() + (last.mean()[0] - mean).square())
        if variance_only:
            moment = last.covariance_trace()
        given = 0.5 * (moment / float(width) - 1 - math.log(float(noise / width)))
        found = relative_entropy_by_quadrature(last, law, tolerance=1e-12)
        return Outcome(found, TOLERANCE, expected=given - information_on_points(last))

    return check


def silent(trial: Trial) -> Outcome:
    """Homogeneous diffusion: gap of the blurred data led back; 1 for each other start accepted."""
    chain = process(HD)
    posterior = Posterior(chain, IMAGES, weights=WEIGHTS)
    blurred, generator = chain.mean(IMAGES, chain.steps), trial.generator()
    found = posterior.sample(blurred, 0, chain.steps, generator=generator)
    accepted = 0
    for size in (1e-6, 1e-3, 1.0):
        try:
            posterior.sample(blurred + size, 0, chain.steps, generator=generator)
            accepted += 1
        except ValueError:
            pass
    return Outcome(max(float((found - IMAGES).abs().max()), accepted), 1e-12)


WHERE = {
    VP: "N(0, 1)",
    VE: "N(mean, s^2)",
    IHD: "blurred data with noise 1.25 sigma",
    BD: "N(0, 1), mean grey value",
    LO: "N(0, S^2), off the mean grey value",
}


def claims(name: str) -> tuple[Claim, ...]:
    """Claims about a process with noise."""
    holds, where = Expectation.HOLDS, WHERE[name]
    return (
        Claim(
            name,
            holds,
            finite(name, STEPS),
            f"{where}: gap of the split, nats; little is lost so late",
            "four values",
        ),
        Claim(name, holds, finite(name, 5), "the same from scale 5, nats", "early start"),
        Claim(name, holds, dense(name, 5), "the same for a law with a density, nats", "density"),
        Claim(name, holds, stepwise(name), "weights of the output, steps and one jump", "steps"),
    )


PROPOSITIONS = (
    Proposition(
        label="R-init",
        title="Start of the reverse process",
        source="2023, Section 3.2, for N(0, I); rate and other processes are our addition",
        statement=(
            r"Started from a law $q$ in place of $p(u_m)$, the exact reverse process ends in a "
            r"law $r$ with $\mathrm{KL}(p(F) \,\|\, r) \le \mathrm{KL}(p(u_m) \,\|\, q)$. The "
            r"difference is the mean relative entropy of the starts given the end. The variance "
            r"preserving process and blurring diffusion start at $N(0, I)$, the variance exploding "
            r"one at $N(\mathrm{E}\,U_0, \sigma_m^2 I)$, inverse heat dissipation at blurred data."
        ),
        topic=Topic.REVERSE,
        chapter="exact-reverse",
        anchors=("prop-r-init",),
        claims=(
            *(claim for name in MODES for claim in claims(name)),
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    bound(name, 5),
                    f"{WHERE[name]}: relative entropy of a start at scale 5, nats",
                    "distance of the start",
                )
                for name in (VP, VE, BD, LO)
            ),
            Claim(
                IHD,
                Expectation.FAILS,
                bound(IHD, STEPS, mode=0),
                "relative entropy of a start without data, nats that the mean grey value costs",
                "start without data",
            ),
            Claim(
                HD,
                Expectation.WEAKLY,
                silent,
                "starts at blurred data, exactly: gap; every other start is refused",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no reverse process"),
        ),
        controls=(
            Control("denoised image for the mixture", VP, stepwise(VP, denoised)),
            Control("relative entropy of the output, swapped", VP, finite(VP, 5, swapped=True)),
            Control("variance for the mean square", VP, bound(VP, 5, variance_only=True)),
        ),
        functions=(
            "scalelib.reverse.Posterior.log_weights",
            "scalelib.reverse.Posterior.sample",
        ),
        derivation=derivation,
    ),
)
