"""The score that drives the way back of a known law in one dimension."""

from __future__ import annotations

import torch

from scalelib.propositions import _feller as feller
from scalelib.propositions import _reverse as reverse


def test_the_score_is_the_derivative_of_the_log_density():
    u = torch.linspace(-3, 3, 31, dtype=torch.float64, requires_grad=True)
    s = 0.4  # the time t with t + t^2 / 2 = 2 s
    t = -1 + (1 + 4 * s) ** 0.5
    expected = feller.along(feller.density(u, t).log(), u).detach()
    found = torch.from_numpy(reverse.score(feller.DATA, s, u.detach().numpy()))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
