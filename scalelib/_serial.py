"""Elementary functions of coefficients, in one thread.

The exponential and the root of torch start its threads for arrays of any size. They spin for a
while afterwards and take the cores from the cosine transforms that come next.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["exp", "expm1", "sqrt"]


def exp(x: Tensor) -> Tensor:
    """Exponential of a CPU tensor."""
    return torch.as_tensor(np.exp(x.numpy()))


def expm1(x: Tensor) -> Tensor:
    """Exponential minus 1 of a CPU tensor, accurate near 0."""
    return torch.as_tensor(np.expm1(x.numpy()))


def sqrt(x: Tensor) -> Tensor:
    """Square root of a CPU tensor."""
    return torch.as_tensor(np.sqrt(x.numpy()))
