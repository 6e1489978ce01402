"""P-H: the differential entropy increases if the data vary by at most 1 per pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import sympy
import torch
from torch import Tensor

from scalelib.information import (
    Mixture,
    entropy_by_quadrature,
    entropy_by_sampling,
    entropy_power,
    gaussian_entropy,
    marginal,
)
from scalelib.processes import LinearGaussianScaleSpace, VariancePreserving
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import OSMOSIS, SHAPE, STEPS, VE, VP, Tampered, process
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
from scalelib.schedules import arctan_noise, geometric_sigma, linear_beta, log_blur, sin2_blur
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["PROPOSITIONS"]


COUNT = SHAPE[0] * SHAPE[1]
"""Grey values of an image."""

TOLERANCE = 1e-9
"""Of powers, relative; quadrature finds entropies within 1e-10 nats, rounding is below that."""

EXACT = 1e-10
"""In nats, for closed forms."""

SAMPLES = 2000
"""Points per entropy: a standard error of 0.1 nats in 30 dimensions."""


def derivation() -> Derivation:
    """Increase of the entropy power in a step, its two ends, and the approach to the limit."""
    beta, n, c, d, power = sympy.symbols(r"beta N c_1 c_2 \bar\alpha", positive=True)
    steps = Derivation()
    step = (1 - beta) * n + beta
    steps.equal("What the entropy power N gains at least.", step - n, beta * (1 - n))
    determinant = ((1 - beta) * c + beta) * ((1 - beta) * d + beta)
    gap = determinant - ((1 - beta) * sympy.sqrt(c * d) + beta) ** 2
    root = beta * (1 - beta) * (sympy.sqrt(c) - sympy.sqrt(d)) ** 2
    steps.equal("Gaussian data, n = 2: squared power minus squared bound.", gap, root)
    ceiling = (1 - beta) * (1 + power * (c - 1)) + beta
    steps.equal("Upper bound, one step on.", ceiling, 1 - (1 - beta) * power * (1 - c))
    floor = (1 - beta) * (1 - power * (1 - n)) + beta
    steps.equal("Lower bound, one step on.", floor, 1 - (1 - beta) * power * (1 - n))
    entropy = sympy.log((1 + power * (c - 1)) * (1 + power * (d - 1))) / 2
    slope = sympy.Subs(sympy.Derivative(entropy, power), power, 0)
    return steps.equal("Slope at the limit: half of tr Cov - n.", slope, (c + d - 2) / 2)


def single(name: str) -> tuple[Tensor, Tensor]:
    """Squared factors and noise variances of all steps, from the constructor's arguments."""
    if name == VP:
        betas = linear_beta(STEPS, 1e-3, 0.6)
        return 1 - betas, betas
    squares = geometric_sigma(STEPS, 0.02, 10.0).square()
    return torch.ones_like(squares), squares.diff(prepend=torch.zeros(1, dtype=torch.float64))


def violation(powers: Sequence[float], variance: float, name: str) -> Outcome:
    """Largest violation of the increase and of both bounds, relative to the entropy power.

    Parameters
    ----------
    powers : sequence of float
        Entropy power at the scales 0..m.
    variance : float
        Variance of the data, mean over the grey values.
    name : str
        Process whose bounds are meant.
    """
    found, worst = torch.tensor(powers, dtype=torch.float64), 0.0
    for i, (a2, b2) in enumerate(zip(*single(name), strict=True), start=1):
        variance = float(a2 * variance + b2)
        bounds = (found[i - 1] - found[i], a2 * found[i - 1] + b2 - found[i], found[i] - variance)
        worst = max(worst, float(torch.stack(bounds).max() / found[i]))
    return Outcome(worst, TOLERANCE)


def gaussian_entropies(chain: LinearGaussianScaleSpace, variances: Tensor) -> list[float]:
    """Entropy of Gaussian data at the scales 0..m, taken step by step, in nats."""
    found = [gaussian_entropy(variances)]
    for i in range(1, chain.steps + 1):
        a, b2 = chain.coefficients(i)
        variances = a.square() * variances + b2
        found.append(gaussian_entropy(variances))
    return found


def gaussian(chain: LinearGaussianScaleSpace, name: str, variances: Tensor) -> Outcome:
    """Violation for Gaussian data."""
    powers = [entropy_power(h, variances.numel()) for h in gaussian_entropies(chain, variances)]
    return violation(powers, float(variances.mean()), name)


def mixed(name: str, data: Mixture) -> Outcome:
    """Violation for a mixture in one or two dimensions, by quadrature."""
    laws = [marginal(process(name), data, i) for i in range(1, STEPS + 1)]
    entropies = [entropy_by_quadrature(law) for law in laws]
    before = entropy_by_quadrature(data) if bool((data.variances > 0).all()) else -math.inf
    powers = [entropy_power(h, data.dimension) for h in (before, *entropies)]
    return violation(powers, data.covariance_trace() / data.dimension, name)


