"""Schedules, transitions and transforms of the browser, against the package."""

from __future__ import annotations

import pytest
import torch
from javascript import call

from scalelib import BlurringDiffusion, HeatDissipation, VariancePreserving
from scalelib.schedules import arctan_noise, linear_beta, log_blur, sin2_blur
from scalelib.transforms import dct2, idct2, laplacian_eigenvalues

SHAPE = (6, 5)


def close(found, expected):
    torch.testing.assert_close(
        torch.tensor(found, dtype=torch.float64), expected, rtol=0, atol=1e-9
    )


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("linearBeta", (20, 1e-3, 0.4), linear_beta(20, 1e-3, 0.4)),
        ("logBlur", (20, 8), log_blur(20, 8)),
        ("logBlur", (20, 8, 0.25), log_blur(20, 8, 0.25)),
        ("sin2Blur", (20, 8), sin2_blur(20, 8)),
        ("arctanNoise", (20,), torch.stack(arctan_noise(20))),
    ],
)
def test_schedules(name, given, expected):
    close(call("numerics/processes.js", name, given)[0], expected)


def test_transforms(generator):
    u = torch.randn(*SHAPE, generator=generator, dtype=torch.float64)
    for name, transform in (("dct2", dct2), ("idct2", idct2)):
        found = call("numerics/cosine.js", name, (u.flatten().tolist(), *SHAPE))[0]
        close(found, transform(u).flatten())
    eigenvalues = call("numerics/cosine.js", "laplacianEigenvalues", SHAPE)[0]
    close(eigenvalues, laplacian_eigenvalues(SHAPE).flatten())


def test_variance_preserving():
    betas = linear_beta(20, 1e-3, 0.4)
    process, pairs = VariancePreserving(betas), [(0, 1), (0, 20), (3, 7), (19, 20), (4, 4)]
    calls = [(betas.tolist(), k, i) for k, i in pairs]
    found = call("numerics/processes.js", "variancePreserving", *calls)
    for (k, i), pair in zip(pairs, found, strict=True):
        close(pair, torch.stack(list(process.direct(i, k))))


@pytest.mark.parametrize("i", [1, 10, 20])
def test_blurring_processes(i):
    eigenvalues = laplacian_eigenvalues(SHAPE).flatten().tolist()
    times, (alphas, sigmas) = log_blur(20, 3), arctan_noise(20)
    cases = {
        "heatDissipation": (HeatDissipation(times, 0.02, SHAPE), (times.tolist(), 0.02)),
        "blurringDiffusion": (
            BlurringDiffusion(times, alphas, sigmas, SHAPE),
            (times.tolist(), alphas.tolist(), sigmas.tolist(), 1e-3),
        ),
    }
    for name, (process, schedule) in cases.items():
        factors, variance = call("numerics/processes.js", name, (*schedule, eigenvalues, i))[0]
        expected_factors, expected_variances = process.direct(i)
        close(factors, expected_factors.flatten())
        close([variance] * len(factors), expected_variances.flatten())
