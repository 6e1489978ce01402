"""The exact reverse process against naive sums in high precision, for every process and law."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from scalelib import HeatDissipation, HomogeneousDiffusion, VarianceExploding, VariancePreserving
from scalelib.information import (
    Mixture,
    energy_test,
    marginal,
    required_count,
    standard_normal_test,
)
from scalelib.reverse import Posterior, likelihood, posterior

SCALES = (0, 1, 3, 4)
JUMPS = ((0, 1), (0, 4), (1, 2), (2, 4))


def close(found, expected, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=tolerance, atol=tolerance)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# Weights, denoiser and score


@pytest.mark.parametrize("i", SCALES)
def test_weights_are_those_of_bayes(case, i):
    u = case.images(i)
    found = case.posterior.log_weights(u, i).exp()
    close(found, [[float(w) for w in case.reference.posterior(x, i)] for x in case.modes(u)])


@pytest.mark.parametrize("i", SCALES)
def test_the_denoiser_is_the_conditional_mean(case, i):
    u = case.images(i)
    found = case.modes(case.posterior.denoise(u, i))
    close(found, [case.reference.moments(x, 0, i)[0] for x in case.modes(u)], 1e-9)


def test_at_scale_0_the_denoiser_returns_the_image(case):
    u = case.images(0)
    close(case.posterior.denoise(u, 0), u.numpy(), 1e-12)


@pytest.mark.parametrize("i", SCALES[1:])
def test_tweedie_joins_denoiser_and_score(density_case, i):
    """M E[U_0 | u] = u + S^2 grad ln p(u), mode by mode."""
    process, exact, u = density_case.process, density_case.posterior, density_case.images(i)
    factor, variance = process.direct(i)
    mean, score = (process.to_modes(f(u, i)) for f in (exact.denoise, exact.score))
    close(factor * mean, (process.to_modes(u) + variance * score).numpy())


@pytest.mark.parametrize("i", SCALES[1:])
def test_the_score_is_the_gradient_of_the_log_density(density_case, i):
    reference, kept = density_case.reference, np.array(density_case.reference.kept)
    data = Mixture(
        torch.from_numpy(reference.means[reference.used]),
        torch.from_numpy(reference.variances[reference.used]),  # one for each: no SciPy inside
        torch.tensor([w for w in reference.weights if w]).double(),
    )
    u = density_case.images(i)
    modes = torch.from_numpy(density_case.modes(u)[:, kept]).requires_grad_()
    law = marginal(density_case.process, data, i, without_mean=reference.without_mean)
    # The public one takes no part in a graph.
    (gradient,) = torch.autograd.grad(law._log_density(modes).sum(), modes)
    found = density_case.modes(density_case.posterior.score(u, i))
    largest = float(gradient.abs().max())
    close(found[:, kept] / largest, gradient.numpy() / largest, 1e-9)
    assert np.abs(found[:, ~kept]).max(initial=0) < 1e-14 * largest


def test_a_score_needs_variance_in_every_mode():
    data = torch.rand(3, 1, 2, 2, generator=seeded())
    exact = Posterior(HomogeneousDiffusion([1.0], (2, 2)), data)
    with pytest.raises(ValueError, match=r"^scale 1 of HomogeneousDiffusion.* in every mode$"):
        exact.score(data, 1)


# Kernel


@pytest.mark.parametrize(("k", "i"), JUMPS[2:])
def test_the_reference_kernel_obeys_bayes(everywhere_noisy_case, k, i):
    """Forward kernel times prior over marginal is the reverse kernel, at a pair of points."""
    case, reference = everywhere_noisy_case, everywhere_noisy_case.reference
    u, v = (case.modes(case.images(scale))[0] for scale in (i, k))
    factor, noise = reference.transition(k, i)
    mp = type(reference.marginal(u, i)).context
    forward = mp.fprod(
        mp.npdf(x, f * y, mp.sqrt(s)) for x, y, f, s in zip(u, v, factor, noise, strict=True)
    )
    found = mp.fsum(
        w
        * mp.fprod(
            mp.npdf(y, m, mp.sqrt(s))
            for y, m, s in zip(v, *reference.kernel(j, u, k, i), strict=True)
        )
        for j, w in enumerate(reference.posterior(u, i))
    )
    expected = forward * reference.marginal(v, k) / reference.marginal(u, i)
    assert abs(found / expected - 1) < 1e-12


def expected_sample(case, u, k, i, seed):
    """Modes of a sample, from the random numbers in the order in which they are drawn."""
    source = seeded(seed)
    uniform = torch.rand(len(u), generator=source, dtype=torch.float64).numpy()
    noise = torch.randn(len(u), u[0].numel(), generator=source, dtype=torch.float64).numpy()
    found = []
    for x, number, white in zip(case.modes(u), uniform, noise, strict=True):
        sums = np.cumsum([float(w) for w in case.reference.posterior(x, i)])
        j = int(np.searchsorted(sums, number, side="right"))
        mean, variance = (
            np.array([float(y) for y in part]) for part in case.reference.kernel(j, x, k, i)
        )
        found.append(mean + np.sqrt(np.maximum(variance, 0)) * white)
    return np.array(found)


@pytest.mark.parametrize(("k", "i"), JUMPS)
def test_a_sample_is_a_draw_of_the_kernel(case, k, i):
    u = case.images(i)
    found = case.posterior.sample(u, k, i, generator=seeded(3))
    close(case.modes(found), expected_sample(case, u, k, i, 3), 1e-9)


def whitened(points, weights, means, variances):
    """Rosenblatt's transform of points (n, d) of a mixture to independent normal numbers."""
    logs, columns = np.log(weights) + np.zeros((len(points), 1)), []
    for d in range(points.shape[1]):
        z = (points[:, d, None] - means[:, d]) / np.sqrt(variances[:, d])
        share = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
        below, above = (share * norm.cdf(z)).sum(axis=1), (share * norm.sf(z)).sum(axis=1)
        columns.append(np.where(below < above, norm.ppf(below), norm.isf(above)))
        logs = logs + norm.logpdf(z) - np.log(np.sqrt(variances[:, d]))
    return torch.from_numpy(np.stack(columns, axis=1))


