"""R-MI: on the way back every scale knows more of the image; the joint law is the forward one."""

from __future__ import annotations

import itertools
import math
from functools import partial

import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import HD, LO, NOISY, OSMOSIS, STEPS, VP, process
from scalelib.propositions.laws import (
    SPECTRUM,
    information_on_points,
    nodes,
    per_mode,
    white_noise_test,
)
from scalelib.propositions.reversal import (
    IMAGES,
    SET,
    WEIGHTS,
    Kernel,
    Reversal,
    denoised,
    exact,
    exact_posterior,
    image_of,
    in_full,
    matched,
    normal,
    on_line,
    step_variance,
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

NATS = 1e-9
"""Squared norms in units of the noise reach 1e5, and their rounding 1e-10."""

TOLERANCE = 1e-10
"""Nats; integrals whose error is far below rounding."""

DRAWS = 4000
"""Trajectories of a sampled check."""

SCALES = {
    "variance preserving": 2,
    "variance exploding": 4,
    "inverse heat dissipation": 11,
    "blurring diffusion": 1,
    "linearised osmosis": 2,
}
"""Scale whose joint law with the image is sampled: it leaves about half of the doubt."""


def derivation() -> Derivation:
    """Path density both ways; what a step back adds for Gaussian data; the start is forgotten."""
    p, a, b, K, L = sympy.symbols("p_0 p_1 p_2 K_{0\\,1} K_{1\\,2}", positive=True)
    steps = Derivation()
    steps.equal(
        "Law of the last scale times reverse kernels, each by Bayes' rule: the path density.",
        b * (L * a / b) * (K * p / a),
        p * K * L,
    )
    M, P, S, c, e = sympy.symbols("M_{k\\,i} P_{k} S_{k\\,i} M_{i\\,m} S_{i\\,m}", positive=True)
    middle = M**2 * P + S**2
    late = c**2 * middle + e**2
    steps.equal(
        "Gaussian data: squared correlation of scale k and the start m, as product over the way.",
        (M**2 * P / middle) * (c**2 * middle / late),
        M**2 * c**2 * P / late,
    )
    return steps.true(
        "The last step has a factor below 1: the start is forgotten.",
        sympy.Gt(1 - M**2 * P / middle, 0),
    )


# The joint law, exact


def paths(
    chain: LinearGaussianScaleSpace, trial: Trial, kernel: Kernel = exact, *, line: bool = False
) -> Outcome:
    """Largest gap in nats of the log-densities of paths, taken forth and back.

    Forth from the image and the single steps, back from the law of the last scale, the reverse
    kernels and the posterior weights of the package at scale 1. All modes, or one for a kernel that
    is defined for one.
    """
    back = on_line(chain, SET) if line else in_full(chain)
    images = image_of(back, SET.means) if line else IMAGES
    posterior = exact_posterior(chain, images, SET.log_weights.exp() if line else WEIGHTS)
    chosen = torch.arange(4 * len(images)) % len(images)
    walk = chain.trajectory(images[chosen], range(STEPS + 1), generator=trial.generator())
    u = chain.to_modes(walk).flatten(2)[:, :, list(back.modes)]
    forth = back.data.log_weights[chosen]
    for i in range(1, STEPS + 1):
        a, b2 = back.transition(i, i - 1)
        forth = forth + normal(u[i] - a * u[i - 1], b2)
    found = back.law(STEPS).log_density(u[-1])
    for i in range(STEPS, 1, -1):
        found = found + kernel(back, u[i - 1], u[i], i - 1, i)
    found = found + posterior.log_weights(walk[1], 1)[torch.arange(len(chosen)), chosen]
    return Outcome(float((found - forth).abs().max()), NATS)


# Information, exact


def told(chain: LinearGaussianScaleSpace, posterior: Posterior, back: Reversal) -> list[float]:
    """Entropy of the weights less mean posterior entropy, scales m..1, in nats."""
    prior = -float((SET.log_weights.exp() * SET.log_weights).sum())
    found = []
    for i in range(chain.steps, 0, -1):
        u, weights = nodes(back.law(i))
        logs = posterior.log_weights(image_of(back, u), i)
        left = -torch.where(logs > -math.inf, logs.exp() * logs, 0.0).sum(dim=1)
        found.append(prior - float(weights @ left))
    return found


def rises(chain: LinearGaussianScaleSpace, weights: Tensor | None = None) -> Outcome:
    """Gap to the forward information, nats; or scales without a rise, or above the entropy."""
    back = on_line(chain, SET)
    shares = SET.log_weights.exp() if weights is None else weights
    posterior = exact_posterior(chain, image_of(back, SET.means), shares)
    found = told(chain, posterior, back)
    forward = [information_on_points(back.law(i)) for i in range(chain.steps, 0, -1)]
    gap = max(abs(a - b) for a, b in zip(found, forward, strict=True))
    standing = sum(early <= late for late, early in itertools.pairwise(found))
    above = sum(value > -float(shares @ shares.log()) + TOLERANCE for value in found)
    return Outcome(max(gap, standing, above), TOLERANCE)


def forgets_start(chain: LinearGaussianScaleSpace, *, given_image: bool = False) -> Outcome:
    """Scales at which I(U_i; U_m) does not fall on the way back; or its gap to the forward one.

    Gaussian data, modes in which every step carries noise. Back from the gains of the reverse
    kernels, forth from the transition i -> m. The gains given the image are too small: a break.
    """
    m = chain.steps
    noise = torch.stack([per_mode(chain, i, i - 1)[1] for i in range(1, m + 1)])
    modes = torch.nonzero((noise > 0).all(dim=0))[:, 0]
    data = Mixture(0 * SPECTRUM[None, modes], SPECTRUM[modes])
    back = Reversal(chain, data, tuple(modes.tolist()))
    covariance, values, gap = back.spread(m), [], 0.0
    for i in range(m - 1, -1, -1):
        gain = back.coefficients(i, i + 1)[1]
        if given_image:
            gain = back.transition(i + 1, i)[0] * back.transition(i)[1] / back.transition(i + 1)[1]
        covariance = covariance * gain
        squared = covariance.square() / (back.spread(i) * back.spread(m))
        values.append(float(-torch.log1p(-squared).sum() / 2))
        factor, added = back.transition(m, i)
        forward = float(torch.log1p(factor.square() * back.spread(i) / added).sum() / 2)
        gap = max(gap, abs(values[-1] - forward))
    standing = sum(late <= early for late, early in itertools.pairwise(values))
    return Outcome(max(gap, standing), TOLERANCE)


def at_once(trial: Trial) -> Outcome:
    """Homogeneous diffusion: largest probability that a scale leaves to the other images."""
    del trial
    chain = process(HD)
    posterior = Posterior(chain, IMAGES, weights=WEIGHTS)
    doubt = 0.0
    for i in range(1, chain.steps + 1):
        logs = posterior.log_weights(chain.mean(IMAGES, i), i)
        doubt = max(doubt, float(1 - logs.exp().diagonal().min()))
    return Outcome(doubt, 0.0)


# The joint law, sampled


def samples(name: str, *, detour: bool = False) -> Check:
    """Distance of the noise of a scale, given the image that the same trajectory ends in.

    With a detour the end is drawn from the last scale anew: same laws of single scales, other pair.
    """

    def check(trial: Trial) -> Outcome:
        chain, generator = process(name), trial.generator()
        posterior, back = exact_posterior(chain), in_full(chain)
        start = posterior.draw(DRAWS, chain.steps, generator=generator)
        scales = range(chain.steps - 1, -1, -1)
        walk = posterior.trajectory(start, scales, generator=generator)
        end = posterior.sample(start, 0, chain.steps, generator=generator) if detour else walk[-1]
        i = SCALES[name]
        u, x = (
            chain.to_modes(y).flatten(1)[:, list(back.modes)]
            for y in (walk[chain.steps - 1 - i], end)
        )
        factor, variance = back.transition(i)
        return white_noise_test([(u - factor * x) / variance.sqrt()], trial.alpha)

    return check


def claims(name: str) -> tuple[Claim, ...]:
    """Claims of a process with noise."""
    off = ", off the mean grey value" if name == LO else ""
    holds = partial(Claim, name, Expectation.HOLDS)
    return (
        holds(
            lambda trial: paths(process(name), trial),
            f"log-density of paths forth and back, gap in nats, all modes{off}",
            "joint law",
        ),
        holds(
            lambda trial: rises(process(name)),
            "four weighted images: gap of forward and backward information, nats",
            "information of the image",
        ),
        holds(
            lambda trial: forgets_start(process(name)),
            "Gaussian data: gap of what scale i tells of the start, nats, modes with noise",
            "information of the start",
        ),
        holds(
            samples(name),
            f"Kolmogorov-Smirnov distance of the noise given the end{off}",
            "samples",
            sampled=True,
        ),
    )


PROPOSITIONS = (
    Proposition(
        label="R-MI",
        title="Mutual information on the way back",
        source="Our addition; not in the papers",
        statement=(
            r"The exact reverse process from $p(u_m)$ is the forward process read backwards: all "
            r"joint laws agree. So $I(U_0; U_i)$ rises as $i$ falls, wherever it falls on the way "
            r"forth, up to the entropy of the data. What a scale knows of the start, "
            r"$I(U_i; U_m)$, falls."
        ),
        topic=Topic.REVERSE,
        chapter="exact-reverse",
        anchors=("prop-r-mi",),
        claims=(
            *(claim for name in NOISY for claim in claims(name)),
            Claim(
                HD,
                Expectation.WEAKLY,
                at_once,
                "constant: every scale of an image of the data tells it; largest doubt",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no joint law"),
        ),
        controls=(
            Control(
                "denoised image for the mixture, paths",
                VP,
                lambda trial: paths(process(VP), trial, denoised),
            ),
            Control(
                "Gaussian with the exact moments, paths",
                VP,
                lambda trial: paths(process(VP), trial, matched, line=True),
            ),
            Control(
                "noise of the forward step, paths",
                VP,
                lambda trial: paths(process(VP), trial, step_variance),
            ),
            Control(
                "posterior with equal weights",
                VP,
                lambda trial: rises(process(VP), torch.full((4,), 0.25).double()),
            ),
            Control(
                "gains given the image",
                VP,
                lambda trial: forgets_start(process(VP), given_image=True),
            ),
            Control("end drawn anew from the start", VP, samples(VP, detour=True)),
        ),
        functions=(
            "scalelib.reverse.Posterior.log_weights",
            "scalelib.reverse.Posterior.trajectory",
        ),
        derivation=derivation,
        tests=("tests/reverse/test_posterior.py::test_weights_are_those_of_bayes",),
    ),
)
