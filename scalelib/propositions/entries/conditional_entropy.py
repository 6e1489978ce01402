"""P-Hc: the conditional entropy of a scale, given the image, increases."""

from __future__ import annotations

import math
from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.information import conditional_entropy, gaussian_entropy
from scalelib.processes import BlurringDiffusion, LinearGaussianScaleSpace
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import OSMOSIS, SHAPE, STEPS, Tampered, fold, process
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
from scalelib.schedules import arctan_noise, geometric_sigma, linear_beta, log_blur
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["PROPOSITIONS"]

COUNT = SHAPE[0] * SHAPE[1]
"""Grey values of an image."""

TOLERANCE = 1e-10
"""In nats; entropies of some 100 nats are known to 1e-13."""


def derivation() -> Derivation:
    """Entropy of a Gaussian, and the sign of its change for each process."""
    s, x, lam, t, noise = sympy.symbols("S x lambda t s", positive=True)
    power, beta = sympy.symbols(r"\bar\alpha beta", positive=True)
    density = sympy.exp(-(x**2) / (2 * s**2)) / sympy.sqrt(2 * sympy.pi * s**2)
    surprise = sympy.log(2 * sympy.pi * s**2) / 2 + x**2 / (2 * s**2)
    mean = 2 * sympy.Integral(density * surprise, (x, 0, sympy.oo))
    entropy = sympy.log(2 * sympy.pi * sympy.E * s**2) / 2
    steps = Derivation()
    steps.equal("Density of the noise in one mode.", sympy.exp(-surprise, evaluate=False), density)
    steps.equal("Mean of its negative logarithm: the entropy.", mean, entropy)
    gain = (1 - (1 - beta) * power) - (1 - power)
    steps.equal("Variance preserving: gain of variance in a step.", gain, beta * power)
    steps.true("It is positive.", sympy.Gt(beta * power, 0, evaluate=False))
    speed = sympy.Derivative(noise * (1 - sympy.exp(-lam * t)), t)
    rate = noise * lam * sympy.exp(-lam * t)
    steps.equal("Linearised osmosis: speed of the deviation off mode 0.", speed, rate)
    return steps.true("It is positive.", sympy.Gt(rate, 0, evaluate=False))


def predicted(name: str) -> Tensor:
    """Deviations S_i that the constructor's arguments alone predict, shape (m, H, W)."""
    heat = torch.exp(-log_blur(STEPS, 3.0)[:, None, None] * laplacian_eigenvalues(SHAPE))
    found = {
        "variance preserving": (1 - (1 - linear_beta(STEPS, 1e-3, 0.6)).cumprod(0)).sqrt(),
        "variance exploding": geometric_sigma(STEPS, 0.02, 10.0),
        "inverse heat dissipation": torch.full((STEPS,), 0.02, dtype=torch.float64),
        "blurring diffusion": arctan_noise(STEPS)[1],
        "linearised osmosis": 0.5 * (1 - heat),
    }[name]
    return found.reshape(STEPS, *(found.shape[1:] or (1, 1))).expand(STEPS, *SHAPE)


def noisy(name: str) -> slice:
    """Modes that carry noise: linearised osmosis has none in mode 0."""
    return slice(1 if name == "linearised osmosis" else 0, None)


def composed(chain: LinearGaussianScaleSpace, modes: slice) -> Tensor:
    """Conditional entropy at the scales 1..m from the composed single steps, in nats."""
    variances = (fold(chain, i)[1].expand(SHAPE).flatten()[modes] for i in range(1, STEPS + 1))
    return torch.tensor([gaussian_entropy(c) for c in variances], dtype=torch.float64)


def smallest_gain(chain: LinearGaussianScaleSpace, name: str) -> Outcome:
    """Smallest gain of a step in nats; expected is that of the constructor's arguments."""
    deviations = predicted(name).flatten(1)[:, noisy(name)]
    expected = deviations.log().sum(dim=1).diff().min()
    gain = composed(chain, noisy(name)).diff().min()
    return Outcome(float(gain), TOLERANCE, expected=float(expected))


