"""P-semi: transition kernels compose."""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from scalelib.osmosis import Osmosis
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.couplings import (
    Draw,
    in_modes,
    independent,
    markov,
    measure,
    one_jump_each,
    one_noise,
)
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.entries.transition import (
    SAMPLES,
    closed_form,
    modes,
    residual,
    squared,
)
from scalelib.propositions.instances import (
    IHD,
    LO,
    NOISY,
    OSMOSIS,
    PROCESSES,
    SHAPE,
    STEPS,
    VP,
    Tampered,
    pairs,
    process,
    relative_gap,
)
from scalelib.propositions.laws import SPECTRUM, white_noise_test
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

TOLERANCE = 1e-12
"""Relative; the composition of three closed forms loses a few units in the last place."""


# The proof, in one mode


def derivation() -> Derivation:
    """Integrate over the scale in between; then see which covariance leaves no memory."""
    u, v, w = sympy.symbols("u v w", real=True)
    early, late = sympy.symbols(r"M_{k\,j} M_{j\,i}", positive=True)
    s, t = sympy.symbols(r"S_{k\,j} S_{j\,i}", positive=True)
    whole = late**2 * s**2 + t**2
    q = s**2 * t**2 / whole
    centre = q * (late * w / t**2 + early * u / s**2)
    steps = Derivation()
    steps.equal(
        "From u over v to w: the exponents of both kernels, with the square in v completed.",
        (v - early * u) ** 2 / s**2 + (w - late * v) ** 2 / t**2,
        (w - late * early * u) ** 2 / whole + (v - centre) ** 2 / q,
    )
    steps.equal(
        "The integral over v takes the last term away and leaves its variance. Times that of the "
        "kernel from u to w it is the product of both variances, so that the norms agree.",
        sympy.Mul(q, whole, evaluate=False),
        s**2 * t**2,
    )
    return _memory(steps)


def _memory(steps: Derivation) -> Derivation:
    """Which covariance x of the noises of scales k and i leaves no memory of the image."""
    c, S, M, later, x = sympy.symbols(r"c S_{k} M_{k} M_{k\,i} x", positive=True)
    present, M_i = M**2 * c + S**2, later * M
    return steps.equal(
        "Covariance of the image and scale i given scale k, if the noises of k and i have "
        "covariance x and the image has variance c. It vanishes for one x only.",
        M_i * c - M * c * (M * M_i * c + x) / present,
        M * c * (later * S**2 - x) / present,
    )


# Kernels


def composition(chain: LinearGaussianScaleSpace) -> Outcome:
    """Largest relative gap between K_{k,i} and K_{j,i} after K_{k,j}, over all k < j < i."""
    gap = 0.0
    for k, i in pairs(chain.steps):
        factor, variance = chain.direct(i, k)
        for j in range(k + 1, i):
            first, early = chain.direct(j, k)
            second, late = chain.direct(i, j)
            gap = max(gap, relative_gap(second * first, factor))
            gap = max(gap, relative_gap(second.square() * early + late, variance))
    return Outcome(gap, TOLERANCE)


def filtered(trial: Trial, *, implicit: bool = False) -> Outcome:
    """Osmosis for a time of 1 and then of 2 against osmosis for 3, relative to the image."""
    draws = torch.rand(2, 1, *SHAPE, generator=trial.generator(), dtype=torch.float64)
    image, guidance = 64 + 127 * draws
    osmosis = Osmosis(guidance=guidance, rtol=1e-14)
    evolve = osmosis.step if implicit else osmosis.exact
    gap = (evolve(evolve(image, 1.0), 2.0) - evolve(image, 3.0)).abs().max()
    return Outcome(float(gap / image.max()), TOLERANCE)


# Joint laws of scales, exact


