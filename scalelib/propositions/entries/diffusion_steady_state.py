"""H-steady: homogeneous diffusion flattens the image at the rate of the smallest eigenvalue."""

from __future__ import annotations

import math

import sympy
import torch
from torch import Tensor

from scalelib.propositions.derivation import Derivation
from scalelib.propositions.evolutions import Evolution, dark_frame, diffuse, unequal_axes
from scalelib.propositions.patterns import SIZES, images
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
)
from scalelib.transforms import idct2

__all__ = ["PROPOSITIONS"]

TIMES = (0.01, 1.0, 10.0)


def derivation() -> Derivation:
    """Among the positive eigenvalues the lowest frequency of the longer side is the smallest."""
    low, high = sympy.symbols("theta_1 theta_2", positive=True)

    def value(theta: sympy.Expr) -> sympy.Expr:
        return 4 * sympy.sin(theta / 2) ** 2

    product = 4 * sympy.sin((high + low) / 2) * sympy.sin((high - low) / 2)
    steps = Derivation()
    steps.equal(
        r"For $0 \le \theta_1 < \theta_2 < \pi$ both factors are positive: eigenvalues grow.",
        value(high) - value(low),
        product,
    )
    t, rate = sympy.symbols("t lambda", positive=True)
    return steps.equal(
        "A mode of this eigenvalue decays at this rate.",
        -sympy.diff(sympy.exp(-rate * t), t) / sympy.exp(-rate * t),
        rate,
    )


def smallest(shape: tuple[int, int]) -> float:
    """Smallest positive eigenvalue of minus the Laplacian, in closed form."""
    return 4 * math.sin(math.pi / (2 * max(shape))) ** 2


def distance(u: Tensor) -> Tensor:
    """Norm of what differs from the mean."""
    found: Tensor = (u - u.mean(dim=(-2, -1), keepdim=True)).flatten(-3).norm(dim=-1)
    return found


def bound(evolve: Evolution) -> Outcome:
    """Gap of the distance to the mean and its bound, as a share of the initial distance."""
    worst = 0.0
    for shape in SIZES:
        f = torch.cat([images(shape), slowest(shape)[None]])
        keeps = distance(f) > 0
        for t in TIMES:
            u = evolve(f, t) - f.mean(dim=(-2, -1), keepdim=True)
            ratio = u.flatten(1).norm(dim=1)[keeps] / distance(f)[keeps]
            # The slowest mode attains the bound, all others stay below.
            worst = max(worst, abs(float(ratio.max()) - math.exp(-smallest(shape) * t)))
    return Outcome(worst, 1e-13)


def slowest(shape: tuple[int, int]) -> Tensor:
    """Lowest frequency along the longer side, shape (1, H, W)."""
    modes = torch.zeros(1, *shape, dtype=torch.float64)
    modes[0, *((1, 0) if shape[0] >= shape[1] else (0, 1))] = 1
    return idct2(modes)


def attained(evolve: Evolution) -> Outcome:
    """Largest relative gap between the rate of decay late in time and the smallest eigenvalue."""
    gap = 0.0
    for shape in SIZES:
        f, rate = images(shape)[1], smallest(shape)  # an edge: it has a part in the slowest mode
        one, two = (distance(evolve(f, t)) for t in (10 / rate, 11 / rate))
        gap = max(gap, abs(float((one / two).log()) - 1))
    # What is left of other modes is exp(-20) of the slowest one at most, rounding 1e-11.
    return Outcome(gap, 1e-8)


PROPOSITIONS = (
    Proposition(
        label="H-steady",
        title="Steady state of homogeneous diffusion",
        source="Weickert 1998; rate on the grid",
        statement=(
            r"$\lVert u(t) - \mu\rVert_2 \le e^{-\lambda_1 t}\,\lVert f - \mu\rVert_2$ with the "
            r"mean $\mu$ of $f$ and $\lambda_1 = 4\sin^2(\pi/(2\max(H,W)))$; the rate is attained."
        ),
        topic=Topic.DIFFUSION,
        chapter="homogeneous-diffusion",
        anchors=("prop-hd-steady",),
        claims=(
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: bound(diffuse),
                "gap to the bound that the slowest mode attains, as a share of the distance",
                "bound",
            ),
            Claim(
                "homogeneous diffusion",
                Expectation.HOLDS,
                lambda trial: attained(diffuse),
                "relative gap of the late rate to the smallest eigenvalue",
                "rate attained",
            ),
        ),
        controls=(
            Control(
                "a dark frame",
                "homogeneous diffusion",
                lambda trial: bound(dark_frame),
            ),
            Control(
                "time that runs 1% slower",
                "homogeneous diffusion",
                lambda trial: attained(lambda u, t: diffuse(u, 0.99 * t)),
            ),
            Control(
                "vertical diffusion at double speed",
                "homogeneous diffusion",
                lambda trial: attained(unequal_axes),
            ),
        ),
        functions=("scalelib.HomogeneousDiffusion",),
        derivation=derivation,
        tests=(
            "tests/processes/test_homogeneous_diffusion.py::test_the_limit_is_the_constant_image",
        ),
    ),
)
