"""A folder that keeps what has been measured, whatever happens."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, final

import numpy as np

from scalelib import _files
from scalelib.experiments._parts import Part
from scalelib.experiments.configuration import Configuration

__all__ = ["Store"]

FORMAT = "scalelib comparison 1"


@final
class Store:
    """Results folder of one comparison.

    ``configuration.json`` says what is compared, ``parts`` holds one file for each model and seed.
    Every file is written to a temporary name, flushed to disk and moved into place.

    Parameters
    ----------
    path : str or Path
        Folder; it is created.
    configuration : Configuration or None
        What is to be compared; None opens a folder as it is.

    Raises
    ------
    OSError
        If the folder cannot be written.
    ValueError
        If the folder belongs to another configuration (the message tells what differs), is no
        results folder, or is one that another version wrote.
    """

    def __init__(self, path: str | Path, configuration: Configuration | None = None) -> None:
        self.path = Path(path)
        file = self.path / "configuration.json"
        if not file.exists():
            if configuration is None:
                raise ValueError(f"path must be a folder with results, found none in {self.path}")
            # What starts with a dot may be left of a writing that was killed.
            if self.path.exists() and any(p.name[0] != "." for p in self.path.iterdir()):
                raise ValueError(f"path must be empty or a folder with results, found {self.path}")
            self.path.mkdir(parents=True, exist_ok=True)
            content = {"format": FORMAT, **configuration.to_dict()}
            _files.replace(
                file, lambda stream: stream.write(json.dumps(content, indent=1).encode())
            )
        self.configuration = self._read(file)
        if configuration is not None:
            self._compare(configuration)

    def _read(self, file: Path) -> Configuration:
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            if stored.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            return Configuration.from_dict(stored)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"path must be a folder with results, found {file}: {error}"
            ) from error

    def _compare(self, configuration: Configuration) -> None:
        differ = self.configuration.differences(configuration)
        if differ:
            listed = "; ".join(
                f"{k}: {old!r} there, {new!r} now" for k, (old, new) in differ.items()
            )
            raise ValueError(
                f"path must hold results of the same configuration, found {self.path} with {listed}"
            )

    def load(self, model: str, seed: int) -> Part | None:
        """Return what has been measured of a model with a seed; None if nothing has been."""
        file = self._file(model, seed)
        if not file.exists():
            return None
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            return Part.from_arrays(arrays)
        except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(f"results must be readable, found {file}: {error}") from error

    def save(self, model: str, seed: int, part: Part) -> None:
        """Replace what is stored of a model with a seed."""
        arrays: dict[str, Any] = dict(part.to_arrays())
        file = self._file(model, seed)
        file.parent.mkdir(exist_ok=True)
        _files.replace(file, lambda stream: np.savez(stream, **arrays))

    def _file(self, model: str, seed: int) -> Path:
        return self.path / "parts" / f"{model}-{seed}.npz"