def two_scales(draw: Draw, chain: LinearGaussianScaleSpace) -> Outcome:
    r"""Gap of the correlation of the noise of two scales, :math:`M_{k,i} S_k^2`, all pairs."""
    found, V, gap = measure(draw, chain.steps, SHAPE), modes(chain.shape), 0.0
    for k, i in (pair for pair in pairs(STEPS) if pair[0] > 0):
        covariance = closed_form(chain, i, k)[0] * closed_form(chain, k)[1]
        expected = (V * covariance.expand(SHAPE).flatten()) @ V.T
        early, late = (found.covariance(j, j).diagonal().sqrt() for j in (k, i))
        scale = early[:, None] * late
        gap = max(gap, float(((found.covariance(k, i) - expected) / scale).abs().max()))
    return Outcome(gap, TOLERANCE)


def memory(draw: Draw, chain: LinearGaussianScaleSpace, expected: float = 0.0) -> Outcome:
    """Largest correlation of the image and a scale that the scale before does not explain.

    In the modes of the process. Pixels of the data are correlated, modes are not.
    """
    found, V = measure(in_modes(chain, draw), STEPS, SHAPE), modes(SHAPE)
    data = (V * SPECTRUM) @ V.T if chain.shape is None else SPECTRUM.diag()
    largest = max(float(found.memory(i - 1, i, data).abs().max()) for i in range(2, STEPS + 1))
    return Outcome(largest, TOLERANCE, expected)


def predicted(chain: LinearGaussianScaleSpace, *, shared: bool) -> float:
    """Memory by the formula of the derivation: noise of each scale its own, or all one."""
    c, largest = SPECTRUM, 0.0
    for i in range(2, STEPS + 1):
        scales = (i - 1, 0), (i, 0), (i, i - 1)
        (M_k, S2_k), (M_i, S2_i), (M_ki, _) = (
            [x.flatten() for x in closed_form(chain, *ends)] for ends in scales
        )
        x = (S2_k * S2_i).sqrt() if shared else 0.0
        rest = M_k * c * (M_ki * S2_k - x) / (M_k.square() * c + S2_k)
        spread = (c * (M_i.square() * c + S2_i)).sqrt()
        largest = max(largest, float((rest / spread).abs().max()))
    return largest


# Samples


def samples(
    chain: LinearGaussianScaleSpace, *, repeated: bool = False, separate: bool = False
) -> Check:
    """Distance of the noise of two routes to the last scale from white noise.

    The first takes single steps, the second jumps to the scale before the last. The residual up to
    there and that of the last step, added and divided by the square root of 2, are white noise if
    both are and if they are independent. They are not if a draw is repeated, or if the first route
    takes each scale from scale 0.
    """

    def check(trial: Trial) -> Outcome:
        generator, m = trial.generator(), chain.steps
        u = 2 * torch.rand(SAMPLES, 1, *SHAPE, generator=generator, dtype=torch.float64) - 1
        scales = range(1, m + 1)
        walked = chain.trajectory(u, scales, generator=generator, independent=separate)[-2:]
        state = generator.get_state()
        jumped = chain.sample(u, m - 1, generator=generator)
        if repeated:
            generator.set_state(state)
        stepped = chain.sample(jumped, m, m - 1, generator=generator)
        routes = walked, (jumped, stepped)
        return white_noise_test([_sum(chain, u, *route) for route in routes], trial.alpha)

    return check


def _sum(chain: LinearGaussianScaleSpace, u: Tensor, before: Tensor, last: Tensor) -> Tensor:
    m = chain.steps
    early = residual(chain, u, before, closed_form(chain, m - 1))
    late = residual(chain, before, last, closed_form(chain, m, m - 1))
    count = min(early.shape[1], late.shape[1])  # the mean grey value may take no noise; it is first
    return (early[:, -count:] + late[:, -count:]) / math.sqrt(2)


# Claims


def kernels(name: str) -> Check:
    """Compose the closed forms of a standard instance."""
    return lambda trial: composition(process(name))


def joint(name: str) -> Check:
    """Pairs of scales of a trajectory."""
    return lambda trial: two_scales(markov(process(name)), process(name))


def forgetful(name: str) -> Check:
    """Triples of the image and two scales of a trajectory."""
    return lambda trial: memory(markov(process(name)), process(name))


def published(trial: Trial) -> Outcome:
    """Noise of each scale its own: the coupling of Rissanen et al."""
    del trial
    chain = process(IHD)
    return memory(independent(chain), chain, predicted(chain, shared=False))


