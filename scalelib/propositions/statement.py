"""What a proposition is: a statement, what it says of each process, and how that is checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import torch

from scalelib.propositions.derivation import Derivation

__all__ = ["Claim", "Control", "Expectation", "Outcome", "Proposition", "Topic", "Trial"]


class Topic(Enum):
    """Groups of propositions, in the order of the book."""

    TRANSITION = "Transition and semigroup"
    ENTROPY = "Entropy and information"
    INVARIANCE = "Invariance"
    STEADY = "Steady states"
    CAUSALITY = "Causality"
    OSMOSIS = "Osmosis"
    DIFFUSION = "Homogeneous diffusion"
    REVERSE = "Reverse process"
    COMPARISON = "Comparison and design"
    READING = "Reading notes"


class Expectation(Enum):
    """What a proposition says of a process."""

    HOLDS = "holds"
    WEAKLY = "holds weakly"
    FAILS = "does not hold"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Outcome:
    """What a check measured, and what the theory expects there.

    Raises
    ------
    ValueError
        If a number is not finite, or a sampled check does not state its power.
    """

    value: float
    """Measured value, in the unit that the claim's remark states."""
    tolerance: float
    """Largest accepted distance between the measured and the expected value."""
    expected: float = 0.0
    """What the theory predicts: 0 for the defect of an identity, the size of an expected defect."""
    count: int | None = None
    """Sample size n; None for a deterministic check."""
    detectable: float | None = None
    """Smallest defect, in the unit of ``value``, that a sampled check finds with 99% power."""

    def __post_init__(self) -> None:
        """NaN would count as rejected, which a negative control must not get for nothing."""
        for name in ("value", "tolerance", "expected"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, found {getattr(self, name)!r}")
        if (self.count is None) != (self.detectable is None):
            raise ValueError("count and detectable must be given together, for sampled checks")

    @property
    def accepted(self) -> bool:
        """Whether measured and expected value agree within the tolerance."""
        return abs(self.value - self.expected) <= self.tolerance


@dataclass(frozen=True)
class Trial:
    """What a check is given: its source of randomness and its share of the error probability."""

    seed: int
    alpha: float
    """Probability with which this check may reject a true claim."""

    def generator(self) -> torch.Generator:
        """Return a fresh generator; every call gives the same stream."""
        return torch.Generator().manual_seed(self.seed)


Check = Callable[[Trial], Outcome]


@dataclass(frozen=True)
class Claim:
    """What a proposition says of one process, and the check of it.

    Where the property does not hold, the check measures the defect and accepts it if it has the
    size that the theory predicts: that is a result as well.

    Raises
    ------
    ValueError
        Unless a check is given exactly where the proposition applies.
    """

    process: str
    """A name of :data:`~scalelib.propositions.instances.PROCESSES`, or "osmosis"."""
    expectation: Expectation
    check: Check | None = None
    remark: str = ""
    """What is measured, with its unit; why the property fails or does not apply."""
    aspect: str = ""
    """Which part is checked where a process has several checks, such as "samples"."""
    sampled: bool = False
    """Whether the check draws samples and so takes a share of the error probability."""

    def __post_init__(self) -> None:
        """Ask for a check exactly where there is something to be checked."""
        if (self.check is None) != (self.expectation is Expectation.NOT_APPLICABLE):
            raise ValueError(
                f"check must be given exactly where the proposition applies, "
                f"found {self.expectation.value!r} with check {self.check!r} for {self.process!r}"
            )


@dataclass(frozen=True)
class Control:
    """Negative control: a broken process or assumption that the same check must reject."""

    name: str
    """What is broken, in a few words."""
    process: str
    """Process that is broken."""
    check: Check


@dataclass(frozen=True)
class Proposition:
    """A statement of the theory together with everything that supports it.

    Raises
    ------
    ValueError
        If there is no negative control, or a claim or control is named twice.
    """

    label: str
    """Label used everywhere, such as "P-semi"."""
    title: str
    source: str
    """Paper, number and equation; "Our addition." where it is ours."""
    statement: str
    """The statement in our words, with mathematics between dollar signs."""
    topic: Topic
    chapter: str
    """Page of the book without suffix, such as "semigroup"."""
    anchors: tuple[str, ...]
    """Labels on that page: those of the theorems covered, or of its section."""
    claims: tuple[Claim, ...]
    controls: tuple[Control, ...]
    functions: tuple[str, ...]
    """Public names that are checked, such as "scalelib.VariancePreserving"."""
    derivation: Callable[[], Derivation] | None = None
    """Symbolic proof, every step asserted; None where there is nothing symbolic to assert."""
    tests: tuple[str, ...] = ()
    """Further tests, named as for pytest: file, two colons, function."""

    def __post_init__(self) -> None:
        """Ask for a negative control: a check that cannot fail proves nothing."""
        if not self.controls:
            raise ValueError(f"{self.label} must have a negative control, found none")
        for kind, names in (
            ("claim", [(claim.process, claim.aspect) for claim in self.claims]),
            ("control", [control.name for control in self.controls]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{self.label} must name each {kind} once, found {names}")