def mixture(*means: Sequence[float], deviation: float = 0.0) -> Mixture:
    """Mixture with the weights 1 : 2 : 3 : ..."""
    centres = torch.tensor(means, dtype=torch.float64)
    weights = torch.arange(1, len(means) + 1, dtype=torch.float64)
    return Mixture(centres, torch.full_like(centres[0], deviation**2), weights)


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Outcome with the largest value."""
    return max(outcomes, key=lambda found: found.value)


def closed_form(name: str) -> Check:
    """Check white, coloured and degenerate Gaussian data with a mean variance of at most 1."""
    ramp = torch.linspace(0, 2, COUNT, dtype=torch.float64)
    laws = (torch.ones_like(ramp), torch.full_like(ramp, 0.0625), ramp, ramp / 4)
    return lambda trial: worst([gaussian(process(name), name, c) for c in laws])


def quadrature(name: str) -> Check:
    """Check mixtures with and without a density at scale 0, in one and two dimensions."""
    laws = [mixture([-1.0], [1.0]), mixture([0.9], [-0.7], deviation=0.1)]
    if name == VP:  # the one whose bounds need an assumption; two dimensions take their time
        laws.append(mixture([-0.8, 0.9], [0.5, 0.5], [0.3, -0.9], deviation=0.3))
    return lambda trial: worst([mixed(name, data) for data in laws])


def end(trial: Trial) -> Outcome:
    """Slope of the entropy in alpha_bar at the limit, doubled, for data at -2 and 2."""
    del trial
    data, alpha = Mixture(torch.tensor([[-2.0], [2.0]]).double(), torch.zeros(1).double()), 1e-3
    limit = gaussian_entropy(torch.ones(1))

    def slope(power: float) -> float:
        law = marginal(VariancePreserving([1 - power]), data, 1)
        return 2 * (entropy_by_quadrature(law) - limit) / power

    # ln(1 + 3 alpha) / alpha = 3 - 9/2 alpha + 9 alpha^2 - ...: extrapolation leaves 4.5 alpha^2;
    # the cumulants of higher order add less.
    found = 2 * slope(alpha / 2) - slope(alpha)
    return Outcome(found, 9 * alpha**2, expected=data.covariance_trace() - 1)


def samples(data: Callable[[torch.Generator], Tensor]) -> Check:
    """Check images of 30 pixels by Monte Carlo: largest fall of a step in standard errors."""

    def check(trial: Trial) -> Outcome:
        generator = trial.generator()
        images = Mixture(data(generator), torch.zeros(COUNT, dtype=torch.float64))
        chain = process(VP)
        found = [
            entropy_by_sampling(marginal(chain, images, i), SAMPLES, generator=generator)
            for i in range(1, STEPS + 1)
        ]
        value = torch.tensor([one.value for one in found], dtype=torch.float64)
        error2 = torch.tensor([one.standard_error for one in found], dtype=torch.float64).square()
        falls = -value.diff() / (error2[1:] + error2[:-1]).sqrt()
        critical = NormalDist().inv_cdf(1 - trial.alpha / (STEPS - 1))
        detectable = critical + NormalDist().inv_cdf(0.99)
        return Outcome(max(0.0, float(falls.max())), critical, 0.0, SAMPLES, detectable)

    return check


def black_and_white(generator: torch.Generator, size: float = 1.0) -> Tensor:
    """Draw 100 images with two grey values: the largest variance that a range allows."""
    bits = torch.randint(2, (100, COUNT), generator=generator, dtype=torch.float64)
    return size * (2 * bits - 1)


def fall(chain: LinearGaussianScaleSpace, name: str, start: int) -> Outcome:
    """Least entropy of white data after scale ``start``, minus that at ``start``, in nats.

    The data are N(0, I), the steady state of the variance preserving process.
    """
    found = gaussian_entropies(chain, torch.ones(SHAPE, dtype=torch.float64))
    expected = [0.5 * float(predicted(name, i).log().sum()) for i in range(STEPS + 1)]
    return Outcome(
        min(found[start + 1 :]) - found[start],
        EXACT,
        expected=min(expected[start + 1 :]) - expected[start],
    )


def predicted(name: str, i: int) -> Tensor:
    """Variance of every mode at scale i for the data N(0, I), from the constructor's arguments."""
    if i == 0:
        return torch.ones(SHAPE, dtype=torch.float64)
    times = sin2_blur(STEPS, 3.0) if name == "blurring diffusion" else log_blur(STEPS, 3.0)
    heat = torch.exp(-laplacian_eigenvalues(SHAPE) * times[i - 1])
    if name == "blurring diffusion":
        alphas, sigmas = arctan_noise(STEPS)
        return (alphas[i - 1] * (0.999 * heat + 0.001)) ** 2 + sigmas[i - 1] ** 2
    noise = {
        "inverse heat dissipation": torch.full_like(heat, 0.02),
        "linearised osmosis": 0.5 * (1 - heat),
        "homogeneous diffusion": torch.zeros_like(heat),
    }[name]
    return heat.square() + noise.square()