ALPHA = 1e-4
DEFECT = 0.1
DRAWS = required_count(DEFECT, alpha=ALPHA, dimension=12)
"""Draws with which a mean off by 0.1 deviations, or a deviation off by 10 %, is found in 99 %."""


@pytest.mark.parametrize("change", [1.0, 1.1], ids=["as it is", "10 % wide"])
def test_samples_follow_the_kernel(noisy_case, change):
    """Exact in law where there is noise: n = DRAWS, alpha = 1e-4, power 0.99."""
    case, k, i = noisy_case, 2, 4
    u = case.images(i)[:1]
    found = case.modes(case.posterior.sample(u.repeat(DRAWS, 1, 1, 1), k, i, generator=seeded(5)))
    x = case.modes(u)[0]
    kernels = [case.reference.kernel(j, x, k, i) for j in case.reference.used]
    means, variances = (np.array([[float(y) for y in c[n]] for c in kernels]) for n in (0, 1))
    weights = np.array([float(w) for w in case.reference.posterior(x, i)])[case.reference.used]
    noisy = (variances > 1e-12).all(axis=0)
    assert noisy.sum() >= 10
    parts = (means[:, noisy], variances[:, noisy] / change**2)
    z = whitened(found[:, noisy], weights + 1e-300, *parts)
    test = standard_normal_test(z, alpha=ALPHA, defect=DEFECT)
    assert test.rejected == (change != 1)


def led_back(case, source):
    """Draws of scale 4, led back to scale 1 in two steps, and draws of scale 1."""
    start = case.posterior.draw(250, 4, generator=source)
    back = case.posterior.trajectory(start, [3, 1], generator=source)[-1]
    there = case.posterior.draw(250, 1, generator=source)
    if case.reference.without_mean:  # a trajectory keeps the mean of its start, whatever the image
        back, there = (x - x.mean(dim=(-2, -1), keepdim=True) for x in (back, there))
    return back.flatten(1), there.flatten(1)


