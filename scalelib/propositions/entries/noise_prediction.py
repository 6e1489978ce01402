"""R-eps: the loss of a noise prediction is a weighted denoising error, least for the posterior."""

from __future__ import annotations

import sympy
import torch
from torch import Tensor

from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    BD,
    HD,
    IHD,
    LO,
    OSMOSIS,
    SHAPE,
    VE,
    VP,
    process,
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
from scalelib.reverse import NoisePrediction, Posterior

__all__ = ["PROPOSITIONS"]

IN_EVERY_MODE = (VP, VE, IHD, BD)
"""Processes with noise in every mode."""

TOLERANCE = 1e-10
"""Relative to numbers of size 1 at least; the sums have a few hundred terms."""

IMAGES, POINTS = 5, 20


def derivation() -> Derivation:
    """Solve for the image; complete a square."""
    M, S = sympy.symbols("M S", positive=True)
    u0, noise, guess, best = sympy.symbols(
        r"u_0 \varepsilon \hat\varepsilon \varepsilon^*", real=True
    )
    estimate = (M * u0 + S * noise - S * guess) / M
    steps = Derivation()
    steps.equal(
        "The prediction in the place of the noise, one mode: its squared error.",
        (noise - guess) ** 2,
        M**2 / S**2 * (u0 - estimate) ** 2,
    )
    return steps.equal(
        "With the conditional mean in between. Given the noisy image, the last term has mean 0.",
        (noise - guess) ** 2,
        (noise - best) ** 2 + (best - guess) ** 2 + 2 * (noise - best) * (best - guess),
    )


def draws(trial: Trial, count: int) -> Tensor:
    """White noise, shape (count, 1, H, W)."""
    return torch.randn(count, 1, *SHAPE, generator=trial.generator(), dtype=torch.float64)


def weighted(name: str, power: float = 2.0) -> Check:
    """Largest gap of squared errors of noise and image, the latter by (M / S)^power, per mode.

    The estimate is an image: rounding in the mode of the largest S / M reaches all modes and counts
    by their M / S. The gap is relative to that amplification, which is 1 for pixel-wise processes.
    """

    def check(trial: Trial) -> Outcome:
        chain, gap = process(name), 0.0
        u0, noise, guess = draws(trial, 3)
        denoiser = NoisePrediction(chain, lambda u, i: guess)
        for i in range(1, chain.steps + 1):
            M, S2 = chain.direct(i)
            ratio = M / S2.sqrt()
            u = chain.sample(u0, i, noise=noise)
            missed = chain.to_modes(u0 - denoiser.denoise(u, i)) * ratio ** (power / 2)
            errors = chain.to_modes(noise - guess).square()
            amplified = float(ratio.max() / ratio.min())
            gap = max(gap, float((errors - missed.square()).abs().max()) / amplified)
        return Outcome(gap, TOLERANCE)

    return check


def candidates(chain: LinearGaussianScaleSpace, images: Tensor, u: Tensor, i: int) -> Tensor:
    """Modes of the noise that leads from each image to u, shape (points, images, n)."""
    M, S2 = (x.expand(SHAPE).flatten() for x in chain.direct(i))
    late, early = (chain.to_modes(x).flatten(1) for x in (u, images))
    return (late[:, None] - M * early) / S2.sqrt()


def split(name: str, *, prior: bool = False, likeliest: bool = False) -> Check:
    """Largest relative gap of the loss and its two parts, over points and scales."""

    def check(trial: Trial) -> Outcome:
        chain, gap = process(name), 0.0
        drawn = draws(trial, IMAGES + 2 * POINTS)
        images, noise, guess = drawn[:IMAGES], drawn[IMAGES:-POINTS], drawn[-POINTS:]
        posterior = Posterior(chain, images)
        guesses = chain.to_modes(guess).flatten(1)
        for i in range(1, chain.steps + 1):
            M, S2 = (x.expand(SHAPE).flatten() for x in chain.direct(i))
            u = chain.sample(images[:1].expand_as(noise), i, noise=noise)
            weights = posterior.log_weights(u, i).exp()
            if prior:
                weights = torch.full_like(weights, 1 / IMAGES)
            found = candidates(chain, images, u, i)
            estimate = chain.to_modes(posterior.denoise(u, i)).flatten(1)
            best = (chain.to_modes(u).flatten(1) - M * estimate) / S2.sqrt()
            if likeliest:
                best = found[torch.arange(POINTS), weights.argmax(dim=1)]
            loss, least = (
                (weights * (found - e[:, None]).square().sum(dim=2)).sum(dim=1)
                for e in (guesses, best)
            )
            parts = least + (guesses - best).square().sum(dim=1)
            gap = max(gap, float(((loss - parts) / loss).abs().max()))
        return Outcome(gap, TOLERANCE)

    return check


WEIGHT = "largest gap of squared errors of noise and image in a mode, over the amplification"
SPLIT = "largest relative gap of the loss and its two parts"
SILENT = "a mode carries no noise: nothing to be predicted there"

PROPOSITIONS = (
    Proposition(
        label="R-eps",
        title="What the loss of a noise prediction measures",
        source="Known; Ho, Jain and Abbeel 2020, equations (12) to (14), for the first part",
        statement=(
            r"The loss $\tfrac1n \mathrm{E} |\varepsilon - \hat\varepsilon(U_i)|^2$ is the error "
            r"of the image estimate, weighted by $M_i^2 / S_i^2$ in each mode. It exceeds the loss "
            r"of $\varepsilon^* = \mathrm{E}[\varepsilon \mid U_i]$ by "
            r"$\tfrac1n \mathrm{E} |\hat\varepsilon - \varepsilon^*|^2$."
        ),
        topic=Topic.REVERSE,
        chapter="learned-reverse",
        anchors=("prop-noise-loss",),
        claims=(
            *(
                Claim(name, Expectation.HOLDS, weighted(name), WEIGHT, aspect="weights")
                for name in IN_EVERY_MODE
            ),
            *(
                Claim(name, Expectation.HOLDS, split(name), SPLIT, aspect="least loss")
                for name in IN_EVERY_MODE
            ),
            *(Claim(name, Expectation.NOT_APPLICABLE, remark=SILENT) for name in (LO, HD, OSMOSIS)),
        ),
        controls=(
            Control("weight M / S instead of its square", VP, weighted(VP, power=1.0)),
            Control("prior weights in the place of the posterior", VP, split(VP, prior=True)),
            Control("noise of the likeliest image", VP, split(VP, likeliest=True)),
        ),
        functions=(
            "scalelib.reverse.NoisePrediction",
            "scalelib.reverse.Posterior",
            "scalelib.learning.NoiseLoss",
        ),
        derivation=derivation,
        tests=(),
    ),
)
