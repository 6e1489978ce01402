"""One ES module out of several: what a widget hands to the browser has no file beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["bundle"]

FOLDER = Path(__file__).parent

_DECLARATIONS = ("async function ", "function ", "class ", "const ")


@dataclass
class _Module:
    """Source of one file without its imports and exports, and what both were."""

    body: list[str] = field(default_factory=list)
    imports: list[tuple[str, str]] = field(default_factory=list)  # names as written, path
    exports: list[str] = field(default_factory=list)


def bundle(entry: str, folder: Path | None = None) -> str:
    """Join a module and all that it imports into a single module.

    Parameters
    ----------
    entry : str
        File name of the module of a widget, such as ``"beta_bound.js"``.
    folder : Path or None
        Where it lies; by default beside this file.

    Returns
    -------
    str
        Source of a module without imports. Each imported file is a function of its own that returns
        its exports, so that names of different files cannot clash.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is written in a way that is not understood, imports what is not exported, or
        imports itself, also by way of others. The message names file and line.

    Notes
    -----
    Only one way to write imports and exports is understood, and all else is refused: they start in
    the first column, as ``import { a, b as c } from "./file.js";``, ``export function``,
    ``export async function``, ``export class`` and ``export const``. ``export default`` belongs to
    the entry.

    Examples
    --------
    >>> "export default" in bundle("beta_bound.js"), "from " in bundle("numerics/gaussian.js")
    (True, False)
    """
    parts: list[str] = []
    exports: dict[Path, list[str]] = {}
    folder = (FOLDER if folder is None else folder).resolve()
    _add((folder / entry).resolve(), [], folder, parts, exports)
    return "\n".join(parts)


def _add(
    path: Path,
    importers: list[Path],
    folder: Path,
    parts: list[str],
    exports: dict[Path, list[str]],
) -> None:
    """Append a module after those that it imports."""
    if path in importers:
        circle = " -> ".join(p.name for p in [*importers[importers.index(path) :], path])
        raise ValueError(f"modules must not import each other: {circle}")
    if path in exports:
        return
    found = _parse(path, entry=not importers)
    lines = []
    for names, target in found.imports:
        source = (path.parent / target).resolve()
        _add(source, [*importers, path], folder, parts, exports)
        lines.append(
            f"const {{ {_bindings(path, names, source, exports)} }} = {_name(source, folder)};"
        )
    exports[path] = found.exports
    body = [*lines, *found.body]
    if importers:
        returned = f"return {{ {', '.join(found.exports)} }};"
        body = [f"const {_name(path, folder)} = (() => {{", *body, returned, "})();"]
    parts.append("\n".join(body))


def _name(path: Path, folder: Path) -> str:
    """Name of the constant that holds the exports of a file."""
    inside = path.relative_to(folder).with_suffix("").as_posix()
    return "$" + inside.replace("_", "__").replace("/", "_")


def _bindings(path: Path, names: str, source: Path, exports: dict[Path, list[str]]) -> str:
    """Turn the names of an import into those of a destructuring: a as b -> a: b."""
    bindings = []
    for part in (p.strip() for p in names.split(",") if p.strip()):
        imported, _, local = (word.strip() for word in part.partition(" as "))
        if imported not in exports[source]:
            raise ValueError(
                f"{path.name} imports {imported!r}, which {source.name} does not export"
            )
        bindings.append(f"{imported}: {local}" if local else imported)
    return ", ".join(bindings)


def _parse(path: Path, *, entry: bool) -> _Module:
    module = _Module()
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        place = f"{path.name}:{number}"
        if line.startswith("import"):
            statement = line
            while not statement.endswith(";"):
                statement += " " + next(lines, (0, ";"))[1].strip()
            module.imports.append(_import(place, statement))
        elif line.startswith("export default ") and entry:
            module.body.append(line)
        elif line.startswith("export"):
            declared = line.removeprefix("export ")
            module.exports.append(_declared(place, declared))
            module.body.append(declared)
        else:
            module.body.append(line)
    return module


def _import(place: str, statement: str) -> tuple[str, str]:
    head, brace, rest = statement.partition("{")
    names, middle, target = rest.partition('} from "')
    path, quote, end = target.partition('"')
    understood = head == "import " and brace and middle and quote and end == ";"
    if not understood or not path.startswith(("./", "../")):
        raise ValueError(f'{place}: expected import {{ a, b }} from "./file.js"; found {statement}')
    return names, path


def _declared(place: str, line: str) -> str:
    """Name that an exported declaration declares."""
    for keyword in _DECLARATIONS:
        rest = line.removeprefix(keyword)
        length = next((i for i, c in enumerate(rest) if not (c.isalnum() or c in "_$")), len(rest))
        if rest != line and length:
            return rest[:length]
    raise ValueError(f"{place}: expected export of a function, class or const, found {line}")
