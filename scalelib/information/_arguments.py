"""Checks at the boundary that all information measures share."""

from __future__ import annotations

import torch
from torch import Tensor

from scalelib import _check


def double(name: str, values: Tensor, ndim: int | None = None) -> Tensor:
    """Return ``values`` as a finite float64 tensor on the CPU, with ``ndim`` axes if given."""
    _check.floating(name, values)
    if ndim is not None and values.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, found shape {tuple(values.shape)}")
    return values.detach().to("cpu", torch.float64)


def nonnegative(name: str, values: Tensor, ndim: int | None = None) -> Tensor:
    """Return ``values`` as :func:`double` does if no number is negative."""
    found = double(name, values, ndim)
    if bool((found < 0).any()):
        raise ValueError(f"{name} must not be negative, found {float(found.min()):g}")
    return found


def generator(name: str, source: torch.Generator) -> torch.Generator:
    """Return ``source`` if it is a generator on the CPU."""
    if not isinstance(source, torch.Generator):
        raise TypeError(f"{name} must be a torch.Generator, found {type(source).__name__}")
    if source.device.type != "cpu":
        raise ValueError(f"{name} must be on the CPU, found {source.device}")
    return source


def probability(name: str, value: float) -> float:
    """Return ``value`` as a float strictly between 0 and 1."""
    return _check.number(name, value, low=0, high=1)
