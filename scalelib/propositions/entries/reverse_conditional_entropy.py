"""R-Hc: the conditional entropy of a scale, given the image, falls on the way back."""

from __future__ import annotations

import math
from typing import final

import sympy
import torch
from torch import Tensor

from scalelib.information import gaussian_entropy
from scalelib.processes import BlurringDiffusion, LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.entries.conditional_entropy import noisy, predicted
from scalelib.propositions.instances import IHD, OSMOSIS, PROCESSES, SHAPE, VP, process
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
from scalelib.reverse import Denoiser, ancestral, ddim

__all__ = ["PROPOSITIONS"]

COUNT = SHAPE[0] * SHAPE[1]
"""Grey values of an image."""

TOLERANCE = 1e-10
"""In nats; entropies of some 100 nats are known to 1e-13."""


@final
class Known(Denoiser):
    """Denoiser that knows the image."""

    def __init__(self, chain: LinearGaussianScaleSpace, image: Tensor) -> None:
        super().__init__(chain)
        self._image = image

    def denoise(self, u: Tensor, i: int) -> Tensor:
        """Return the image."""
        del u, i
        return self._image


def derivation() -> Derivation:
    """Give the noise of a reverse step its entropy; the fall is that of the scales."""
    a, b, S = sympy.symbols("a_{i} b_{i} S_{i-1}", positive=True)
    late = a**2 * S**2 + b**2
    gain, q = a * S**2 / late, S**2 * b**2 / late
    steps = Derivation()
    steps.equal(
        "Given the image, a step back leads from the variance of scale i to that of scale i - 1.",
        gain**2 * late + q,
        S**2,
    )
    chain = sympy.log(q) / 2 - sympy.log(b**2) / 2
    return steps.equal(
        r"Chain rule: $H(U_{i-1} \mid U_0) - H(U_i \mid U_0)$ is the entropy of the step back less "
        "that of the step forth, in one mode:",
        sympy.expand_log(chain),
        sympy.expand_log(sympy.log(S) - sympy.log(late) / 2),
    )


def reached(chain: LinearGaussianScaleSpace, share: float | None = None) -> Tensor:
    r"""Covariance in the modes of the scales m..1, given the image, shape (m, n, n).

    Reverse trajectories with known image are linear in their start and their noise. Fed with all
    unit vectors, they reveal their covariance. With a share, the reverse noise is reduced but the
    gain is not: a break.
    """
    m, units = chain.steps, torch.eye((chain.steps + 1) * COUNT, dtype=torch.float64)
    parts = units.view(-1, m + 1, 1, *SHAPE).movedim(1, 0).contiguous()
    width = chain.direct(m)[1].sqrt()
    start = chain.from_modes(width * chain.to_modes(parts[0]))
    nothing = Known(chain, torch.zeros_like(start))
    noise = parts[1:] if share is None else share * parts[1:]
    walk = ancestral(nothing, start, range(m - 1, 0, -1), noise=noise[:-1])
    response = chain.to_modes(torch.cat([start[None], walk])).flatten(2).transpose(1, 2)
    return response @ response.transpose(1, 2)


def entropies(chain: LinearGaussianScaleSpace, name: str, share: float | None = None) -> Tensor:
    """Conditional entropies of the scales m..1 of reverse trajectories, in nats."""
    kept = reached(chain, share)[:, noisy(name), noisy(name)]
    return COUNT_OF[name] / 2 * math.log(2 * math.pi * math.e) + torch.logdet(kept) / 2


COUNT_OF = {name: COUNT - (name == "linearised osmosis") for name in PROCESSES}
"""Modes that carry noise."""


def values(name: str, share: float | None = None) -> Check:
    """Largest gap of the entropy of reverse trajectories to the formula, in nats."""

    def check(trial: Trial) -> Outcome:
        del trial
        deviations = predicted(name).flatten(1)[:, noisy(name)].flip(0)
        formula = torch.tensor(
            [gaussian_entropy(s.square()) for s in deviations], dtype=torch.float64
        )
        return Outcome(
            float((entropies(process(name), name, share) - formula).abs().max()), TOLERANCE
        )

    return check


