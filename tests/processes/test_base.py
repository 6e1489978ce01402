"""The suite that every process passes: one table of theory, one set of properties."""

import subprocess
import sys
import textwrap
from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from scalelib import LinearGaussianScaleSpace, VariancePreserving, processes

H, W = SHAPE = (5, 7)  # the image size of the fixture ``case``
N = H * W


class Altered(LinearGaussianScaleSpace):
    """A process whose transitions were tampered with, for negative controls."""

    def __init__(self, process, change):
        super().__init__(process.steps, process.shape)
        self._original, self._change = process, change

    def _transition(self, start, i):
        return self._change(*self._original.direct(i, start))


def square_the_variance(factor, variance):
    """The beginner's mistake b = beta instead of b^2 = beta."""
    return factor, variance**2


def random_image(generator, *batch, dtype=torch.float64):
    return torch.rand(*batch, *SHAPE, generator=generator, dtype=dtype) * 2 - 1


def flat(images):
    """Images (..., H, W) as NumPy vectors (..., N)."""
    return images.detach().double().numpy().reshape(*images.shape[:-2], N)


# The table itself


def test_every_process_is_in_the_table(all_cases, all_families):
    public = {getattr(processes, name) for name in processes.__all__} - {LinearGaussianScaleSpace}
    once = settings(phases=[Phase.generate])
    families = [find(family, lambda _: True, settings=once) for family in all_families]
    for place, found in {"cases": all_cases, "FAMILIES": families}.items():
        without = public - {type(entry.process) for entry in found}
        assert without == set(), f"add a line to {place} in tests/processes/conftest.py"


def test_the_columns_of_the_table_agree(case):
    """M and S^2 follow from a and b^2, in the references alone."""
    for lam in case.eigenvalues:
        for i in range(1, case.process.steps + 1):
            factor, variance = case.row.transition(0, i, lam)
            assert abs(factor - case.row.M(i, lam)) <= 1e-40 * abs(factor)
            assert abs(variance - case.row.S2(i, lam)) <= 1e-40 * max(variance, 1)


# P-trans, P-semi, P-valid


def test_coefficients_are_those_of_the_table(case, relative_defect):
    for i in range(1, case.process.steps + 1):
        a, b2 = case.process.coefficients(i)
        assert relative_defect(a, [case.row.a(i, lam) for lam in case.eigenvalues]) <= 1e-12
        assert relative_defect(b2, [case.row.b2(i, lam) for lam in case.eigenvalues]) <= 1e-12


def test_direct_transitions_are_those_of_the_table(case, relative_defect):
    for k, i in combinations_with_replacement(range(case.process.steps + 1), 2):
        for found, expected in zip(
            case.process.direct(i, k), case.exact_transition(k, i), strict=True
        ):
            assert relative_defect(found, expected) <= 1e-12, (k, i)


def test_coefficients_and_transitions_are_float64_tensors_per_mode(case):
    found = [*case.process.coefficients(2), *case.process.direct(3), *case.process.direct(3, 3)]
    assert all(x.shape == case.mode_shape and x.dtype == torch.float64 for x in found)


def test_coefficients_belong_to_the_caller(case):
    """They may be changed, entry by entry, and the process does not follow."""
    for k, i in ((0, 0), (0, 2), (1, 2)):
        before = [x.clone() for x in case.process.direct(i, k)]
        for found in case.process.direct(i, k):
            assert found.is_contiguous()
            found.fill_(99)
        assert all(map(torch.equal, case.process.direct(i, k), before))


def test_a_transition_to_the_same_scale_is_the_identity(case, generator):
    u = random_image(generator, 3)
    for i in range(case.process.steps + 1):
        factor, variance = case.process.direct(i, start=i)
        assert bool((factor == 1).all())
        assert bool((variance == 0).all())
        for found in (case.process.mean(u, i, i), case.process.sample(u, i, i, noise=u)):
            assert torch.equal(found, u)
            assert found.data_ptr() != u.data_ptr()
    assert torch.equal(case.process.trajectory(u, [0, 2], noise=torch.stack([u, u]))[0], u)


def composed(earlier, later):
    """Kernel of two transitions after one another."""
    return later[0] * earlier[0], later[0] ** 2 * earlier[1] + later[1]


def deviation(found, expected):
    """Largest relative deviation, above the smallest normal double."""
    tiny = torch.finfo(torch.float64).tiny
    return max(
        float(((x - y).abs() / y.abs().clamp(min=tiny)).max())
        for x, y in zip(found, expected, strict=True)
    )


def fold_defect(process, step):
    """Deviation of the folded single steps from the direct transitions 0 -> i."""
    state, defect = process.direct(0), 0.0
    for i in range(1, process.steps + 1):
        state = composed(state, step(i))
        defect = max(defect, deviation(state, process.direct(i)))
    return defect


