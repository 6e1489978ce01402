import pytest
import sympy

from scalelib.propositions import Derivation, DerivationError

X = sympy.Symbol("x", positive=True)


def test_steps_are_recorded_in_order():
    found = Derivation().equal("First.", X + X, 2 * X).true("Second.", X > 0)
    assert [step.text for step in found.steps] == ["First.", "Second."]


@pytest.mark.parametrize("wrong", [X * 1.01, -X, X**2, X + sympy.exp(-1 / X)])
def test_a_wrong_equation_raises(wrong):
    with pytest.raises(DerivationError, match=r"Step\. leaves"):
        Derivation().equal("Step.", X, wrong)


@pytest.mark.parametrize("relation", [X < 0, sympy.Symbol("y", real=True) > 0])
def test_a_wrong_or_undecided_relation_raises(relation):
    with pytest.raises(DerivationError, match="not decided"):
        Derivation().true("Step.", relation)


def test_integrals_are_evaluated():
    integral = sympy.Integral(sympy.exp(-X), (X, 0, sympy.oo))
    assert len(Derivation().equal("Integrate.", integral, 1).steps) == 1


def test_a_page_shows_text_and_formula():
    shown = Derivation().equal("Expand.", (X + 1) ** 2, X**2 + 2 * X + 1)._repr_markdown_()
    assert shown == "Expand.\n\n$$ \\left(x + 1\\right)^{2} = x^{2} + 2 x + 1 $$"


def test_what_sympy_has_worked_out_is_not_shown_twice():
    y = sympy.Symbol("y", real=True)
    assert Derivation().equal("The same.", y, y)._repr_markdown_() == "The same.\n\n$$ y $$"
    assert Derivation().true("Positive.", X > 0)._repr_markdown_() == "Positive."
