"""Side information against Bayes' rule by brute force, rejection sampling and closed forms."""

import math

import mpmath
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.information import energy_test, standard_normal_test
from scalelib.reverse import Denoiser, Posterior, ancestral, given_label, given_pixels, inpaint

SHAPE = (3, 2)
VP = VariancePreserving([0.1, 0.3, 0.75])
VE = VarianceExploding([0.2, 0.6, 1.5])
IHD = HeatDissipation([0.2, 0.5, 2.0], 0.3, SHAPE)
BLURRING = BlurringDiffusion([0.2, 0.5, 2.0], [0.95, 0.8, 0.5], [0.2, 0.4, 0.8], SHAPE)
OSMOSIS = LinearisedOsmosis([0.2, 0.5, 2.0], 0.5, SHAPE)
DIFFUSION = HomogeneousDiffusion([0.2, 0.5, 2.0], SHAPE)
NOISY = [VP, VE, IHD, BLURRING]

points = st.integers(0, 2**31)


def source(seed=20230521):
    return torch.Generator().manual_seed(seed)


def images(count, seed=0):
    return 2 * torch.rand(count, 1, *SHAPE, generator=source(seed), dtype=torch.float64) - 1


def half():
    mask = torch.zeros(1, *SHAPE, dtype=torch.bool)
    mask[..., :2, 0] = True
    return mask


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def basis(process):
    """Matrix V, columns are modes."""
    unit = torch.eye(6, dtype=torch.float64).view(6, 1, *SHAPE)
    return process.from_modes(unit).reshape(6, 6).T


def joint_law(process, i, mask, rho, variance):
    """Map of an image to the mean of (pixels on the mask, U_i), its noise, and the prior's C."""
    factor, added = (x.expand(SHAPE).flatten() for x in process.direct(i))
    V = basis(process)
    seen = torch.eye(6, dtype=torch.float64)[mask.flatten()]
    both = torch.cat([seen, (V * factor) @ V.T])
    known = len(seen)
    noise = torch.zeros(known + 6, known + 6, dtype=torch.float64)
    noise[:known, :known] = rho**2 * torch.eye(known, dtype=torch.float64)
    noise[known:, known:] = (V * added) @ V.T
    return both, noise, torch.diag(variance.flatten())


def brute_force(process, i, data, prior, mask, rho, y, u, variance):
    """Weights and mean of the image given pixels and scale i, by one dense Gaussian each."""
    both, noise, C = joint_law(process, i, mask, rho, variance)
    seen = torch.cat([y[mask], u.flatten()])
    total = both @ C @ both.T + noise
    gain = C @ both.T @ torch.linalg.inv(total)
    logs, means = [], []
    for x, w in zip(data.flatten(1), prior, strict=True):
        law = scipy.stats.multivariate_normal((both @ x).numpy(), total.numpy())
        logs.append(math.log(w) + law.logpdf(seen.numpy()))
        means.append(x + gain @ (seen - both @ x))
    weights = torch.softmax(double(logs), dim=0)
    return weights, (weights @ torch.stack(means)).view(u.shape)


# Weights


def test_a_label_keeps_the_weights_of_its_class_and_shares_the_data():
    posterior = Posterior(VP, images(5), weights=double([1.0, 2.0, 3.0, 4.0, 5.0]))
    found = given_label(posterior, torch.tensor([1, 0, 1, 7, 7]), 1)
    torch.testing.assert_close(found.log_prior.exp(), double([1 / 4, 0, 3 / 4, 0, 0]))
    assert found.data.data_ptr() == posterior.data.data_ptr()
    assert posterior.log_prior.isfinite().all(), "the original stays as it was"


