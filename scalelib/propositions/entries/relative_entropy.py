"""P-KL: relative entropy to the standard normal distribution falls for VP, at a sharp rate."""

from __future__ import annotations

import itertools
import math

import sympy
import torch
from torch import Tensor

from scalelib.information import (
    Mixture,
    gaussian_relative_entropy,
    relative_entropy_by_quadrature,
)
from scalelib.processes import LinearGaussianScaleSpace, LinearisedOsmosis
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import OSMOSIS, SHAPE, STEPS, Tampered, process
from scalelib.propositions.laws import FOUR, SPECTRUM, in_modes, nodes, per_mode
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
    Trial,
)
from scalelib.schedules import arctan_noise, sin2_blur
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-10
"""Nats, or relative: sums of 30 modes, each exact to a few units in the last place."""

DISSIPATION_NOISE = 0.02
"""Noise deviation of the standard instance of inverse heat dissipation."""


def derivation() -> Derivation:
    """Show that a VP step keeps N(0, 1), what it does to a Gaussian, and when others keep one."""
    steps = Derivation()
    _of_variance_preserving(steps)
    _of_others(steps)
    return steps


def _of_variance_preserving(steps: Derivation) -> None:
    beta, c = sympy.symbols("beta c", positive=True)
    delta = sympy.Symbol("Delta", real=True)
    squared_factor = sympy.Pow(sympy.sqrt(1 - beta), 2, evaluate=False)
    steps.equal("A VP step keeps the variance 1:", squared_factor + beta, 1)
    steps.equal(
        r"A law that is only shifted by $\Delta$ has relative entropy $\Delta^2 / 2$; after the "
        "step",
        sympy.Pow(sympy.sqrt(1 - beta) * delta, 2, evaluate=False) / 2,
        (1 - beta) * delta**2 / 2,
    )
    rest = c - 1 - sympy.log(c)
    margin = (1 - beta) * rest - rest.subs(c, (1 - beta) * c + beta)
    steps.equal(
        r"Gaussian data of variance $c$: twice $(1-\beta)\,\mathrm{KL}_{i-1} - \mathrm{KL}_i$ "
        "is 0 for $c = 1$,",
        sympy.Subs(margin, c, 1),
        0,
    )
    steps.equal(
        "and its slope has the sign of $c - 1$, so it is nowhere negative:",
        sympy.Derivative(margin, c),
        (1 - beta) * beta * (c - 1) / (c * ((1 - beta) * c + beta)),
    )


def _of_others(steps: Derivation) -> None:
    q, a, m, x = sympy.symbols("q a m x", positive=True)
    steps.equal(
        "Heat dissipation keeps $N(0, q)$, $q = \\sigma^2$, from scale 1 on:",
        a**2 * q + q * (1 - a**2),
        q,
    )
    passed = m**2 + (1 - m) ** 2
    steps.equal(
        "Linearised osmosis on data that are $N(0, s^2)$: with $m = e^{-\\lambda t}$ the variance "
        "in units of $s^2$ has the slope",
        sympy.Derivative(passed, m),
        4 * (m - sympy.Rational(1, 2)),
    )
    steps.equal(
        "so it is smallest for $m = 1/2$, where the relative entropy to $N(0, s^2)$ is",
        sympy.Subs((x - 1 - sympy.log(x)) / 2, x, passed.subs(m, sympy.Rational(1, 2))),
        (sympy.log(2) - sympy.Rational(1, 2)) / 2,
    )


Law = tuple[Tensor, Tensor]
"""Means and variances of a Gaussian law, mode by mode."""


def fold_law(chain: LinearGaussianScaleSpace, mean: Tensor, c: Tensor, start: int = 0) -> list[Law]:
    """Laws of the scales from ``start`` on for Gaussian data, by single steps."""
    found = [(mean, c)]
    for i in range(start + 1, STEPS + 1):
        a, b2 = per_mode(chain, i, i - 1)
        mean, c = a * mean, a.square() * c + b2
        found.append((mean, c))
    return found


def to_normal(law: Law, variance: float = 1.0) -> float:
    """Relative entropy of a Gaussian law to N(0, variance I), in nats."""
    mean, c = law
    return gaussian_relative_entropy(mean, c, 0 * mean, variance + 0 * c)