def test_kernels_lead_from_marginal_to_marginal(case):
    """Energy test with n = m = 250, alpha = 1e-3, 999 permutations."""
    source = seeded(2)
    options = {"permutations": 999, "generator": source, "alpha": 1e-3}
    assert not energy_test(*led_back(case, source), **options).rejected


def test_kernels_that_do_not_are_noticed(everywhere_noisy_case):
    """Negative control: deviations that are 1.5 times too large."""
    source = seeded(2)
    back, there = led_back(everywhere_noisy_case, source)
    options = {"permutations": 999, "generator": source, "alpha": 1e-3}
    assert energy_test(1.5 * back, there, **options).rejected


def test_draws_follow_the_marginal(case):
    """Value by value, from the random numbers in the order in which they are drawn."""
    count, i = 6, 3
    found = case.posterior.draw(count, i, generator=seeded(4))
    source = seeded(4)
    uniform = torch.rand(count, generator=source, dtype=torch.float64).numpy()
    noise = torch.randn(count, 12, generator=source, dtype=torch.float64).numpy()
    weights = np.array(case.reference.weights) / np.sum(case.reference.weights)
    chosen = np.searchsorted(np.cumsum(weights), uniform, side="right")
    expected = []
    for j, white in zip(chosen, noise, strict=True):
        mean, variance = (np.array([float(y) for y in p]) for p in case.reference.component(j, i))
        expected.append(mean + np.sqrt(variance) * white)
    close(case.modes(found), expected)


def test_a_mixture_gives_its_own_posterior(generator):
    """As the docstring says: means and variances are those in the basis."""
    process = HeatDissipation([0.5, 2.0], 0.2, (2, 3))
    means, variances = (torch.rand(4, 6, generator=generator).double() for _ in range(2))
    m = Mixture(means, variances, torch.tensor([1.0, 2.0, 3.0, 4.0]).double())
    shape = (4, 1, 2, 3)
    exact = Posterior(
        process,
        process.from_modes(m.means.view(shape)),
        weights=m.log_weights.exp(),
        variance=m.variances.view(shape),
    )
    u = torch.randn(5, 6, generator=generator).double()
    law = marginal(process, m, 2)
    logs = torch.stack(
        [
            Mixture(law.means[[j]], law.variances[[j]]).log_density(u) + m.log_weights[j]
            for j in range(4)
        ],
        dim=1,
    )
    images = process.from_modes(u.view(5, 1, 2, 3))
    close(exact.log_weights(images, 2), logs.log_softmax(dim=1).numpy())


# Modes without variance


def test_a_mode_without_variance_tells_the_image():
    """Homogeneous diffusion is invertible: the data point is found, whatever the noise is not."""
    process = HomogeneousDiffusion([0.1, 0.5], (3, 3))
    data = torch.rand(20, 1, 3, 3, generator=seeded(), dtype=torch.float64)
    exact = Posterior(process, data)
    u = process.mean(data, 2)
    assert torch.equal(exact.log_weights(u, 2).argmax(dim=1), torch.arange(20))
    close(exact.denoise(u, 2), data, 1e-14)
    close(exact.sample(u, 1, 2, generator=seeded()), process.mean(data, 1), 1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [2, 16, 64])
def test_rounding_of_transforms_is_allowed_for(dtype, size):
    """An image that was transformed to a scale and back is still recognised."""
    process = HomogeneousDiffusion([0.01, 0.5], (size, size))
    data = (torch.rand(30, 3, size, size, generator=seeded(), dtype=torch.float64) + 10).to(dtype)
    exact = Posterior(process, data)
    for i in (0, 1, 2):
        u = process.from_modes(process.to_modes(process.mean(data, i)))
        assert bool((exact.log_weights(u, i).exp().diagonal() > 0.99).all())