def test_folded_steps_are_the_direct_transition(case):
    assert fold_defect(case.process, case.process.coefficients) <= 1e-12


def test_folding_wrong_steps_is_noticed(noisy_case):
    process = noisy_case.process
    altered = [lambda a, b2: (a, b2**2), lambda a, b2: (a * 1.01, b2), lambda a, b2: (a, b2 * 1.01)]
    for change in altered:
        assert fold_defect(process, lambda i, f=change: f(*process.coefficients(i))) > 1e-3


def test_transitions_form_a_semigroup(case):
    direct = case.process.direct
    for k, j, i in combinations_with_replacement(range(case.process.steps + 1), 3):
        assert deviation(composed(direct(j, k), direct(i, j)), direct(i, k)) <= 1e-12, (k, j, i)


def test_signal_to_noise_ratio_never_increases(case):
    """P-valid, as products: M_i^2 S_{i-1}^2 <= M_{i-1}^2 S_i^2 in every mode."""
    marginals = [case.process.direct(i) for i in range(case.process.steps + 1)]
    for (m0, s0), (m1, s1) in pairwise(marginals):
        assert bool((m1**2 * s0 <= m0**2 * s1 * (1 + 1e-12)).all())
    for k, i in combinations_with_replacement(range(case.process.steps + 1), 2):
        assert bool((case.process.direct(i, k)[1] >= 0).all())


@given(data=st.data())
def test_any_schedule_has_the_transitions_of_the_table(family, relative_defect, data):
    """Random schedules over the whole exponent range: table, semigroup and validity at once."""
    drawn = data.draw(family)
    process, row = drawn.process, drawn.row
    scales = st.lists(st.integers(0, process.steps), min_size=3, max_size=3).map(sorted)
    k, j, i = data.draw(scales)
    if process.shape is None:
        index, lam = (), 0
    else:
        height, width = drawn.shape
        index = (data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1)))
        lam = row.eigenvalue(index[0], height) + row.eigenvalue(index[1], width)
    for start, end in ((k, i), (0, i), (j, i)):
        for found, expected in zip(
            process.direct(end, start), row.transition(start, end, lam), strict=True
        ):
            assert relative_defect(found[index], [expected]) <= 1e-12
    two = composed(process.direct(j, k), process.direct(i, j))
    assert deviation(two, process.direct(i, k)) <= 2e-12  # both sides may be off by 1e-12
    assert bool((process.direct(i, k)[1] >= 0).all())


# The mean


def test_mean_is_the_matrix_of_the_table(case, generator):
    u = random_image(generator, 4, 3)
    for k, i in ((0, 1), (0, 3), (0, 6), (2, 3), (1, 5)):
        factor, _ = case.transition(k, i)
        expected = flat(u) @ (case.V * factor @ case.V.T).T
        np.testing.assert_allclose(flat(case.process.mean(u, i, k)), expected, rtol=0, atol=1e-13)


def test_mean_is_the_matrix_exponential_of_the_laplacian(
    spatial_case, generator, neumann_laplacian
):
    """All but heat dissipation with continuous eigenvalues, which belong to no 5-point stencil."""
    case, u = spatial_case, random_image(generator, 2)
    for i in range(1, case.process.steps + 1):
        t, blurred, kept = case.row.in_space(i)
        operator = blurred * scipy.linalg.expm(t * neumann_laplacian(SHAPE)) + kept * np.eye(N)
        np.testing.assert_allclose(
            flat(case.process.mean(u, i)), flat(u) @ operator.T, rtol=0, atol=1e-12
        )


def test_mean_is_linear(case, generator):
    u, v = random_image(generator, 3), random_image(generator, 3)
    mean = case.process.mean
    torch.testing.assert_close(
        mean(2 * u - 3 * v, 4), 2 * mean(u, 4) - 3 * mean(v, 4), rtol=0, atol=1e-13
    )


# The sampler, exactly


def explicit_jump(case, state, k, i, noise):
    """V diag(M) V^T u + V diag(S) V^T g with dense matrices."""
    factor, variance = case.transition(k, i)
    mean = state @ (case.V * factor @ case.V.T).T
    return mean + noise @ (case.V * np.sqrt(variance) @ case.V.T).T


def test_sample_is_the_explicit_formula(case, generator):
    u, g = random_image(generator, 2, 3), torch.randn(2, 3, *SHAPE, generator=generator).double()
    for k, i in ((0, 1), (0, 6), (1, 4), (4, 5), (3, 3)):
        expected = explicit_jump(case, flat(u), k, i, flat(g))
        found = flat(case.process.sample(u, i, k, noise=g))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("scales", [[0, 1, 2, 3, 4, 5, 6], [2, 5], [6], [0], [0, 3, 4]])
