"""D-order: how far apart two modes are lost."""

from __future__ import annotations

from collections.abc import Callable

import sympy
import torch
from torch import Tensor

from scalelib.information import signal_to_noise
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
)
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.instances import (
    BD,
    HD,
    IHD,
    LO,
    OSMOSIS,
    SHAPE,
    STEPS,
    VE,
    VP,
    process,
)
from scalelib.propositions.laws import SPECTRUM
from scalelib.propositions.statement import (
    Check,
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.schedules import arctan_noise, sin2_blur
from scalelib.transforms import laplacian_eigenvalues

__all__ = ["PROPOSITIONS"]

TOLERANCE = 1e-12
"""Of a logarithm; factors of up to exp(-80) are exact to 80 units in the last place."""

EIGENVALUES = laplacian_eigenvalues(SHAPE).flatten()
VARIANCES = SPECTRUM * torch.tensor([1.0, 3.0, 0.2]).double().repeat(len(SPECTRUM) // 3)
"""Of the data; not in the order of the frequencies."""

D_MIN = 1e-3
"""Of the standard instance of blurring diffusion."""

FLAT = "as without blur"

Formula = Callable[[Tensor, float], Tensor]
"""Eigenvalues and a time -> logarithm of the ratio of mean factor and noise, up to a constant."""


def derivation() -> Derivation:
    """Gaps from the factors, and why that of linearised osmosis has a lower limit."""
    low, high, t, s = sympy.symbols("lambda_k lambda_l t s", positive=True)
    alpha, sigma, x = sympy.symbols("alpha sigma x", positive=True)
    steps = Derivation()

    def white(rate: sympy.Symbol) -> sympy.Expr:
        return (alpha * sympy.exp(-rate * t)) ** 2 / sigma**2

    steps.equal(
        "Blur and white noise, the ratio of both signal-to-noise ratios of white data:",
        white(low) / white(high),
        sympy.exp(2 * t * (high - low)),
    )

    def coloured(rate: sympy.Symbol) -> sympy.Expr:
        return sympy.exp(-2 * rate * t) / (s * (1 - sympy.exp(-rate * t))) ** 2

    steps.equal(
        "Linearised osmosis:",
        coloured(low) / coloured(high),
        ((sympy.exp(high * t) - 1) / (sympy.exp(low * t) - 1)) ** 2,
    )
    growth = (sympy.exp(x) - 1) / x
    numerator = (x - 1) * sympy.exp(x) + 1
    steps.equal("The quotient", sympy.Derivative(growth, x), numerator / x**2)
    steps.equal("has a numerator that is 0 at 0", numerator.subs(x, 0), 0)
    steps.equal("and rises:", sympy.Derivative(numerator, x), x * sympy.exp(x))
    return steps.equal("It begins with", sympy.limit(growth, x, 0), 1)


def of_pairs(of_mode: Tensor) -> tuple[Tensor, Tensor]:
    """Values of k and of l for all modes with eigenvalues lambda_k < lambda_l."""
    coarse, fine = (EIGENVALUES[:, None] < EIGENVALUES - 1e-9).nonzero(as_tuple=True)
    return of_mode[coarse], of_mode[fine]


def gaps(of_mode: Tensor) -> Tensor:
    """Differences k less l."""
    coarse, fine = of_pairs(of_mode)
    return coarse - fine


OFF_MEAN = of_pairs(EIGENVALUES)[0] > 0
"""Pairs of modes without the mean grey value."""


def measured(chain: LinearGaussianScaleSpace, i: int) -> Tensor:
    """Gaps of the logarithms of the signal-to-noise ratios, less those of the data."""
    ratio = signal_to_noise(chain, i, VARIANCES.view(SHAPE)).flatten()
    return gaps(ratio.log()) - gaps(VARIANCES.log())


def by_formula(
    chain: LinearGaussianScaleSpace, times: Tensor | None, formula: Formula, first: int = 0
) -> Outcome:
    """Largest gap to a formula, over all scales and pairs; mode 0 counts if ``first`` is 0."""
    kept = OFF_MEAN if first else torch.ones_like(OFF_MEAN)
    worst = 0.0
    for i in range(1, chain.steps + 1):
        t = 0.0 if times is None else float(times[i - 1])
        gap = (measured(chain, i) - 2 * gaps(formula(EIGENVALUES, t)))[kept]
        worst = max(worst, float(gap.abs().max()))
    return Outcome(worst, TOLERANCE)


def flat(name: str) -> Check:
    """Compare a process without blur to the gaps of the data."""
    return lambda trial: by_formula(process(name), None, none)


def none(rate: Tensor, t: float) -> Tensor:
    """No gap but that of the data."""
    del t
    return 0 * rate


def blurred(rate: Tensor, t: float) -> Tensor:
    """Blur with white noise."""
    return -rate * t


def osmotic(rate: Tensor, t: float) -> Tensor:
    """Linearised osmosis."""
    return -(rate * t).expm1().log()


def unfloored() -> BlurringDiffusion:
    """Blurring diffusion that blurs without limit."""
    return BlurringDiffusion(sin2_blur(STEPS, 3.0), *arctan_noise(STEPS), SHAPE, d_min=0.0)


def between(d_min: float = D_MIN) -> Outcome:
    """By how much the gap with a floor leaves its two limits."""
    chain, excess = process(BD), 0.0
    for i in range(1, chain.steps + 1):
        gap = measured(chain, i)
        above = gap - 2 * torch.tensor(1 / d_min).double().log()
        excess = max(excess, float((-gap).max()), float(above.max()))
    return Outcome(excess, TOLERANCE)


def floor_reached(d_min: float = D_MIN) -> Outcome:
    """Largest gap beyond that of the data after a long time, off the mean grey value."""
    chain = BlurringDiffusion([200.0], [0.5], [0.5], SHAPE, d_min=d_min)
    return Outcome(float(measured(chain, 1)[OFF_MEAN].abs().max()), TOLERANCE)


def limit(formula: Formula) -> Outcome:
    """Linearised osmosis: by how much the gap goes below its lower limit at any scale.

    The last, very early scale must also attain it, up to the next term t (lambda_l - lambda_k).
    """
    (low, high), least = of_pairs(EIGENVALUES), 2 * gaps(formula(EIGENVALUES, 0.0))
    chain, t = process(LO), 1e-4
    worst = max(float((least - measured(chain, i))[OFF_MEAN].max()) for i in range(1, STEPS + 1))
    early = measured(LinearisedOsmosis([t], 0.5, SHAPE), 1) - least - t * (high - low)
    # 1 - exp(-x) loses digits as 1 / x; the term after next is t^2 lambda^2 / 12.
    allowed = t**2 * 64 / 12 + 1e-12
    return Outcome(max(worst, 0.0, float(early[OFF_MEAN].abs().max()) - allowed), TOLERANCE)


def by_rates(rate: Tensor, t: float) -> Tensor:
    """Lower limit, 2 ln(lambda_l / lambda_k)."""
    del t
    return -rate.log()


def by_squared_rates(rate: Tensor, t: float) -> Tensor:
    """Break: a limit twice as large."""
    return 2 * by_rates(rate, t)


def heat() -> HeatDissipation:
    """Return the standard instance, with its times."""
    found = process(IHD)
    assert isinstance(found, HeatDissipation)
    return found


def osmosis_times() -> Tensor:
    """Return the times of the standard instance of linearised osmosis."""
    found = process(LO)
    assert isinstance(found, LinearisedOsmosis)
    return found.times


PROPOSITIONS = (
    Proposition(
        label="D-order",
        title="Order of loss",
        source="Our addition",
        statement=(
            r"Let $\lambda_k < \lambda_l$ and $c_k, c_l > 0$. Where mean factors and noise are "
            r"positive, $g_i = \ln \mathrm{SNR}_i(k) - \ln \mathrm{SNR}_i(l)$ is "
            r"$\ln(c_k / c_l)$ without blur; $\ln(c_k / c_l) + 2 t_i (\lambda_l - \lambda_k)$ with "
            r"blur and white noise; with a floor $d_{\min}$ of the blur between $\ln(c_k / c_l)$ "
            r"and that plus $2 \ln(1 / d_{\min})$; and $\ln(c_k / c_l) + 2 \ln\frac{e^{\lambda_l "
            r"t_i} - 1}{e^{\lambda_k t_i} - 1} \ge \ln(c_k / c_l) + 2 \ln(\lambda_l / \lambda_k)$ "
            r"for linearised osmosis."
        ),
        topic=Topic.COMPARISON,
        chapter="design-guidance",
        anchors=("prop-order",),
        claims=(
            *(
                Claim(
                    name,
                    Expectation.HOLDS,
                    flat(name),
                    "gap of the logarithms beyond that of the data",
                    FLAT,
                )
                for name in (VP, VE)
            ),
            Claim(
                IHD,
                Expectation.HOLDS,
                lambda trial: by_formula(heat(), heat().times, blurred),
                "gap of the logarithms to the formula",
                "grows with time",
            ),
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: by_formula(unfloored(), unfloored().times, blurred),
                "gap of the logarithms to the formula, without a floor",
                "grows with time",
            ),
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: between(),
                "by how much the limits are left, with a floor",
                "floor",
            ),
            Claim(
                BD,
                Expectation.HOLDS,
                lambda trial: floor_reached(),
                "gap beyond that of the data at a late time, with a floor",
                "floor, late",
            ),
            Claim(
                LO,
                Expectation.HOLDS,
                lambda trial: by_formula(process(LO), osmosis_times(), osmotic, first=1),
                "gap of the logarithms to the formula, off the mean grey value",
                "coloured noise",
            ),
            Claim(
                LO,
                Expectation.HOLDS,
                lambda trial: limit(by_rates),
                "by how much the lower limit is left or missed",
                "early limit",
            ),
            Claim(HD, Expectation.NOT_APPLICABLE, remark="no mode carries noise"),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no noise of its own"),
        ),
        controls=(
            Control(
                "blur without its gap", IHD, lambda trial: by_formula(heat(), heat().times, none)
            ),
            Control(
                "coloured noise taken for white",
                LO,
                lambda trial: by_formula(process(LO), osmosis_times(), blurred, first=1),
            ),
            Control(
                "a floor forgotten",
                BD,
                lambda trial: by_formula(process(BD), unfloored().times, blurred),
            ),
            Control("a floor ten times as high", BD, lambda trial: between(10 * D_MIN)),
            Control("no floor at a late time", BD, lambda trial: floor_reached(1e-30)),
            Control("another early limit", LO, lambda trial: limit(by_squared_rates)),
        ),
        functions=("scalelib.information.signal_to_noise",),
        derivation=derivation,
        tests=(
            "tests/information/test_octaves.py::test_white_noise_keeps_the_order_of_the_spectrum",
        ),
    ),
)
