"""All propositions: every module of :mod:`scalelib.propositions.entries` defines one or more."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache

from scalelib.propositions import entries
from scalelib.propositions.statement import Proposition, Topic

__all__ = ["proposition", "propositions"]


@cache
def propositions() -> dict[str, Proposition]:
    """Return all propositions by their label, in the order of topics.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If two modules use the same label.

    Examples
    --------
    >>> propositions()["P-semi"].title
    'Semigroup property'
    """
    found: dict[str, Proposition] = {}
    for module in pkgutil.iter_modules(entries.__path__, f"{entries.__name__}."):
        for entry in importlib.import_module(module.name).PROPOSITIONS:
            if entry.label in found:
                raise ValueError(f"label must be unique, found {entry.label!r} in {module.name}")
            found[entry.label] = entry
    return dict(sorted(found.items(), key=lambda item: _order(item[1])))


def proposition(label: str) -> Proposition:
    """Return one proposition.

    Parameters
    ----------
    label : str
        Its label, such as "P-semi".

    Returns
    -------
    Proposition

    Raises
    ------
    ValueError
        If the label is unknown; the message lists the valid ones.
    """
    known = propositions()
    if label not in known:
        raise ValueError(f"label must be one of {', '.join(known)}; found {label!r}")
    return known[label]


def _order(entry: Proposition) -> tuple[int, list[int], str]:
    """By topic, then by the numbers within the label, so that E-2 comes before E-10."""
    numbers = [int(n) for n in re.findall(r"\d+", entry.label)]
    return list(Topic).index(entry.topic), numbers, entry.label