def gaussian_data(chain: LinearGaussianScaleSpace, power: float = 1.0) -> Outcome:
    """Largest excess over the rate (1 - beta_i)^power, as a share; a shift must attain it."""
    shift = 0.5 * SPECTRUM.sqrt()
    broad = [to_normal(law) for law in fold_law(chain, shift, 4 * SPECTRUM)]
    moved = [to_normal(law) for law in fold_law(chain, shift, torch.ones_like(shift))]
    excess = 0.0
    for i in range(1, STEPS + 1):
        rate = float(process("variance preserving").coefficients(i)[0]) ** (2 * power)
        excess = max(excess, broad[i] / (rate * broad[i - 1]) - 1)
        excess = max(excess, abs(moved[i] / (rate * moved[i - 1]) - 1))
    return Outcome(excess, TOLERANCE)


def finite_data(chain: LinearGaussianScaleSpace, first: int = 1) -> Outcome:
    """Largest excess over the rate 1 - beta_i for four images far apart, as a share."""
    data = Mixture(20 * FOUR, torch.zeros(1).double())
    found = []
    for i in range(first, STEPS + 1):
        law = in_modes(chain, i, data, (1,))
        u, weights = nodes(law)
        found.append(float(weights @ (law.log_density(u) - log_normal(u))))
    rates = [float(per_mode(chain, i, i - 1)[0][1]) ** 2 for i in range(first + 1, STEPS + 1)]
    ratios = zip(rates, itertools.pairwise(found), strict=True)
    return Outcome(max(0.0, *(late / (r * early) - 1 for r, (early, late) in ratios)), TOLERANCE)


def log_normal(u: Tensor) -> Tensor:
    """Logarithm of the standard normal density in one dimension."""
    return -0.5 * (math.log(2 * math.pi) + u[:, 0].square())


def own_steady_state(chain: LinearGaussianScaleSpace) -> Outcome:
    """Largest rise towards N(0, sigma^2 I) in nats, from scale 1 on, and from that law itself."""
    variance = DISSIPATION_NOISE**2
    laws = fold_law(chain, 0.1 * SPECTRUM.sqrt(), 0.01 * SPECTRUM)
    found = [to_normal(law, variance) for law in laws[1:]]
    there = fold_law(chain, 0 * SPECTRUM, variance + 0 * SPECTRUM, start=1)
    rises = [late - early for early, late in itertools.pairwise(found)]
    return Outcome(max(*rises, *(to_normal(law, variance) for law in there)), TOLERANCE)


def exploding(trial: Trial) -> Outcome:
    """Relative entropy of the last scale of VE in one mode, by quadrature."""
    del trial
    chain, data = (
        process("variance exploding"),
        Mixture(torch.zeros(1, 1).double(), torch.full((1,), 0.25).double()),
    )
    found = relative_entropy_by_quadrature(in_modes(chain, STEPS, data, (0,)), standard())
    variance = 0.25 + 10.0**2
    return Outcome(found, TOLERANCE, normal_excess(variance))


def standard() -> Mixture:
    """Return the standard normal distribution in one dimension."""
    return Mixture(torch.zeros(1, 1).double(), torch.ones(1).double())


def normal_excess(variance: float) -> float:
    """Relative entropy of N(0, variance) to N(0, 1), in nats."""
    return 0.5 * (variance - 1 - math.log(variance))


def from_steady_state(name: str) -> list[float]:
    """Relative entropies of all scales to N(0, I) if the data have this law already."""
    laws = fold_law(process(name), 0 * SPECTRUM, torch.ones_like(SPECTRUM))
    return [to_normal(law) for law in laws]


def blurred(trial: Trial) -> Outcome:
    """Largest rise from 0 along blurring diffusion, against its schedules alone, in nats."""
    del trial
    alphas, _ = arctan_noise(STEPS)
    times, lam = sin2_blur(STEPS, 3.0), laplacian_eigenvalues(SHAPE)
    decay = 0.999 * torch.exp(-times[:, None, None] * lam) + 1e-3
    variances = 1 - alphas.square()[:, None, None] * (1 - decay.square())
    expected = max(sum(map(normal_excess, row.flatten().tolist())) for row in variances)
    return Outcome(max(from_steady_state("blurring diffusion")), TOLERANCE, expected)


def dissipated(trial: Trial) -> Outcome:
    """Relative entropy of the last scale of heat dissipation to N(0, I), in nats."""
    del trial
    # After scale 1 mode 0 has variance 1 + sigma^2; all others end at sigma^2 plus what is left.
    lam, t = laplacian_eigenvalues(SHAPE).flatten(), 3.0**2 / 2
    left = (torch.exp(-2 * lam * t) + DISSIPATION_NOISE**2).tolist()
    expected = sum(map(normal_excess, left))
    return Outcome(from_steady_state("inverse heat dissipation")[-1], TOLERANCE, expected)