def test_more_than_rounding_is_not_allowed_for():
    data = torch.rand(4, 1, 8, 8, generator=seeded())
    process = HomogeneousDiffusion([0.01], (8, 8))
    exact = Posterior(process, data)
    change = exact._likelihood._rounding * 4 * float(data[0].norm())
    u = process.mean(data, 1)
    exact.denoise(u, 1)
    u[0, 0, 0, 0] += change
    with pytest.raises(ValueError, match=r"^u must be what an image of the data can become at"):
        exact.denoise(u, 1)
    with pytest.raises(ValueError, match=r"^u must be what an image of the data can become at"):
        exact.sample(u, 0, 1, generator=seeded())


def test_a_mode_that_has_died_out_is_drawn_anew():
    """M and S of a mode are 0 there: nothing but the image is known, and its variance returns."""
    process = HomogeneousDiffusion([1e4], (1, 2))
    data = torch.tensor([[[[1.0, 3.0]]]], dtype=torch.float64)
    exact = Posterior(process, data, variance=0.25)
    u = process.mean(data, 1).expand(4000, 1, 1, 2)
    found = process.to_modes(exact.sample(u, 0, 1, generator=seeded()))[..., 0, 1]
    z = (found - process.to_modes(data)[..., 0, 1]) / 0.5
    # n = 4000 finds a deviation off by 10 % with a power of 0.99.
    assert not standard_normal_test(z, alpha=1e-3, defect=0.1).rejected


def test_a_gain_that_the_dtype_cannot_hold_is_refused():
    data = torch.rand(2, 1, 4, 4, generator=seeded())
    exact = Posterior(HomogeneousDiffusion([30.0], (4, 4)), data, variance=1.0)
    with pytest.raises(ValueError, match=r"^torch.float32 cannot hold the gain .* scale 1 to"):
        exact.denoise(data, 1)


def test_variances_that_vanish_for_some_components_only_are_refused():
    data = torch.rand(2, 3, generator=seeded())
    variance = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    exact = Posterior(VariancePreserving([0.5]), data, variance=variance)
    exact.denoise(data, 1)
    with pytest.raises(ValueError, match=r"^variance must be 0 for all components of a mode, or"):
        exact.log_weights(data, 0)


# Numbers of any size


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sigma", [1e-30, 1e-10, 1.0, 1e4, 1e15])
def test_weights_neither_under_nor_overflow(sigma, dtype):
    """Two points with noise of any size; q = (u - x)^2 / 2 sigma^2 in closed form."""
    data = torch.tensor([[-sigma], [sigma]], dtype=dtype)
    exact = Posterior(VarianceExploding([sigma]), data)
    u = torch.tensor([[0.25 * sigma], [1e3 * sigma]], dtype=dtype)
    found = exact.log_weights(u, 1)
    advantage = 2 * u[:, 0].double() / sigma
    close(found[:, 1] - found[:, 0], advantage.numpy(), 1e-6)
    close(exact.denoise(u, 1) / sigma, torch.tanh(advantage / 2)[:, None].numpy(), 1e-6)
    assert bool(exact.score(u, 1).isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e12, 1e30])
def test_the_unit_of_the_images_does_not_matter(factor, dtype):
    data = torch.randn(30, 8, generator=seeded()).to(dtype)
    u = torch.randn(4, 8, generator=seeded(1)).to(dtype)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    small = Posterior(VarianceExploding([0.5 * factor]), data * factor)
    close(
        small.log_weights(u * factor, 1),
        Posterior(VarianceExploding([0.5]), data).log_weights(u, 1).numpy(),
        tolerance,
    )