def smallest_fall(name: str, share: float | None = None) -> Check:
    """Smallest fall of a step back, in nats; expected is that of the constructor's arguments."""

    def check(trial: Trial) -> Outcome:
        del trial
        logs = predicted(name).flatten(1)[:, noisy(name)].log().sum(dim=1).diff()
        falls = -entropies(process(name), name, share).diff()
        return Outcome(float(falls.min()), TOLERANCE, expected=float(logs.min()))

    return check


def rising(trial: Trial) -> Outcome:
    """Blurring diffusion whose noise falls from 0.5 to 0.3: on the way back the entropy rises."""
    del trial
    chain = BlurringDiffusion([1.0, 2.0], [1.0, 0.5], [0.5, 0.3], SHAPE)
    late, early = torch.logdet(reached(chain)) / 2
    return Outcome(float(early - late), TOLERANCE, expected=COUNT * math.log(0.5 / 0.3))


def without_noise(width: float = 1.0) -> Check:
    """Gap of the variance of scale 6, given the image, for a sampler without reverse noise."""

    def check(trial: Trial) -> Outcome:
        del trial
        chain = process("variance preserving")
        start = width * float(chain.direct(chain.steps)[1].sqrt()) * torch.eye(COUNT).double()
        start = start.view(-1, 1, *SHAPE)
        nothing = Known(chain, torch.zeros_like(start))
        found = ddim(nothing, start, [9, 6])[-1].flatten(1)
        gap = (found.square().sum(dim=0) - chain.direct(6)[1]).abs().max()
        return Outcome(float(gap), 1e-12)

    return check


def claims(name: str, expectation: Expectation, remark: str = "") -> tuple[Claim, Claim]:
    """Both claims about a process."""
    fall = f"smallest fall of a step back, in nats{remark}"
    gap = "gap of the entropy of reverse trajectories to its formula, in nats"
    return (
        Claim(name, expectation, smallest_fall(name), fall),
        Claim(name, Expectation.HOLDS, values(name), gap, aspect="values"),
    )


PROPOSITIONS = (
    Proposition(
        label="R-Hc",
        title="Conditional entropy on the way back",
        source="Our formulation; the forward statement is 2024, Proposition 3",
        statement=(
            r"Along the exact reverse process $H(U_i \mid U_0)$ falls as $i$ falls, by "
            r"$H(U_i \mid U_{i-1}) - H(U_{i-1} \mid U_i, U_0)$ in a step: the entropy of the step "
            r"forth less that of the step back. Strictly for the variance preserving process, and "
            r"where the noise $\sigma_i$ of the forward process increases; it is constant for "
            r"inverse heat dissipation down to scale 1."
        ),
        topic=Topic.REVERSE,
        chapter="exact-reverse",
        anchors=("prop-r-hc",),
        claims=(
            *claims(VP, Expectation.HOLDS),
            *claims("variance exploding", Expectation.HOLDS),
            *claims(IHD, Expectation.WEAKLY, ": constant down to scale 1"),
            *claims("blurring diffusion", Expectation.HOLDS),
            Claim(
                "blurring diffusion",
                Expectation.FAILS,
                rising,
                "rise in nats where the noise of the forward process falls from 0.5 to 0.3",
                aspect="falling sigma",
            ),
            *claims(
                "linearised osmosis",
                Expectation.HOLDS,
                ", on the complement of the constants: mode 0 carries no noise",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                without_noise(),
                "the same without reverse noise (DDIM): gap of the variance given the image",
                aspect="probability flow",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.NOT_APPLICABLE,
                remark="no noise: the conditional entropy is -inf at every scale",
            ),
            Claim(
                OSMOSIS,
                Expectation.NOT_APPLICABLE,
                remark="a deterministic filter has no conditional entropy",
            ),
        ),
        controls=(
            Control("reverse noise narrower by 1%, values", VP, values(VP, share=0.99)),
            Control("reverse noise narrower by 1%, fall", VP, smallest_fall(VP, share=0.99)),
            Control("start wider by 1%, without reverse noise", VP, without_noise(1.01)),
            Control("reverse noise wider by 1%", IHD, smallest_fall(IHD, share=1.01)),
        ),
        functions=("scalelib.reverse.ancestral", "scalelib.reverse.ddim"),
        derivation=derivation,
    ),
)