def test_trajectory_is_a_chain_of_jumps(case, generator, scales):
    u0 = random_image(generator, 2, 3)
    noise = torch.randn(len(scales), 2, 3, *SHAPE, generator=generator).double()
    found = flat(case.process.trajectory(u0, scales, noise=noise))
    state, start = flat(u0), 0
    for j, i in enumerate(scales):
        state = explicit_jump(case, state, start, i, flat(noise[j]))
        np.testing.assert_allclose(found[j], state, rtol=1e-12, atol=1e-13)
        start = i


def test_independent_trajectory_draws_every_scale_from_the_image(case, generator):
    u0, scales = random_image(generator, 3), [0, 1, 4, 6]
    noise = torch.randn(4, 3, *SHAPE, generator=generator).double()
    found = case.process.trajectory(u0, scales, noise=noise, independent=True)
    for j, i in enumerate(scales):
        expected = explicit_jump(case, flat(u0), 0, i, flat(noise[j]))
        np.testing.assert_allclose(flat(found[j]), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "scales", [range(1, 4), torch.tensor([1, 2, 3]), np.array([1, 2, 3]), (1, 2, 3)]
)
def test_scales_may_be_any_sequence_of_integers(case, generator, scales):
    u0, noise = random_image(generator, 1), torch.randn(3, 1, *SHAPE, generator=generator).double()
    found = case.process.trajectory(u0, scales, noise=noise)
    assert torch.equal(found, case.process.trajectory(u0, [1, 2, 3], noise=noise))


# Markov or not: the covariance across scales, exactly by linearity


def responses(process, scales, *, shared=False, independent=False):
    """Linear response of every scale to every unit noise image: (scales, N, inputs)."""
    inputs = N if shared else len(scales) * N
    units = torch.eye(inputs, dtype=torch.float64).reshape(inputs, -1, 1, *SHAPE).movedim(1, 0)
    noise = units.expand(len(scales), *units.shape[1:]) if shared else units
    u0 = torch.zeros(inputs, 1, *SHAPE, dtype=torch.float64)
    found = process.trajectory(u0, scales, noise=noise, independent=independent)
    return found.reshape(len(scales), inputs, N).movedim(1, 2).numpy()


def covariance_defect(case, response, scales):
    """Deviation of Cov(U_j, U_i | u_0) from V diag(M_{j,i} S_j^2) V^T, relative to S_j S_i."""
    defect = 0.0
    for p, j in enumerate(scales):
        for q, i in list(enumerate(scales))[p:]:
            variance_j, variance_i = case.transition(0, j)[1], case.transition(0, i)[1]
            expected = case.V * (case.transition(j, i)[0] * variance_j) @ case.V.T
            scale = np.sqrt(variance_j.max() * variance_i.max()) or 1.0
            defect = max(defect, np.abs(response[p] @ response[q].T - expected).max() / scale)
    return defect


MARKOV_SCALES = [1, 3, 4, 6]


def test_trajectory_has_the_covariance_of_the_markov_chain(case):
    response = responses(case.process, MARKOV_SCALES)
    assert covariance_defect(case, response, MARKOV_SCALES) <= 1e-13


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda m, v: (m, v), {"shared": True}),
        (lambda m, v: (m, v), {"independent": True}),
        (square_the_variance, {}),
        (lambda m, v: (m, v * 1.01), {}),
        (lambda m, v: (m * 0.99, v), {}),
    ],
    ids=["one noise for all steps", "independent", "b^2 = beta^2", "variance 1%", "mean 1%"],
)
def test_the_covariance_tells_a_wrong_chain(noisy_case, change, options):
    response = responses(Altered(noisy_case.process, change), MARKOV_SCALES, **options)
    assert covariance_defect(noisy_case, response, MARKOV_SCALES) > 1e-4


def test_independent_scales_are_uncorrelated_with_the_same_marginals(case):
    response = responses(case.process, MARKOV_SCALES, independent=True)
    for p, q in combinations_with_replacement(range(len(MARKOV_SCALES)), 2):
        found = response[p] @ response[q].T
        variance = case.transition(0, MARKOV_SCALES[p])[1]
        expected = case.V * variance @ case.V.T if p == q else 0
        assert np.abs(found - expected).max() <= 1e-13 * max(1, variance.max())


# The sampler, statistically
#
# Residuals Z = S_{k,i}^-1 V^T (U_i - E[U_i | U_k]) of 1500 trajectories of one image are standard
# normal and independent over modes and steps, by the table. Per step three statistics, each
# asymptotically N(0, 1): mean of Z, mean of Z^2, and mean of Z Z' with the step before. Four steps,
# eight processes: 88 statistics. Two-sided with family alpha = 1e-3. One step holds n >= 29 * 1500
# values, so the smallest defects found with 99% power are 0.032 standard deviations of the mean,
# 4.6% of the variance and a correlation of 0.032 between steps.

