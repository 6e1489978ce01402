"""Learned denoisers: a small U-Net, its training and its checkpoints."""

from scalelib.learning.checkpoint import (
    CheckpointError,
    differences,
    read_checkpoint,
    write_checkpoint,
)
from scalelib.learning.data import digits, fashion_mnist, split
from scalelib.learning.description import describe, described
from scalelib.learning.loss import NoiseLoss
from scalelib.learning.network import UNet
from scalelib.learning.presets import PRESETS, Preset, preset_images, preset_process
from scalelib.learning.trained import Trained
from scalelib.learning.training import DivergenceError, Settings, Training, train

__all__ = [
    "PRESETS",
    "CheckpointError",
    "DivergenceError",
    "NoiseLoss",
    "Preset",
    "Settings",
    "Trained",
    "Training",
    "UNet",
    "describe",
    "described",
    "differences",
    "digits",
    "fashion_mnist",
    "preset_images",
    "preset_process",
    "read_checkpoint",
    "split",
    "train",
    "write_checkpoint",
]