def values(chain: LinearGaussianScaleSpace, name: str) -> Outcome:
    """Largest gap between composed steps, the package's function and the formula, in nats."""
    modes = noisy(name)
    found = composed(chain, modes)
    deviations = predicted(name).flatten(1)[:, modes]
    formula = torch.tensor([gaussian_entropy(s.square()) for s in deviations], dtype=torch.float64)
    package = [
        conditional_entropy(chain, i, COUNT, without_mean=modes.start == 1)
        for i in range(1, STEPS + 1)
    ]
    gaps = torch.stack([found - formula, found - torch.tensor(package, dtype=torch.float64)])
    return Outcome(float(gaps.abs().max()), TOLERANCE)


def falling(trial: Trial) -> Outcome:
    """Blurring diffusion whose noise falls from 0.5 to 0.3: a chain, but its entropy falls."""
    del trial
    chain = BlurringDiffusion([1.0, 2.0], [1.0, 0.5], [0.5, 0.3], SHAPE)
    before, after = (conditional_entropy(chain, i, COUNT) for i in (1, 2))
    return Outcome(after - before, TOLERANCE, expected=COUNT * math.log(0.3 / 0.5))


def standard(check: Callable[[LinearGaussianScaleSpace, str], Outcome], name: str) -> Check:
    """Check of a standard instance."""
    return lambda trial: check(process(name), name)


def tampered(
    check: Callable[[LinearGaussianScaleSpace, str], Outcome],
    name: str,
    factors: tuple[float, float],
) -> Check:
    """Check a process whose steps have a and b^2 wrong by these factors."""
    a, b2 = factors
    return lambda trial: check(Tampered(process(name), lambda x, y: (a * x, b2 * y)), name)


def claims(name: str, expectation: Expectation, remark: str = "") -> tuple[Claim, Claim]:
    """Both claims about a process."""
    gain = f"smallest gain of a step, in nats{remark}"
    gap = "largest gap of the entropy to its formula, in nats"
    return (
        Claim(name, expectation, standard(smallest_gain, name), gain),
        Claim(name, Expectation.HOLDS, standard(values, name), gap, aspect="values"),
    )


PROPOSITIONS = (
    Proposition(
        label="P-Hc",
        title="Conditional entropy",
        source="2024, Proposition 3; 2023, Proposition 2",
        statement=(
            r"$H(U_i \mid U_0) = \sum_k \tfrac12 \ln\big(2 \pi e\, S_i(k)^2\big)$ does not depend "
            r"on the law of the data. It increases strictly for the variance preserving process "
            r"with any $\beta_i \in (0, 1)$, and for the variance exploding process and blurring "
            r"diffusion if and only if $\sigma_i$ does. For inverse heat dissipation it is "
            r"constant from scale 1 on."
        ),
        topic=Topic.ENTROPY,
        chapter="conditional-entropy",
        anchors=("prop-conditional-entropy", "prop-conditional-entropy-processes"),
        claims=(
            *claims("variance preserving", Expectation.HOLDS),
            *claims("variance exploding", Expectation.HOLDS),
            *claims(
                "inverse heat dissipation",
                Expectation.WEAKLY,
                ": constant from scale 1 on, since sigma is fixed",
            ),
            *claims("blurring diffusion", Expectation.HOLDS),
            Claim(
                "blurring diffusion",
                Expectation.FAILS,
                falling,
                "gain in nats where sigma falls from 0.5 to 0.3, which a Markov chain may do",
                aspect="falling sigma",
            ),
            *claims(
                "linearised osmosis",
                Expectation.HOLDS,
                ", on the complement of the constants: mode 0 carries no noise",
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
            Control(
                "steps with 1% too much noise variance",
                "variance preserving",
                tampered(values, "variance preserving", (1.0, 1.01)),
            ),
            Control(
                "steps that blur 1% too much",
                "inverse heat dissipation",
                tampered(smallest_gain, "inverse heat dissipation", (0.99, 1.0)),
            ),
        ),
        functions=("scalelib.information.conditional_entropy",),
        derivation=derivation,
        tests=(
            "tests/information/test_quantities.py::test_conditional_entropy_of_vp_is_the_papers_formula_with_the_factor_one_half",
            "tests/information/test_quantities.py::test_conditional_entropy_of_ve_and_blurring_follows_sigma",
            "tests/information/test_quantities.py::test_conditional_entropy_of_heat_dissipation_is_constant",
            "tests/information/test_quantities.py::test_linearised_osmosis_has_entropy_off_the_constants_only",
            "tests/information/test_quantities.py::test_homogeneous_diffusion_is_deterministic",
        ),
    ),
)