def diffused(trial: Trial) -> Outcome:
    """Relative entropy of the last scale of homogeneous diffusion to N(0, I), in nats."""
    del trial
    lam, t = laplacian_eigenvalues(SHAPE).flatten(), 3.0**2 / 2
    expected = sum(0.5 * (math.expm1(-2 * x * t) + 2 * x * t) for x in lam.tolist())
    return Outcome(from_steady_state("homogeneous diffusion")[-1], TOLERANCE, expected)


def osmotic(trial: Trial) -> Outcome:
    """Rise along linearised osmosis from its own limit, in the mode that passes 1/2, in nats."""
    del trial
    lam = laplacian_eigenvalues(SHAPE)[0, 1]
    chain = LinearisedOsmosis((math.log(2) / lam).view(1), 0.5, SHAPE)
    factor, variance = (x[0, 1] for x in chain.direct(1))
    ratio = float((factor.square() * 0.25 + variance) / 0.25)
    return Outcome(normal_excess(ratio), TOLERANCE, 0.5 * (math.log(2) - 0.5))


def squared_beta() -> Tampered:
    """Draw noise of variance beta^2 instead of beta: such steps do not keep N(0, I)."""
    return Tampered(process("variance preserving"), lambda a, b2: (a, b2.square()))


PROPOSITIONS = (
    Proposition(
        label="P-KL",
        title="Relative entropy to the standard normal distribution",
        source="Our addition; not in the papers. Rests on the logarithmic Sobolev inequality",
        statement=(
            r"Along the variance preserving process $\mathrm{KL}(p_i \| N(0, I)) \le (1 - \beta_i) "
            r"\mathrm{KL}(p_{i-1} \| N(0, I))$ for every law of the data, and no faster rate holds "
            r"for all laws. A process has this Lyapunov sequence for the Gaussians that its steps "
            r"keep, and for no other."
        ),
        topic=Topic.ENTROPY,
        chapter="information",
        anchors=("prop-kl", "prop-kl-rate"),
        claims=(
            Claim(
                "variance preserving",
                Expectation.HOLDS,
                lambda trial: gaussian_data(process("variance preserving")),
                "relative excess over the rate 1 - beta_i",
                "Gaussian data",
            ),
            Claim(
                "variance preserving",
                Expectation.HOLDS,
                lambda trial: finite_data(process("variance preserving")),
                "relative excess over the rate 1 - beta_i",
                "finite data",
            ),
            Claim(
                "variance exploding",
                Expectation.FAILS,
                exploding,
                "grows without bound, no Gaussian is kept: nats at the last scale, one mode",
            ),
            Claim(
                "inverse heat dissipation",
                Expectation.FAILS,
                dissipated,
                "rises: nats at the last scale for data that are N(0, I)",
            ),
            Claim(
                "inverse heat dissipation",
                Expectation.HOLDS,
                lambda trial: own_steady_state(process("inverse heat dissipation")),
                "largest rise in nats from scale 1 on, towards N(0, sigma^2 I)",
                "its own normal distribution",
            ),
            Claim(
                "blurring diffusion",
                Expectation.FAILS,
                blurred,
                "rises in between: largest value in nats for data that are N(0, I)",
            ),
            Claim(
                "linearised osmosis",
                Expectation.FAILS,
                osmotic,
                "rises in between, even from its own limit N(0, s^2): nats in one mode",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.FAILS,
                diffused,
                "grows without bound: nats at the last scale for data that are N(0, I)",
            ),
            Claim(
                OSMOSIS,
                Expectation.NOT_APPLICABLE,
                remark="a filter has no law; the relative entropy of images is P-osm-L",
            ),
        ),
        controls=(
            Control(
                "noise of variance beta^2",
                "variance preserving",
                lambda trial: gaussian_data(squared_beta()),
            ),
            Control(
                "rate (1 - beta)^2",
                "variance preserving",
                lambda trial: gaussian_data(process("variance preserving"), power=2.0),
            ),
            Control(
                "four images blurred besides",
                "blurring diffusion",
                lambda trial: finite_data(process("blurring diffusion")),
            ),
            Control(
                "steps with 1% more noise variance",
                "inverse heat dissipation",
                lambda trial: own_steady_state(
                    Tampered(process("inverse heat dissipation"), lambda a, b2: (a, 1.01 * b2))
                ),
            ),
        ),
        functions=(
            "scalelib.information.gaussian_relative_entropy",
            "scalelib.information.relative_entropy_by_quadrature",
        ),
        derivation=derivation,
    ),
)