COPIES = 1500
SEEN = 29  # modes whose noise exceeds rounding, in the poorest step of the poorest process
STATISTICAL_SCALES = [1, 2, 4, 6]
CRITICAL = scipy.stats.norm.isf(1e-3 / 88 / 2)
REACH = CRITICAL + scipy.stats.norm.isf(0.01)  # a shift by this is found with 99% power


def residuals(case, trajectory):
    """Whitened increments, one array (copies, modes) for each step, modes without noise are 0."""
    found = []
    before, start = np.broadcast_to(flat(IMAGE), (COPIES, 1, N)), 0
    for state, i in zip(flat(trajectory), STATISTICAL_SCALES, strict=True):
        factor, variance = case.transition(start, i)
        increment = (state @ case.V - factor * (before @ case.V)).reshape(COPIES, N)
        # Far below the variance of the other modes rounding of the state is all there is to see.
        seen = variance > 1e-12 * max(variance.max(), case.transition(0, i)[1].max())
        deviation = np.sqrt(np.where(seen, variance, 1))
        found.append(np.where(seen, increment / deviation, 0))
        before, start = state, i
    return found


def scores(z):
    """Statistics that are N(0, 1) for a correct sampler."""
    found = []
    for step in z:
        values = step[:, step.any(axis=0)]
        found.append(values.sum() / np.sqrt(values.size))
        found.append((values**2 - 1).sum() / np.sqrt(2 * values.size))
    for before, step in pairwise(z):
        products = (before * step)[:, before.any(axis=0) & step.any(axis=0)]
        found.append(products.sum() / np.sqrt(products.size))
    return np.abs(found)


IMAGE = random_image(torch.Generator().manual_seed(3), 1)


def draw(process, *, seed=11, **options):
    u0 = IMAGE.expand(COPIES, 1, *SHAPE)
    generator = torch.Generator().manual_seed(seed)
    return process.trajectory(u0, STATISTICAL_SCALES, generator=generator, **options)


def test_sampled_trajectory_has_white_increments(noisy_case):
    z = residuals(noisy_case, draw(noisy_case.process))
    assert min(step.any(axis=0).sum() for step in z) >= SEEN
    assert scores(z).max() < CRITICAL


@pytest.mark.parametrize(
    "change",
    [
        lambda m, v: (m, v * (1 + 1.2 * REACH * np.sqrt(2 / (COPIES * SEEN)))),
        lambda m, v: (m, v / (1 + 1.2 * REACH * np.sqrt(2 / (COPIES * SEEN)))),
        square_the_variance,
    ],
    ids=["variance too large", "variance too small", "b^2 = beta^2"],
)
def test_the_statistics_reject_a_wrong_variance(noisy_case, change):
    assert scores(residuals(noisy_case, draw(Altered(noisy_case.process, change)))).max() > CRITICAL


def test_the_statistics_reject_noise_that_is_used_again(noisy_case):
    one = torch.randn(COPIES, 1, *SHAPE, generator=torch.Generator().manual_seed(5)).double()
    u0 = IMAGE.expand(COPIES, 1, *SHAPE)
    noise = one.expand(len(STATISTICAL_SCALES), *one.shape)
    shared = noisy_case.process.trajectory(u0, STATISTICAL_SCALES, noise=noise)
    assert scores(residuals(noisy_case, shared)).max() > CRITICAL


def test_the_statistics_reject_independent_scales(noisy_case):
    z = residuals(noisy_case, draw(noisy_case.process, independent=True))
    assert scores(z).max() > CRITICAL


def test_many_steps_and_one_jump_have_the_same_law(noisy_case):
    """Kolmogorov-Smirnov, n >= 51000 each, alpha = 1e-3 over eight processes.

    A chain whose standard deviation is off by 7% is found with 99% power (60 of 60 trials); the
    control is off by 10%.
    """
    process = noisy_case.process
    chain = flat(draw(process)[-1])
    u0 = IMAGE.expand(COPIES, 1, *SHAPE)
    jump = flat(process.sample(u0, 6, generator=torch.Generator().manual_seed(12)))
    factor, variance = noisy_case.transition(0, 6)
    seen = variance > 0

    def whitened(samples):
        centred = samples @ noisy_case.V - factor * (flat(IMAGE) @ noisy_case.V)
        return (centred[..., seen] / np.sqrt(variance[seen])).ravel()

    level = 1e-3 / 8
    assert scipy.stats.ks_2samp(whitened(chain), whitened(jump)).pvalue > level
    assert scipy.stats.ks_2samp(1.1 * whitened(chain), whitened(jump)).pvalue < level


# Generators, batches, dtypes, layouts