def falls(name: str, remark: str, start: int = 0) -> Claim:
    """Claim that the entropy of white data falls, by a known amount."""
    text = f"change of the entropy of the data N(0, I), in nats: {remark}"
    return Claim(name, Expectation.FAILS, lambda trial: fall(process(name), name, start), text)


def squared_beta(trial: Trial) -> Outcome:
    """Single steps that draw noise of variance beta^2: white data lose entropy."""
    del trial
    broken = Tampered(process(VP), lambda a, b2: (a, b2.square()))
    return gaussian(broken, VP, torch.ones(COUNT, dtype=torch.float64))


def loud(trial: Trial) -> Outcome:
    """Start from N(0, 4 I), outside of the assumption."""
    del trial
    return gaussian(process(VP), VP, torch.full((COUNT,), 4.0, dtype=torch.float64))


def unit_determinant(trial: Trial) -> Outcome:
    """Start from N(0, diag(4, 1/4)): determinant 1, but mean variance 2.125."""
    del trial
    return gaussian(process(VP), VP, torch.tensor([4.0, 0.25], dtype=torch.float64))


def tampered_blur(trial: Trial) -> Outcome:
    """Noise of heat dissipation with a variance that is 1% too large."""
    del trial
    name = "inverse heat dissipation"
    return fall(Tampered(process(name), lambda a, b2: (a, 1.01 * b2)), name, 1)


PROPOSITIONS = (
    Proposition(
        label="P-H",
        title="Differential entropy",
        source="Our addition, in place of 2023, Proposition 1",
        statement=(
            r"If $\tfrac1n \tr \Cov(U_0) \le 1$, then $H(U_i)$ never decreases under the variance "
            r"preserving process for all $\beta_i \in (0, 1)$. Its entropy power obeys "
            r"$1 - \bar\alpha_i (1 - N(U_0)) \le N(U_i) \le 1 - \bar\alpha_i "
            r"\big(1 - \tfrac1n \tr \Cov(U_0)\big)$. Images with values in $[-1, 1]$ always "
            r"qualify. The entropy of the variance exploding process increases for all data."
        ),
        topic=Topic.ENTROPY,
        chapter="entropy",
        anchors=(
            "prop-entropy-repaired",
            "cor-entropy-images",
            "prop-entropy-sharp",
            "prop-entropy-processes",
        ),
        claims=(
            *(
                claim
                for name in (VP, VE)
                for claim in (
                    Claim(
                        name,
                        Expectation.HOLDS,
                        closed_form(name),
                        "largest relative violation, Gaussian data",
                        aspect="Gaussian data",
                    ),
                    Claim(
                        name,
                        Expectation.HOLDS,
                        quadrature(name),
                        "largest relative violation, mixtures by quadrature",
                        aspect="mixtures",
                    ),
                )
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                end,
                "2 dH / d alpha_bar at the limit for data at -2 and 2: variance minus 1",
                aspect="sharpness",
            ),
            Claim(
                VP,
                Expectation.HOLDS,
                samples(black_and_white),
                "largest fall of a step in standard errors, 100 images of 30 pixels",
                aspect="samples",
                sampled=True,
            ),
            falls(
                "inverse heat dissipation",
                "from scale 1 on the noise is constant and information is lost",
                start=1,
            ),
            falls("blurring diffusion", "blur takes more at first than noise brings"),
            falls("linearised osmosis", "its noise comes later than its blur; mode 0 has none"),
            falls("homogeneous diffusion", "-t times twice the number of neighbour pairs"),
            Claim(
                OSMOSIS,
                Expectation.NOT_APPLICABLE,
                remark="a deterministic filter; its own entropy is that of an image",
            ),
        ),
        controls=(
            Control("noise of variance beta^2", VP, squared_beta),
            Control("data with variance 4", VP, loud),
            Control("data with determinant 1 and mean variance 2.125", VP, unit_determinant),
            Control(
                "data at -10 and 10",
                VP,
                lambda trial: mixed(VP, mixture([-10.0], [10.0])),
            ),
            Control(
                "samples of data at -3 and 3",
                VP,
                samples(lambda generator: black_and_white(generator, 3.0)),
            ),
            Control(
                "noise variance 1% too large",
                "inverse heat dissipation",
                tampered_blur,
            ),
        ),
        functions=(
            "scalelib.information.entropy_power",
            "scalelib.information.entropy_by_quadrature",
            "scalelib.information.entropy_by_sampling",
            "scalelib.information.marginal",
        ),
        derivation=derivation,
        tests=(
            "tests/information/test_quantities.py::test_entropy_power_inequality",
            "tests/information/test_quantities.py::test_entropy_power_inequality_is_an_equality_for_proportional_gaussians",
            "tests/information/test_quadrature.py::test_a_mixture_on_the_line_is_integrated_as_by_scipy",
        ),
    ),
)