def guided(trial: Trial) -> Outcome:
    """One guidance noise for all scales: the coupling of osmosis itself."""
    del trial
    chain = process(LO)
    return memory(one_jump_each(chain), chain, predicted(chain, shared=True))


CLAIMS = (
    *(Claim(name, Expectation.HOLDS, kernels(name), "largest relative gap") for name in PROCESSES),
    Claim(
        OSMOSIS,
        Expectation.HOLDS,
        filtered,
        "no law, but images: time 1 and then 2 against time 3, relative, guidance given",
    ),
    *(
        Claim(
            name,
            Expectation.HOLDS,
            joint(name),
            "gap of the correlation of the noise of two scales, given the image",
            aspect="two scales",
        )
        for name in NOISY
    ),
    *(
        Claim(
            name,
            Expectation.HOLDS,
            forgetful(name),
            "correlation of image and scale i that scale i - 1 does not explain",
            aspect="memory",
        )
        for name in NOISY
    ),
    Claim(
        IHD,
        Expectation.FAILS,
        published,
        "noise independent across scales, as published: not Markov; the same correlation",
        aspect="published coupling",
    ),
    Claim(
        LO,
        Expectation.FAILS,
        guided,
        "one guidance noise for all scales, as in osmosis: not Markov; the same correlation",
        aspect="coupling of osmosis",
    ),
    *(
        Claim(
            name,
            Expectation.HOLDS,
            samples(process(name)),
            "Kolmogorov-Smirnov distance of the noise of two routes from white noise",
            aspect="samples",
            sampled=True,
        )
        for name in NOISY
    ),
)

CONTROLS = (
    Control(
        "noise of variance beta^2", VP, lambda trial: composition(Tampered(process(VP), squared))
    ),
    Control(
        "blur weaker by 1%",
        "homogeneous diffusion",
        lambda trial: composition(
            Tampered(process("homogeneous diffusion"), lambda a, b2: (a**0.99, b2))
        ),
    ),
    Control("one implicit step for two", OSMOSIS, lambda trial: filtered(trial, implicit=True)),
    Control(
        "one noise for all steps, two scales",
        VP,
        lambda trial: two_scales(one_noise(process(VP)), process(VP)),
    ),
    Control(
        "one noise for all steps, memory",
        VP,
        lambda trial: memory(one_noise(process(VP)), process(VP)),
    ),
    Control(
        "published coupling, two scales",
        IHD,
        lambda trial: two_scales(independent(process(IHD)), process(IHD)),
    ),
    Control(
        "published coupling, memory",
        IHD,
        lambda trial: memory(independent(process(IHD)), process(IHD)),
    ),
    Control(
        "coupling of osmosis, memory",
        LO,
        lambda trial: memory(one_jump_each(process(LO)), process(LO)),
    ),
    Control("published coupling, samples", IHD, samples(process(IHD), separate=True)),
    Control("samples with the draw repeated", VP, samples(process(VP), repeated=True)),
)

PROPOSITIONS = (
    Proposition(
        label="P-semi",
        title="Semigroup property",
        source="2024, Proposition 2; 2023, Property 2",
        statement=(
            r"Transition kernels compose: $K_{k,i} = K_{j,i} \circ K_{k,j}$ for all "
            r"$k \le j \le i$. Scale $i$ is reached from scale $0$ in $i$ steps, or from scale "
            r"$i - l$ in $l$ steps."
        ),
        topic=Topic.TRANSITION,
        chapter="semigroup",
        anchors=("prop-semi", "property-semigroup", "prop-memory"),
        claims=CLAIMS,
        controls=CONTROLS,
        functions=(
            "scalelib.LinearGaussianScaleSpace.direct",
            "scalelib.LinearGaussianScaleSpace.sample",
            "scalelib.LinearGaussianScaleSpace.trajectory",
            "scalelib.Osmosis.exact",
        ),
        derivation=derivation,
        tests=("tests/processes/test_base.py::test_transitions_form_a_semigroup",),
    ),
)
