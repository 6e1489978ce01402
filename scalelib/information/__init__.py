"""Information measures in closed form, their estimators, and tests for samples."""

from scalelib.information.densities import Mixture, marginal
from scalelib.information.equal_loss import equal_loss_beta
from scalelib.information.estimators import (
    Estimate,
    entropy_by_neighbours,
    entropy_by_sampling,
    mutual_information_by_neighbours,
    mutual_information_by_sampling,
    relative_entropy_by_sampling,
)
from scalelib.information.modes import CriticalPoints, critical_points, modes_near
from scalelib.information.octaves import octave_information, octaves, signal_to_noise
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
from scalelib.information.standard_normal import (
    StandardNormal,
    required_count,
    smallest_defect,
    standard_normal_test,
)
from scalelib.information.two_sample import TwoSample, energy_distance, energy_test

__all__ = [
    "CriticalPoints",
    "Estimate",
    "Mixture",
    "StandardNormal",
    "TwoSample",
    "conditional_entropy",
    "conditional_relative_entropy",
    "critical_points",
    "energy_distance",
    "energy_test",
    "entropy_by_neighbours",
    "entropy_by_quadrature",
    "entropy_by_sampling",
    "entropy_power",
    "equal_loss_beta",
    "gaussian_entropy",
    "gaussian_mutual_information",
    "gaussian_relative_entropy",
    "gaussian_wasserstein",
    "marginal",
    "modes_near",
    "mutual_information_by_neighbours",
    "mutual_information_by_sampling",
    "octave_information",
    "octaves",
    "relative_entropy_by_quadrature",
    "relative_entropy_by_sampling",
    "required_count",
    "signal_to_noise",
    "smallest_defect",
    "standard_normal_test",
]
