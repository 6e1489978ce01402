"""The table of all processes, in high precision and independent of the implementation.

Every process is stated a second time here, as its row of per-mode sequences a_i, b_i^2, M_i, S_i^2
in mpmath. The numbers under test never enter: a row sees the arguments of the constructor alone.
A new process gets the whole suite by its row, one line in ``cases`` and one in ``FAMILIES``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import strategies as st

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)

SHAPE = (5, 7)
# A context of its own. Exponents are unbounded, so nothing under- or overflows in this file, and
# differences of numbers near 1 keep their digits down to the smallest double.
mp = mpmath.mp.clone()
mp.dps = 350
mpf = mp.mpf


def discrete_eigenvalue(k, n):
    """One axis of minus the Neumann Laplacian with grid width 1."""
    return 2 - 2 * mp.cos(mp.pi * k / n)


def continuous_eigenvalue(k, n):
    """One axis of minus the continuous Neumann Laplacian."""
    return (mp.pi * k / n) ** 2


@dataclass(frozen=True)
class Row:
    """One row of the table: functions of the scale i >= 1 and the eigenvalue."""

    a: Callable
    b2: Callable
    M: Callable
    S2: Callable
    basis: str = "DCT"
    noisy: bool = True
    eigenvalue: Callable = discrete_eigenvalue
    # The mean at scale i is c0 exp(t L) u + c1 u with the Laplacian L; None: no such form.
    in_space: Callable | None = None

    def transition(self, k, i, lam):
        """Mean factor and variance of k -> i, folded from single steps."""
        factor, variance = mpf(1), mpf(0)
        for j in range(k + 1, i + 1):
            a, b2 = self.a(j, lam), self.b2(j, lam)
            factor, variance = a * factor, a**2 * variance + b2
        return factor, variance


def exact(values):
    """The given floats as exact high-precision numbers, with index 0 for scale 0."""
    return [None, *(mpf(float(v)) for v in values)]


def variance_preserving(betas):
    beta = exact(betas)

    def alpha_bar(i):
        return mp.fprod(1 - b for b in beta[1 : i + 1])

    return Row(
        a=lambda i, _: mp.sqrt(1 - beta[i]),
        b2=lambda i, _: beta[i],
        M=lambda i, _: mp.sqrt(alpha_bar(i)),
        S2=lambda i, _: 1 - alpha_bar(i),
        basis="pixel",
        in_space=lambda i: (0, 0, float(mp.sqrt(alpha_bar(i)))),
    )


def variance_exploding(sigmas):
    s = [mpf(0), *exact(sigmas)[1:]]
    return Row(
        a=lambda _i, _: mpf(1),
        b2=lambda i, _: s[i] ** 2 - s[i - 1] ** 2,
        M=lambda _i, _: mpf(1),
        S2=lambda i, _: s[i] ** 2,
        basis="pixel",
        in_space=lambda _: (0, 0, 1),
    )


def heat_row(times, S2, b2, eigenvalue=discrete_eigenvalue, noisy=True):
    t = [mpf(0), *exact(times)[1:]]
    return Row(
        a=lambda i, lam: mp.exp(-lam * (t[i] - t[i - 1])),
        b2=b2,
        M=lambda i, lam: mp.exp(-lam * t[i]),
        S2=S2,
        noisy=noisy,
        eigenvalue=eigenvalue,
        in_space=None if eigenvalue is continuous_eigenvalue else lambda i: (float(t[i]), 1, 0),
    )


def heat_dissipation(times, sigma, eigenvalue=discrete_eigenvalue):
    t, s2 = [mpf(0), *exact(times)[1:]], mpf(sigma) ** 2
    return heat_row(
        times,
        S2=lambda _i, _: s2,
        b2=lambda i, lam: s2 if i == 1 else s2 * (1 - mp.exp(-2 * lam * (t[i] - t[i - 1]))),
        eigenvalue=eigenvalue,
    )


def homogeneous_diffusion(times):
    return heat_row(times, S2=lambda _i, _: mpf(0), b2=lambda _i, _: mpf(0), noisy=False)


def linearised_osmosis(times, contrast):
    t, s = [mpf(0), *exact(times)[1:]], mpf(contrast)

    def S2(i, lam):
        return (s * (1 - mp.exp(-lam * t[i]))) ** 2

    def b2(i, lam):
        return S2(i, lam) - mp.exp(-2 * lam * (t[i] - t[i - 1])) * S2(i - 1, lam)

    return heat_row(times, S2=S2, b2=b2)


def blurring_diffusion(times, alphas, sigmas, d_min):
    t, alpha, s = exact(times), exact(alphas), [mpf(0), *exact(sigmas)[1:]]
    floor = mpf(d_min)

    def M(i, lam):
        return alpha[i] * ((1 - floor) * mp.exp(-lam * t[i]) + floor) if i else mpf(1)

    def a(i, lam):
        return M(i, lam) / M(i - 1, lam)

    return Row(
        a=a,
        b2=lambda i, lam: s[i] ** 2 - a(i, lam) ** 2 * s[i - 1] ** 2,
        M=M,
        S2=lambda i, _: s[i] ** 2,
        in_space=lambda i: (
            float(t[i]),
            float(alpha[i] * (1 - floor)),
            float(alpha[i] * floor),
        ),
    )


@dataclass(frozen=True, eq=False)
class Case:
    """A process, built as a caller would, next to its row of the table."""

    name: str
    process: LinearGaussianScaleSpace
    row: Row

    @property
    def mode_shape(self):
        return SHAPE if self.row.basis == "DCT" else ()

    @cached_property
    def eigenvalues(self):
        """Eigenvalue of every mode, flat; a single 0 for the pixel-wise processes."""
        if self.row.basis == "pixel":
            return [mpf(0)]
        rows, columns = ([self.row.eigenvalue(k, n) for k in range(n)] for n in SHAPE)
        return [r + c for r in rows for c in columns]

    @cache  # noqa: B019 - the cases live as long as the tests
    def exact_transition(self, k, i):
        """Lists of M_{k,i} and S_{k,i}^2 per mode in high precision."""
        found = [self.row.transition(k, i, lam) for lam in self.eigenvalues]
        return [m for m, _ in found], [s for _, s in found]

    def transition(self, k, i):
        """M_{k,i} and S_{k,i}^2 as NumPy vectors, one entry per pixel or mode."""
        found = (np.array([float(x) for x in part]) for part in self.exact_transition(k, i))
        return tuple(np.broadcast_to(part, (SHAPE[0] * SHAPE[1],)) for part in found)

    @cached_property
    def V(self):
        """Orthonormal basis as a dense matrix; columns are the modes."""
        n = SHAPE[0] * SHAPE[1]
        return np.eye(n) if self.row.basis == "pixel" else np.kron(*map(cosine_basis, SHAPE))


def cosine_basis(n):
    """Columns are the orthonormal DCT-II vectors of length n, from their definition."""
    x, k = np.arange(n)[:, None], np.arange(n)
    basis = np.cos(np.pi * k * (x + 0.5) / n)
    return basis / np.linalg.norm(basis, axis=0)


TIMES = [0.125, 0.5, 0.7, 10.0, 50.0, 200.0]  # exp(-lambda t) underflows on the way
BETAS = [1e-4, 0.02, 0.3, 1e-12, 0.999, 0.5]
SIGMAS = [0.01, 0.010001, 0.5, 3.0, 50.0, 90.0]
ANGLES = np.linspace(0.2, 1.5, 6)
ALPHAS, SINES = np.cos(ANGLES), np.sin(ANGLES)


def matched_sigmas():
    """Root mean square over the modes of the deviation of linearised osmosis, contrast 0.5."""
    lam = np.add.outer(*(2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in SHAPE))
    return [0.5 * np.sqrt(np.mean((1 - np.exp(-lam * t)) ** 2)) for t in TIMES]


def cases():
    ones, matched = np.ones(6), matched_sigmas()
    flat = np.full(6, 0.25)
    return [
        Case("VP", VariancePreserving(BETAS), variance_preserving(BETAS)),
        Case("VE", VarianceExploding(SIGMAS), variance_exploding(SIGMAS)),
        Case("IHD", HeatDissipation(TIMES, 0.02, SHAPE), heat_dissipation(TIMES, 0.02)),
        Case(
            "IHD-continuous",
            HeatDissipation(TIMES, 0.02, SHAPE, eigenvalues="continuous"),
            heat_dissipation(TIMES, 0.02, continuous_eigenvalue),
        ),
        Case(
            "blurring",
            BlurringDiffusion(TIMES, ALPHAS, SINES, SHAPE),
            blurring_diffusion(TIMES, ALPHAS, SINES, 1e-3),
        ),
        Case(
            "blurring-matched",
            BlurringDiffusion(TIMES, ones, matched, SHAPE, d_min=0),
            blurring_diffusion(TIMES, ones, matched, 0),
        ),
        Case(
            "blurring-constant-sigma",
            BlurringDiffusion(TIMES, ones, flat, SHAPE, d_min=1e-12),
            blurring_diffusion(TIMES, ones, flat, 1e-12),
        ),
        Case("osmosis", LinearisedOsmosis(TIMES, 0.5, SHAPE), linearised_osmosis(TIMES, 0.5)),
        Case("diffusion", HomogeneousDiffusion(TIMES, SHAPE), homogeneous_diffusion(TIMES)),
    ]


CASES = cases()


def each(name, selected=lambda _: True):
    """Fixture that runs through the selected cases."""

    @pytest.fixture(
        name=name, scope="session", params=filter(selected, CASES), ids=lambda case: case.name
    )
    def fixture(request):
        return request.param

    return fixture


case = each("case")
noisy_case = each("noisy_case", lambda case: case.row.noisy)
pixelwise_case = each("pixelwise_case", lambda case: case.row.basis == "pixel")
blurring_case = each("blurring_case", lambda case: case.row.basis == "DCT")
spatial_case = each("spatial_case", lambda case: case.row.in_space)


# Random schedules over the whole range that double precision can hold.


def positive(low, high):
    """Floats with uniform decimal exponent in [low, high]."""
    return st.floats(low, high).map(lambda x: 10.0**x)


def increasing(low, high):
    """Strictly increasing lists whose increments span the exponents [low, high]."""
    sums = st.lists(positive(low, high), min_size=1, max_size=6).map(np.cumsum)
    return sums.filter(lambda x: bool((np.diff(x) > 0).all()))


small_shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
betas = st.lists(
    positive(-18, -0.01) | positive(-12, -1).map(lambda x: 1 - x), min_size=1, max_size=6
)


@st.composite
def blurring_arguments(draw):
    times = draw(increasing(-6, 5))
    m = len(times)
    falls = draw(st.lists(st.floats(1e-3, 1), min_size=m, max_size=m))
    # sigma / alpha rises by at least a per cent a step, so that rounding of the *inputs* of the
    # constructor does not decide the digits of b^2; the boundary has a test of its own.
    rises = draw(st.lists(positive(-2, 1), min_size=m, max_size=m))
    alphas = np.cumprod(falls)
    sigmas = alphas * draw(positive(-3, 0)) * np.cumprod(1 + np.array(rises))
    sigmas[: draw(st.integers(0, m - 1))] = 0
    return times, alphas, sigmas, draw(st.sampled_from([0.0, 1e-300, 1e-12, 1e-3, 0.5]))


def _family(arguments, build, row):
    """Random processes with their rows; ``shape`` is drawn as well."""
    return st.tuples(arguments, small_shapes).map(
        lambda drawn: SimpleNamespace(
            arguments=drawn[0],
            shape=drawn[1],
            process=build(drawn[1], *drawn[0]),
            row=row(*drawn[0]),
        )
    )


times = increasing(-6, 5)
FAMILIES = {
    "VP": _family(st.tuples(betas), lambda _, b: VariancePreserving(b), variance_preserving),
    "VE": _family(
        st.tuples(increasing(-6, 5)), lambda _, s: VarianceExploding(s), variance_exploding
    ),
    "IHD": _family(
        st.tuples(times, positive(-4, 2)),
        lambda n, t, s: HeatDissipation(t, s, n),
        heat_dissipation,
    ),
    "IHD-continuous": _family(
        st.tuples(times, positive(-4, 2)),
        lambda n, t, s: HeatDissipation(t, s, n, "continuous"),
        lambda t, s: heat_dissipation(t, s, continuous_eigenvalue),
    ),
    "blurring": _family(
        blurring_arguments(),
        lambda n, t, a, s, d: BlurringDiffusion(t, a, s, n, d),
        blurring_diffusion,
    ),
    "osmosis": _family(
        st.tuples(times, positive(-4, 2)),
        lambda n, t, s: LinearisedOsmosis(t, s, n),
        linearised_osmosis,
    ),
    "diffusion": _family(
        st.tuples(times), lambda n, t: HomogeneousDiffusion(t, n), homogeneous_diffusion
    ),
}


@pytest.fixture(scope="session", params=FAMILIES.values(), ids=FAMILIES.keys())
def family(request):
    """A strategy of random processes of each kind."""
    return request.param


@pytest.fixture(scope="session")
def all_families():
    return FAMILIES.values()


@pytest.fixture(scope="session")
def neumann_laplacian():
    """Build the 5-point Laplacian with reflecting boundaries of an image of given shape."""

    def axis(n):
        matrix = scipy.sparse.diags([np.ones(n - 1), np.full(n, -2.0), np.ones(n - 1)], [-1, 0, 1])
        matrix = matrix.tolil()
        matrix[0, 0] += 1
        matrix[n - 1, n - 1] += 1
        return matrix

    def build(shape):
        return scipy.sparse.kronsum(*(axis(n) for n in reversed(shape))).toarray()

    return build


@pytest.fixture(scope="session")
def relative_defect():
    """Largest relative deviation of a tensor from high-precision numbers.

    Below the smallest normal double the deviation is taken relative to that number: subnormal
    results may lose digits, nothing else may.
    """

    def measure(found, expected):
        smallest = mpf(torch.finfo(torch.float64).tiny)
        values = found.reshape(-1).tolist()
        assert len(values) == len(expected)
        return max(
            float(abs(mpf(x) - y) / max(abs(y), smallest))
            for x, y in zip(values, expected, strict=True)
        )

    return measure


@pytest.fixture(scope="session")
def all_cases():
    return CASES