def test_generator_and_its_noise_give_the_same(case, generator):
    u = random_image(generator, 2, 3)
    scales = [0, 2, 5]
    given = torch.Generator().manual_seed(7)
    noise = torch.zeros(3, *u.shape, dtype=u.dtype)
    for j, (k, i) in enumerate(((0, 0), (0, 2), (2, 5))):
        if bool(case.process.direct(i, k)[1].any()):  # else the generator is not advanced
            noise[j].normal_(generator=given)
    found = case.process.trajectory(u, scales, generator=torch.Generator().manual_seed(7))
    assert torch.equal(found, case.process.trajectory(u, scales, noise=noise))
    sample = case.process.sample(u, 2, generator=torch.Generator().manual_seed(7))
    assert torch.equal(sample, case.process.sample(u, 2, noise=noise[1]))


def test_the_seed_decides(noisy_case, generator):
    u, process = random_image(generator, 2), noisy_case.process
    for draw_one in (
        lambda seed: process.sample(u, 3, 1, generator=torch.Generator().manual_seed(seed)),
        lambda seed: process.trajectory(u, [1, 3], generator=torch.Generator().manual_seed(seed)),
    ):
        assert torch.equal(draw_one(1), draw_one(1))
        assert not torch.equal(draw_one(1), draw_one(2))


def test_the_global_generator_is_neither_used_nor_moved(case, generator):
    before = torch.get_rng_state()
    case.process.trajectory(random_image(generator, 1), [1, 2], generator=generator)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("batch", [(), (1,), (2, 3), (2, 1, 3, 2)])
def test_leading_axes_are_a_batch(case, generator, batch):
    u0 = random_image(generator, *batch)
    noise = torch.randn(2, *u0.shape, generator=generator, dtype=torch.float64)
    process = case.process
    trajectory = process.trajectory(u0, [2, 4], noise=noise)
    assert trajectory.shape == (2, *u0.shape)
    for index in np.ndindex(*batch):
        one, its_noise = u0[index][None], noise[(slice(None), *index)][:, None]
        for found, single in (
            (trajectory[(slice(None), *index)], process.trajectory(one, [2, 4], noise=its_noise)),
            (process.mean(u0, 3)[index], process.mean(one, 3)),
            (
                process.sample(u0, 3, noise=noise[0])[index],
                process.sample(one, 3, noise=its_noise[0]),
            ),
        ):
            torch.testing.assert_close(found, single.reshape(found.shape), rtol=1e-13, atol=1e-14)


def test_dtype_follows_the_image(case, generator):
    u = random_image(generator, 2, 3)
    noise = torch.randn(2, *u.shape, generator=generator, dtype=torch.float64)
    process, u_single, noise_single = case.process, u.float(), noise.float()
    for single, double in (
        (process.mean(u_single, 4), process.mean(u, 4)),
        (
            process.sample(u_single, 4, noise=noise_single[0]),
            process.sample(u, 4, noise=noise[0]),
        ),
        (
            process.trajectory(u_single, [1, 4], noise=noise_single),
            process.trajectory(u, [1, 4], noise=noise),
        ),
        (process.to_modes(u_single), process.to_modes(u)),
        (process.from_modes(u_single), process.from_modes(u)),
    ):
        assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
        torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)
    assert process.sample(u_single, 4, generator=generator).dtype == torch.float32


def test_arguments_are_left_alone_and_not_returned(case, generator):
    u = random_image(generator, 2)
    noise = torch.randn(3, *u.shape, generator=generator, dtype=torch.float64)
    copies = u.clone(), noise.clone()
    process = case.process
    results = [
        process.mean(u, 3),
        process.mean(u, 0),
        process.sample(u, 3, noise=noise[0]),
        process.sample(u, 0, noise=noise[0]),
        process.trajectory(u, [0, 1, 3], noise=noise),
        process.trajectory(u, [0, 1, 3], noise=noise, independent=True),
    ]
    for result in results:
        result.fill_(99)
    assert torch.equal(u, copies[0])
    assert torch.equal(noise, copies[1])


def layouts(u):
    """The same images (2, 3, H, W), differently in memory."""
    padded = torch.zeros(2, 3, 2 * H, W + 1, dtype=u.dtype)
    padded[..., ::2, 1:] = u
    return {
        "transposed": u.mT.contiguous().mT,
        "channels last": u.to(memory_format=torch.channels_last),
        "strided": padded[..., ::2, 1:],
        "batch permuted": u.transpose(0, 1).contiguous().transpose(0, 1),
    }


