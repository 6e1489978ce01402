"""Every process with known data, and the reverse process a second time, by naive sums in mpmath.

The posterior is stated here by the joint Gaussian law of two scales and its conditioning, mode by
mode and image by image, in a basis that is written out as a matrix.
"""

from dataclasses import dataclass
from functools import cached_property

import mpmath
import numpy as np
import pytest
import torch

from scalelib import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VarianceExploding,
    VariancePreserving,
)
from scalelib.reverse import Posterior

SHAPE = (2, 3)
EVENT = (2, *SHAPE)
COUNT, SIZE = 5, 12
mp = mpmath.mp.clone()
mp.dps = 40

TIMES = [0.05, 0.2, 0.6, 1.5]
ANGLES = np.linspace(0.2, 1.4, 4)
PROCESSES = {
    "VP": VariancePreserving([0.02, 0.1, 0.4, 0.9]),
    "VE": VarianceExploding([0.1, 0.3, 0.9, 2.5]),
    "IHD": HeatDissipation(TIMES, 0.2, SHAPE),
    "blurring": BlurringDiffusion(TIMES, np.cos(ANGLES), np.sin(ANGLES), SHAPE),
    "osmosis": LinearisedOsmosis(TIMES, 0.5, SHAPE),
    "diffusion": HomogeneousDiffusion(TIMES, SHAPE),
}
LAWS = ("finite", "weighted", "wide", "per-mode", "per-component")


def cosine_basis(n):
    """Columns are the orthonormal DCT-II vectors of length n, from their definition."""
    x, k = np.arange(n)[:, None], np.arange(n)
    basis = np.cos(np.pi * k * (x + 0.5) / n)
    return basis / np.linalg.norm(basis, axis=0)


BASIS = np.kron(*map(cosine_basis, SHAPE))


def to_modes(process, u):
    """Coefficients of images (..., C, H, W), flat, by a product with the basis."""
    planes = u.double().numpy().reshape(*u.shape[:-2], -1)
    modes = planes if process.shape is None else planes @ BASIS
    return modes.reshape(*u.shape[:-3], -1)


@dataclass(frozen=True, eq=False)
class Reference:
    """Law of the data in a basis, and everything that follows from it."""

    process: LinearGaussianScaleSpace
    means: np.ndarray
    weights: list
    variances: np.ndarray
    without_mean: bool = False

    @cached_property
    def kept(self):
        size = 1 if self.process.shape is None else self.process.shape[0] * self.process.shape[1]
        d = self.means.shape[1]
        return [not (self.without_mean and k % size == 0) for k in range(d)]

    @cached_property
    def used(self):
        """Components that have weight."""
        return [j for j, w in enumerate(self.weights) if w]

    def transition(self, k, i):
        """Mean factor and variance per coordinate, as they are stored."""
        factor, variance = self.process.direct(i, k)
        return (
            np.broadcast_to(x.numpy(), EVENT).reshape(-1).tolist() if x.ndim else [float(x)] * SIZE
            for x in (factor, variance)
        )

    def component(self, j, i):
        """Means and variances of the coordinates of component j at scale i."""
        factor, noise = self.transition(0, i)
        x, c = self.means[j].tolist(), self.variances[j].tolist()
        mean = [mp.mpf(m) * y for m, y in zip(factor, x, strict=True)]
        var = [mp.mpf(m) ** 2 * v + s for m, v, s in zip(factor, c, noise, strict=True)]
        return mean, var

    def log_density(self, j, u, i):
        """Weighted log-density of component j; modes without variance count 0 or exclude."""
        mean, var = self.component(j, i)
        total = mp.log(self.weights[j]) if self.weights[j] else mp.ninf
        for x, m, v, kept in zip(u.tolist(), mean, var, self.kept, strict=True):
            if not kept:
                continue
            if v == 0:
                total = total if abs(x - m) < 1e-12 else mp.ninf
            else:
                total -= (x - m) ** 2 / (2 * v) + mp.log(2 * mp.pi * v) / 2
        return total

    def marginal(self, u, i):
        """Density of scale i at flat modes u."""
        return mp.fsum(mp.exp(self.log_density(j, u, i)) for j in range(len(self.means)))

    def posterior(self, u, i):
        """Weights w_j(u)."""
        logs = [self.log_density(j, u, i) for j in range(len(self.means))]
        top = max(logs)
        found = [mp.exp(x - top) for x in logs]
        return [x / mp.fsum(found) for x in found]

    def kernel(self, j, u, k, i):
        """Means and variances of U_k given component j and U_i = u, by conditioning."""
        early = zip(*self.component(j, k), *self.transition(k, i), strict=True)
        means, variances = [], []
        for x, (m, p, f, added), kept in zip(u.tolist(), early, self.kept, strict=True):
            # (U_k, U_i) has the covariances p, f p and f^2 p + added.
            q = mp.mpf(f) ** 2 * p + added
            gain = f * p / q if q else mp.mpf(0)
            means.append(m + gain * (x - f * m) if kept else mp.mpf(x))
            variances.append(p - gain * f * p if kept else mp.mpf(0))
        return means, variances

    def moments(self, u, k, i):
        """Mean and variance per coordinate of the reverse kernel."""
        weights = self.posterior(u, i)
        parts = [self.kernel(j, u, k, i) for j in range(len(self.means))]
        mean, var = [], []
        for c in range(len(u)):
            first = mp.fsum(w * m[c] for w, (m, _) in zip(weights, parts, strict=True))
            second = mp.fsum(
                w * (v[c] + (m[c] - first) ** 2) for w, (m, v) in zip(weights, parts, strict=True)
            )
            mean.append(float(first))
            var.append(float(second))
        return np.array(mean), np.array(var)


