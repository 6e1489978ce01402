"""Formulas of the way back with one term changed, by a per cent or in its sign.

They are written with methods of tensors, whose arguments are shapes and templates more often than
numbers. So the terms are listed here, and a listed term that the source lacks is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType

TERMS = {
    "posterior": {
        "own * self._likelihood.average(weights)": ["own", "self._likelihood.average(weights)"],
        "gain * modes[rows]": ["gain", "modes[rows]"],
        "self._likelihood.average(weights, own)": ["own"],
        "(weights @ gain) * modes[rows]": ["gain", "modes[rows]"],
        "scale.factor * inverse, -inverse": ["scale.factor", "-inverse"],
        "inverse = scale.scaling.square()": ["scale.scaling.square()"],
        "own.to(modes) * self._modes[chosen]": ["own.to(modes)", "self._modes[chosen]"],
        "gain.to(modes) * modes\n": ["gain.to(modes)", "modes\n"],
        "variance.sqrt().to(modes).expand_as": ["variance.sqrt()"],
        "scale.factor.to(self._modes) * self._modes[chosen]": [
            "scale.factor.to(self._modes)",
            "self._modes[chosen]",
        ],
        "_of(scale.spread.sqrt(), chosen)": ["scale.spread.sqrt()"],
        "factor.square() * self._variance + variance": [
            "factor.square()",
            "self._variance",
            "+ variance",
        ],
        "early.factor * torch.where(noisy, added / late, 1.0)": ["early.factor", "added", "late"],
        "factor * early.spread / late, 0.0": ["factor", "early.spread", "late"],
        "early.spread * torch.where(noisy, added / late, 1.0)": ["early.spread", "added", "late"],
        "uniform * total[..., 0]": ["uniform"],
    },
    "likelihood": {
        "self.spread.rsqrt()": ["self.spread.rsqrt()"],
        "noise = scale.factor * scale.scaling": ["scale.factor", "scale.scaling"],
        "(u - scale.factor * self._centre) * scale.scaling": [
            "u -",
            "scale.factor",
            "self._centre",
            "scale.scaling",
        ],
        "gap * noise * self._unit)": ["gap", "noise", "self._unit"],
        "(noise * self._unit).square()[None]": [
            "noise",
            "self._unit",
            "(noise * self._unit).square()",
        ],
        "torch.bmm(left, part).sum(dim=0).double()": ["torch.bmm(left, part)"],
        "*= heaviest[0]": ["heaviest[0]"],
        "squares[rows] / 2": ["squares[rows]", "2"],
        "products, largest, out=products": ["products,", "largest"],
        "(1 / self._unit)": ["1 / self._unit"],
        "self._centre * -unit": ["self._centre", "-unit"],
        "self._modes[rows], unit, out": ["self._modes[rows]", "unit"],
        "x / largest, largest": ["x", "largest,"],
        ".mul_(scale.factor)": ["scale.factor"],
        ".sub_(exact[b])": ["exact[b]"],
        "scaling if shared else scaling[j]": ["scaling[j]"],
        ".div_(-2)": ["-2"],
        "logs + normaliser[j]": ["normaliser[j]"],
        "weights[:, rows].to(modes) @ modes[rows]": ["weights[:, rows].to(modes)", "modes[rows]"],
        "weights[:, rows] @ (modes[rows] * scaling[rows])": ["modes[rows]", "scaling[rows]"],
    },
    "samplers": {
        "factor.square() * V_k + (1 - eta**2) * added": [
            "factor.square()",
            "V_k",
            "(1 - eta**2)",
            "eta",
            "added",
        ],
        "share.sqrt() * _ratio": ["share.sqrt()"],
        "V_i).sqrt()\n": ["V_i"],
        "torch.where(V_i > 0, V_k / V_i, 0.0)": ["V_k / V_i"],
        "M_k.to(modes) * estimate": ["M_k.to(modes)", "estimate"],
        "gain.to(modes) * (modes - M_i.to(modes) * estimate)": [
            "gain.to(modes)",
            "(modes -",
            "M_i.to(modes)",
            "* estimate",
        ],
        "(eta * (share * added).sqrt())": ["eta", "share", "added"],
        "return factor.to(modes) * estimate": ["factor.to(modes)", "estimate"],
        "delta if k else 0.0": ["delta"],
        "mean + deviation * process.to_modes(given)": ["mean", "deviation"],
        "above / below, 0.0": ["above", "/ below"],
    },
    "denoiser": {
        "u_modes - variance.sqrt().to(u) * self.process.to_modes(noise)": [
            "u_modes",
            "variance.sqrt()",
            "self.process.to_modes(noise)",
        ],
        "modes / factor.to(u)": ["modes", "/ factor.to(u)"],
    },
}
"""Expressions of each module, and the terms in them that are changed."""


def changes(module: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """Yield a description and the changed module, for every term of the module."""
    source = inspect.getsource(module)
    for expression, terms in TERMS[module.__name__.rsplit(".", 1)[-1]].items():
        assert source.count(expression) == 1, (expression, source.count(expression))
        for term in terms:
            assert term in expression, (expression, term)
            for new in _variants(term):
                text = expression.replace(term, new, 1)
                changed = ModuleType(module.__name__)
                changed.__dict__["__file__"] = module.__file__
                code = source.replace(expression, text, 1)
                exec(compile(code, str(module.__file__), "exec"), changed.__dict__)
                yield f"{expression.strip()} -> {text.strip()}", changed


def _variants(term: str) -> Iterator[str]:
    """Texts of a term with another coefficient or sign; operators around it stay."""
    before = term[: len(term) - len(term.lstrip("+-*/ "))] if term[:2] != "-2" else ""
    before = "" if term.startswith(("-inverse", "-unit")) else before
    core = term[len(before) :]
    after = core[len(core.rstrip("-, \n(")) :]
    core = core[: len(core) - len(after)]
    opening = "(" if core.startswith("(") and core.count("(") > core.count(")") else ""
    core = core[len(opening) :]
    yield f"{before}{opening}(1.01 * ({core})){after}"
    yield f"{before}{opening}(-({core})){after}"
