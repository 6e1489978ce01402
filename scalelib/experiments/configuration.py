"""What a comparison is made of: everything that its numbers depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from scalelib import _check

__all__ = ["Configuration"]

MODELS = {
    "vp": "variance preserving",
    "ihd": "inverse heat dissipation",
    "diffusion": "homogeneous diffusion",
    "blurring": "blurring diffusion",
    "osmosis": "osmosis",
    "linearised": "linearised osmosis",
}
"""Short names for the command line, and names."""

SCHEDULES = ("matched", "published")

REFERENCE = "osmosis"
"""Model that the others are compared with."""


@dataclass(frozen=True)
class Configuration:
    r"""Protocol of a comparison of scale-spaces on photographs. It is ours.

    The diffusion times of all but the variance preserving process are those of
    :func:`~scalelib.schedules.log_blur`. Blurring diffusion has the noise of
    :func:`~scalelib.schedules.matched_sigma`, or with the published schedule times and noise of
    :func:`~scalelib.schedules.sin2_blur` and :func:`~scalelib.schedules.arctan_noise`. Osmosis has
    the guidance image :math:`v = 127.5 (1 + s\, g)` in grey values with the contrast s and white
    standard normal g, one for each image.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or range.
    """

    data: str
    """SHA-256 of names and contents of the images; their place does not matter."""
    features: str
    """Name of the features that distances are measured in."""
    models: tuple[str, ...] = tuple(MODELS)
    """Short names of the models, osmosis among them."""
    scales: int = 50
    """Number of scales m; scale 0 is measured as well."""
    size: int = 64
    """Height and width of the images in pixels."""
    channels: int = 3
    """1 for grey values, 3 for colours."""
    crops: int = 5
    """Crops of each image."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds, for each of which the whole comparison is repeated."""
    contrast: float = 0.5
    """Standard deviation s of the guidance in units of 127.5 grey values."""
    offset: float = 255.0
    """Offset of osmosis in grey values; 765 contrast - 127.5 keeps six deviations positive."""
    sigma_max: float = 20.0
    """Standard deviation of the last blur in pixels."""
    heat_sigma: float = 0.02
    """Standard deviation of the noise of inverse heat dissipation, images in [-1, 1]."""
    last_beta: float = 0.2
    """Last noise variance of the variance preserving process; the first is 1e-4."""
    blurring_schedule: str = "matched"
    """Whether blurring diffusion has the noise of linearised osmosis or the published schedule."""

    def __post_init__(self) -> None:
        """Check every field at once, so that nothing is found wrong after hours."""
        for name in ("models", "seeds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        unknown = [name for name in self.models if name not in MODELS]
        if unknown or REFERENCE not in self.models or len(set(self.models)) < len(self.models):
            raise ValueError(
                f"models must be different ones of {', '.join(MODELS)} with {REFERENCE} among "
                f"them, found {', '.join(self.models) or 'none'}"
            )
        for name, low in (("scales", 2), ("size", 8), ("crops", 1)):
            _check.integer(name, getattr(self, name), low=low)
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, found {self.channels!r}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must be different numbers, found {self.seeds}")
        for seed in self.seeds:
            _check.integer("seed", seed, low=0)
        if self.blurring_schedule not in SCHEDULES:
            raise ValueError(
                f"blurring_schedule must be one of {', '.join(SCHEDULES)}, "
                f"found {self.blurring_schedule!r}"
            )
        for name in ("contrast", "sigma_max", "heat_sigma"):
            _check.number(name, getattr(self, name), low=0)
        _check.number("last_beta", self.last_beta, low=1e-4, high=1)
        self._check_offset()

    def _check_offset(self) -> None:
        lowest = 765 * self.contrast - 127.5  # positive up to six standard deviations
        _check.number("offset", self.offset)
        if self.offset < lowest or self.offset <= 0:
            raise ValueError(
                f"offset must be positive and at least {lowest:g} for the contrast "
                f"{self.contrast:g}, found {self.offset:g}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the configuration of plain values; raise if fields are missing or unknown."""
        expected = {field.name for field in fields(cls)}
        if set(stored) != expected:
            odd = sorted(set(stored) ^ expected)
            raise ValueError(f"configuration must have the fields of this version, found {odd}")
        return cls(**stored)

    def differences(self, other: Configuration) -> dict[str, tuple[Any, Any]]:
        """Fields that differ, with both values."""
        mine, others = asdict(self), asdict(other)
        return {k: (mine[k], others[k]) for k in mine if mine[k] != others[k]}
