"""Checks at the boundary: each error names the argument, what was found and what was expected."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Real

import numpy as np
import torch
from torch import Tensor

Numbers = Sequence[float] | Tensor
"""A schedule as the caller may give it: any sequence of numbers, or a 1-D tensor."""


def number(name: str, value: float, *, low: float = -math.inf, high: float = math.inf) -> float:
    """Return ``value`` as a float strictly between ``low`` and ``high``."""
    scalar = value.item() if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 else value
    if isinstance(scalar, bool) or not isinstance(scalar, Real):
        raise TypeError(f"{name} must be a real number, found {reprlib.repr(value)}")
    try:
        found = float(scalar)
    except OverflowError:
        found = math.inf
    if not (math.isfinite(found) and low < found < high):
        raise ValueError(
            f"{name} must be finite and in ({low:g}, {high:g}), found {reprlib.repr(value)}"
        )
    return found


def non_negative(name: str, value: float) -> float:
    """Return ``value`` as a finite float that is at least 0."""
    found = number(name, value)
    if found < 0:
        raise ValueError(f"{name} must not be negative, found {found!r}")
    return found


def integer(name: str, value: int, *, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int with ``low <= value <= high``."""
    message = f"{name} must be an integer, found {reprlib.repr(value)}"
    if isinstance(value, bool):
        raise TypeError(message)
    if isinstance(value, Tensor) and (value.ndim > 0 or value.dtype == torch.bool):
        raise TypeError(message)
    try:
        found = operator.index(value)
    except TypeError as error:
        raise TypeError(message) from error
    if found < low or (high is not None and found > high):
        expected = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{name} must be {expected}, found {found}")
    return found


def increasing_integers(name: str, values: Iterable[int], *, low: int, high: int) -> list[int]:
    """Return ``values`` as a non-empty, strictly increasing list in ``low..high``."""
    found = _integers(name, values, low=low, high=high)
    if any(later <= earlier for earlier, later in pairwise(found)):
        raise ValueError(f"{name} must be strictly increasing, found {reprlib.repr(found)}")
    return found


def way_back(scales: Iterable[int], start: int | None, last: int) -> tuple[int, list[int]]:
    """Return ``start`` (None: the last scale) and strictly decreasing ``scales`` below it."""
    i = integer("start", last if start is None else start, low=1, high=last)
    found = _integers("scales", scales, low=0, high=i - 1)
    if any(later >= earlier for earlier, later in pairwise(found)):
        raise ValueError(f"scales must be strictly decreasing, found {reprlib.repr(found)}")
    return i, found


def _integers(name: str, values: Iterable[int], *, low: int, high: int) -> list[int]:
    try:
        listed = list(values)
    except TypeError as error:
        found_type = type(values).__name__
        raise TypeError(f"{name} must be a sequence of integers, found {found_type}") from error
    found = [integer(f"{name}[{j}]", v, low=low, high=high) for j, v in enumerate(listed)]
    if not found:
        raise ValueError(f"{name} must hold at least one integer, found none")
    return found


def image_shape(name: str, shape: Sequence[int]) -> tuple[int, int]:
    """Return ``shape`` as a pair (H, W) of positive integers."""
    if isinstance(shape, str | bytes) or not isinstance(shape, Sequence) or len(shape) != 2:
        raise ValueError(f"{name} must be a pair (H, W), found {reprlib.repr(shape)}")
    return integer(f"{name}[0]", shape[0], low=1), integer(f"{name}[1]", shape[1], low=1)


def schedule(name: str, values: Numbers) -> Tensor:
    """Return ``values`` as a finite, non-empty float64 tensor ``(m,)`` on the CPU."""
    message = f"{name} must be a sequence of real numbers, found {reprlib.repr(values)}"
    try:
        # A copy by NumPy takes any strides, and reads strings as strings.
        given = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(message) from error
    if given.is_complex() or given.dtype == torch.bool or given.layout != torch.strided:
        raise TypeError(message)
    found = given.detach().to("cpu", torch.float64, copy=True)
    if found.ndim != 1 or found.numel() == 0:
        raise ValueError(f"{name} must have shape (m,) with m >= 1, found {tuple(found.shape)}")
    if not bool(found.isfinite().all()):
        step = int((~found.isfinite()).nonzero()[0])
        raise ValueError(f"{name} must be finite, found {found[step].item()} at step {step + 1}")
    return found


