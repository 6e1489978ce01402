"""The training step against the same network trained by a loop of plain PyTorch."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import get_ema_multi_avg_fn

from benchmarks.harness import Result, Run, Settings, interleave, ratios
from benchmarks.inputs import noise_batch
from scalelib import VariancePreserving
from scalelib.learning import Settings as TrainingSettings
from scalelib.learning import Training
from scalelib.schedules import linear_beta

LIMIT = 1.05
"""Time of a training step over that of the plain loop."""


def step(settings: Settings) -> Iterator[Result]:
    """One step of training, for the sizes of digits and of Fashion-MNIST."""
    betas = linear_beta(100, 1e-3, 0.2)
    for size, width, batch in ((8, 16, 64), (28, 32, 32)):
        chosen = TrainingSettings(width=settings.pick(width, 8), batch=settings.pick(batch, 8))
        images = noise_batch(settings.pick(1024, 64), 1, size, size)
        training = Training(images, VariancePreserving(betas), chosen, settings.device)
        plain = plain_loop(training, images.to(settings.device), betas)
        seconds = interleave(
            {"scalelib": training.advance, "plain PyTorch": plain},
            settings.rounds,
            device=settings.device,
        )
        weights = sum(weight.numel() for weight in training.network.parameters())
        yield Result(
            benchmark="training",
            setting=f"{chosen.batch} images {size}x{size}, {weights} weights, {settings.device}",
            quantity="time relative to plain PyTorch",
            values=ratios(seconds["scalelib"], seconds["plain PyTorch"]),
            at_most=LIMIT,
            seconds=seconds,
        )


def plain_loop(training: Training, images: Tensor, betas: Tensor) -> Run:
    """Body of a training loop as one writes it by hand: same network, optimiser and average."""
    settings, device = training.settings, images.device
    network, averaged = copy.deepcopy(training.network), copy.deepcopy(training.averaged)
    weights = list(network.parameters())
    adam = torch.optim.Adam(weights, settings.learning_rate, fused=True)
    average = get_ema_multi_avg_fn(settings.average)
    power = (1 - betas).cumprod(0).float().to(device)
    factors, deviations = power.sqrt(), (1 - power).sqrt()
    losses: list[float] = []

    def run() -> None:
        u0 = images[torch.randint(len(images), (settings.batch,)).to(device)]
        i = torch.randint(len(betas), (settings.batch,))
        there = i.to(device)
        noise = torch.randn(u0.shape).to(device)
        factor, deviation = (c[there, None, None, None] for c in (factors, deviations))
        loss = mse_loss(network(factor * u0 + deviation * noise, i + 1), noise)
        adam.zero_grad()
        loss.backward()
        clip_grad_norm_(weights, settings.clip)
        adam.step()
        average(list(averaged.parameters()), weights, 0)
        losses.append(loss.item())

    return run
