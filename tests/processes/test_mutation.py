"""Every formula of every process, changed by a per cent, is noticed by the table of its row.

The table (conftest.py) is rebuilt from the arguments of the constructor alone.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from mutants import mutants

from scalelib import transforms
from scalelib.processes import (
    blurring_diffusion,
    heat_dissipation,
    homogeneous_diffusion,
    linearised_osmosis,
    variance_exploding,
    variance_preserving,
)

TOLERANCE = 1e-10
FORMULAS = {
    "VariancePreserving": (variance_preserving, ["_transition"]),
    "VarianceExploding": (variance_exploding, ["_transition"]),
    "HeatDissipation": (heat_dissipation, ["_transition"]),
    "BlurringDiffusion": (blurring_diffusion, ["_transition", "_blur_between"]),
    "LinearisedOsmosis": (linearised_osmosis, ["_transition"]),
    "HomogeneousDiffusion": (homogeneous_diffusion, ["_transition"]),
}
EVEN = {
    "laplacian_eigenvalues": "the squared sine is even",
    "continuous_laplacian_eigenvalues": "a square is even",
    "_dct_matrix": "the cosine is even",
    "_transition: self.contrast": "the contrast is squared",
    "_transition: self.sigma ->": "sigma is squared",
    "_transition: self.sigmas[start - 1] if": "a difference of squares is even",
}
"""Where a changed sign inside changes no number, and why. Nothing else may go unnoticed."""


def equivalent(text):
    return text.endswith("(sign)") and any(text.startswith(place) for place in EVEN)


def close(found, expected, tolerance=TOLERANCE):
    found = np.asarray(found)  # complex, if a change takes the root of a negative number
    return np.allclose(found, expected, rtol=tolerance, atol=1e-300)


def notices(case, process):
    """Whether some transition of the process leaves the table of the case."""
    for k, i in itertools.combinations(range(case.process.steps + 1), 2):
        for found, expected in zip(process.direct(i, k), case.transition(k, i), strict=True):
            if not close(found.expand(case.mode_shape).flatten(), expected[: found.numel()]):
                return True
    return False


def mutated(case, module):
    """The process of a case with the formulas of another module."""
    process = object.__new__(getattr(module, type(case.process).__name__))
    process.__dict__.update(case.process.__dict__)
    return process


def survivors(found):
    """Descriptions of the changes that nothing noticed; prints the score (pytest -s)."""
    total, alive = 0, []
    for description, noticed in found:
        total += 1
        try:
            alive += [] if noticed() else [description]
        except (ArithmeticError, AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            continue  # a change that makes the formula fail is noticed as well
    print(f"{total - len(alive)} of {total} changes noticed")
    assert total
    return alive


def missed(changes):
    """Fail with every change that was not noticed and is no equivalent one."""
    found = [text for text in survivors(changes) if not equivalent(text)]
    assert not found, "\n".join(["not noticed:", *found])


def test_every_process_has_its_formulas_changed(all_cases):
    without = {type(case.process).__name__ for case in all_cases} - FORMULAS.keys()
    assert without == set(), "add its module and methods to FORMULAS"


@pytest.mark.parametrize("name", FORMULAS)
def test_every_change_of_a_transition_is_noticed(name, all_cases):
    module, functions = FORMULAS[name]
    cases = [case for case in all_cases if type(case.process).__name__ == name]
    assert not any(notices(case, case.process) for case in cases)
    changes = (
        (text, lambda changed=changed: any(notices(c, mutated(c, changed)) for c in cases))
        for text, changed in mutants(module, functions)
    )
    missed(changes)


@pytest.mark.parametrize(
    ("function", "axis"),
    [
        ("laplacian_eigenvalues", lambda k, n: 2 - 2 * math.cos(math.pi * k / n)),
        ("continuous_laplacian_eigenvalues", lambda k, n: (math.pi * k / n) ** 2),
    ],
)
def test_every_change_of_the_eigenvalues_is_noticed(function, axis):
    shape = (6, 5)
    expected = [[axis(r, shape[0]) + axis(c, shape[1]) for c in range(5)] for r in range(6)]
    assert close(getattr(transforms, function)(shape), expected)
    changes = (
        (text, lambda changed=changed: not close(getattr(changed, function)(shape), expected))
        for text, changed in mutants(transforms, [function])
    )
    missed(changes)


def test_every_change_of_the_cosine_matrix_is_noticed():
    n = 7
    identity = torch.eye(n, dtype=torch.float64)
    expected = transforms.scipy.fft.dct(identity.numpy(), axis=0, norm="ortho")

    def wrong(module):
        found = module._dct_matrix(n, torch.float64, torch.device("cpu"))
        return not np.allclose(found, expected, rtol=0, atol=1e-13)

    assert not wrong(transforms)
    changes = (
        (text, lambda changed=changed: wrong(changed))
        for text, changed in mutants(transforms, ["_dct_matrix"])
    )
    missed(changes)
