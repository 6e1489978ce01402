"""Processes as plain values, for the configuration of a checkpoint."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from scalelib import processes
from scalelib.processes import LinearGaussianScaleSpace

__all__ = ["describe", "described"]

_KNOWN: dict[str, Any] = {
    name: found
    for name, found in vars(processes).items()
    if inspect.isclass(found) and not inspect.isabstract(found)
}


def describe(process: LinearGaussianScaleSpace) -> dict[str, Any]:
    """Name of a process and the arguments of its constructor, as values of JSON.

    Parameters
    ----------
    process : LinearGaussianScaleSpace
        Process of this package.

    Returns
    -------
    dict
        ``"name"`` and the arguments; schedules as lists of float, without loss.

    Raises
    ------
    TypeError
        If ``process`` is of another class.

    Examples
    --------
    >>> from scalelib import VariancePreserving
    >>> describe(VariancePreserving([0.25, 0.5]))
    {'name': 'VariancePreserving', 'betas': [0.25, 0.5]}
    """
    name = type(process).__name__
    if _KNOWN.get(name) is not type(process):
        raise TypeError(f"process must be one of {', '.join(_KNOWN)}, found {name}")
    arguments = inspect.signature(type(process)).parameters
    return {"name": name} | {key: _plain(getattr(process, key)) for key in arguments}


def described(description: Mapping[str, Any]) -> LinearGaussianScaleSpace:
    """Process that :func:`describe` described.

    Parameters
    ----------
    description : Mapping[str, object]
        What :func:`describe` returned.

    Returns
    -------
    LinearGaussianScaleSpace

    Raises
    ------
    TypeError, ValueError
        If there is no such process, or its constructor refuses the arguments.

    Examples
    --------
    >>> described({"name": "VariancePreserving", "betas": [0.25, 0.5]})
    VariancePreserving(steps=2)
    """
    arguments = dict(description)
    name = arguments.pop("name", None)
    if name not in _KNOWN:
        raise ValueError(f"process must be one of {', '.join(_KNOWN)}, found {name!r}")
    process: LinearGaussianScaleSpace = _KNOWN[name](**arguments)
    return process


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
