"""Every proposition: statement, derivation, check and negative control in one registry."""

from scalelib.propositions.derivation import Derivation, DerivationError, Step
from scalelib.propositions.registry import proposition, propositions
from scalelib.propositions.statement import (
    Claim,
    Control,
    Expectation,
    Outcome,
    Proposition,
    Topic,
    Trial,
)
from scalelib.propositions.verification import (
    FAMILY_ALPHA,
    Record,
    Task,
    read_records,
    tasks,
    write_records,
)

__all__ = [
    "FAMILY_ALPHA",
    "Claim",
    "Control",
    "Derivation",
    "DerivationError",
    "Expectation",
    "Outcome",
    "Proposition",
    "Record",
    "Step",
    "Task",
    "Topic",
    "Trial",
    "proposition",
    "propositions",
    "read_records",
    "tasks",
    "write_records",
]
