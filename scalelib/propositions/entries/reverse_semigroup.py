"""R-semi: reverse kernels compose, and lead through the laws of the forward process."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import HD, NOISY, OSMOSIS, VE, VP, process
from scalelib.propositions.laws import white_noise_test
from scalelib.propositions.reversal import (
    IMAGES,
    LINE,
    WEIGHTS,
    Kernel,
    Reversal,
    denoised,
    exact,
    exact_posterior,
    grid,
    in_full,
    matched,
    on_line,
    on_pairs,
    step_variance,
    whitened,
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

QUADRATURE = 1e-10
"""Relative; the integrals are known to 1e-13."""

NATS = 1e-9
"""Squared norms in units of the noise reach 1e5, and their rounding 1e-10."""

TRIPLES = ((0, 1, 2), (0, 3, 7), (1, 2, 3), (2, 5, 12), (4, 8, 9), (1, 11, 12))
"""Scales k < j < i of the integrals: short and long ways, from the first scale and to the last."""

PAIRS = ((0, 1), (0, 3), (2, 3), (5, 6), (1, 12), (11, 12))
"""Scales k < i whose laws are compared."""

DRAWS = 2000
"""Trajectories of a sampled check."""


# The proof, in one mode


def derivation() -> Derivation:
    """Bayes' rule for one component; then two kernels in a row."""
    u, v = sympy.symbols("u v", real=True)
    P, a, b = sympy.symbols("P_{k} M_{k\\,i} S_{k\\,i}", positive=True)
    late = a**2 * P + b**2
    steps = Derivation()
    steps.equal(
        r"Bayes' rule, one component: law of scale k times forward kernel. The exponents, with "
        r"$v = u_k - M_k x$ and $u = u_i - M_i x$ and the square in v completed.",
        v**2 / P + (u - a * v) ** 2 / b**2,
        late / (P * b**2) * (v - a * P / late * u) ** 2 + u**2 / late,
    )
    steps.equal(
        "The variances in front agree.", sympy.Mul(P * b**2 / late, late, evaluate=False), P * b**2
    )
    return _composed(steps)


def _composed(steps: Derivation) -> Derivation:
    """Two reverse kernels in a row, from i over j to k."""
    P, Q, a, b, c, d = sympy.symbols(
        "P_{k} P_{j} M_{k\\,j} S_{k\\,j} M_{j\\,i} S_{j\\,i}", positive=True
    )
    late = c**2 * Q + d**2
    steps.equal(
        "Two kernels in a row: the gains are multiplied.",
        a * P / Q * c * Q / late,
        a * c * P / late,
    )
    gain2 = (Q - b**2) * P / Q**2
    return steps.equal(
        r"The variance of the first is carried by the squared gain of the second, "
        r"$M_{k,j}^2 P_k^2 / P_j^2$ with $M_{k,j}^2 P_k = P_j - S_{k,j}^2$.",
        gain2 * (Q * d**2 / late) + P * b**2 / Q,
        P * (c**2 * b**2 + d**2) / late,
    )


# Exact checks


def integral(back: Reversal, kernel: Kernel, k: int, j: int, i: int) -> float:
    """Gap of the kernel from i to k and the integral over j, relative to the highest density."""
    v, width = grid(back.law(j))
    u, w = (_quantiles(back, scale) for scale in (i, k))
    first = on_pairs(kernel, back, v, u, j, i)
    second = on_pairs(kernel, back, w, v, k, j)
    direct = on_pairs(kernel, back, w, u, k, i).exp()
    return float((width * second.exp() @ first.exp() - direct).abs().max() / direct.max())


def _quantiles(back: Reversal, i: int) -> Tensor:
    """Seven typical values of scale i, shape (7, 1)."""
    law = back.law(i)
    places = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)[:, None]
    return law.mean() + math.sqrt(law.covariance_trace()) * places


def composition(kernel: Kernel, name: str) -> Check:
    """Compose kernels of one mode by quadrature."""

    def check(trial: Trial) -> Outcome:
        del trial
        back = on_line(process(name), LINE)
        return Outcome(max(integral(back, kernel, *triple) for triple in TRIPLES), QUADRATURE)

    return check