def test_the_layout_in_memory_does_not_matter(case, generator):
    u = random_image(generator, 2, 3)
    noise = random_image(generator, 2, 3)
    process = case.process

    def results(image, its_noise):
        return torch.stack(
            [
                process.mean(image, 3),
                process.sample(image, 3, noise=its_noise),
                process.sample(image, 3, generator=torch.Generator().manual_seed(1)),
                *process.trajectory(image, [1, 5], generator=torch.Generator().manual_seed(1)),
                *process.trajectory(image, [1, 5], noise=its_noise.expand(2, *u.shape)),
            ]
        )

    expected = results(u, noise)
    for name, image in layouts(u).items():
        assert not image.is_contiguous(), name
        found = results(image, layouts(noise)[name])
        torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-14, msg=name)


def test_an_expanded_image_is_a_batch_of_copies(case, generator):
    u = random_image(generator, 1)
    noise = torch.randn(4, 1, *SHAPE, generator=generator, dtype=torch.float64)
    found = case.process.sample(u.expand(4, 1, *SHAPE), 3, noise=noise)
    expected = case.process.sample(u.repeat(4, 1, 1, 1), 3, noise=noise)
    assert torch.equal(found, expected)


def test_modes_are_coefficients_in_the_basis(case, generator):
    u = random_image(generator, 2)
    np.testing.assert_allclose(flat(case.process.to_modes(u)), flat(u) @ case.V, atol=1e-14)
    np.testing.assert_allclose(flat(case.process.from_modes(u)), flat(u) @ case.V.T, atol=1e-14)


def test_gradients(case, generator):
    u = random_image(generator, 1).requires_grad_()
    noise = torch.randn(2, 1, *SHAPE, generator=generator, dtype=torch.float64).requires_grad_()
    process = case.process
    assert torch.autograd.gradcheck(lambda x: process.mean(x, 3), u)
    assert torch.autograd.gradcheck(lambda x, g: process.sample(x, 3, 1, noise=g[0]), (u, noise))
    assert torch.autograd.gradcheck(lambda x, g: process.trajectory(x, [2, 4], noise=g), (u, noise))
    sampled = process.trajectory(u, [2, 4], generator=generator).sum()
    (gradient,) = torch.autograd.grad(sampled, u)
    ones = torch.ones_like(u)
    expected = process.mean(ones, 2) + process.mean(ones, 4)  # the mean operator is symmetric
    torch.testing.assert_close(gradient, expected.detach(), rtol=1e-12, atol=1e-13)


def test_huge_values_are_finite_too(case, generator):
    """A sum of finite float32 values may overflow; the check at the boundary must not mind."""
    u = torch.full((3, *SHAPE), 1e37)
    assert not bool(u.sum().isfinite())
    assert bool(case.process.sample(u, 1, generator=generator).isfinite().all())


def test_steps_shape_and_name(case):
    process = case.process
    assert process.steps == 6
    assert process.shape == (case.mode_shape or None)
    shape = "" if process.shape is None else ", shape=(5, 7)"
    assert repr(process) == f"{type(process).__name__}(steps=6{shape})"


# Bad input


IMAGE_ERRORS = [
    (np.zeros((1, *SHAPE)), TypeError, r"must be a torch.Tensor, found ndarray"),
    ([[0.0]], TypeError, r"must be a torch.Tensor, found list"),
    (None, TypeError, r"must be a torch.Tensor, found NoneType"),
    (
        torch.zeros(1, *SHAPE, dtype=torch.int64),
        TypeError,
        r"float32 or float64, found torch.int64",
    ),
    (torch.zeros(1, *SHAPE, dtype=torch.bool), TypeError, r"float32 or float64, found torch.bool"),
    (torch.zeros(1, *SHAPE).cfloat(), TypeError, r"float32 or float64, found torch.complex64"),
    (torch.zeros(1, *SHAPE).half(), TypeError, r"float32 or float64, found torch.float16"),
    (torch.zeros(SHAPE).to_sparse(), TypeError, r"dense tensor, found layout torch.sparse_coo"),
    (torch.zeros(0, *SHAPE), ValueError, r"must not be empty, found shape \(0, 5, 7\)"),
    (torch.full((1, *SHAPE), torch.nan), ValueError, r"finite, found 35 NaN or infinite values"),
    (torch.eye(7)[None, :5] / 0, ValueError, r"finite, found 35 NaN or infinite values"),
]
IMAGE_IDS = ["ndarray", "list", "None", "int", "bool", "complex", "half", "sparse", "empty", "NaN"]
IMAGE_IDS += ["infinite"]