def test_factors_may_be_as_small_as_they_like():
    """Heat dissipation takes high frequencies down to 1e-80; the mean grey value still tells."""
    process = HeatDissipation([30.0], 0.02, (4, 4))
    assert 0 < float(process.direct(1)[0].min()) < 1e-80
    for dtype in (torch.float32, torch.float64):
        data = torch.rand(6, 1, 4, 4, generator=seeded(), dtype=dtype)
        exact = Posterior(process, data)
        u = process.sample(data, 1, generator=seeded(1))
        naive = (
            process.to_modes(u.double())[:, None] - process.to_modes(process.mean(data.double(), 1))
        ).square().flatten(2).sum(dim=2) / -(2 * 0.02**2)
        close(exact.log_weights(u, 1), naive.log_softmax(dim=1).numpy(), 1e-2)


# Precision


def near_duplicates(spacing, count=400, size=300):
    """Clusters of images that differ by rounding errors of the products, not of the pixels."""
    source = seeded(8)
    base = torch.rand(4, size, generator=source, dtype=torch.float64).repeat(count // 4, 1) * 2 - 1
    return (
        base + spacing * torch.randn(count, size, generator=source, dtype=torch.float64)
    ).float()


@pytest.mark.parametrize("sigma", [3.0, 0.3, 0.03, 1e-2, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("spacing", [0.0, 0.1, 3.0])
def test_weights_of_near_duplicates_are_right_to_the_stated_bound(sigma, spacing):
    """Twins whose distance is ``spacing`` deviations of the noise, float32 against float64."""
    data = near_duplicates(spacing * sigma)
    process = VarianceExploding([sigma])
    u = process.sample(data[:9], 1, generator=seeded(9))
    exact = Posterior(process, data)
    found = exact.log_weights(u, 1)
    gaps = (u[:, None].double() - data.double()).square().sum(dim=2) / -(2 * sigma**2)
    expected = gaps.log_softmax(dim=1)
    counts = expected > -40
    assert float((found - expected)[counts].abs().max()) <= 2.0**-7 + 1e-9
    assert bool((found[~counts] < -39).all())


def test_a_bare_product_would_not_be_right():
    """Negative control: what the correction is for."""
    data = near_duplicates(1e-3)
    process = VarianceExploding([1e-3])
    u = process.sample(data[:9], 1, generator=seeded(9))
    exact = Posterior(process, data)
    bare, own, far = exact._likelihood._by_products(u, exact._scale(1), exact.log_prior)
    gaps = (u[:, None].double() - data.double()).square().sum(dim=2) / -2e-6
    counts = gaps.log_softmax(dim=1) > -40
    bound = exact._likelihood._error(own[:, None], far)
    error = (bare - exact.log_prior - gaps).abs()
    assert float(error[counts].max()) > 0.1  # more than ten times the tolerance
    assert bool((error <= bound).all())


def test_float64_weights_are_right_to_the_stated_bound():
    sigma = 1e-6
    data = near_duplicates(sigma).double()
    process = VarianceExploding([sigma])
    u = process.sample(data[:9], 1, generator=seeded(9))
    gaps = (u[:, None] - data).square().sum(dim=2) / -(2 * sigma**2)
    expected = gaps.log_softmax(dim=1)
    error = (Posterior(process, data).log_weights(u, 1) - expected)[expected > -40].abs()
    assert float(error.max()) <= 2.0**-24


@given(
    st.integers(1, 40),
    st.integers(1, 600),
    st.floats(-4, 2),
    st.floats(-3, 1),
    st.integers(0, 2**30),
)
def test_random_data_meet_the_bound(count, size, log_sigma, log_spacing, seed):
    source, sigma = seeded(seed), 10.0**log_sigma
    offset = torch.randn(size, generator=source) * 5
    data = offset + 10.0**log_spacing * torch.randn(count, size, generator=source)
    u = data[:3] + sigma * torch.randn(min(3, count), size, generator=source)
    exact = Posterior(VarianceExploding([sigma]), data)
    gaps = (u[:, None].double() - data.double()).square().sum(dim=2) / -(2 * sigma**2)
    expected, found = gaps.log_softmax(dim=1), exact.log_weights(u, 1)
    counts = expected > -40
    assert float((found - expected)[counts].abs().max()) <= 2.0**-7
    assert abs(float(found.logsumexp(dim=1).abs().max())) < 1e-12


# Memory: chunks change nothing


def test_chunks_change_nothing(case, monkeypatch):
    u = case.images(3).repeat(4, 1, 1, 1)
    draw = case.posterior.sample(u, 1, 3, generator=seeded())
    mean, logs = case.posterior.denoise(u, 3), case.posterior.log_weights(u, 3)
    monkeypatch.setattr(posterior, "_PAIRS", 12)
    monkeypatch.setattr(likelihood, "_CHUNK", 24)
    monkeypatch.setattr(likelihood.Likelihood, "_rows", lambda _: 2)
    close(case.posterior.sample(u, 1, 3, generator=seeded()), draw.numpy(), 1e-9)
    close(case.posterior.denoise(u, 3), mean.numpy(), 1e-9)
    close(case.posterior.log_weights(u, 3), logs.numpy(), 1e-9)


# Drawing components


def test_components_are_drawn_with_their_weights():
    """Frequencies of 5 components: n = 20000, alpha = 1e-4; finds 0.02 with a power of 0.99."""
    weights = torch.tensor([0.1, 0.0, 0.4, 0.3, 0.2], dtype=torch.float64)
    uniform = torch.rand(20000, generator=seeded(), dtype=torch.float64)
    alone = posterior._chosen(weights.log(), uniform)
    rows = posterior._chosen((5 + weights.log()).expand(20000, -1).clone(), uniform)
    assert torch.equal(alone, rows)
    shares = torch.bincount(alone, minlength=5) / 20000
    assert shares[1] == 0
    # A normal quantile: two-sided, Bonferroni over four shares.
    assert float((shares - weights).abs().max()) < 4.3 * math.sqrt(0.25 / 20000)


def test_the_ends_of_the_unit_interval_give_components_with_weight():
    weights = torch.tensor([0.0, 0.3, 0.0, 0.7, 0.0], dtype=torch.float64)
    ends = torch.tensor([0.0, 1 - 2.0**-53, 1.0], dtype=torch.float64)
    assert posterior._chosen(weights.log(), ends).tolist() == [1, 3, 3]


def test_more_than_2_to_24_components_can_be_drawn_from():
    """Where torch.multinomial gives up."""
    logs = torch.zeros(2**24 + 8, dtype=torch.float64)
    assert posterior._chosen(logs, torch.tensor([1 - 1e-9]).double()).tolist() == [2**24 + 7]


# Shapes and bad input

VP = VariancePreserving([0.3, 0.9])
DATA = torch.rand(6, 2, 3, 4, generator=seeded(1)) * 2 - 1


@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 3)])
def test_any_batch_dimensions(batch):
    for data in (DATA, DATA.flatten(1)):
        exact = Posterior(VP, data)
        u = torch.randn(*batch, *data.shape[1:], generator=seeded())
        assert exact.denoise(u, 2).shape == exact.score(u, 2).shape == u.shape
        assert exact.log_weights(u, 2).shape == (*batch, 6)
        assert exact.sample(u, 1, 2, generator=seeded()).shape == u.shape
        assert exact.trajectory(u, [1, 0], generator=seeded()).shape == (2, *u.shape)
        alone = exact.denoise(u.reshape(-1, *data.shape[1:])[0], 2)
        close(exact.denoise(u, 2).reshape(-1, *data.shape[1:])[0], alone.numpy(), 1e-5)


