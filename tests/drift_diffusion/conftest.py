"""Laws and grids that the tests of drift-diffusion share."""

import math
from types import SimpleNamespace

import pytest
import torch

from scalelib.drift_diffusion import Grid
from scalelib.information import Mixture


def law(means, variances, weights=None):
    """Mixture from lists; one variance serves all components."""
    means, variances = (torch.tensor(x, dtype=torch.float64) for x in (means, variances))
    if means.ndim == 1:
        means = means[:, None]
    given = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    shared = variances.ndim == 1 and len(variances) < len(means)
    return Mixture(means, variances if shared else variances.view_as(means), given)


def slope(widths, errors):
    """Order of convergence: slope of the regression line of ln error over ln width."""
    x, y = (torch.tensor([math.log(v) for v in values]) for values in (widths, errors))
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


@pytest.fixture(scope="session")
def case():
    """A bimodal law, the standard normal one, both in 1-D and 2-D, and what builds others."""
    return SimpleNamespace(
        law=law,
        slope=slope,
        normal=law([0.0], [1.0]),
        bimodal=law([-1.2, 0.9], [0.05, 0.1], [0.4, 0.6]),
        plane=law([[-1.0, 0.5], [1.0, -0.3]], [[0.1, 0.3], [0.2, 0.15]], [0.3, 0.7]),
        normal_plane=law([[0.0, 0.0]], [[1.0, 1.0]]),
        grid=lambda cells: Grid(-8, 8, cells),
    )
