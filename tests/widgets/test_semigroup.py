"""Particles, densities and the two-sample test of the widget, against the package."""

from __future__ import annotations

import math

import javascript
import pytest
import torch
from javascript import call

from scalelib import VariancePreserving
from scalelib.information import Mixture, energy_distance, energy_test, marginal
from scalelib.schedules import linear_beta
from scalelib.widgets import Semigroup
from scalelib.widgets.semigroup import COIN

BETAS = linear_beta(20, 1e-3, 0.4)
COUNT = 20000
WALK = """
import {{ uniform }} from "{folder}/random.js";
import {{ density, walk, histogram }} from "{folder}/jumps.js";
import {{ energyTest }} from "{folder}/energy.js";
export const particles = (betas, scales, route, count, seed) =>
  walk(betas, scales, route, count, uniform(seed)).map((u) => Array.from(u));
export const densities = (betas, i, values) => values.map(density(betas, i));
export const rejections = (betas, scales, route, seeds) =>
  seeds.filter((seed) => {{
    const random = uniform(seed);
    const ends = ["direct", route].map((r) => walk(betas, scales, r, 2000, random).at(-1));
    return energyTest(...ends, 199, random).p <= 0.01;
  }}).length;
export const tested = (x, y, permutations, seed) => energyTest(x, y, permutations, uniform(seed));
"""


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "walk.mjs"
    path.write_text(WALK.format(folder=(javascript.FOLDER / "numerics").as_uri()))
    return lambda name, *given: call(str(path), name, given)[0]


def law(i):
    coin = Mixture(torch.tensor([[-COIN], [COIN]], dtype=torch.float64), torch.zeros(1).double())
    return marginal(VariancePreserving(BETAS), coin, i)


def test_the_density_is_that_of_the_process(run):
    grey = torch.linspace(-3, 3, 25, dtype=torch.float64)
    for i in (1, 7, 20):
        expected = law(i).log_density(grey[:, None]).exp()
        found = torch.tensor(
            run("densities", BETAS.tolist(), i, grey.tolist()), dtype=torch.float64
        )
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("route", ["direct", "stop", "repeated"])
def test_moments_of_the_particles(run, route):
    """Second moments of 20000 particles, four standard errors: one false alarm in 16000.

    A defect of the variance of 0.05 is found with power 0.99; the repeated noise adds 0.46.
    """
    k, j, i = 2, 7, 12
    found = run("particles", BETAS.tolist(), {"k": k, "j": j, "i": i}, route, COUNT, 5)
    process = VariancePreserving(BETAS)
    (M, S2), (second, late) = process.direct(i), process.direct(i, j)
    (_, early), (first, start) = (
        process.direct(j, k),
        (process.direct(j, k)[0], process.direct(k)[1]),
    )
    expected = float(M**2 * COIN**2 + S2)
    if route == "repeated":
        noise = (second * early.sqrt() + late.sqrt()) ** 2
        expected = float(M**2 * COIN**2 + (second * first) ** 2 * start + noise)
    squares = torch.tensor(found[-1]).double() ** 2
    error = float(squares.std()) / math.sqrt(COUNT)
    assert len(found) == (2 if route == "direct" else 3)
    assert abs(float(squares.mean()) - expected) < 4 * error


def test_the_distance_is_that_of_the_package(generator):
    x, y = (torch.randn(n, 1, generator=generator, dtype=torch.float64) for n in (40, 25))
    cases = [(x, y), (x, x + 0.3), (x[:1], y[:1])]
    flat = [(a.flatten().tolist(), b.flatten().tolist()) for a, b in cases]
    found = call("numerics/energy.js", "energyDistance", *flat)
    assert found == pytest.approx([energy_distance(a, b) for a, b in cases], abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_p_value_is_that_of_the_package(run, generator, shift):
    """Both p-values estimate one number: 4.5 standard errors of their difference."""
    x, y = (torch.randn(60, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    y, B = y + shift, 3999
    expected = energy_test(x, y, permutations=B, generator=generator, alpha=0.01)
    found = run("tested", x.flatten().tolist(), y.flatten().tolist(), B, 1)
    p = expected.p_value
    assert found["distance"] == pytest.approx(expected.statistic, abs=1e-6)
    assert abs(found["p"] - p) < 4.5 * math.sqrt(2 * p * (1 - p) / B)


def test_the_semigroup_holds_and_repeated_noise_is_found(run):
    """The widget's test at its level of 0.01, on 20 seeds.

    Four rejections or more of a true hypothesis have a probability of 4e-5. Repeated noise was
    rejected for all of 60 other seeds, which makes the power 0.95 at least; fewer than 15 of 20
    then have a probability of 3e-4 at most.
    """
    given = BETAS.tolist(), {"k": 2, "j": 7, "i": 12}
    seeds = list(range(101, 121))
    assert run("rejections", *given, "stop", seeds) <= 3
    assert run("rejections", *given, "repeated", seeds) >= 15


def test_histogram():
    values = [-1.0, -0.5, 0.1, 0.2, 5.0]
    found = call("numerics/jumps.js", "histogram", (values, -1, 1, 4))[0]
    assert found == pytest.approx([0.4, 0.4, 0.8, 0.0], abs=1e-12)


def test_scales_must_increase():
    with pytest.raises(ValueError, match="k, j, i must increase, found 8, 7, 12"):
        Semigroup(k=8)
    assert Semigroup(k=0).fallback().kind == "svg"
