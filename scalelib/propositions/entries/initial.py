"""P-init: scale 0 is the image, so its law is the law of the data."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.propositions.instances import OSMOSIS, PROCESSES, SHAPE, process
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
from scalelib.schedules import arctan_noise

__all__ = ["PROPOSITIONS"]

Draw = Callable[[Tensor, Tensor], Tensor]
"""Image and noise -> scale 0."""

SHORT = 1e-9
"""Diffusion time after which osmosis has hardly started, in pixel^2."""


def images(trial: Trial) -> Tensor:
    """Ten images, uniform in [-1, 1], shape (10, 1, H, W)."""
    return 2 * torch.rand(10, 1, *SHAPE, generator=trial.generator(), dtype=torch.float64) - 1


def departure(draw: Draw, trial: Trial) -> Outcome:
    """Largest distance of scale 0 from the image, which must not move by a single bit."""
    u = images(trial)
    return Outcome(float((draw(u, u.flip(0)) - u).abs().max()), 0.0)


def checked(name: str) -> Check:
    """Scale 0 of a trajectory that goes on."""

    def check(trial: Trial) -> Outcome:
        chain = process(name)

        def start(u: Tensor, noise: Tensor) -> Tensor:
            return chain.trajectory(u, [0, 1], noise=torch.stack([noise, noise]))[0]

        return departure(start, trial)

    return check


def law(name: str) -> Check:
    """Mean factor 1 and variance 0, exactly."""

    def check(trial: Trial) -> Outcome:
        del trial
        factor, variance = process(name).direct(0)
        return Outcome(float(((factor - 1).abs() + variance).max()), 0.0)

    return check


def osmosis(trial: Trial, *, swapped: bool = False) -> Outcome:
    """Grey values by which exact osmosis leaves the image in a very short time."""
    u = 127.5 + 63.75 * images(trial)
    image, guidance = u[:1], u[1:2]
    filtered = Osmosis(guidance=guidance)
    found = filtered.exact(guidance if swapped else image, SHORT)
    speed = abs(filtered.operator()).sum(axis=1).max() * float(image.max())
    return Outcome(float((found - image).abs().max()), 2 * SHORT * float(speed))


def first_step_taken(trial: Trial) -> Outcome:
    """Schedule counted from 0: scale 0 is what scale 1 should be."""
    chain = process("variance preserving")
    return departure(lambda u, noise: chain.sample(u, 1, noise=noise), trial)


def published_start(trial: Trial) -> Outcome:
    """Take the published angle at t = 0, arctan exp(-5): contrast 0.99998, deviation 0.0067."""
    sines, cosines = (x.flip(0) for x in arctan_noise(2))  # theta_0 = pi / 2 - theta_m
    return departure(lambda u, noise: cosines[0] * u + sines[0] * noise, trial)


PROPOSITIONS = (
    Proposition(
        label="P-init",
        title="Initial distribution",
        source="2023, Property 1",
        statement="Scale 0 has the distribution of the data, $p(u_0) = p(F)$.",
        topic=Topic.TRANSITION,
        chapter="transition",
        anchors=("prop-init",),
        claims=(
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    checked(name),
                    "largest distance of scale 0 from the image, data in [-1, 1]",
                )
                for name in PROCESSES
            ),
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    law(name),
                    "mean factor minus 1 plus variance of the transition to scale 0",
                    aspect="law",
                )
                for name in PROCESSES
            ),
            Claim(
                OSMOSIS,
                Expectation.HOLDS,
                osmosis,
                "a filter has no law; grey values by which it leaves the image in a time of 1e-9",
            ),
        ),
        controls=(
            Control("schedule counted from 0", "variance preserving", first_step_taken),
            Control("published start of the angle", "blurring diffusion", published_start),
            Control("osmosis of the guidance", OSMOSIS, lambda trial: osmosis(trial, swapped=True)),
        ),
        functions=("scalelib.LinearGaussianScaleSpace.trajectory", "scalelib.Osmosis.exact"),
        tests=(
            "tests/processes/test_base.py::test_a_transition_to_the_same_scale_is_the_identity",
        ),
    ),
)