def increasing_schedule(name: str, values: Numbers) -> Tensor:
    """Return ``values`` as a positive, strictly increasing float64 tensor ``(m,)``."""
    found = schedule(name, values)
    if found[0] == 0:
        raise ValueError(
            f"{name} must hold scales 1..m, all positive; found 0 at step 1 "
            "(scale 0 is the image itself and is implicit)"
        )
    if found[0] < 0:
        raise ValueError(f"{name} must be positive, found {found[0].item()} at step 1")
    if bool((found.diff() <= 0).any()):
        step = int((found.diff() <= 0).nonzero()[0]) + 2
        raise ValueError(
            f"{name} must be strictly increasing, found {found[step - 2].item()} "
            f"followed by {found[step - 1].item()} at step {step}"
        )
    return found


def same_length(name: str, values: Tensor, other_name: str, other: Tensor) -> None:
    """Raise unless two schedules have as many scales."""
    if len(values) != len(other):
        raise ValueError(
            f"{name} must have as many scales as {other_name}, found {len(values)} and {len(other)}"
        )


def floating(name: str, u: Tensor) -> Tensor:
    """Return ``u`` if it is a dense, non-empty float32 or float64 tensor of finite numbers."""
    return finite(name, dense(name, u))


def dense(name: str, u: Tensor) -> Tensor:
    """Return ``u`` if it is a dense, non-empty float32 or float64 tensor."""
    if not isinstance(u, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, found {type(u).__name__}")
    if u.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be float32 or float64, found {u.dtype}")
    if u.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor, found layout {u.layout}")
    if u.numel() == 0:
        raise ValueError(f"{name} must not be empty, found shape {tuple(u.shape)}")
    return u


def finite(name: str, u: Tensor) -> Tensor:
    """Return ``u`` if all its numbers are finite."""
    # One pass without a mask: a sum of finite numbers may overflow, so look closer only then.
    if not math.isfinite(_sum(u)) and not bool(u.isfinite().all()):
        bad = int((~u.isfinite()).sum())
        raise ValueError(f"{name} must be finite, found {bad} NaN or infinite values")
    return u


def _sum(u: Tensor) -> float:
    if u.device.type != "cpu":
        return float(u.sum())
    # By NumPy, in one thread: torch's threads would still be spinning when SciPy's want the cores.
    with np.errstate(over="ignore", invalid="ignore"):
        return float(u.detach().numpy().sum())


def image(name: str, u: Tensor, shape: tuple[int, int] | None = None) -> Tensor:
    """Return ``u`` if it is a finite image ``(..., C, H, W)`` with (H, W) = ``shape``."""
    floating(name, u)
    if u.ndim < 2:
        raise ValueError(f"{name} must have shape (..., C, H, W), found {tuple(u.shape)}")
    if shape is not None and tuple(u.shape[-2:]) != shape:
        raise ValueError(
            f"{name} must have shape (..., C, {shape[0]}, {shape[1]}), found {tuple(u.shape)}"
        )
    return u


def like(name: str, value: Tensor, u: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``value`` if it is finite, has ``shape``, and dtype and device of ``u``."""
    floating(name, value)
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, found {tuple(value.shape)}")
    if value.dtype != u.dtype:
        raise TypeError(f"{name} must have the image's dtype {u.dtype}, found {value.dtype}")
    if value.device != u.device:
        raise ValueError(f"{name} must be on the image's device {u.device}, found {value.device}")
    return value


def one_noise_source(generator: torch.Generator | None, noise: Tensor | None, u: Tensor) -> None:
    """Raise unless exactly one of ``generator`` and ``noise`` is given, on the image's device."""
    if (generator is None) == (noise is None):
        found = "neither" if generator is None else "both"
        raise ValueError(f"exactly one of generator and noise must be given, found {found}")
    if generator is None:
        return
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, found {type(generator).__name__}")
    if generator.device.type != u.device.type:
        raise ValueError(
            f"generator must be on the image's device {u.device}, found {generator.device}"
        )
