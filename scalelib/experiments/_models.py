"""The scale-spaces of a comparison on a common axis: images in, all scales out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from scalelib import _random
from scalelib.experiments.configuration import Configuration
from scalelib.osmosis import Osmosis
from scalelib.processes import (
    BlurringDiffusion,
    HeatDissipation,
    HomogeneousDiffusion,
    LinearGaussianScaleSpace,
    LinearisedOsmosis,
    VariancePreserving,
)
from scalelib.schedules import arctan_noise, linear_beta, log_blur, matched_sigma, sin2_blur

__all__ = ["Model", "build", "guidance_noise", "processes"]

Model = Callable[[Tensor, list[str], int], Tensor]
"""Images (N, C, H, W) in [-1, 1], their labels and a seed -> scales 0..m, (m + 1, N, C, H, W)."""

ACCURACY = 1e-6
"""Relative error of osmosis: about 1e-4 grey values."""

GREY = 127.5
"""Grey value of 0, and grey values per unit."""

DEVIATIONS = 6.0
"""A guidance image with noise below minus this many deviations is drawn again."""


def processes(configuration: Configuration) -> dict[str, LinearGaussianScaleSpace]:
    """Return the linear Gaussian models by their short names."""
    size, m = (configuration.size,) * 2, configuration.scales
    times = log_blur(m, configuration.sigma_max)
    return {
        "vp": VariancePreserving(linear_beta(m, last=configuration.last_beta)),
        "ihd": HeatDissipation(times, configuration.heat_sigma, size),
        "diffusion": HomogeneousDiffusion(times, size),
        "blurring": _blurring(configuration),
        "linearised": LinearisedOsmosis(times, configuration.contrast, size),
    }


def _blurring(configuration: Configuration) -> BlurringDiffusion:
    size, m = (configuration.size,) * 2, configuration.scales
    if configuration.blurring_schedule == "published":
        times = sin2_blur(m, configuration.sigma_max)
        return BlurringDiffusion(times, *arctan_noise(m), size, d_min=1e-3)
    times = log_blur(m, configuration.sigma_max)
    sigmas = matched_sigma(times, configuration.contrast, size)
    return BlurringDiffusion(times, torch.ones(m), sigmas, size, d_min=0.0)


def build(configuration: Configuration) -> dict[str, Model]:
    """Return the models that a configuration asks for, by their short names."""
    found: dict[str, Model] = {
        name: partial(_trajectory, name, process)
        for name, process in processes(configuration).items()
    }
    found["diffusion"] = partial(_filtered, processes(configuration)["diffusion"])
    found["osmosis"] = partial(_osmosis, configuration)
    return {name: found[name] for name in configuration.models}


def guidance_noise(u: Tensor, labels: list[str], seed: int) -> Tensor:
    """White noise for the guidance images; what would leave the offset's range is drawn again."""
    noise = _random.normal(labels, u.shape[1:], seed, "guidance", device=u.device)
    attempt = 0
    while bad := (noise.flatten(1).amin(dim=1) < -DEVIATIONS).nonzero()[:, 0].tolist():
        attempt += 1
        again = [labels[j] for j in bad]
        names = ("guidance", f"attempt {attempt}")
        noise[bad] = _random.normal(again, u.shape[1:], seed, *names, device=u.device)
    return noise


def _trajectory(
    name: str, process: LinearGaussianScaleSpace, u: Tensor, labels: list[str], seed: int
) -> Tensor:
    """One Markov trajectory for each image, its noise drawn for each scale on its own."""
    scales = range(1, process.steps + 1)
    noise = torch.stack(
        [_random.normal(labels, u.shape[1:], seed, name, i, device=u.device) for i in scales]
    )
    return torch.cat([u[None], process.trajectory(u, scales, noise=noise)])


def _filtered(process: LinearGaussianScaleSpace, u: Tensor, labels: list[str], seed: int) -> Tensor:
    """All scales of a process without noise: nothing is drawn, whatever the image and the seed."""
    del labels, seed
    unused = torch.Generator(u.device)
    scales = range(1, process.steps + 1)
    return torch.cat([u[None], process.trajectory(u, scales, generator=unused)])


def _osmosis(configuration: Configuration, u: Tensor, labels: list[str], seed: int) -> Tensor:
    """Osmosis towards one noise image for each image."""
    times = log_blur(configuration.scales, configuration.sigma_max)
    guidance = GREY * (1 + configuration.contrast * guidance_noise(u, labels, seed))
    osmosis = Osmosis(guidance, offset=configuration.offset)
    evolved = osmosis.exact_trajectory(GREY * (1 + u), times, rtol=ACCURACY)
    return torch.cat([u[None], evolved.div_(GREY).sub_(1)])
