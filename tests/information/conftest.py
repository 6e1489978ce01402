"""Random mixtures and helpers shared by the tests of the information measures."""

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from scalelib.information import Mixture


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def positive(low, high):
    """Floats with uniform decimal exponent in [low, high]."""
    return st.floats(low, high).map(lambda x: 10.0**x)


@st.composite
def mixtures(draw, dimension, most=4, exponents=(-4, 2)):
    """Mixtures of up to ``most`` components, with one set of variances or one for each."""
    count = draw(st.integers(1, most))
    rows = draw(st.sampled_from([1, count]))
    source = np.random.default_rng(draw(st.integers(0, 2**31)))
    variances = 10.0 ** source.uniform(*exponents, (rows, dimension))
    return Mixture(
        double(source.normal(0, 2, (count, dimension))),
        double(variances if rows > 1 else variances[0]),
        double(source.uniform(0.1, 1, count)),
    )


@pytest.fixture
def bimodal():
    """Two components on the line, different in weight and variance."""
    return Mixture(double([[-1.0], [0.5]]), double([[0.09], [0.25]]), double([1.0, 3.0]))
