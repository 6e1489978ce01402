"""Every formula of the way back, changed by a per cent, is noticed by one table of references."""

from unittest import mock

import numpy as np
import pytest
import torch
from reverse.changes import changes as mutants

from scalelib.reverse import Posterior, denoiser, likelihood, posterior, samplers

TOLERANCE = 1e-7
JUMPS = ((0, 1), (1, 3))


def seeded():
    return torch.Generator().manual_seed(1)


def close(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    return found.shape == expected.shape and np.allclose(
        found, expected, rtol=TOLERANCE, atol=TOLERANCE
    )


@pytest.fixture(scope="module")
def table(all_cases):
    """Cases with images at a scale, and what the reference says of them."""
    rows = []
    for case in all_cases:
        if case.name in ("VE", "blurring") and case.law in ("finite", "per-mode", "per-component"):
            u = case.images(3)
            modes = case.modes(u)
            rows.append((case, u, references(case, modes)))
    return rows


def references(case, modes):
    reference = case.reference
    weights = [[float(w) for w in reference.posterior(x, 3)] for x in modes]
    mean = [reference.moments(x, 0, 3)[0] for x in modes]
    kernels = {}
    for k, i in JUMPS:
        parts = [reference.kernel(j, modes[0], k, i) for j in range(5)]
        kernels[k, i] = [np.array([[float(y) for y in p[n]] for p in parts]) for n in (0, 1)]
    components = [reference.component(j, 3) for j in range(5)]
    spread = np.array([[float(y) for y in var] for _, var in components])
    middle = np.array([[float(y) for y in mean] for mean, _ in components])
    gaps = (middle[None] - modes[:, None]) / spread
    score = (np.array(weights)[:, :, None] * gaps).sum(axis=1)
    return {
        "weights": weights,
        "mean": mean,
        "kernels": kernels,
        "score": score,
        "marginal": (middle, spread),
    }


def drawn(exact, u, k, i):
    """Sample with its random numbers: component and white noise."""
    found = exact.sample(u, k, i, generator=seeded())
    source = seeded()
    uniform = torch.rand(len(u), generator=source, dtype=torch.float64)
    logs = exact.log_weights(u, i).exp().cumsum(dim=1)
    chosen = [int(np.searchsorted(x.numpy(), float(y))) for x, y in zip(logs, uniform, strict=True)]
    return found, chosen, torch.randn(len(u), u[0].numel(), generator=source, dtype=torch.float64)


def comparisons(exact, case, u, expected):
    """Whether an exact reverse process agrees with the table, quantity by quantity."""
    modes = torch.from_numpy(case.modes(u))
    means = torch.from_numpy(case.reference.means)
    yield close(exact.log_weights(u, 3).exp(), expected["weights"])
    yield close(case.modes(exact.denoise(u, 3)), expected["mean"])
    yield close(case.modes(exact.score(u, 3)), expected["score"])
    for k, i in JUMPS:
        own, gain, variance = (x.expand(5, -1) for x in exact._kernel(i, k))
        yield close(own * means + gain * modes[0], expected["kernels"][k, i][0])
        yield close(variance, expected["kernels"][k, i][1])
    # The coefficients have just been compared; now whether samples use them.
    image, chosen, noise = drawn(exact, u, 1, 3)
    own, gain, variance = (x.expand(5, -1)[chosen] for x in case.posterior._kernel(3, 1))
    yield close(case.modes(image), own * means[chosen] + gain * modes + variance.sqrt() * noise)
    found, source = case.modes(exact.draw(200, 3, generator=seeded())), seeded()
    uniform = torch.rand(200, generator=source, dtype=torch.float64)
    chosen = torch.searchsorted(case.posterior.log_prior.exp().cumsum(dim=0), uniform)
    chosen = chosen.numpy()
    noise = torch.randn(200, u[0].numel(), generator=source, dtype=torch.float64)
    centre, spread = expected["marginal"]
    yield close(found, centre[chosen] + np.sqrt(spread[chosen]) * noise.numpy())


def wrong(exact, case, u, expected):
    return not all(comparisons(exact, case, u, expected))


def rebuilt(module, case):
    """The posterior of a case, made by another module."""
    exact = case.posterior
    return module.Posterior(
        case.process,
        exact.data,
        weights=torch.tensor(case.reference.weights).double(),
        variance=exact.variance,
        without_mean=case.reference.without_mean,
    )


def fails(check):
    try:
        return check()
    except (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError):
        return True  # a change that makes the formula fail is noticed as well


def missed(changes, equivalent):
    alive, total = [], 0
    for text, noticed in changes:
        total += 1
        if not fails(noticed) and not any(text.startswith(place) for place in equivalent):
            alive.append(text)
    print(f"{total} changes")
    assert total
    assert not alive, "\n".join(["not noticed:", *alive])


def test_every_change_of_the_posterior_is_noticed(table):
    assert not any(wrong(rebuilt(posterior, c), c, u, x) for c, u, x in table)
    changes = (
        (text, lambda m=module: any(wrong(rebuilt(m, c), c, u, x) for c, u, x in table))
        for text, module in mutants(posterior)
    )
    missed(changes, {})


EQUIVALENT_LIKELIHOOD = {
    "(noise * self._unit).square()[None] -> ((-(noise)) *": "a square is even",
    "(noise * self._unit).square()[None] -> (noise * (-(": "a square is even",
    "scaling if shared else scaling[j] -> scaling if shared else (-(": "differences are squared",
}
"""Changed signs that change no number, and why. Nothing else may go unnoticed."""

EQUIVALENT_SAMPLERS = {
    "factor.square() * V_k + (1 - eta**2) * added -> "
    "factor.square() * V_k + (1 - (-(eta))**2) * added": "a square is even"
}


def test_every_change_of_the_likelihood_is_noticed(table):

    def noticed(module):
        with mock.patch.multiple(posterior, Likelihood=module.Likelihood, Scale=module.Scale):
            return any(wrong(rebuilt(posterior, c), c, u, x) for c, u, x in table)

    assert not noticed(likelihood)
    changes = ((text, lambda m=module: noticed(m)) for text, module in mutants(likelihood))
    missed(changes, EQUIVALENT_LIKELIHOOD)


# Samplers and predictions of noise, against the exact kernel of one image


def step_is_wrong(module, noisy):
    """Whether DDIM, with a share of noise, is off its formula, for the case of one image."""
    x, u, z = (torch.randn(3, 1, 2, 2, 3, generator=seeded(), dtype=torch.float64)).unbind()
    exact, eta = Posterior(noisy, x), 0.6
    for k, i in ((1, 3), (2, 4)):
        (m_k, v_k), (m_i, v_i) = noisy.direct(k), noisy.direct(i)
        added = noisy.direct(i, k)[1]
        sigma2 = eta**2 * v_k * added / v_i
        images, given, white = (noisy.to_modes(y) for y in (x, u, z))
        expected = m_k * images + (v_k - sigma2).sqrt() * (given - m_i * images) / v_i.sqrt()
        expected += sigma2.sqrt() * white
        found = module.ddim(exact, u, [k], i, eta=eta, noise=z[None])[0]
        if not close(noisy.to_modes(found), expected):
            return True
        blurred = module.deblurring(exact, u, [k], 0.2, i, noise=z[None])[0]
        if not close(noisy.to_modes(blurred), m_k * images + 0.2 * white):
            return True
    return False


def test_every_change_of_the_samplers_is_noticed(noisy):
    assert not step_is_wrong(samplers, noisy)
    changes = (
        (text, lambda m=module: step_is_wrong(m, noisy)) for text, module in mutants(samplers)
    )
    missed(changes, EQUIVALENT_SAMPLERS)


def test_every_change_of_noise_prediction_is_noticed(noisy):
    def off(module):
        u0, z = torch.randn(2, 1, 2, 2, 3, generator=seeded(), dtype=torch.float64).unbind()
        found = module.NoisePrediction(noisy, lambda _u, _i: z).denoise(
            noisy.sample(u0, 2, noise=z), 2
        )
        return not close(found, u0)

    assert not off(denoiser)
    changes = ((text, lambda m=module: off(m)) for text, module in mutants(denoiser))
    missed(changes, {})
