"""Derivations in SymPy whose every step is asserted, and which a page can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import sympy

__all__ = ["Derivation", "DerivationError", "Step"]


class DerivationError(AssertionError):
    """A step of a derivation does not hold."""


@dataclass(frozen=True)
class Step:
    """One asserted step."""

    text: str
    """What is done."""
    result: Any
    """SymPy expression or relation that results."""

    def _repr_markdown_(self) -> str:
        """Show text and formula; SymPy has already worked out what would read "x = x" or "true"."""
        shown = self.result
        if shown is sympy.true:
            return self.text
        if isinstance(shown, sympy.Eq) and shown.lhs == shown.rhs:
            shown = shown.rhs
        return f"{self.text}\n\n$$ {sympy.latex(shown)} $$"


@final
class Derivation:
    """Record of asserted steps.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x", real=True)
    >>> found = Derivation().equal("Expand.", (x + 1) ** 2, x**2 + 2 * x + 1)
    >>> len(found.steps)
    1
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def equal(self, text: str, left: Any, right: Any) -> Derivation:
        """Assert that two expressions are identical after simplification.

        Parameters
        ----------
        text : str
            What is done.
        left, right : SymPy expression, or number
            Both sides; the step shows them as an equation.

        Returns
        -------
        Derivation
            This one.

        Raises
        ------
        DerivationError
            If the difference does not simplify to 0.
        """
        left, right = sympy.sympify(left), sympy.sympify(right)
        rest = sympy.simplify((left - right).doit())
        if rest != 0:
            raise DerivationError(f"{text} leaves {rest}")
        self.steps.append(Step(text, sympy.Eq(left, right, evaluate=False)))
        return self

    def true(self, text: str, statement: Any) -> Derivation:
        """Assert a relation that SymPy decides, such as a sign under the symbols' assumptions.

        Parameters
        ----------
        text : str
            What is done.
        statement : SymPy relation
            Must simplify to true.

        Returns
        -------
        Derivation
            This one.

        Raises
        ------
        DerivationError
            If the relation does not simplify to true.
        """
        found = sympy.simplify(statement)
        if found is not sympy.true:
            raise DerivationError(f"{text} is not decided: {found}")
        self.steps.append(Step(text, statement))
        return self

    def _repr_markdown_(self) -> str:
        """Show the steps one below the other."""
        return "\n\n".join(step._repr_markdown_() for step in self.steps)
