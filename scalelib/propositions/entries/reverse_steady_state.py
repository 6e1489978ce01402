"""R-steady: the reverse process ends in the law of the data, each image with its weight."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from scipy import stats
from scipy.optimize import brentq
from torch import Tensor

from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.instances import (
    BD,
    HD,
    IHD,
    LO,
    NOISY,
    OSMOSIS,
    STEPS,
    VE,
    VP,
    process,
)
from scalelib.propositions.reversal import (
    IMAGES,
    SET,
    WEIGHTS,
    exact_posterior,
    grid,
    image_of,
    on_line,
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
from scalelib.reverse import Posterior, ancestral

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-10
"""Of weights that are integrals, known to 1e-13."""

ROUNDING = 1e-12
"""Of grey values, after a cosine transform there and back."""

DRAWS = 5000
"""Trajectories of a sampled check."""


Way = Callable[[Posterior, Tensor, torch.Generator], Tensor]
"""Posterior, images at the last scale, generator -> images at scale 0."""


def stepwise(posterior: Posterior, u: Tensor, generator: torch.Generator) -> Tensor:
    """Exact kernels, step by step."""
    scales = range(posterior.process.steps - 1, -1, -1)
    return posterior.trajectory(u, scales, generator=generator)[-1]


def few_steps(posterior: Posterior, u: Tensor, generator: torch.Generator) -> Tensor:
    """Break: ancestral sampling in three steps."""
    return ancestral(posterior, u, [8, 4, 0], generator=generator)[-1]


# Starts


def true_start(posterior: Posterior, generator: torch.Generator) -> Tensor:
    """Exact law of the last scale."""
    return posterior.draw(DRAWS, posterior.process.steps, generator=generator)


def white_start(posterior: Posterior, generator: torch.Generator) -> Tensor:
    """White noise as wide as that of the last scale."""
    chain = posterior.process
    noise = torch.empty(DRAWS, *IMAGES.shape[1:], dtype=torch.float64).normal_(generator=generator)
    _, variance = chain.direct(chain.steps)
    return chain.from_modes(variance.sqrt() * chain.to_modes(noise))


def mean_start(posterior: Posterior, generator: torch.Generator) -> Tensor:
    """White noise around the mean of the exact law of the last scale."""
    mean = (WEIGHTS[:, None, None, None] * IMAGES).sum(dim=0)
    return posterior.process.mean(mean, STEPS) + white_start(posterior, generator)


# Checks


def weights(name: str) -> Check:
    """Largest gap of a weight of the output, started from the law of the last scale, one mode."""
    return lambda trial: output(process(name), 1.0)


def output(chain: LinearGaussianScaleSpace, width: float) -> Outcome:
    """Mean posterior weights over the law of the last scale, or over a wider one."""
    back, shares = on_line(chain, SET), SET.log_weights.exp()
    posterior = exact_posterior(chain, image_of(back, SET.means), shares)
    u, step = grid(back.law(STEPS))
    density = back.law(STEPS).log_density(u / width).exp() / width
    found = step * density @ posterior.log_weights(image_of(back, u), STEPS).exp()
    return Outcome(float((found - shares).abs().max()), TOLERANCE)


def memorised(name: str, way: Way = stepwise) -> Check:
    """Largest distance of an output from the nearest image of the data, in grey values."""

    def check(trial: Trial) -> Outcome:
        posterior, generator = exact_posterior(process(name)), trial.generator()
        start = posterior.draw(50, STEPS, generator=generator)
        end, data = way(posterior, start, generator), IMAGES
        if name == LO:
            end, data = off_mean(end), off_mean(data)
        gaps = (end[:, None] - data).abs().amax(dim=(2, 3, 4))
        return Outcome(float(gaps.min(dim=1).values.max()), ROUNDING)

    return check


def off_mean(u: Tensor) -> Tensor:
    """Take the mean grey value away."""
    return u - u.mean(dim=(-2, -1), keepdim=True)


def hits(
    name: str,
    way: Way = stepwise,
    begin: Callable[[Posterior, torch.Generator], Tensor] = true_start,
    expected: Tensor = WEIGHTS,
) -> Check:
    """Chi-square test of how often each image is the nearest to the output.

    The value is the root of chi-square over n, which tends to the distance of the weights.
    """

    def check(trial: Trial) -> Outcome:
        posterior, generator = exact_posterior(process(name)), trial.generator()
        end = way(posterior, begin(posterior, generator), generator)
        near = torch.cdist(off_mean(end).flatten(1), off_mean(IMAGES).flatten(1)).argmin(dim=1)
        counts = torch.bincount(near, minlength=len(IMAGES)).double()
        square = float(((counts - DRAWS * expected).square() / (DRAWS * expected)).sum())
        free = len(IMAGES) - 1
        critical = float(stats.chi2.isf(trial.alpha, free))
        shift = brentq(lambda x: stats.ncx2.sf(critical, free, x) - 0.99, 1e-6, 1e4)
        return Outcome(
            math.sqrt(square / DRAWS),
            math.sqrt(critical / DRAWS),
            count=DRAWS,
            detectable=math.sqrt(shift / DRAWS),
        )

    return check


def returned(trial: Trial) -> Outcome:
    """Homogeneous diffusion: gap of each blurred image led back, and the image itself."""
    chain = process(HD)
    posterior = Posterior(chain, IMAGES, weights=WEIGHTS)
    end = stepwise(posterior, chain.mean(IMAGES, STEPS), trial.generator())
    return Outcome(float((end - IMAGES).abs().max()), ROUNDING)


def claims(name: str) -> tuple[Claim, ...]:
    """Claims of a process with noise."""
    holds = partial(Claim, name, Expectation.HOLDS)
    off = ", off the mean grey value" if name == LO else ""
    return (
        holds(weights(name), "gap of the weights of the output, one mode", "weights"),
        holds(
            memorised(name),
            f"distance of outputs from the nearest image of the data{off}",
            "memorises",
        ),
        holds(
            hits(name),
            f"distance of the frequencies of five images from their weights{off}",
            "samples",
            sampled=True,
        ),
    )


PROPOSITIONS = (
    Proposition(
        label="R-steady",
        title="The reverse process ends in the data",
        source="2023, Section 3.2: it converges to p(F). Our formulation",
        statement=(
            r"The exact reverse process from $p(u_m)$ ends in $p(F)$ after finitely many steps, "
            r"whatever their size. For a finite set of images every end is one of them, and each "
            r"is reached with its weight: exact reversal memorises. From $N(0, I)$ the weights "
            r"agree up to the bound of R-init."
        ),
        topic=Topic.REVERSE,
        chapter="exact-reverse",
        anchors=("prop-r-steady",),
        claims=(
            *(claim for name in NOISY for claim in claims(name)),
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    hits(name, begin=begin),
                    "the same from white noise",
                    "samples from noise",
                    sampled=True,
                )
                for name, begin in ((VP, white_start), (VE, mean_start), (BD, white_start))
            ),
            Claim(
                HD,
                Expectation.WEAKLY,
                returned,
                "from the blurred images only: gap to the images",
            ),
            Claim(
                OSMOSIS,
                Expectation.NOT_APPLICABLE,
                remark="a filter leads to its steady state; the way back swaps image and guidance",
            ),
        ),
        controls=(
            Control("start wider by 1%", VE, lambda trial: output(process(VE), 1.01)),
            Control("three ancestral steps", VE, memorised(VE, few_steps)),
            Control("equal weights", VP, hits(VP, expected=torch.full((5,), 0.2).double())),
            Control("start without data", IHD, hits(IHD, begin=mean_start)),
        ),
        functions=(
            "scalelib.reverse.Posterior.draw",
            "scalelib.reverse.Posterior.trajectory",
        ),
    ),
)