@given(points, st.floats(0.05, 3.0), st.sampled_from(range(6)))
def test_pixels_weigh_the_images_by_their_likelihood(seed, rho, chosen):
    data, y, mask = images(5, seed), images(1, seed + 1)[0], half()
    prior = torch.rand(5, generator=source(seed), dtype=torch.float64) + 0.1
    process = [VP, VE, IHD, BLURRING, OSMOSIS, DIFFUSION][chosen]
    found = given_pixels(Posterior(process, data, weights=prior), y, mask, rho)
    law = torch.distributions.Normal(data[:, mask], rho)
    expected = torch.softmax(prior.log() + law.log_prob(y[mask]).sum(dim=1), dim=0)
    torch.testing.assert_close(found.log_prior.exp(), expected, rtol=1e-10, atol=1e-14)


def test_likelihoods_as_small_as_they_like():
    # Distances of 2e4 in units of the deviation: logarithms near -2e8 which differ by about 1.
    data, rho = double([[0.0], [5e-7], [1e-6]]), 5e-3
    y, mask = double([100.0]), torch.tensor([True])
    found = given_pixels(Posterior(VP, data), y, mask, rho).log_prior
    with mpmath.workdps(60):
        mp = [
            mpmath.exp(-((100 - mpmath.mpf(float(x))) ** 2) / (2 * mpmath.mpf(rho) ** 2))
            for x in data
        ]
        expected = double([float(mpmath.log(w / sum(mp))) for w in mp])
    assert float(expected.max() - expected.min()) > 1
    eps = torch.finfo(torch.float64).eps
    assert (found - expected).abs().max() < 4 * eps * 100**2 / rho**2


def test_a_deviation_that_goes_to_zero_picks_the_nearest_image():
    data, mask = double([[0.0, 3.0], [0.4, 4.0], [1.0, 5.0]]), torch.tensor([True, False])
    found = given_pixels(Posterior(VP, data), double([0.3, 0.0]), mask, 1e-160)
    assert found.log_prior.exp().tolist() == [0.0, 1.0, 0.0]


def test_pixels_known_exactly_keep_the_images_that_have_them():
    data = torch.tensor([[1.0, 2.0], [1.0, 3.0], [2.0, 2.0]])
    posterior = Posterior(VP, data, weights=torch.tensor([1.0, 3.0, 5.0]))
    mask = torch.tensor([True, False])
    found = given_pixels(posterior, torch.tensor([1.0, torch.nan]), mask)
    torch.testing.assert_close(found.log_prior.exp(), double([0.25, 0.75, 0.0]))