@pytest.mark.parametrize(("bad", "error", "message"), IMAGE_ERRORS, ids=IMAGE_IDS)
def test_bad_images_are_named(case, generator, bad, error, message):
    with pytest.raises(error, match=rf"^u {message}|^u must be .*{message}"):
        case.process.mean(bad, 1)
    with pytest.raises(error, match=rf"^u {message}|^u must be .*{message}"):
        case.process.sample(bad, 1, generator=generator)
    with pytest.raises(error, match=rf"^u0 {message}|^u0 must be .*{message}"):
        case.process.trajectory(bad, [1], generator=generator)
    with pytest.raises(error, match=rf"^u {message}|^u must be .*{message}"):
        case.process.to_modes(bad)
    with pytest.raises(error, match=rf"^coefficients {message}|^coefficients must be .*{message}"):
        case.process.from_modes(bad)


@pytest.mark.parametrize("bad", [(1, 5, 6), (1, 7, 5), (7,), (), (5, 7, 1)])
def test_images_of_another_size_are_named(blurring_case, generator, bad):
    process = blurring_case.process
    u, expected = torch.zeros(bad), r"\(\.\.\., C(, 5, 7|, H, W)\), found \("
    for name, call in (
        ("u", lambda: process.mean(u, 1)),
        ("u", lambda: process.sample(u, 1, generator=generator)),
        ("u0", lambda: process.trajectory(u, [1], generator=generator)),
    ):
        with pytest.raises(ValueError, match=rf"^{name} must have shape {expected}"):
            call()


def test_pixelwise_processes_take_points_of_any_space(pixelwise_case, generator):
    for shape in ((), (3,), (2, 5)):
        u = torch.zeros(shape)
        assert pixelwise_case.process.sample(u, 1, generator=generator).shape == shape


SCALE_ERRORS = [
    (7, ValueError, "found 7"),
    (-1, ValueError, "found -1"),
    (10**30, ValueError, "found 10{30}"),
    (1.0, TypeError, r"an integer, found 1\.0"),
    (True, TypeError, "an integer, found True"),
    (np.True_, TypeError, "an integer, found np.True_"),
    ("1", TypeError, "an integer, found '1'"),
    (None, TypeError, "an integer, found None"),
    (torch.tensor(1.0), TypeError, "an integer, found tensor"),
    (torch.tensor([1]), TypeError, "an integer, found tensor"),
    (torch.tensor(True), TypeError, "an integer, found tensor"),
    ([1], TypeError, r"an integer, found \[1\]"),
]


@pytest.mark.parametrize(("bad", "error", "message"), SCALE_ERRORS)
def test_bad_scales_are_named(case, generator, bad, error, message):
    u, process = torch.zeros(1, *SHAPE), case.process
    for call in (
        lambda: process.coefficients(bad),
        lambda: process.direct(bad),
        lambda: process.mean(u, bad),
        lambda: process.sample(u, bad, generator=generator),
    ):
        with pytest.raises(error, match=f"^i must be .*{message}"):
            call()
    for call in (
        lambda: process.direct(3, bad),
        lambda: process.mean(u, 3, bad),
        lambda: process.sample(u, 3, bad, generator=generator),
    ):
        with pytest.raises(error, match=f"^start must be .*{message}"):
            call()
    with pytest.raises(error, match=rf"^scales\[1\] must be .*{message}"):
        process.trajectory(u, [0, bad], generator=generator)


def test_the_range_of_the_scales_is_stated(case):
    with pytest.raises(ValueError, match=r"^i must be between 1 and 6, found 0$"):
        case.process.coefficients(0)
    with pytest.raises(ValueError, match=r"^i must be between 0 and 6, found 7$"):
        case.process.direct(7)
    with pytest.raises(ValueError, match=r"^start must be between 0 and 2, found 3$"):
        case.process.direct(2, 3)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (5, TypeError, "^scales must be a sequence of integers, found int$"),
        (None, TypeError, "^scales must be a sequence of integers, found NoneType$"),
        (torch.tensor(1), TypeError, "^scales must be a sequence of integers, found Tensor$"),
        ("12", TypeError, r"^scales\[0\] must be an integer, found '1'$"),
        ([], ValueError, "^scales must hold at least one integer, found none$"),
        ([1, 1], ValueError, r"^scales must be strictly increasing, found \[1, 1\]$"),
        ([2, 1], ValueError, r"^scales must be strictly increasing, found \[2, 1\]$"),
        ([1, 7], ValueError, r"^scales\[1\] must be between 0 and 6, found 7$"),
    ],
)
def test_bad_lists_of_scales_are_named(case, generator, bad, error, message):
    with pytest.raises(error, match=message):
        case.process.trajectory(torch.zeros(1, *SHAPE), bad, generator=generator)


