"""What a training leaves: a network, its process, and the denoiser made of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from scalelib.learning.checkpoint import CheckpointError, read_checkpoint
from scalelib.learning.description import described
from scalelib.learning.network import UNet
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.reverse import NoisePrediction

__all__ = ["Trained"]


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """Trained network with its process.

    Attributes
    ----------
    network : UNet
        With the averaged weights.
    process : LinearGaussianScaleSpace
        Process whose noise it predicts.
    losses
        Loss of every training step, a float64 tensor of shape (steps,).

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> network = UNet(1, width=8, generator=torch.Generator().manual_seed(0))
    >>> untrained = Trained(network, VariancePreserving([0.75]), torch.zeros(0))
    >>> untrained.denoiser.denoise(torch.ones(1, 8, 8), 1)[0, 0, :2]  # no noise found: u / M
    tensor([2., 2.])
    """

    network: UNet
    process: LinearGaussianScaleSpace
    losses: Tensor

    @property
    def denoiser(self) -> NoisePrediction:
        """Denoiser for the samplers of :mod:`scalelib.reverse`; needs no gradients."""
        return NoisePrediction(self.process, torch.no_grad()(self.network))

    @classmethod
    def load(cls, path: str | Path, device: torch.device | str = "cpu") -> Trained:
        """Read what a training has saved.

        Parameters
        ----------
        path : str or Path
            Checkpoint that :func:`train` wrote.
        device : torch.device or str
            Where the network shall be.

        Returns
        -------
        Trained

        Raises
        ------
        OSError
            If the file cannot be read.
        CheckpointError
            If it is no checkpoint, is damaged, or does not fit the network it describes.
        """
        configuration, tensors = read_checkpoint(path)
        prefix = "averaged."
        weights = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        try:
            process = described(configuration["process"])
            network = UNet(**configuration["network"], generator=torch.Generator())
            network.load_state_dict(weights)
            losses = tensors["losses"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} does not describe a trained network: {error}") from error
        return cls(network.requires_grad_(False).eval().to(device), process, losses)
