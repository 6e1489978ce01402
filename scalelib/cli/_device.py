"""The option --device."""

from __future__ import annotations

import torch

__all__ = ["device"]


def device(name: str) -> torch.device:
    """Return the device of a name, if there is one."""
    if name not in ("cpu", "cuda"):
        raise ValueError(f"--device must be cpu or cuda, found {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda needs a CUDA device, found none")
    return torch.device(name)