def noise_errors():
    good = torch.zeros(1, *SHAPE)
    exactly = "^exactly one of generator and noise must be given, found "
    rng = torch.Generator()
    return {
        "neither": ({}, ValueError, exactly + "neither$"),
        "both": ({"generator": rng, "noise": good}, ValueError, exactly + "both$"),
        "seed": ({"generator": 0}, TypeError, "^generator must be a torch.Generator, found int$"),
        "array": ({"noise": good.numpy()}, TypeError, "^noise must be a torch.Tensor, found ndarr"),
        "dtype": (
            {"noise": good.double()},
            TypeError,
            "^noise must have the image's dtype torch.float32, found torch.float64$",
        ),
        "shape": (
            {"noise": torch.zeros(SHAPE)},
            ValueError,
            r"^noise must have shape \((1, )?1, 5, 7\), found \((1, )?5, 7\)$",
        ),
        "broadcast": (
            {"noise": torch.zeros(1, 1, 1)},
            ValueError,
            r"^noise must have shape \((1, )?1, 5, 7\), found \((1, )?1, 1, 1\)$",
        ),
        "NaN": ({"noise": good + torch.nan}, ValueError, "^noise must be finite, found 35 NaN"),
    }


@pytest.mark.parametrize(
    ("options", "error", "message"), noise_errors().values(), ids=noise_errors().keys()
)
def test_bad_noise_is_named(case, options, error, message):
    """Also where the transition carries no noise: the mistake is the caller's all the same."""
    u = torch.zeros(1, *SHAPE)
    with pytest.raises(error, match=message):
        case.process.sample(u, 2, **options)
    with pytest.raises(error, match=message):
        case.process.sample(u, 0, **options)
    if isinstance(options.get("noise"), torch.Tensor):
        options = options | {"noise": options["noise"][None]}
    with pytest.raises(error, match=message):
        case.process.trajectory(u, [1], **options)


def test_noise_for_another_number_of_scales_is_named(case):
    u = torch.zeros(1, *SHAPE)
    with pytest.raises(ValueError, match=r"shape \(2, 1, 5, 7\), found \(3, 1, 5, 7\)$"):
        case.process.trajectory(u, [1, 2], noise=torch.zeros(3, 1, *SHAPE))


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        LinearGaussianScaleSpace(3)


# Memory

MEASURE = """
    import resource, sys, torch
    from scalelib import {process}
    from scalelib.schedules import constant_beta, log_blur

    process = {build}
    u0 = torch.rand(4, 1, 512, 512, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    process.trajectory(u0, [1, 2], generator=generator)  # thread pools, lazy imports

    def peak():
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (4 * u0.numel())

    ballast, start = [], peak()  # the peak of the imports lies above what is in use now
    while peak() < start + 0.5:
        ballast.append(torch.ones_like(u0))
    before = peak()
    process.trajectory(u0, range(1, 49), generator=generator)
    print(peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
@pytest.mark.parametrize(
    ("process", "build"),
    [
        ("VariancePreserving", "VariancePreserving(constant_beta(48))"),
        ("HeatDissipation", "HeatDissipation(log_blur(48, 20), 0.02, (512, 512))"),
    ],
)
def test_peak_memory_is_the_result_and_a_few_images(process, build):
    """48 scales of one 4 MiB batch, in a process of its own: the result and at most 16 batches.

    A trajectory that draws all its noise first needs the result and 48 batches. The peak before is
    known up to half a batch, so that the result alone may read as a little less than 48.
    """
    code = textwrap.dedent(MEASURE.format(process=process, build=build))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    batches = float(done.stdout)
    assert 47.5 <= batches <= 48 + 16


# CUDA


@pytest.mark.cuda
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-3)])
def test_cuda_gives_what_the_cpu_gives(case, generator, dtype, tolerance):
    u = random_image(generator, 2, 3, dtype=dtype)
    noise = torch.randn(3, *u.shape, generator=generator, dtype=dtype)
    found = case.process.trajectory(u.cuda(), [1, 3, 6], noise=noise.cuda())
    assert (found.device.type, found.dtype) == ("cuda", dtype)
    expected = case.process.trajectory(u, [1, 3, 6], noise=noise)
    torch.testing.assert_close(found.cpu(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.cuda
def test_cuda_generators_are_used_and_checked(case, generator):
    u = random_image(generator, 1).cuda()
    cuda = torch.Generator("cuda").manual_seed(0)
    assert case.process.sample(u, 3, generator=cuda).device == u.device
    with pytest.raises(ValueError, match=r"^generator must be on the image's device cuda"):
        case.process.sample(u, 3, generator=generator)
    with pytest.raises(ValueError, match=r"^noise must be on the image's device cuda"):
        case.process.sample(u, 3, noise=u.cpu())


@pytest.mark.cuda
def test_cuda_peak_memory_is_the_result_and_a_few_images():
    process = VariancePreserving([0.02] * 48)
    u0 = torch.zeros(4, 1, 512, 512, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    process.trajectory(u0, range(1, 49), generator=torch.Generator("cuda"))
    peak = torch.cuda.max_memory_allocated() - before
    assert peak <= (48 + 8) * 4 * u0.numel()
