"""Samplers against the published formulas, closed forms, and the exact kernel."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm

from scalelib import BlurringDiffusion, VarianceExploding, VariancePreserving
from scalelib.reverse import Denoiser, NoisePrediction, Posterior, ancestral, ddim, deblurring
from scalelib.schedules import linear_beta

BETAS = [0.02, 0.1, 0.4, 0.7]
VP = VariancePreserving(BETAS)
BAR = np.cumprod([1.0, *(1 - b for b in BETAS)])


class Fixed(Denoiser):
    """The same estimate whatever it is asked for."""

    def __init__(self, process, estimate):
        super().__init__(process)
        self.estimate = estimate

    def denoise(self, u, i):
        return self.estimate.clone()


def images(count=1, seed=0):
    source = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 2, 3, generator=source, dtype=torch.float64)


X0, U, Z = images(3, 1), images(3, 2), images(3, 3)[None]


def close(found, expected, tolerance=1e-13):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


# Published formulas


@pytest.mark.parametrize("t", [2, 3, 4])
def test_ancestral_steps_are_those_of_ho(t):
    """Equations (6) and (7)."""
    beta, early, late = BETAS[t - 1], BAR[t - 1], BAR[t]
    mean = math.sqrt(early) * beta / (1 - late) * X0
    mean += math.sqrt(1 - beta) * (1 - early) / (1 - late) * U
    deviation = math.sqrt((1 - early) / (1 - late) * beta)
    found = ancestral(Fixed(VP, X0), U, [t - 1], t, noise=Z)
    close(found[0], mean + deviation * Z[0])


@pytest.mark.parametrize("t", [2, 3, 4])
def test_ancestral_steps_with_predicted_noise_are_those_of_ho(t):
    """Equation (11), and Algorithm 2 with the variance (7)."""
    beta, early, late = BETAS[t - 1], BAR[t - 1], BAR[t]
    noise = images(3, 4)
    mean = (U - beta / math.sqrt(1 - late) * noise) / math.sqrt(1 - beta)
    deviation = math.sqrt((1 - early) / (1 - late) * beta)
    denoiser = NoisePrediction(VP, lambda _u, _i: noise)
    close(ancestral(denoiser, U, [t - 1], t, noise=Z)[0], mean + deviation * Z[0])


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("k", "i"), [(1, 2), (1, 4), (2, 4)])
def test_ddim_steps_are_those_of_song(eta, k, i):
    """Equations (12) and (16)."""
    early, late = BAR[k], BAR[i]
    sigma = eta * math.sqrt((1 - early) / (1 - late)) * math.sqrt(1 - late / early)
    noise = (U - math.sqrt(late) * X0) / math.sqrt(1 - late)
    expected = math.sqrt(early) * X0 + math.sqrt(1 - early - sigma**2) * noise + sigma * Z[0]
    given = {"noise": Z} if eta else {}
    close(ddim(Fixed(VP, X0), U, [k], i, eta=eta, **given)[0], expected)


BLUR = BlurringDiffusion(
    [0.05, 0.2, 0.6], [0.95, 0.7, 0.3], [0.3, 0.7, 0.95], shape=(2, 3), d_min=1e-3
)


@pytest.mark.parametrize(("s", "t"), [(1, 2), (2, 3), (1, 3)])
def test_blurring_steps_are_those_of_hoogeboom_and_salimans(s, t):
    """Frequency by frequency, in both forms: with the image, and with the predicted noise."""
    (a_s, v_s), (a_t, v_t) = BLUR.direct(s), BLUR.direct(t)
    a_ts = a_t / a_s
    v_ts = v_t - a_ts**2 * v_s
    v_back = 1 / (1 / v_s + a_ts**2 / v_ts)
    noise, z = images(3, 5), BLUR.to_modes(Z[0])
    u, eps = BLUR.to_modes(U), BLUR.to_modes(noise)
    x = (u - v_t.sqrt() * eps) / a_t
    with_image = v_back * (a_ts / v_ts * u + a_s / v_s * x)
    with_noise = v_back * a_ts / v_ts * u + a_s / a_t * v_back / v_s * (u - v_t.sqrt() * eps)
    close(with_image, with_noise, 1e-12)
    denoiser = NoisePrediction(BLUR, lambda _u, _i: noise)
    found = BLUR.to_modes(ancestral(denoiser, U, [s], t, noise=Z)[0])
    close(found, with_noise + v_back.sqrt() * z, 1e-11)
    # The coefficient that is easily got wrong: 1 / alpha_ts in place of alpha_s / alpha_t ...
    wrong = v_back * a_ts / v_ts * u + v_back / v_s * (u - v_t.sqrt() * eps)
    assert float((found - wrong - v_back.sqrt() * z).abs().max()) > 0.01


def test_deblurring_steps_are_those_of_rissanen(process):
    """Algorithm 2: the estimate of the less blurred image, and noise of deviation delta."""
    noise = images(9, 6).view(3, 3, 2, 2, 3)
    found = deblurring(Fixed(process, X0), U, [3, 1, 0], 0.125, 4, noise=noise)
    for j, k in enumerate([3, 1, 0]):
        close(found[j], process.mean(X0, k) + (0.125 * noise[j] if k else 0), 1e-12)


# Closed forms


def test_with_one_image_ancestral_is_the_exact_kernel(process):
    """Mean from noise 0, deviations from unit noise, mode by mode."""
    exact = Posterior(process, X0[:1])
    start = process.sample(X0, 4, noise=U) if process.direct(4)[1].any() else process.mean(X0, 4)
    start = start[:1]
    for k in (0, 1, 3):
        own, gain, variance = (x.view(2, 2, 3) for x in exact._kernel(4, k))
        mean = own * process.to_modes(X0[:1]) + gain * process.to_modes(start)
        expected = mean + variance.sqrt() * process.to_modes(Z[0, :1])
        found = ancestral(exact, start, [k], 4, noise=Z[:, :1])[0]
        close(process.to_modes(found), expected, 1e-12)


def angle(process, i, spread):
    """Angle of the vector (M C^1/2, S)."""
    factor, variance = process.direct(i)
    return torch.atan2(variance.sqrt(), factor * math.sqrt(spread))


def test_ddim_of_gaussian_data_is_a_product_of_cosines(process):
    """u_k = M_k mu + (P_k / P_i)^1/2 prod cos(angle) (u_i - M_i mu), in every mode."""
    spread, scales = 0.3, [3, 2, 1, 0]
    exact = Posterior(process, X0[:1], variance=spread)
    found = ddim(exact, U, scales)
    state, i = process.to_modes(U), 4
    mu = process.to_modes(X0[:1])
    for level, k in zip(found, scales, strict=True):
        (m_i, v_i), (m_k, v_k) = process.direct(i), process.direct(k)
        turn = torch.cos(angle(process, i, spread) - angle(process, k, spread))
        size = torch.sqrt((m_k**2 * spread + v_k) / (m_i**2 * spread + v_i))
        flow = m_k * mu + turn * size * (state - m_i * mu)
        follows = m_k * (mu + (state - m_i * mu) / m_i)  # without noise: the denoiser
        state = torch.where(v_i > 0, flow, follows)
        i = k
        close(process.to_modes(level), state, 1e-9)


def order(steps, errors):
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


STEPS = [64, 128, 256, 512, 1024]
FINE = VariancePreserving(linear_beta(1024, 2e-4, 0.012))


def flow_errors(exact, u, expected):
    errors = []
    for count in STEPS:
        stride = 1024 // count
        scales = range(1024 - stride, -1, -stride)
        errors.append(float((ddim(exact, u, scales)[-1] - expected).abs().max()))
    return errors


def test_ddim_is_of_first_order_for_gaussian_data():
    """The probability flow of a Gaussian law scales deviations."""
    exact = Posterior(FINE, torch.zeros(1, 1, dtype=torch.float64), variance=0.3)
    factor, variance = FINE.direct(1024)
    u = torch.tensor([[1.3]], dtype=torch.float64)
    expected = u * torch.sqrt(0.3 / (0.3 * factor**2 + variance))
    assert abs(order(STEPS, flow_errors(exact, u, expected)) - 1) < 0.15


def test_ddim_is_of_first_order_for_a_mixture():
    """In one dimension the probability flow keeps quantiles, those of the two laws."""
    means, spread = np.array([-1.0, 0.5]), 0.09
    data = torch.from_numpy(means)[:, None]
    exact = Posterior(FINE, data, weights=torch.tensor([0.3, 0.7]).double(), variance=spread)
    factor, variance = (float(x) for x in FINE.direct(1024))

    def below(x, m, v):
        return float(np.array([0.3, 0.7]) @ norm.cdf(x, m * means, math.sqrt(v)))

    u = torch.tensor([[-1.2], [0.4], [1.1]], dtype=torch.float64)
    expected = []
    for x in u[:, 0].tolist():
        quantile = below(x, factor, factor**2 * spread + variance)
        expected.append(brentq(lambda y, q=quantile: below(y, 1, spread) - q, -5, 5, xtol=1e-13))
    errors = flow_errors(exact, u, torch.tensor(expected).double()[:, None])
    assert abs(order(STEPS, errors) - 1) < 0.15


# What holds for all samplers

SAMPLERS = {
    "ancestral": ancestral,
    "ddim": lambda *args, **options: ddim(*args, eta=0.5, **options),
    "deblurring": lambda denoiser, u, scales, start=None, **options: deblurring(
        denoiser, u, scales, 0.1, start, **options
    ),
}


@pytest.fixture(params=SAMPLERS.values(), ids=SAMPLERS.keys())
def sampler(request):
    return request.param


def test_a_generator_draws_the_noise(sampler, process):
    found = sampler(Fixed(process, X0), U, [3, 1], generator=torch.Generator().manual_seed(4))
    source = torch.Generator().manual_seed(4)
    drawn = [torch.randn(U.shape, generator=source, dtype=U.dtype) for _ in range(2)]
    if not process.direct(4)[1].any() and sampler is not SAMPLERS["deblurring"]:
        drawn = [torch.zeros_like(U)] * 2  # nothing to draw
    assert torch.equal(found, sampler(Fixed(process, X0), U, [3, 1], noise=torch.stack(drawn)))


def test_scale_0_is_reached_without_noise(sampler, process):
    source = torch.Generator().manual_seed(4)
    before = source.get_state()
    found = sampler(Fixed(process, X0), U, [0], generator=source)
    assert torch.equal(source.get_state(), before)
    close(found[0], X0, 1e-14)
    other = sampler(Fixed(process, X0), U, [0], noise=1e6 * Z)
    assert torch.equal(found, other)


def test_steps_follow_one_another(sampler, process):
    noise = images(9, 6).view(3, 3, 2, 2, 3)
    found = sampler(Fixed(process, X0), U, [3, 2, 0], noise=noise)
    u = U
    for j, (k, i) in enumerate([(3, 4), (2, 3), (0, 2)]):
        (u,) = sampler(Fixed(process, X0), u, [k], i, noise=noise[j : j + 1])
        assert torch.equal(found[j], u)


@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
def test_any_batch_dimensions(sampler, process, batch):
    estimate = torch.randn(*batch, 1, 2, 3)
    u = torch.randn(*batch, 3, 2, 1).transpose(-1, -3)
    found = sampler(Fixed(process, estimate), u, [2, 0], generator=torch.Generator())
    assert found.shape == (2, *u.shape)
    assert found.dtype == torch.float32


def test_no_gradient_is_recorded(sampler):
    weight = torch.ones((), requires_grad=True, dtype=torch.float64)
    denoiser = NoisePrediction(VP, lambda u, _: u * weight)
    assert not sampler(denoiser, U, [1, 0], noise=torch.cat([Z, Z])).requires_grad


def test_nothing_is_drawn_without_noise():
    with pytest.raises(ValueError, match=r"^a trajectory without noise must get neither"):
        ddim(Fixed(VP, X0), U, [1], generator=torch.Generator())
    with pytest.raises(ValueError, match=r"^a trajectory without noise must get neither"):
        deblurring(Fixed(VP, X0), U, [1], 0.0, noise=Z)
    close(deblurring(Fixed(VP, X0), U, [1], 0.0)[0], VP.mean(X0, 1))


BAD = [
    ({"denoiser": None}, TypeError, r"^denoiser must be a Denoiser, found NoneType"),
    ({"u": [1.0]}, TypeError, r"^u must be a torch.Tensor, found list"),
    ({"u": U / 0}, ValueError, r"^u must be finite"),
    ({"scales": []}, ValueError, r"^scales must hold at least one integer"),
    ({"scales": [1, 2]}, ValueError, r"^scales must be strictly decreasing"),
    ({"scales": [4]}, ValueError, r"^scales\[0\] must be between 0 and 3, found 4"),
    ({"scales": [-1]}, ValueError, r"^scales\[0\] must be between 0 and 3"),
    ({"start": 5}, ValueError, r"^start must be between 1 and 4, found 5"),
    ({"start": 0}, ValueError, r"^start must be between 1 and 4, found 0"),
    ({"noise": None}, ValueError, r"^exactly one of generator and noise must be given, found nei"),
    ({"generator": torch.Generator()}, ValueError, r"^exactly one of generator .* found both"),
    ({"noise": Z[0]}, ValueError, r"^noise must have shape \(1, 3, 2, 2, 3\), found"),
    ({"noise": Z.float()}, TypeError, r"^noise must have the image's dtype torch.float64"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_arguments_are_named(sampler, change, error, message):
    arguments = {"denoiser": Fixed(VP, X0), "u": U, "scales": [2], "noise": Z, **change}
    with pytest.raises(error, match=message):
        sampler(arguments.pop("denoiser"), arguments.pop("u"), arguments.pop("scales"), **arguments)


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_bad_shares_are_named(eta):
    with pytest.raises(ValueError, match=r"^eta must"):
        ddim(Fixed(VP, X0), U, [1], eta=eta, noise=Z)
    with pytest.raises(ValueError, match=r"^delta must"):
        deblurring(Fixed(VP, X0), U, [1], min(eta, -1.0), noise=Z)


def test_large_noise_does_not_overflow():
    process = VarianceExploding([1e-4, 1.0, 1e4])
    exact = Posterior(process, X0.float())
    u = process.sample(X0.float(), 3, generator=torch.Generator().manual_seed(0))
    found = ddim(exact, u, [2, 1, 0])
    assert bool(found.isfinite().all())


@pytest.mark.cuda
def test_cuda_gives_what_the_cpu_gives(sampler, process):
    noise = torch.cat([Z, Z])
    here = sampler(Fixed(process, X0), U, [2, 0], noise=noise)
    there = sampler(Fixed(process, X0.cuda()), U.cuda(), [2, 0], noise=noise.cuda())
    assert there.is_cuda
    close(there.cpu(), here, 1e-9)
    drawn = sampler(
        Fixed(process, X0.cuda()),
        U.cuda(),
        [2, 0],
        generator=torch.Generator("cuda").manual_seed(0),
    )
    assert drawn.is_cuda
    with pytest.raises(ValueError, match=r"^generator must be on the image's device cuda"):
        sampler(Fixed(process, X0.cuda()), U.cuda(), [2], generator=torch.Generator())