@pytest.mark.parametrize("process", [VP, IHD, OSMOSIS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_match_themselves_in_every_basis(process, dtype):
    data = images(4).to(dtype)
    for j in range(4):
        weights = given_pixels(Posterior(process, data), data[j], half()).log_prior.exp()
        assert weights.tolist() == [float(l == j) for l in range(4)]


def test_no_match_tells_how_far_the_nearest_possible_image_is():
    data = double([[0.0], [0.25], [1.0]])
    posterior = Posterior(VP, data, weights=double([1.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match=r"known must be .* found the nearest image 0\.3 off"):
        given_pixels(posterior, double([0.3]), torch.tensor([True]))
    with pytest.raises(ValueError, match=r"found the nearest image 0\.25 off"):
        given_pixels(posterior, double([0.25]), torch.tensor([True]))


@given(points, st.floats(0.1, 2.0), st.floats(0.1, 2.0), st.booleans())
def test_knowledge_adds_up_in_any_order(seed, first, second, broad):
    data, y = images(4, seed), images(1, seed + 1)[0]
    C = torch.rand(1, *SHAPE, generator=source(seed), dtype=torch.float64) * broad
    one, other = half(), torch.roll(half(), 1, dims=-1)
    start = Posterior(VP, data, variance=C)
    there = given_pixels(given_pixels(start, y, one, first), y, other, second)
    back = given_pixels(given_pixels(start, y, other, second), y, one, first)
    u = images(2, seed + 2)
    torch.testing.assert_close(there.log_prior, back.log_prior, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(there.variance, back.variance)
    torch.testing.assert_close(there.denoise(u, 2), back.denoise(u, 2))


@given(points, st.floats(0.1, 2.0), st.booleans())
def test_two_looks_at_a_pixel_are_one_with_half_the_variance(seed, rho, broad):
    data, y = images(4, seed), images(1, seed + 1)[0]
    start = Posterior(VP, data, variance=0.3 * broad)
    twice = given_pixels(given_pixels(start, y, half(), rho), y, half(), rho)
    once = given_pixels(start, y, half(), rho / math.sqrt(2))
    torch.testing.assert_close(twice.log_prior, once.log_prior, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(twice.variance, once.variance)
    torch.testing.assert_close(twice.data, once.data)


def test_given_normalises_and_excludes():
    posterior = Posterior(VP, images(3), weights=double([1.0, 1.0, 2.0]))
    found = posterior.given(double([-20000.0, -20000.0 + math.log(3), -math.inf]))
    torch.testing.assert_close(found.log_prior.exp(), double([0.25, 0.75, 0.0]))


# Kernels given both the pixels and a scale


@given(points, st.sampled_from(NOISY), st.integers(1, 3), st.floats(0.1, 1.0))
def test_the_conditional_posterior_is_bayes_rule_for_all_that_is_known(seed, process, i, rho):
    data, (y, u) = images(4, seed), images(2, seed + 1)
    found = given_pixels(Posterior(process, data), y, half(), rho)
    C = torch.zeros(1, *SHAPE, dtype=torch.float64)
    expected = brute_force(process, i, data, [1 / 4] * 4, half(), rho, y, u, C)
    torch.testing.assert_close(found.log_weights(u, i).exp(), expected[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.denoise(u, i), expected[1], rtol=1e-9, atol=1e-12)


@given(points, st.sampled_from([VP, VE]), st.integers(1, 3), st.floats(0.1, 1.0))
def test_components_with_variance_move_and_narrow(seed, process, i, rho):
    data, (y, u) = images(3, seed), images(2, seed + 1)
    C = torch.rand(1, *SHAPE, generator=source(seed), dtype=torch.float64)
    C[..., 0, 0] = 0
    found = given_pixels(Posterior(process, data, variance=C), y, half(), rho)
    expected = brute_force(process, i, data, [1 / 3] * 3, half(), rho, y, u, C)
    torch.testing.assert_close(found.log_weights(u, i).exp(), expected[0], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.denoise(u, i), expected[1], rtol=1e-9, atol=1e-12)


def test_a_component_seen_exactly_has_that_pixel():
    data = double([[-1.0, 0.5], [1.0, -0.5]])
    start = Posterior(VP, data, variance=0.25)
    found = given_pixels(start, double([0.3, 0.0]), torch.tensor([True, False]))
    assert found.variance.tolist() == [0.0, 0.25]
    assert found.data.tolist() == [[0.3, 0.5], [0.3, -0.5]]
    torch.testing.assert_close(  # ln N(0.3; 1, 0.25) - ln N(0.3; -1, 0.25) = 2 * 0.3 / 0.25
        found.log_prior.diff(), double([2.4])
    )


def test_components_may_differ_in_variance():
    data, (y, u) = images(3), images(2, 1)
    C = torch.rand(3, 1, *SHAPE, generator=source(), dtype=torch.float64)
    found = given_pixels(Posterior(VP, data, variance=C), y, half(), 0.4)
    logs, means = [], []
    for x, c in zip(data, C, strict=True):
        single = Posterior(VP, x[None], variance=c)
        means.append(given_pixels(single, y, half(), 0.4).denoise(u, 2))
        both, noise, prior = joint_law(VP, 2, half(), 0.4, c)
        law = scipy.stats.multivariate_normal(
            (both @ x.flatten()).numpy(), (both @ prior @ both.T + noise).numpy()
        )
        logs.append(law.logpdf(torch.cat([y[half()], u.flatten()]).numpy()))
    weights = torch.softmax(double(logs), dim=0)
    torch.testing.assert_close(found.log_weights(u, 2).exp(), weights, rtol=1e-9, atol=1e-12)
    expected = (weights @ torch.stack(means).flatten(1)).view(u.shape)
    torch.testing.assert_close(found.denoise(u, 2), expected, rtol=1e-9, atol=1e-12)


def test_a_point_mass_beside_a_density_cannot_be_weighed():
    C = double([[0.0], [0.5]])
    posterior = Posterior(VP, double([[0.0], [1.0]]), variance=C)
    with pytest.raises(ValueError, match="deviation must be positive if only some components"):
        given_pixels(posterior, double([0.0]), torch.tensor([True]))


@pytest.mark.parametrize("process", NOISY)
def test_conditioning_is_guidance_by_the_gradient_of_the_likelihood(process):
    data, y = images(4), images(1, 9)[0]
    posterior = Posterior(process, data)
    known = given_pixels(posterior, y, half(), 0.5)
    likelihood = known.log_prior - posterior.log_prior
    factor, variance = (x.expand(SHAPE).flatten() for x in process.direct(2))
    u = images(2, 5).requires_grad_()
    gap = (u.flatten(1) @ basis(process))[:, None] - factor * (data.flatten(1) @ basis(process))
    logs = torch.log_softmax(-(gap.square() / variance).sum(dim=-1) / 2, dim=1)
    (guidance,) = torch.autograd.grad((logs + likelihood).logsumexp(dim=1).sum(), u)
    u = u.detach()
    expected = posterior.score(u, 2) + guidance
    torch.testing.assert_close(known.score(u, 2), expected, rtol=1e-9, atol=1e-10)


# Samples


@pytest.mark.parametrize("process", NOISY)
def test_conditional_marginals_are_those_of_rejection_sampling(process):
    # n = 800 accepted images against 800 draws, alpha = 1e-3: an energy distance of 0.35 between
    # the two laws is found with power 0.99.
    generator, rho, n = source(), 0.4, 800
    data = torch.cat([images(8, 1), images(8, 2) + 1.0])
    y, mask = data[11], half()
    posterior = Posterior(process, data)
    x = posterior.draw(40_000, 0, generator=generator)
    likelihood = torch.exp(-(x[:, mask] - y[mask]).square().sum(dim=1) / (2 * rho**2))
    kept = torch.rand(len(x), generator=generator, dtype=torch.float64) < likelihood
    accepted = process.sample(x[kept][:n], 1, generator=generator).flatten(1)
    assert len(accepted) == n
    conditioned = given_pixels(posterior, y, mask, rho)
    start = conditioned.draw(n, 3, generator=generator)
    reverse = conditioned.trajectory(start, [2, 1], generator=generator)[-1].flatten(1)
    test = {"permutations": 1499, "generator": generator, "alpha": 1e-3}
    assert not energy_test(accepted, reverse, distance=0.35, **test).rejected
    unaware = posterior.draw(n, 1, generator=generator).flatten(1)
    assert energy_test(accepted, unaware, **test).rejected


def chi_square(chosen, weights):
    """P-value of counts of images under their weights."""
    possible = weights > 0
    if bool((chosen.bincount(minlength=len(weights))[~possible] > 0).any()):
        return 0.0
    counts = chosen.bincount(minlength=len(weights))[possible]
    return scipy.stats.chisquare(counts, (weights * len(chosen))[possible]).pvalue


def test_trajectories_end_in_images_with_their_conditional_weights():
    # n = 4000, alpha = 1e-3, 9 images: a chi-square test of 8 degrees of freedom finds weights
    # whose chi-square distance is 0.013 with power 0.99; without condition it is above 0.3.
    generator, n = source(), 4000
    critical = scipy.stats.chi2.isf(1e-3, 8)
    assert scipy.stats.ncx2.sf(critical, 8, 0.013 * n) > 0.99
    data = images(9)
    posterior = Posterior(VP, data)
    conditioned = given_pixels(posterior, images(1, 4)[0], half(), 0.8)
    weights = conditioned.log_prior.exp()
    assert float(((weights - 1 / 9).square() * 9).sum()) > 0.3
    found = []
    for law in (conditioned, posterior):
        start = law.draw(n, 3, generator=generator)
        ends = law.trajectory(start, [2, 1, 0], generator=generator)[-1]
        distances = torch.cdist(ends.flatten(1), data.flatten(1))
        assert float(distances.amin(dim=1).max()) < 1e-6
        found.append(chi_square(distances.argmin(dim=1), weights))
    assert found[0] > 1e-3
    assert found[1] < 1e-3


# Replacement


class Gaussian(Denoiser):
    """Exact denoiser of Gaussian points in the plane, both of variance 1 and of correlation r."""

    def __init__(self, process, r):
        super().__init__(process)
        self.covariance = double([[1.0, r], [r, 1.0]])

    def denoise(self, u, i):
        """Linear regression."""
        return u @ self.map(i).T

    def map(self, i):
        """Matrix of the regression."""
        M, V = self.process.direct(i)
        total = M**2 * self.covariance + V * torch.eye(2, dtype=torch.float64)
        return M * self.covariance @ torch.linalg.inv(total)


def replaced_law(denoiser, y, repetitions):
    """Mean and variance of pixel 0 given pixel 1, by the recursion of replacement's own moments."""
    process, one = denoiser.process, torch.eye(2, dtype=torch.float64)
    i = process.steps
    mean, variance = double(0.0), process.direct(i)[1]
    for k in reversed(range(process.steps)):
        (M_i, V_i), (M_k, V_k), (f, added) = (
            process.direct(i),
            process.direct(k),
            process.direct(i, k),
        )
        A = M_k * denoiser.map(i) + f * V_k / V_i * (one - M_i * denoiser.map(i))
        for left in reversed(range(repetitions)):
            lower = A[0, 0] * mean + A[0, 1] * M_i * y
            spread = A[0, 0] ** 2 * variance + A[0, 1] ** 2 * V_i + V_k * added / V_i
            mean, variance = (f * lower, f**2 * spread + added) if left else (lower, spread)
        i = k
    return lower, spread


MASK = torch.tensor([False, True])


@pytest.mark.parametrize("repetitions", [1, 3])
@pytest.mark.parametrize("process", [VP, VE])
def test_replacement_has_the_moments_of_its_recursion(process, repetitions):
    # n = 40000, alpha = 1e-3: a mean or a deviation off by 0.04 deviations is found with power 0.99
    generator, n, y = source(), 40_000, 1.5
    denoiser = Gaussian(process, 0.8)
    deviation = process.direct(3)[1].sqrt()
    u = deviation * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    known = double([torch.nan, y])
    found = inpaint(
        denoiser, u, [2, 1, 0], known, MASK, repetitions=repetitions, generator=generator
    )
    mean, variance = replaced_law(denoiser, y, repetitions)
    residual = (found[-1, :, :1] - mean) / variance.sqrt()
    assert not standard_normal_test(residual, alpha=1e-3, defect=0.04).rejected
    without = ancestral(denoiser, u, [2, 1, 0], generator=generator)[-1, :, :1]
    assert standard_normal_test((without - mean) / variance.sqrt(), alpha=1e-3).rejected


def test_known_pixels_follow_the_forward_process_and_end_as_given():
    # n = 20000, alpha = 1e-3: defects of 0.05 deviations are found with power 0.99
    generator, n = source(), 20_000
    u = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    known = double([0.0, -0.7])
    found = inpaint(Gaussian(VP, 0.5), u, [2, 1, 0], known, MASK, generator=generator)
    for k, values in zip((2, 1), found, strict=False):
        M, V = VP.direct(k)
        residual = (values[:, 1:] - M * known[1]) / V.sqrt()
        assert not standard_normal_test(residual, alpha=1e-3, defect=0.05).rejected
    assert (found[-1, :, 1] == known[1]).all()


@pytest.mark.parametrize("r", [-0.9, 0.3, 0.6])
def test_small_steps_tend_to_the_closed_form_of_the_bias_with_order_one(r):
    root = math.sqrt(1 - r**2)
    slope, variance = r / (1 + root), (1 - r**2) * math.atanh(r) / r
    errors = []
    for m in (400, 800, 1600):
        s = 6 * torch.linspace(0, 1, m + 1, dtype=torch.float64).square()
        process = VariancePreserving(-torch.expm1(-2 * s.diff()))
        found = replaced_law(Gaussian(process, r), 1.0, 1)
        errors.append([abs(float(found[0]) - slope), abs(float(found[1]) - variance)])
    orders = -double(errors).log2().diff(dim=0)
    assert ((orders - 1).abs() < 0.15).all(), orders
    assert abs(slope - r) > 10 * errors[-1][0], "the bias is not an error of the steps"


def test_pixels_that_tell_nothing_of_each_other_are_inpainted_exactly_by_small_steps():
    errors = []
    for m in (400, 800):
        s = 6 * torch.linspace(0, 1, m + 1, dtype=torch.float64).square()
        process = VariancePreserving(-torch.expm1(-2 * s.diff()))
        mean, variance = replaced_law(Gaussian(process, 0.0), 5.0, 1)
        assert abs(float(mean)) < 1e-12
        errors.append(1 - float(variance))
    assert abs(math.log2(errors[0] / errors[1]) - 1) < 0.15


def test_known_values_may_differ_within_a_batch():
    known = images(3, 2).float()
    mask = half().expand(3, 1, *SHAPE)
    exact = Posterior(VP, images(4).float())
    u = torch.randn(3, 1, *SHAPE, generator=source())
    found = inpaint(exact, u, [1, 0], known, mask, generator=source())
    assert found.shape == (2, 3, 1, *SHAPE)
    assert found.dtype == torch.float32
    assert (found[-1][mask] == known[mask]).all()


# Bad input


def conditions(**changed):
    """Arguments of given_pixels, one of them changed."""
    arguments = {"known": images(1)[0], "mask": half(), "deviation": 0.5, **changed}
    return given_pixels(Posterior(VP, images(3)), *arguments.values())


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"known": images(1)}, ValueError, r"known must have the shape \(1, 3, 2\) of one image"),
        (
            {"known": images(1)[0].float()},
            TypeError,
            "known must have the data's dtype torch.float64",
        ),
        ({"known": 0.3}, TypeError, r"known must be a torch.Tensor, found float"),
        ({"known": images(1)[0] * torch.nan}, ValueError, "known must be finite, found 2 NaN"),
        ({"mask": half()[0]}, ValueError, r"mask must have the shape \(1, 3, 2\) of known"),
        ({"mask": half().double()}, TypeError, "mask must be a tensor of torch.bool, found torch"),
        ({"mask": [True]}, TypeError, "mask must be a tensor of torch.bool, found list"),
        ({"mask": ~half() & half()}, ValueError, "mask must hold a known pixel, found none"),
        ({"deviation": -0.1}, ValueError, "deviation must not be negative, found -0.1"),
        ({"deviation": math.nan}, ValueError, "deviation must be finite"),
        ({"deviation": 0.0, "known": 9 + images(1)[0]}, ValueError, "found the nearest image"),
    ],
)
def test_bad_pixels_are_refused(changed, error, message):
    with pytest.raises(error, match=message):
        conditions(**changed)


def test_everything_may_be_known_to_the_exact_posterior():
    found = conditions(mask=torch.ones_like(half()), known=images(3)[1], deviation=0.0)
    assert found.log_prior.exp().tolist() == [0.0, 1.0, 0.0]


def test_components_with_variance_are_refused_for_blurring_processes():
    posterior = Posterior(BLURRING, images(3), variance=0.1)
    with pytest.raises(ValueError, match=r"do not stay diagonal in the modes of BlurringDiffusion"):
        given_pixels(posterior, images(1)[0], half(), 0.5)


@pytest.mark.parametrize(
    ("labels", "label", "error", "message"),
    [
        ([0, 1, 1], 1, TypeError, r"labels must be a torch.Tensor, found list"),
        (double([0, 1, 1]), 1, TypeError, "labels must be integers, found torch.float64"),
        (torch.tensor([0, 1]), 1, ValueError, r"labels must have shape \(3,\), found \(2,\)"),
        (torch.tensor([0, 2, 2]), 1, ValueError, r"label must be one of \[0, 2\], found 1"),
        (torch.tensor([0, 2, 2]), 3, ValueError, "label must be between 0 and 2, found 3"),
        (torch.tensor([0, 2, 2]), 2.0, TypeError, "label must be an integer, found 2.0"),
    ],
)
def test_bad_labels_are_refused(labels, label, error, message):
    with pytest.raises(error, match=message):
        given_label(Posterior(VP, images(3)), labels, label)


@pytest.mark.parametrize(
    ("logs", "error", "message"),
    [
        (torch.zeros(2), ValueError, r"log_likelihood must be 3 logarithms.*found shape \(2,\)"),
        (double([0.0, math.inf, 0.0]), ValueError, "finite or minus infinity.*maximum inf"),
        (double([0.0, math.nan, 0.0]), ValueError, "finite or minus infinity"),
        (double([-math.inf] * 3), ValueError, "leave an image of the data possible, found none"),
        ([0.0] * 3, TypeError, r"log_likelihood must be a torch.Tensor, found list"),
    ],
)
def test_bad_likelihoods_are_refused(logs, error, message):
    with pytest.raises(error, match=message):
        Posterior(VP, images(3)).given(logs)


def filled(process=VP, **changed):
    """Inpaint with one argument changed."""
    arguments = {
        "scales": [2, 1, 0],
        "known": images(1)[0],
        "mask": half(),
        "generator": source(),
        **changed,
    }
    return inpaint(Posterior(process, images(3)), images(2), **arguments)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"process": IHD}, ValueError, "denoiser must be for a pixel-wise process, since blur"),
        ({"known": images(3)}, ValueError, r"known must have the shape \(2, 1, 3, 2\) or"),
        ({"known": images(1)[0].float()}, TypeError, "known must have the image's dtype"),
        ({"known": images(1)[0] * torch.nan}, ValueError, "known must be finite, found 2 NaN"),
        ({"mask": half()[0]}, ValueError, r"mask must have the shape \(1, 3, 2\) of known"),
        ({"mask": half().int()}, TypeError, "mask must be a tensor of torch.bool"),
        ({"mask": half() & ~half()}, ValueError, "mask must hold a known pixel, found none"),
        ({"mask": half() | ~half()}, ValueError, "mask must leave a pixel unknown"),
        ({"repetitions": 0}, ValueError, "repetitions must be at least 1, found 0"),
        ({"scales": [3, 0]}, ValueError, "scales"),
        ({"scales": [0, 1]}, ValueError, "scales must be strictly decreasing"),
        ({"start": 0}, ValueError, "start must be between 1 and 3"),
        ({"generator": None}, ValueError, "exactly one of generator and noise"),
    ],
)
def test_bad_inpainting_is_refused(changed, error, message):
    with pytest.raises(error, match=message):
        filled(**changed)


# CUDA


@pytest.mark.cuda
@pytest.mark.parametrize("variance", [0.0, 0.3])
def test_cuda_gives_what_the_cpu_gives(variance):
    data, y = images(4), images(1, 1)[0]
    here = given_pixels(Posterior(VP, data, variance=variance), y, half(), 0.4)
    start = Posterior(VP, data.cuda(), variance=variance)
    there = given_pixels(start, y.cuda(), half().cuda(), 0.4)
    torch.testing.assert_close(there.log_prior.cpu(), here.log_prior)
    torch.testing.assert_close(there.data.cpu(), here.data)
    cuda = torch.Generator("cuda").manual_seed(0)
    known, mask = y.cuda(), half().cuda()
    filled = inpaint(start, data.cuda(), [1, 0], known, mask, 2, generator=cuda)[-1]
    assert (filled[:, mask] == known[mask]).all()
    assert given_label(start, torch.tensor([0, 0, 1, 1]), 1).log_prior.is_cuda
    with pytest.raises(ValueError, match="known must be on the data's device cuda"):
        given_pixels(start, y, half(), 0.4)
