"""Provenance: what was run, with which numbers and on which data, to make a figure.

Images carry no name, so data are told by their :func:`fingerprint`. A :class:`Provenance` travels
inside the file of a figure, as text of a PNG or as metadata of an SVG; :func:`read` takes it out
again.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree import ElementTree

import torch
from PIL import Image
from torch import Tensor

from scalelib import _check

__all__ = ["PNG_KEY", "Provenance", "fingerprint", "read", "record"]

PNG_KEY = "scalelib"
"""Keyword of the text chunk that holds the record in a PNG file."""

_DISTRIBUTIONS = ("scalelib", "torch", "numpy", "scipy", "matplotlib", "pillow")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SVG_DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description"
_FIELDS = {"function": str, "parameters": dict, "data": dict, "versions": dict}


@dataclass(frozen=True)
class Provenance:
    """What a figure was made from. Make one with :func:`record`.

    Attributes
    ----------
    function : str
        Full name of the function that computed what is shown.
    parameters : Mapping[str, object]
        Its arguments: numbers, strings, booleans, None, and sequences and mappings of these.
    seed : int or None
        Seed of the generator; None if nothing was drawn at random.
    data : Mapping[str, str]
        Name of each tensor that went in -> its :func:`fingerprint`.
    versions : Mapping[str, str]
        Name -> version of Python, this package and those that computed or drew.

    Notes
    -----
    Two records are equal when all five agree.
    """

    function: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the fields and freeze the mappings."""
        if not isinstance(self.function, str) or not self.function:
            raise TypeError(f"function must be a non-empty string, found {self.function!r}")
        if self.seed is not None:
            object.__setattr__(self, "seed", _check.integer("seed", self.seed, low=0))
        for name, value in self.data.items():
            if not isinstance(value, str) or not _SHA256.fullmatch(value):
                raise ValueError(
                    f"data[{name!r}] must be a SHA-256 of 64 hexadecimal digits, found {value!r}"
                )
        parameters = _plain("parameters", self.parameters)
        object.__setattr__(self, "parameters", MappingProxyType(parameters))
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))
        object.__setattr__(self, "versions", MappingProxyType(dict(self.versions)))

    def to_json(self) -> str:
        """Return the record as one line of JSON, keys in alphabetical order.

        Examples
        --------
        >>> Provenance("scalelib.schedules.linear_beta", {"steps": 10}).to_json()[:60]
        '{"data": {}, "function": "scalelib.schedules.linear_beta", "'
        """
        fields = {name: getattr(self, name) for name in (*_FIELDS, "seed")}
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in fields.items()}
        return json.dumps(plain, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Return the record that :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            If ``text`` is no JSON, or not that of a record.

        Examples
        --------
        >>> one = record("my.function", steps=3)
        >>> Provenance.from_json(one.to_json()) == one
        True
        """
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"text must be the JSON of a record, found {text[:60]!r}") from error
        expected = sorted({*_FIELDS, "seed"})
        if not isinstance(found, dict) or sorted(found) != expected:
            keys = sorted(found) if isinstance(found, dict) else type(found).__name__
            raise ValueError(f"text must hold the keys {expected}, found {keys}")
        for name, kind in _FIELDS.items():
            if not isinstance(found[name], kind):
                raise ValueError(f"{name} must be a {kind.__name__}, found {found[name]!r}")
        return cls(**found)


def fingerprint(tensor: Tensor) -> str:
    """SHA-256 of a tensor: of its dtype, its shape and its bytes.

    Parameters
    ----------
    tensor : Tensor
        Any dense tensor, on any device. Strides do not matter.

    Returns
    -------
    str
        64 hexadecimal digits. Equal tensors have equal fingerprints; 0.0 and -0.0 differ.

    Raises
    ------
    TypeError
        If ``tensor`` is no dense tensor.

    Examples
    --------
    >>> fingerprint(torch.zeros(2, 3))[:16]
    '0494e76d72c2ef34'
    >>> fingerprint(torch.zeros(3, 2)) == fingerprint(torch.zeros(2, 3))
    False
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor must be a torch.Tensor, found {type(tensor).__name__}")
    if tensor.layout != torch.strided:
        raise TypeError(f"tensor must be dense, found layout {tensor.layout}")
    dense = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
    digest.update(dense.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def record(
    function: str | Callable[..., Any],
    /,
    *,
    seed: int | None = None,
    data: Mapping[str, Tensor] | None = None,
    **parameters: Any,
) -> Provenance:
    """Record what is about to be shown, with the versions in use.

    Parameters
    ----------
    function : str or callable
        What computed it. A method is recorded with the class of its object.
    seed : int or None
        Seed of the generator.
    data : Mapping[str, Tensor] or None
        Tensors that went in, by name; only their fingerprints are kept.
    **parameters
        Arguments: numbers, strings, booleans, None, and sequences and mappings of these. A tensor
        is kept as its fingerprint.

    Returns
    -------
    Provenance

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be written down, such as NaN or an object without a JSON form.

    Examples
    --------
    >>> from scalelib.schedules import constant_beta
    >>> made = record(constant_beta, steps=50, beta=0.02)
    >>> made.function
    'scalelib.schedules.constant_beta'
    >>> dict(made.parameters)
    {'steps': 50, 'beta': 0.02}
    """
    name = function if isinstance(function, str) else _full_name(function)
    prints = {key: fingerprint(tensor) for key, tensor in (data or {}).items()}
    return Provenance(name, parameters, seed, prints, _versions())


def read(path: str | Path) -> Provenance:
    """Return the record inside the file of a figure.

    Parameters
    ----------
    path : str or Path
        A PNG or SVG file that :mod:`scalelib.figures` wrote.

    Returns
    -------
    Provenance

    Raises
    ------
    ValueError
        If the file is no PNG or SVG, or holds no record.

    Examples
    --------
    >>> read("no-such-figure.gif")
    Traceback (most recent call last):
    ValueError: path must end in .png or .svg, found 'no-such-figure.gif'
    """
    path = Path(path)
    if path.suffix == ".png":
        with Image.open(path) as image:
            text = image.info.get(PNG_KEY)
    elif path.suffix == ".svg":
        text = ElementTree.parse(path).findtext(_SVG_DESCRIPTION)
    else:
        raise ValueError(f"path must end in .png or .svg, found {path.name!r}")
    if text is None:
        raise ValueError(f"path must be a figure with a record, found none in {path.name!r}")
    return Provenance.from_json(text)


def _full_name(function: Callable[..., Any]) -> str:
    if not callable(function):
        raise TypeError(f"function must be a name or callable, found {function!r}")
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, type):  # a method: the class says more
        return f"{type(owner).__module__}.{type(owner).__qualname__}.{function.__name__}"
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in _DISTRIBUTIONS
    }


def _plain(name: str, value: Any) -> Any:
    """Return ``value`` made of JSON's types alone."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return _check.number(name, float(value))
    if isinstance(value, Tensor):
        return _plain(name, value.item()) if value.ndim == 0 else f"sha256:{fingerprint(value)}"
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(f"{name}[{k}]", item) for k, item in enumerate(value)]
    raise TypeError(
        f"{name} must be a number, string, boolean, None, tensor, sequence or mapping, "
        f"found {type(value).__name__}"
    )
