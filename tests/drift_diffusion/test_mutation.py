"""Every formula of drift-diffusion, changed by a per cent, is noticed."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from mutants import mutants

from scalelib import VarianceExploding, VariancePreserving
from scalelib.drift_diffusion import clock, evolution, grid, integrators, moving
from scalelib.osmosis import Osmosis

D = torch.float64
FAILURES = (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError, RuntimeWarning)
EQUIVALENT = {
    "_log_shares: -0.7": "where one of two equal forms takes over",
    "_log_shares: 0.7": "where one of two equal forms takes over",
    "_log_shares: -math.inf -> -math.inf * 1.01": "infinity",
    "_shared: steps.floor()": "an index, rounded down",
    "_shared: torch.tensor(shape) - 2 ->": "the last cell but one, met by points at its centre",
    "_shared: 2 ->": "the last cell but one, met by points at its centre",
}
"""Changes that change no number, and why. Nothing else may go unnoticed."""


def noticed(wrong, module):
    try:
        return wrong(module)
    except FAILURES:
        return True


def missed(module, functions, wrong, equivalent=()):
    """Fail with every change that is not noticed and no equivalent one."""
    assert not wrong(module)
    found = [text for text, mutant in mutants(module, functions) if not noticed(wrong, mutant)]
    alive = [text for text in found if not text.startswith((*EQUIVALENT, *equivalent))]
    assert not alive, "\n".join(["not noticed:", *alive])


def differs(found, expected, rtol=1e-11):
    return not np.allclose(np.asarray(found), np.asarray(expected), rtol=rtol, atol=1e-14)


def inside(ends, mean, variance):
    """Mass of a Gaussian between neighbouring ends, without cancellation above the mean."""
    normal = scipy.stats.norm(mean, math.sqrt(variance))
    ends = np.asarray(ends)
    return np.where(ends[:-1] > mean, -np.diff(normal.sf(ends)), np.diff(normal.cdf(ends)))


def test_averages():
    ends = np.linspace(-5, 4, 19)
    means = torch.tensor([[-1.3, 0.2], [0.4, 0.1]], dtype=D)
    variances = torch.tensor([[0.3, 0.4], [0.5, 0.2]], dtype=D)
    expected = [
        np.multiply.outer(*(inside(ends, *x) for x in zip(m, c, strict=True)))
        for m, c in zip(means.tolist(), variances.tolist(), strict=True)
    ]

    points, zero = torch.tensor([[-0.9], [-0.5], [4.0]], dtype=D), torch.zeros(3, 1, dtype=D)
    cells = np.zeros((3, 18))
    cells[0, 8], cells[1, 8:10], cells[2, 17] = 1, 0.5, 0.5  # in a cell, on an edge, on the border

    def wrong(module):
        edges = [torch.from_numpy(ends)] * 2
        return differs(
            module._log_masses(edges, means, variances.sqrt()).exp(), expected
        ) or differs(module._log_masses(edges[:1], points, zero).exp(), cells)

    missed(grid, ["_log_masses", "_log_shares", "_scores"], wrong, ["_scores: gaps -> "])


def test_lost_mass():
    edges = torch.tensor([-1.5, 0.5], dtype=D), torch.tensor([-0.7, 0.0, 0.9], dtype=D)
    means = torch.tensor([[-1.3, 0.2], [0.4, 0.1]], dtype=D)
    variances = torch.tensor([[0.3, 0.4], [0.5, 0.2]], dtype=D)
    weights = torch.tensor([0.4, 0.6], dtype=D)
    kept = 0.0
    for w, m, c in zip((0.4, 0.6), means.tolist(), variances.tolist(), strict=True):
        kept += w * inside([-1.5, 0.5], m[0], c[0])[0] * inside([-0.7, 0.9], m[1], c[1])[0]

    def wrong(module):
        return differs(module._lost(edges, means, variances.sqrt(), weights), 1 - kept)

    missed(grid, ["_lost"], wrong)


def test_deposits():
    steps = torch.tensor([[0.2, 1.7], [2.0, 3.0], [1.4, 0.0]], dtype=D)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=D)
    expected = np.zeros((3, 4))
    for (y, x), w in zip(steps.tolist(), weights.tolist(), strict=True):
        hats = [np.maximum(0, 1 - abs(np.arange(n) - c)) for n, c in ((3, y), (4, x))]
        expected += w * np.outer(*hats)
    row = expected.sum(axis=1)

    def wrong(module):
        return differs(module._shared(steps, weights, (3, 4)), expected) or differs(
            module._shared(steps[:, :1], weights, (3,)), row
        )

    missed(grid, ["_shared"], wrong, ["_shared: found.index_put_("])


def test_errors():
    p, q = torch.rand(2, 8, 4, generator=torch.Generator().manual_seed(0), dtype=D)
    border = 1 - float(p[1:-1, 1:-1].sum() / p.sum())

    def wrong(module):
        same = module.Grid((-2, -1), (2, 1), (8, 4))
        return (
            differs(same.mass(p), p.sum() / 4)
            or differs(same.l1_error(p, q), (p - q).abs().sum() / 4)
            or differs(same.relative_entropy(p, q), (p * (p / q).log() - p + q).sum() / 4)
            or differs(module.border_share(p), border)
        )

    equivalent = (
        "cell: self.spacing -> -self.spacing",
        "l1_error: check_density(self, 'p', p) - check_density(self, 'q', q) -> -(",
        "relative_entropy: gap.clamp(min=-1) ->",
        "relative_entropy: -1 ->",
        "relative_entropy: 1 ->",
    )
    functions = ["mass", "l1_error", "relative_entropy", "cell", "border_share"]
    missed(grid, functions, wrong, equivalent)


def test_durations():
    vp, ve = VariancePreserving([0.1, 0.2, 0.4]), VarianceExploding([1.0, 2.0, 4.0])

    def wrong(module):
        return differs(module.duration(vp, 3, 1), -0.5 * math.log(0.8 * 0.6)) or differs(
            module.duration(ve, 3, 1), 7.5
        )

    missed(clock, ["duration"], wrong)


def test_steps():
    A = Osmosis(guidance=torch.tensor([[1.0, 3.0, 2.0, 0.5]], dtype=D), spacing=0.7).operator()
    b = np.array([1.0, 0.2, 0.0, 2.0])
    tau, gamma = 0.2, 1 - math.sqrt(0.5)
    E, G = (np.linalg.inv(np.eye(4) - x * tau * A.toarray()) for x in (1, gamma))
    expected = {
        "implicit-euler": E @ b,
        "sdirk2": ((1 + math.sqrt(2)) * G @ G - math.sqrt(2) * G) @ b,
    }
    bound = (1 + math.sqrt(2)) / max(abs(A.diagonal()))

    def wrong(module):
        propagator = module.Propagator(A)
        return differs(propagator.positivity_bound, bound) or any(
            differs(propagator.step(b, tau, name), x) for name, x in expected.items()
        )

    missed(integrators, ["_implicit", "_sdirk2", "positivity_bound"], wrong)


def test_evolutions():
    log_v = torch.tensor([0.3, -0.2, 0.1, 0.8], dtype=D)
    A = Osmosis(guidance=log_v.exp()[None], spacing=0.5).operator().toarray()
    p = torch.tensor([1.0, 0.2, 0.0, 2.0], dtype=D)
    line = grid.Grid(0, 2, 4, tolerance=1.0)
    E = np.linalg.inv(np.eye(4) - 0.1 * A)
    w = log_v.exp() * (p.sum() / log_v.exp().sum())

    def wrong(module):
        found = module.DriftDiffusion(line, log_v)
        return (
            differs(found.operator.toarray(), A)
            or differs(found.evolve(p, 0.2, 2, integrator="implicit-euler"), E @ E @ p.numpy())
            or differs(found.steady_state(p), w)
        )

    missed(evolution, ["canonical_drift_of_log", "evolve"], wrong)


@pytest.mark.parametrize(("integrator", "ahead"), [("implicit-euler", 1.0), ("sdirk2", 0.5)])
def test_moving_guidances(integrator, ahead):
    line = grid.Grid(0, 2, 4, tolerance=1.0)
    shape = torch.tensor([0.3, -0.2, 0.1, 0.8], dtype=D)
    p = torch.tensor([1.0, 0.2, 0.0, 2.0], dtype=D)
    expected = p
    for k in range(3):
        step = evolution.DriftDiffusion(line, (0.5 + (k + ahead) * 0.1) * shape)
        expected = step.evolve(expected, 0.1, integrator=integrator)

    def wrong(module):
        found = module.evolve_moving(
            line, lambda s: s * shape, p, start=0.5, end=0.8, steps=3, integrator=integrator
        )
        return differs(found, expected)

    other = f"evolve_moving: {1.5 - ahead} ->"
    missed(moving, ["evolve_moving"], wrong, [other])
