import json

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
from scalelib.learning import describe, described
from scalelib.schedules import arctan_noise, cosine_beta, geometric_sigma, sin2_blur

SHAPE = (4, 6)
PROCESSES = [
    VariancePreserving(cosine_beta(9)),
    VarianceExploding(geometric_sigma(9)),
    HeatDissipation([0.1, 0.7], 0.02, SHAPE, eigenvalues="continuous"),
    BlurringDiffusion(sin2_blur(9), *arctan_noise(9), shape=SHAPE, d_min=1e-3),
    HomogeneousDiffusion([0.1, 0.7], SHAPE),
    LinearisedOsmosis([0.1, 0.7], 0.5, SHAPE),
]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: type(p).__name__)
def test_a_process_survives_json_without_loss(process):
    again = described(json.loads(json.dumps(describe(process))))
    assert type(again) is type(process)
    for i in range(1, process.steps + 1):
        for found, expected in zip(again.direct(i), process.direct(i), strict=True):
            assert torch.equal(found, expected)


class Foreign(LinearGaussianScaleSpace):
    def _transition(self, start, i):
        raise NotImplementedError


def test_a_foreign_process_is_refused():
    with pytest.raises(TypeError, match=r"process must be one of BlurringDiffusion.*found Foreign"):
        describe(Foreign(3))


@pytest.mark.parametrize("name", ["Foreign", "LinearGaussianScaleSpace", "__builtins__", None])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match="process must be one of"):
        described({"name": name})


def test_bad_arguments_are_those_of_the_constructor():
    with pytest.raises(ValueError, match="betas"):
        described({"name": "VariancePreserving", "betas": [2.0]})
    with pytest.raises(TypeError, match="unexpected keyword"):
        described({"name": "VariancePreserving", "betas": [0.5], "times": [1.0]})
