"""The reverse process of a known law in one dimension."""

from __future__ import annotations

import pytest
import torch

from scalelib.information import marginal
from scalelib.processes import VariancePreserving
from scalelib.propositions import _feller as feller
from scalelib.propositions import _reverse as reverse

CHAIN = VariancePreserving([0.3, 0.4])
X = torch.linspace(-8, 8, 4001, dtype=torch.float64)
WIDTH = float(X[1] - X[0])
U = torch.tensor([-2.0, 0.1, 1.3], dtype=torch.float64)


@pytest.fixture
def posterior():
    return reverse.StepBack(marginal(CHAIN, feller.DATA, 1), *CHAIN.coefficients(2), U)


def test_the_kernel_is_that_of_bayes(posterior):
    early, late = (marginal(CHAIN, feller.DATA, i).log_density for i in (1, 2))
    a, b2 = CHAIN.coefficients(2)
    forward = torch.distributions.Normal(a * X, b2.sqrt()).log_prob(U[:, None])
    bayes = (forward + early(X[:, None]) - late(U[:, None])[:, None]).exp()
    torch.testing.assert_close(posterior.mixture(X), bayes, rtol=1e-10, atol=1e-14)


def test_the_gaussian_has_the_moments_of_the_kernel(posterior):
    exact = posterior.mixture(X)
    torch.testing.assert_close((exact * X).sum(dim=1) * WIDTH, posterior.mean)
    second = (exact * X**2).sum(dim=1) * WIDTH
    torch.testing.assert_close(second - posterior.mean**2, posterior.variance)


def test_the_relative_entropy_is_the_integral(posterior):
    exact, normal = posterior.mixture(X), posterior.gaussian(X)
    expected = torch.xlogy(exact, exact / normal).nan_to_num().sum(dim=1) * WIDTH
    torch.testing.assert_close(posterior.relative_entropy(), expected, rtol=1e-6, atol=1e-12)


def test_the_score_is_the_derivative_of_the_log_density():
    u = torch.linspace(-3, 3, 31, dtype=torch.float64, requires_grad=True)
    s = 0.4  # the time t with t + t^2 / 2 = 2 s
    t = -1 + (1 + 4 * s) ** 0.5
    expected = feller.along(feller.density(u, t).log(), u).detach()
    found = torch.from_numpy(reverse.score(feller.DATA, s, u.detach().numpy()))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