@dataclass(frozen=True, eq=False)
class Case:
    """A posterior, built as a caller would, next to its reference."""

    name: str
    law: str
    process: LinearGaussianScaleSpace
    posterior: Posterior
    reference: Reference

    def images(self, i):
        """Images at scale i that two components, with weight, have led to."""
        source = torch.Generator().manual_seed(i)
        spread = self.posterior.variance.expand(COUNT, *EVENT)[[1, 3]]
        noise = torch.randn(2, *EVENT, generator=source, dtype=torch.float64)
        start = self.posterior.data[[1, 3]] + self.process.from_modes(spread.sqrt() * noise)
        return self.process.sample(start, i, generator=source)

    def modes(self, u):
        return to_modes(self.process, u)

    def has_density(self, i):
        spread = self.posterior.variance + 0 * self.posterior.data.double()
        factor, noise = self.process.direct(i)
        return bool(
            (factor**2 * spread + noise).reshape(-1, SIZE)[:, self.reference.kept].min() > 0
        )


def build(name, law):
    process = PROCESSES[name]
    source = torch.Generator().manual_seed(7)
    data = torch.rand(COUNT, *EVENT, generator=source, dtype=torch.float64) * 2 - 1
    if name in ("osmosis", "diffusion"):
        data[1:4] += (data[0] - data[1:4]).mean(dim=(-2, -1), keepdim=True)  # equal mean grey
    weights = torch.tensor([0.5, 2.0, 0.0, 1.0, 3.0]).double() if law != "finite" else None
    variance = {
        "finite": 0.0,
        "weighted": 0.0,
        "wide": 0.04,
        "per-mode": torch.rand(EVENT, generator=source, dtype=torch.float64) / 8 + 0.01,
        "per-component": torch.rand(COUNT, *EVENT, generator=source, dtype=torch.float64) / 8
        + 0.01,
    }[law]
    spread = torch.as_tensor(variance, dtype=torch.float64).expand(COUNT, *EVENT).reshape(COUNT, -1)
    without = name == "osmosis" and law == "weighted"
    reference = Reference(
        process,
        to_modes(process, data),
        [1.0] * COUNT if weights is None else weights.tolist(),
        spread.numpy(),
        without,
    )
    posterior = Posterior(process, data, weights=weights, variance=variance, without_mean=without)
    return Case(name, law, process, posterior, reference)


CASES = [build(name, law) for name in PROCESSES for law in LAWS]


def each(name, selected=lambda _: True):
    """Fixture that runs through the selected cases."""

    @pytest.fixture(
        name=name,
        scope="session",
        params=filter(selected, CASES),
        ids=lambda case: f"{case.name}-{case.law}",
    )
    def fixture(request):
        return request.param

    return fixture


case = each("case")
density_case = each("density_case", lambda case: case.has_density(1))
noisy_case = each("noisy_case", lambda case: case.name != "diffusion")
everywhere_noisy_case = each(
    "everywhere_noisy_case", lambda case: bool((case.process.direct(2, 1)[1] > 0).all())
)


@pytest.fixture(scope="session", params=PROCESSES.values(), ids=PROCESSES.keys())
def process(request):
    return request.param


@pytest.fixture(params=["VP", "VE", "IHD", "blurring"])
def noisy(request):
    """Processes with noise in every mode."""
    return PROCESSES[request.param]


@pytest.fixture(scope="session")
def all_cases():
    return CASES
