"""Information measures: quantities in closed form, and estimators where there is none."""

from scalelib.information.densities import Mixture, marginal
from scalelib.information.estimators import (
    Estimate,
    entropy_by_neighbours,
    entropy_by_sampling,
    mutual_information_by_neighbours,
    mutual_information_by_sampling,
    relative_entropy_by_sampling,
)
from scalelib.information.quadrature import (
    entropy_by_quadrature,
    relative_entropy_by_quadrature,
)
from scalelib.information.quantities import (
    conditional_entropy,
    conditional_relative_entropy,
    entropy_power,
    gaussian_entropy,
    gaussian_mutual_information,
    gaussian_relative_entropy,
    gaussian_wasserstein,
)

__all__ = [
    "Estimate",
    "Mixture",
    "conditional_entropy",
    "conditional_relative_entropy",
    "entropy_by_neighbours",
    "entropy_by_quadrature",
    "entropy_by_sampling",
    "entropy_power",
    "gaussian_entropy",
    "gaussian_mutual_information",
    "gaussian_relative_entropy",
    "gaussian_wasserstein",
    "marginal",
    "mutual_information_by_neighbours",
    "mutual_information_by_sampling",
    "relative_entropy_by_quadrature",
    "relative_entropy_by_sampling",
]
