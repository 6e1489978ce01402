"""R-cond: side information changes the weights of the data, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import sympy
import torch
from torch import Tensor

from scalelib.information import Mixture, marginal
from scalelib.processes import LinearGaussianScaleSpace, VarianceExploding
from scalelib.propositions.derivation import Derivation
from scalelib.propositions.entries.transition import closed_form, modes
from scalelib.propositions.instances import (
    HD,
    LO,
    NOISY,
    OSMOSIS,
    SHAPE,
    STEPS,
    VP,
    process,
)
from scalelib.propositions.replacement import GaussianPair, fine_steps, limit, replacement_law
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
from scalelib.reverse import Posterior, given_label, given_pixels, inpaint

__all__ = ["PROPOSITIONS"]


TOLERANCE = 1e-10
"""Log-likelihoods of up to 1e5 carry rounding errors of 1e-11."""

DEVIATION = 0.6
"""Of the noise through which pixels are seen, rho."""

DRAWS = 2000

LABELS = torch.tensor([0, 1, 0, 1, 1, 1])
"""Classes of unequal size."""


# The proof, by squares to be completed and a linear equation


def derivation() -> Derivation:
    """Bayes' rule for a component with variance; then the bias of replacement."""
    u, x, y = sympy.symbols("u x_j y", real=True)
    C, rho = sympy.symbols("C rho", positive=True)
    total = C + rho**2
    narrow, centre = C * rho**2 / total, x + C / total * (y - x)
    steps = Derivation()
    steps.equal(
        "A component times the likelihood of a pixel: the square in u completed.",
        (u - x) ** 2 / C + (y - u) ** 2 / rho**2,
        (u - centre) ** 2 / narrow + (y - x) ** 2 / total,
    )
    steps.equal("The norms agree.", sympy.Mul(narrow, total, evaluate=False), C * rho**2)
    return _replacement(steps)


def _replacement(steps: Derivation) -> Derivation:
    """Solve the reverse equation of one Gaussian pixel while the other is replaced."""
    a, r, y = sympy.symbols("a r y", positive=True)
    rest = 1 - a**2 * r**2
    mean = y * (1 - sympy.sqrt(rest)) / (r * sympy.sqrt(a))
    variance = rest * sympy.atanh(a * r) / (a * r)
    rate = -(1 + a**2 * r**2) / rest
    steps.equal(
        "Replacement in small steps, with signal power a from 0 to 1: the mean obeys "
        r"$2 a\, m' = -\frac{1 + a^2 r^2}{1 - a^2 r^2}\, m + \frac{2 a^{3/2} r y}{1 - a^2 r^2}$.",
        2 * a * sympy.diff(mean, a),
        rate * mean + 2 * a ** sympy.Rational(3, 2) * r * y / rest,
    )
    steps.equal("The variance.", 2 * a * sympy.diff(variance, a), 2 * rate * variance + 2)
    steps.equal("Where it starts.", sympy.limit(mean, a, 0), 0)
    steps.equal("And with the variance", sympy.limit(variance, a, 0), 1)
    return steps.equal(
        "Where it ends: this is not r y.",
        mean.subs(a, 1),
        r * y / (1 + sympy.sqrt(1 - r**2)),
    )


# Known data, and what is seen of them


def images() -> Tensor:
    """Six images without mean grey value, which two of the processes would keep."""
    source = torch.Generator().manual_seed(5)
    found = 2 * torch.rand(6, 1, *SHAPE, generator=source, dtype=torch.float64) - 1
    return found - found.mean(dim=(-2, -1), keepdim=True)