def marginals(kernel: Kernel, name: str) -> Check:
    """Carry the law of a scale back, in one mode, and compare with the law there."""

    def check(trial: Trial) -> Outcome:
        del trial
        back, gap = on_line(process(name), LINE), 0.0
        for k, i in PAIRS:
            (u, width), v = grid(back.law(i)), grid(back.law(k))[0][::40]
            logs = on_pairs(kernel, back, v, u, k, i)
            found = width * (logs + back.law(i).log_density(u)).exp().sum(dim=1)
            expected = back.law(k).log_density(v).exp()
            gap = max(gap, float((found - expected).abs().max() / expected.max()))
        return Outcome(gap, QUADRATURE)

    return check


def carried(
    chain: LinearGaussianScaleSpace,
    trial: Trial,
    kernel: Kernel = exact,
    weights: Tensor | None = WEIGHTS,
) -> Outcome:
    """Gap in nats of w_b(v) p(v | u) and w_b(u) p(v | u, b), all modes, neighbouring scales.

    The weights are those of the package; the kernels are written out.
    """
    back, posterior = in_full(chain), exact_posterior(chain, weights=weights)
    draw = IMAGES.repeat(4, 1, 1, 1)
    walk = chain.trajectory(draw, range(1, chain.steps + 1), generator=trial.generator())
    gap = 0.0
    for i in range(2, chain.steps + 1):
        u, v = (chain.to_modes(walk[s - 1]).flatten(1)[:, list(back.modes)] for s in (i, i - 1))
        left = posterior.log_weights(walk[i - 2], i - 1) + kernel(back, v, u, i - 1, i)[:, None]
        right = posterior.log_weights(walk[i - 1], i) + back.components(v, u, i - 1, i)
        likely = right > right.max(dim=1, keepdim=True).values - 300  # the rest is rounding
        gap = max(gap, float((left - right)[likely].abs().max()))
    return Outcome(gap, NATS)


def components(chain: LinearGaussianScaleSpace) -> Outcome:
    """Largest relative gap of two kernels of one component in a row, all modes and triples."""
    back, gap = Reversal(chain, _wide(chain), tuple(range(IMAGES[0].numel()))), 0.0
    for k, j, i in TRIPLES:
        (x1, g1, q1), (x2, g2, q2), (x, g, q) = (
            back.coefficients(*ends) for ends in ((j, i), (k, j), (k, i))
        )
        for found, expected in ((x2 + g2 * x1, x), (g2 * g1, g), (g2**2 * q1 + q2, q)):
            gap = max(gap, float((found - expected).abs().max() / expected.abs().max()))
    return Outcome(gap, 1e-12)  # a few units in the last place


def _wide(chain: LinearGaussianScaleSpace) -> Mixture:
    modes = chain.to_modes(IMAGES).flatten(1)
    return Mixture(modes, torch.full((modes.shape[1],), 4e-4).double(), WEIGHTS)


# Samples


Way = Callable[[Posterior, Tensor, torch.Generator], Tensor]
"""Posterior, images at the last scale, generator -> images at scale 4."""


def stepwise(posterior: Posterior, u: Tensor, generator: torch.Generator) -> Tensor:
    """Exact kernels, step by step."""
    return posterior.trajectory(u, range(posterior.process.steps - 1, 3, -1), generator=generator)[
        -1
    ]


def at_once(posterior: Posterior, u: Tensor, generator: torch.Generator) -> Tensor:
    """Break: one ancestral step over eight scales."""
    return ancestral(posterior, u, [4], generator=generator)[-1]


def samples(name: str, way: Way = stepwise) -> Check:
    """Distance of scale 4 from its law, for trajectories from the law of the last scale."""

    def check(trial: Trial) -> Outcome:
        chain, generator = process(name), trial.generator()
        posterior, back = exact_posterior(chain), in_full(chain)
        u = way(posterior, posterior.draw(DRAWS, chain.steps, generator=generator), generator)
        modes = chain.to_modes(u).flatten(1)[:, list(back.modes)]
        return white_noise_test([whitened(back.law(4), modes)], trial.alpha)

    return check