def test_strides_do_not_matter(process):
    data = torch.rand(3, 2, 2, 7, generator=seeded(), dtype=torch.float64).permute(3, 1, 2, 0)
    assert not data.is_contiguous()
    u = process.sample(data[[0, 0]], 2, generator=seeded()).movedim(0, -1).movedim(-1, 0)
    exact, same = Posterior(process, data), Posterior(process, data.contiguous())
    assert torch.equal(exact.denoise(u, 2), same.denoise(u.contiguous(), 2))
    draws = [x.sample(u, 1, 2, generator=seeded()) for x in (exact, same)]
    assert torch.equal(*draws)


def test_a_trajectory_is_a_chain_of_samples(case):
    u = case.images(4)
    found = case.posterior.trajectory(u, [3, 1, 0], generator=seeded(6))
    source = seeded(6)
    for k, i, level in zip([3, 1, 0], [4, 3, 1], found, strict=True):
        u = case.posterior.sample(u, k, i, generator=source)
        assert torch.equal(u, level)


def test_no_gradient_is_recorded():
    data = DATA.clone().requires_grad_()
    exact = Posterior(VP, data)
    found = exact.denoise(torch.zeros_like(data).requires_grad_(), 1)
    assert not found.requires_grad


BAD_ARGUMENTS = [
    ({"data": DATA.tolist()}, TypeError, r"^data must be a torch.Tensor, found list"),
    ({"data": DATA.int()}, TypeError, r"^data must be float32 or float64, found torch.int32"),
    ({"data": DATA[:0]}, ValueError, r"^data must not be empty, found shape \(0, 2, 3, 4\)"),
    ({"data": DATA[0, 0, 0]}, ValueError, r"^data must have shape \(N, C, H, W\) or \(N, d\), fou"),
    ({"data": DATA.log()}, ValueError, r"^data must be finite, found \d+ NaN"),
    ({"process": None}, TypeError, r"^process must be a LinearGaussianScaleSpace, found NoneType"),
    (
        {"process": HeatDissipation([1.0], 0.1, (4, 3))},
        ValueError,
        r"^u must have shape \(\.\.\., C, 4, 3\), found \(6, 2, 3, 4\)",
    ),
    ({"weights": torch.ones(5)}, ValueError, r"^weights must be 6 numbers, none negative and not"),
    ({"weights": -torch.ones(6)}, ValueError, r"^weights must be 6 numbers.*minimum -1"),
    ({"weights": torch.zeros(6)}, ValueError, r"^weights must be 6 numbers.*not all 0"),
    ({"weights": torch.ones(6) / 0}, ValueError, r"^weights must be finite"),
    ({"variance": -1.0}, ValueError, r"^variance must not be negative, found -1.0"),
    ({"variance": "1"}, TypeError, r"^variance must be a real number"),
    ({"variance": -torch.ones(2, 3, 4)}, ValueError, r"^variance must have .* minimum -1"),
    ({"variance": torch.ones(3, 4)}, ValueError, r"^variance must have the shape \(2, 3, 4\) of"),
    ({"without_mean": True}, ValueError, r"^without_mean needs a process that keeps it, found Var"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_named(change, error, message):
    arguments = {"process": VP, "data": DATA, **change}
    with pytest.raises(error, match=message):
        Posterior(arguments.pop("process"), arguments.pop("data"), **arguments)


U = torch.zeros(2, 2, 3, 4)
BAD_CALLS = [
    (
        lambda p: p.denoise(U.double(), 1),
        TypeError,
        r"^u must have the dtype torch.float32 of data",
    ),
    (
        lambda p: p.denoise(U[:, :1], 1),
        ValueError,
        r"^u must have shape \(\.\.\., 2, 3, 4\), found",
    ),
    (lambda p: p.denoise(U[0, 0], 1), ValueError, r"^u must have shape \(\.\.\., 2, 3, 4\), found"),
    (lambda p: p.denoise(U[:0], 1), ValueError, r"^u must not be empty"),
    (lambda p: p.denoise(U / 0, 1), ValueError, r"^u must be finite"),
    (lambda p: p.denoise(U, 3), ValueError, r"^i must be between 0 and 2, found 3"),
    (lambda p: p.denoise(U, 1.5), TypeError, r"^i must be an integer"),
    (lambda p: p.score(U, 0), ValueError, r"^scale 0 of .* must have variance in every mode"),
    (lambda p: p.denoise(U, 0), ValueError, r"^u must be what an image .* at scale 0"),
    (lambda p: p.sample(U, 1, 1, generator=seeded()), ValueError, r"^k must be between 0 and 0"),
    (lambda p: p.sample(U, 1, 0, generator=seeded()), ValueError, r"^i must be between 1 and 2"),
    (lambda p: p.sample(U, 0, 1, generator=None), ValueError, r"^exactly one of generator and"),
    (lambda p: p.sample(U, 0, 1, generator=3), TypeError, r"^generator must be a torch.Generator"),
    (
        lambda p: p.trajectory(U, [0, 1], generator=seeded()),
        ValueError,
        r"^scales must be strictly",
    ),
    (lambda p: p.trajectory(U, [2], generator=seeded()), ValueError, r"^scales\[0\] must be betw"),
    (lambda p: p.trajectory(U, [0], 3, generator=seeded()), ValueError, r"^start must be between"),
    (lambda p: p.draw(0, 1, generator=seeded()), ValueError, r"^count must be at least 1, found 0"),
    (lambda p: p.given(torch.zeros(5)), ValueError, r"^log_likelihood must be 6 logarithms"),
    (lambda p: p.given(torch.full((6,), torch.nan)), ValueError, r"^log_likelihood must be 6"),
    (lambda p: p.given(torch.full((6,), -torch.inf)), ValueError, r"^log_likelihood must leave"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_bad_calls_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(Posterior(VP, DATA))


def test_the_data_can_be_asked_for(case):
    exact = case.posterior
    close(case.modes(exact.data), case.reference.means)
    spread = exact.variance.expand(exact.data.shape).reshape(5, -1)
    close(spread, case.reference.variances)
    weights = np.array(case.reference.weights)
    close(exact.log_prior.exp(), weights / weights.sum())
    assert repr(exact) == f"Posterior({case.process!r}, images=5)"


# CUDA


@pytest.mark.cuda
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-2), (torch.float64, 1e-8)])
def test_cuda_gives_what_the_cpu_gives(case, dtype, tolerance):
    exact = case.posterior
    variance = exact.variance
    options = {
        "weights": exact.log_prior.exp(),
        "variance": variance,
        "without_mean": case.reference.without_mean,
    }
    here = Posterior(case.process, exact.data.to(dtype), **options)
    there = Posterior(case.process, exact.data.to(dtype).cuda(), **options)
    u = case.images(3).to(dtype)
    for name in ("denoise", "log_weights"):
        found = getattr(there, name)(u.cuda(), 3)
        assert found.is_cuda
        close(found.cpu().exp(), getattr(here, name)(u, 3).exp().numpy(), tolerance)
    if case.has_density(3):
        close(there.score(u.cuda(), 3).cpu(), here.score(u, 3).numpy(), tolerance)
    cuda = torch.Generator("cuda").manual_seed(0)
    assert there.trajectory(u.cuda(), [2, 0], 3, generator=cuda).is_cuda
    assert there.draw(4, 2, generator=cuda).is_cuda


@pytest.mark.cuda
def test_cuda_devices_are_checked():
    exact = Posterior(VP, DATA.cuda())
    with pytest.raises(ValueError, match=r"^u must be on the device cuda:0 of data, found cpu"):
        exact.denoise(U, 1)
    with pytest.raises(ValueError, match=r"^generator must be on the image's device cuda:0"):
        exact.sample(U.cuda(), 0, 1, generator=seeded())


@pytest.mark.cuda
def test_cuda_weights_of_near_duplicates_are_right():
    data = near_duplicates(1e-3)
    process = VarianceExploding([1e-3])
    u = process.sample(data[:9], 1, generator=seeded(9))
    gaps = (u[:, None].double() - data.double()).square().sum(dim=2) / -2e-6
    expected = gaps.log_softmax(dim=1)
    error = Posterior(process, data.cuda()).log_weights(u.cuda(), 1).cpu() - expected
    assert float(error[expected > -40].abs().max()) <= 2.0**-7