def seen() -> tuple[Tensor, Tensor]:
    """Image of which the upper half is seen, through noise, and the mask."""
    source = torch.Generator().manual_seed(6)
    mask = torch.zeros(1, *SHAPE, dtype=torch.bool)
    mask[:, : SHAPE[0] // 2] = True
    noise = torch.randn(1, *SHAPE, generator=source, dtype=torch.float64)
    return images()[2] + DEVIATION * noise, mask


def likelihood() -> Tensor:
    """Log-likelihoods of the six images given the pixels, up to a constant."""
    known, mask = seen()
    return -(known - images())[:, mask].square().sum(dim=1) / (2 * DEVIATION**2)


def exact(chain: LinearGaussianScaleSpace) -> Posterior:
    """Exact reverse process of the six images, off the constants where they carry no noise."""
    return Posterior(chain, images(), without_mean=not bool(chain.direct(STEPS)[1].all()))


def conditioned(chain: LinearGaussianScaleSpace) -> Posterior:
    """Conditioned on the pixels by the package."""
    return given_pixels(exact(chain), *seen(), DEVIATION)


def scale(chain: LinearGaussianScaleSpace, i: int, trial: Trial) -> Tensor:
    """One draw of scale i from each image."""
    return chain.sample(images(), i, generator=trial.generator())


def densities(chain: LinearGaussianScaleSpace, u: Tensor, i: int) -> Tensor:
    """Log-densities of points given each image, up to constants, by the table of the theory."""
    V = modes(chain.shape)
    factor, variance = (x.expand(SHAPE).flatten() for x in closed_form(chain, i))
    noisy = variance > 0
    gap = (u.flatten(1) @ V)[:, None] - factor * (images().flatten(1) @ V)
    return -(gap.square()[..., noisy] / variance[noisy]).sum(dim=-1) / 2


# Checks


def bayes(chain: LinearGaussianScaleSpace, law: Posterior, trial: Trial) -> Outcome:
    """Gap of the weights of the images given pixels and a scale, over all scales."""
    gap = 0.0
    for i in range(1, STEPS + 1):
        u = scale(chain, i, trial)
        expected = torch.softmax(likelihood() + densities(chain, u, i), dim=1)
        gap = max(gap, float((law.log_weights(u, i).exp() - expected).abs().max()))
    return Outcome(gap, TOLERANCE)


def told(trial: Trial) -> Outcome:
    """Homogeneous diffusion: how far the weights given a scale are from telling the image."""
    chain, one = process(HD), torch.eye(len(LABELS), dtype=torch.float64)
    law, i = conditioned(chain), STEPS // 2
    found = law.log_weights(scale(chain, i, trial), i).exp()
    return Outcome(float((found - one).abs().max()), 0.0)


def average(chain: LinearGaussianScaleSpace, trial: Trial, *, evidence: bool = True) -> Outcome:
    """Gap of E[U_0 | U_i] and the average of E[U_0 | U_i, class] over the classes given U_i."""
    law, gap = exact(chain), 0.0
    dropped = not bool(chain.direct(STEPS)[1].all())
    for i in range(1, STEPS + 1):
        u, logs, means = scale(chain, i, trial), [], []
        points = chain.to_modes(u).flatten(1)[:, int(dropped) :]
        for label in (0, 1):
            chosen = LABELS.eq(label)
            own = chain.to_modes(images()[chosen]).flatten(1)
            data = Mixture(own, torch.zeros(own.shape[1], dtype=torch.float64))
            prior = math.log(int(chosen.sum())) if evidence else 0.0
            late = marginal(chain, data, i, without_mean=dropped)
            logs.append(prior + late.log_density(points))
            means.append(given_label(law, LABELS, label).denoise(u, i))
        share = torch.softmax(torch.stack(logs), dim=0)[..., None, None, None]
        gap = max(gap, float((law.denoise(u, i) - (share * torch.stack(means)).sum(0)).abs().max()))
    return Outcome(gap, TOLERANCE)


def guidance(chain: LinearGaussianScaleSpace, trial: Trial, strength: float = 1.0) -> Outcome:
    """Relative gap of the conditional score and score plus gradient of the log-evidence."""
    free, known, gap = exact(chain), conditioned(chain), 0.0
    for i in range(1, STEPS + 1):
        u = scale(chain, i, trial).requires_grad_()
        logs = densities(chain, u, i)
        evidence = (torch.log_softmax(logs, dim=1) + likelihood()).logsumexp(dim=1)
        (pull,) = torch.autograd.grad(evidence.sum(), u)
        expected = free.score(u.detach(), i) + strength * pull
        found = known.score(u.detach(), i)
        gap = max(gap, float((found - expected).abs().max() / expected.abs().max()))
    return Outcome(gap, TOLERANCE)


Ends = Callable[[LinearGaussianScaleSpace, torch.Generator], Tensor]
"""Draws images at scale 0, shape (DRAWS, 1, H, W)."""


def shares(chain: LinearGaussianScaleSpace, trial: Trial, ends: Ends) -> Outcome:
    """Largest gap of the share of an image among the ends and its conditional weight."""
    found = ends(chain, trial.generator()).flatten(1)
    nearest = torch.cdist(found, images().flatten(1)).argmin(dim=1)
    share = nearest.bincount(minlength=len(LABELS)) / DRAWS
    gap = float((share - torch.softmax(likelihood(), dim=0)).abs().max())
    # Hoeffding's inequality, for six shares.
    critical = math.sqrt(math.log(2 * len(LABELS) / trial.alpha) / (2 * DRAWS))
    power = math.sqrt(math.log(100) / (2 * DRAWS))
    return Outcome(gap, critical, count=DRAWS, detectable=critical + power)


def backwards(chain: LinearGaussianScaleSpace, generator: torch.Generator) -> Tensor:
    """Reverse trajectories of the conditional law."""
    law = conditioned(chain)
    start = law.draw(DRAWS, STEPS, generator=generator)
    return law.trajectory(start, [8, 4, 0], generator=generator)[-1]


def forgetful(chain: LinearGaussianScaleSpace, generator: torch.Generator) -> Tensor:
    """Reverse trajectories that start from the conditional law and take unconditional kernels."""
    start = conditioned(chain).draw(DRAWS, STEPS, generator=generator)
    return exact(chain).trajectory(start, [8, 4, 0], generator=generator)[-1]


def replaced(chain: LinearGaussianScaleSpace, generator: torch.Generator) -> Tensor:
    """Images that replacement ends in."""
    start = exact(chain).draw(DRAWS, STEPS, generator=generator)
    scales = range(STEPS - 1, -1, -1)
    return inpaint(exact(chain), start, scales, *seen(), generator=generator)[-1]


def bias(
    correlation: float,
    law: Callable[[float], tuple[float, float]] = limit,
    make: Callable[[int], LinearGaussianScaleSpace] = fine_steps,
) -> Check:
    """Order at which replacement tends to a law as its steps become small; the lower of two."""

    def check(trial: Trial) -> Outcome:
        del trial
        found = [replacement_law(GaussianPair(make(m), correlation)) for m in (400, 800)]
        gaps = (torch.tensor(found) - torch.tensor(law(correlation))).abs()
        return Outcome(float((gaps[0] / gaps[1]).log2().min()), 0.15, expected=1.0)

    return check


def exploding(count: int) -> VarianceExploding:
    """Variance exploding process with the signal-to-noise ratios of the fine steps."""
    chain = fine_steps(count)
    pairs = [chain.direct(i) for i in range(1, count + 1)]
    return VarianceExploding(torch.stack([(S2 / M.square()).sqrt() for M, S2 in pairs]))


def unbiased(correlation: float) -> tuple[float, float]:
    """Mean and variance of one pixel given the other, which is 1."""
    return correlation, 1 - correlation**2


# Claims


def on(name: str, check: Callable[[LinearGaussianScaleSpace, Trial], Outcome]) -> Check:
    """Run a check on a standard instance."""
    return lambda trial: check(process(name), trial)


def of_process(name: str) -> tuple[Claim, ...]:
    """Claims of a process with noise."""
    off = ", off the mean grey value" if name == LO else ""
    holds = partial(Claim, name, Expectation.HOLDS)
    return (
        holds(
            on(name, lambda chain, trial: bayes(chain, conditioned(chain), trial)),
            f"gap of the weights given pixels and a scale{off}",
        ),
        holds(
            on(name, average),
            f"gap of the average of the class-conditional denoisers{off}",
            aspect="average over classes",
        ),
        holds(on(name, guidance), f"relative gap of the conditional score{off}", aspect="guidance"),
        holds(
            on(name, lambda chain, trial: shares(chain, trial, backwards)),
            "largest gap of the share of an image among the ends of reverse trajectories",
            aspect="samples",
            sampled=True,
        ),
    )


CONTROLS = (
    Control(
        "weights of the data unchanged",
        VP,
        on(VP, lambda chain, trial: bayes(chain, exact(chain), trial)),
    ),
    Control(
        "deviation of the pixels wrong by 1%",
        "blurring diffusion",
        on(
            "blurring diffusion",
            lambda chain, trial: bayes(
                chain, given_pixels(exact(chain), *seen(), 1.01 * DEVIATION), trial
            ),
        ),
    ),
    Control(
        "classes not weighed by their evidence",
        VP,
        on(VP, lambda chain, trial: average(chain, trial, evidence=False)),
    ),
    Control(
        "guidance twice as strong",
        VP,
        on(VP, lambda chain, trial: guidance(chain, trial, strength=2.0)),
    ),
    Control(
        "kernels that forget what is known",
        VP,
        on(VP, lambda chain, trial: shares(chain, trial, forgetful)),
    ),
    Control(
        "replacement, which also takes noisy pixels for exact",
        VP,
        on(VP, lambda chain, trial: shares(chain, trial, replaced)),
    ),
    Control("replacement claimed to be unbiased", VP, bias(0.6, unbiased)),
)

PROPOSITIONS = (
    Proposition(
        label="R-cond",
        title="Side information",
        source=(
            "Our formulation of what the 2023 paper says in Section 3.2 without a formula; "
            "the bias of replacement is our addition"
        ),
        statement=(
            r"If $Y$ depends on the image alone, the scales given $Y = y$ are the same Markov "
            r"chain, begun from $p(u_0 \mid y)$. For known data only the weights change, "
            r"$w_j \mapsto w_j\, p(y \mid x_j) / p(y)$. The score gains "
            r"$\nabla \ln p(y \mid U_i = u)$. Replacing known pixels at every scale is biased: for "
            r"two Gaussian pixels the regression coefficient $r$ becomes "
            r"$r / (1 + \sqrt{1 - r^2})$."
        ),
        topic=Topic.REVERSE,
        chapter="conditioning",
        anchors=("thm-conditional", "prop-conditional-mixture", "prop-replacement"),
        claims=(
            *(claim for name in NOISY for claim in of_process(name)),
            Claim(
                HD,
                Expectation.WEAKLY,
                told,
                "a scale tells the image, so that pixels add nothing: gap of weights from 0 and 1",
            ),
            Claim(
                VP,
                Expectation.FAILS,
                bias(0.6),
                "replacement tends to the biased law: order in the step, mean and variance",
                aspect="replacement",
            ),
            Claim(
                "variance exploding",
                Expectation.FAILS,
                bias(0.6, make=exploding),
                "the same: order in the step, mean and variance",
                aspect="replacement",
            ),
            Claim(OSMOSIS, Expectation.NOT_APPLICABLE, remark="a filter has no law to condition"),
        ),
        controls=CONTROLS,
        functions=(
            "scalelib.reverse.given_label",
            "scalelib.reverse.given_pixels",
            "scalelib.reverse.inpaint",
            "scalelib.reverse.Posterior.given",
        ),
        derivation=derivation,
        tests=(
            "tests/reverse/test_conditioning.py::"
            "test_conditional_marginals_are_those_of_rejection_sampling",
            "tests/propositions/test_replacement.py::test_the_recursion_is_what_the_sampler_does",
        ),
    ),
)