# Claims


def remembered(trial: Trial) -> Outcome:
    """Homogeneous diffusion: steps back against one jump back, largest gap."""
    chain = process(HD)
    posterior, generator = exact_posterior(chain), trial.generator()
    start = chain.mean(IMAGES, 6)
    steps = posterior.trajectory(start, range(5, -1, -1), start=6, generator=generator)
    expected = torch.stack([chain.mean(IMAGES, i) if i else IMAGES for i in range(5, -1, -1)])
    return Outcome(float((steps - expected).abs().max()), 1e-12)


def claims(name: str) -> tuple[Claim, ...]:
    """Claims about a process with noise."""
    off = ", off the mean grey value" if name == "linearised osmosis" else ""
    holds = partial(Claim, name, Expectation.HOLDS)
    return (
        holds(
            composition(exact, name),
            "gap of one kernel and two in a row, relative, one mode, quadrature",
            "kernels",
        ),
        holds(
            lambda trial: components(process(name)),
            "relative gap of two components in a row, all modes",
            "components",
        ),
        holds(
            lambda trial: carried(process(name), trial),
            f"weights at the earlier scale times kernel, gap in nats, all modes{off}",
            "weights",
        ),
        holds(
            marginals(exact, name),
            "gap of the law carried back, relative, one mode, quadrature",
            "marginals",
        ),
        holds(
            samples(name),
            f"Kolmogorov-Smirnov distance of reverse trajectories at scale 4{off}",
            "samples",
            sampled=True,
        ),
    )


PROPOSITIONS = (
    Proposition(
        label="R-semi",
        title="Semigroup property of the reverse process",
        source="Our formulation; 2023, Section 3.2, names the reverse process only",
        statement=(
            r"Reverse kernels compose: $p(u_k \mid u_i) = \int p(u_k \mid u_j)\, "
            r"p(u_j \mid u_i)\, \mathrm{d}u_j$ for $k \le j \le i$. They carry the law of scale "
            r"$i$ to that of scale $k$, exactly and for steps of any size. Gaussian kernels with "
            r"the same moments do neither, unless the data are Gaussian."
        ),
        topic=Topic.REVERSE,
        chapter="exact-reverse",
        anchors=("prop-r-semi", "prop-reverse-kernel"),
        claims=(
            *(claim for name in NOISY for claim in claims(name)),
            Claim(
                HD,
                Expectation.WEAKLY,
                remembered,
                "kernels are point masses: gap of images led back in steps; known images only",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no reverse kernel"),
        ),
        controls=(
            Control("denoised image for the mixture, kernels", VP, composition(denoised, VP)),
            Control("Gaussian with the exact moments, kernels", VP, composition(matched, VP)),
            Control("noise of the forward step, kernels", VP, composition(step_variance, VP)),
            Control("denoised image for the mixture, marginals", VE, marginals(denoised, VE)),
            Control(
                "Gaussian with the exact moments, marginals",
                "blurring diffusion",
                marginals(matched, "blurring diffusion"),
            ),
            Control(
                "noise of the forward step, marginals",
                "inverse heat dissipation",
                marginals(step_variance, "inverse heat dissipation"),
            ),
            Control(
                "denoised image for the mixture, weights",
                VP,
                lambda trial: carried(process(VP), trial, denoised),
            ),
            Control(
                "images weighted alike",
                VP,
                lambda trial: carried(process(VP), trial, weights=None),
            ),
            Control("one ancestral step over eight scales", VE, samples(VE, at_once)),
        ),
        functions=(
            "scalelib.reverse.Posterior.log_weights",
            "scalelib.reverse.Posterior.sample",
            "scalelib.reverse.Posterior.trajectory",
        ),
        derivation=derivation,
        tests=(
            "tests/reverse/test_posterior.py::test_kernels_lead_from_marginal_to_marginal",
            "tests/reverse/test_posterior.py::test_a_sample_is_a_draw_of_the_kernel",
        ),
    ),
)
