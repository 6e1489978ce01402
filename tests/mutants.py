"""Mutants: the formulas of a function with one factor, sign or exponent changed by a per cent.

A check that is worth having notices each of them. Conditions, indices, messages and type hints are
no formulas and stay as they are.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

CHANGE = 1.01
SKIPPED = (ast.Subscript, ast.Compare, ast.BoolOp, ast.JoinedStr, ast.Raise, ast.Lambda)
CONTAINERS = (ast.Tuple, ast.List, ast.ListComp, ast.GeneratorExp)
FIELDS = ("body", "value", "left", "right", "operand", "args", "elts", "elt", "orelse", "func")
NO_NUMBERS = {"axis", "columns", "device", "dtype", "height", "i", "index", "n", "name", "rows"}
NO_NUMBERS |= {"shape", "size", "source", "start", "target", "width"}
Site = tuple[ast.AST, str, int | None]


def mutants(module: ModuleType, functions: Sequence[str]) -> Iterator[tuple[str, ModuleType]]:
    """Yield a description and the mutated module, for every change of the functions named."""
    source = inspect.getsource(module)
    count = len(list(_changes(ast.parse(source), functions)))
    for number in range(count):
        tree = ast.parse(source)
        description, apply = list(_changes(tree, functions))[number]
        apply()
        changed = ModuleType(module.__name__)
        changed.__dict__["__file__"] = module.__file__
        exec(
            compile(ast.fix_missing_locations(tree), str(module.__file__), "exec"), changed.__dict__
        )
        yield description, changed


def _changes(
    tree: ast.Module, functions: Sequence[str]
) -> Iterator[tuple[str, Callable[[], None]]]:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in functions]
    assert {f.name for f in found} == set(functions), "a function to be mutated does not exist"
    for function in found:
        for statement in function.body:
            for site in _terms(statement):
                node = _get(site)
                for kind, new in _replacements(site, node):
                    text = f"{function.name}: {ast.unparse(node)} -> {ast.unparse(new)} ({kind})"
                    yield text, lambda site=site, new=new: _set(site, new)


def _terms(node: ast.AST) -> Iterator[Site]:
    """Operands, arguments and results within a statement."""
    for field in FIELDS:
        child = getattr(node, field, None)
        children = child if isinstance(child, list) else [child]
        for index, item in enumerate(children):
            if not isinstance(item, ast.AST) or isinstance(item, SKIPPED) or _is_name(item):
                continue
            if _is_template(item):
                continue
            if isinstance(item, ast.expr) and field != "func" and not isinstance(item, CONTAINERS):
                yield (node, field, index if isinstance(child, list) else None)
            if not (isinstance(item, ast.Call) and _method(item) == "expand_as"):
                yield from _terms(item)


def _replacements(site: Site, node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    parent = site[0]
    yield "coefficient", _binary(node, ast.Mult(), CHANGE)
    yield "sign", node.operand if isinstance(node, ast.UnaryOp) else ast.UnaryOp(ast.USub(), node)
    power = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div | ast.Pow)
    if power and not (isinstance(node, ast.Constant) and node.value == 1):
        yield "exponent", _binary(node, ast.Pow(), CHANGE)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "sign", ast.BinOp(node.left, other, node.right)


def _binary(node: ast.expr, operator: ast.operator, number: float) -> ast.expr:
    return ast.BinOp(node, operator, ast.Constant(number))


def _is_name(node: ast.AST) -> bool:
    """Whether a node is no number: a text, a module, a shape, an index."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, int | float) or node.value == 0
    if isinstance(node, ast.Attribute):  # self.times is a number, math of math.exp is none
        return isinstance(node.value, ast.Name) and node.value.id != "self"
    return isinstance(node, ast.Name) and node.id in NO_NUMBERS | {"self", "math", "torch"}


def _is_template(node: ast.AST) -> bool:
    """Whether a node is zero by construction, or only lends its shape."""
    return isinstance(node, ast.Call) and _method(node) in {"zeros", "zeros_like", "ones_like"}


def _method(call: ast.Call) -> str:
    return getattr(call.func, "attr", "")


def _get(site: Site) -> ast.expr:
    parent, field, index = site
    value = getattr(parent, field)
    return value if index is None else value[index]


def _set(site: Site, new: ast.expr) -> None:
    parent, field, index = site
    if index is None:
        setattr(parent, field, new)
    else:
        getattr(parent, field)[index] = new
