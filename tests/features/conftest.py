"""A stand-in for the published weights of the FID: same names and shapes, other values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scalelib.features import InceptionFeatures, inception
from scalelib.features._weights import sha256_of

NAMES = Path(__file__).parent / "inception_names.txt"


def values(shape: tuple[int, ...], kind: str, random: np.random.Generator) -> np.ndarray:
    """Values that keep the maps of a network in a sensible range."""
    found = random.standard_normal(shape, dtype=np.float32)
    if len(shape) == 4:
        return found * np.float32((2 / np.prod(shape[1:])) ** 0.5)
    if len(shape) == 2:
        return found * np.float32(0.01)
    if kind == "running_var":
        return 1 + np.float32(0.1) * np.abs(found)
    return np.float32(kind == "weight") + np.float32(0.1) * found


@pytest.fixture(scope="session")
def stand_in() -> dict[str, Tensor]:
    """State with the names of the published file, which pytorch-fid has from torchvision."""
    random = np.random.default_rng(0)
    state = {}
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        name, *numbers = line.split()
        shape = tuple(map(int, numbers))
        drawn = values(shape, name.rsplit(".", 1)[-1], random)
        state[name] = torch.from_numpy(drawn) if shape else torch.tensor(0)
    return state


@pytest.fixture(scope="session")
def stand_in_file(
    stand_in: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The state as a file."""
    path = tmp_path_factory.mktemp("weights") / inception.FILE
    torch.save(stand_in, path)
    yield path
    path.unlink()  # 96 MB


@pytest.fixture
def published(stand_in_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, which counts as the published one during a test."""
    monkeypatch.setattr(inception, "SHA256", sha256_of(stand_in_file))
    return stand_in_file


@pytest.fixture(scope="session")
def fid_features(stand_in_file: Path) -> InceptionFeatures:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "SHA256", sha256_of(stand_in_file))
        return InceptionFeatures(stand_in_file, outside="clip", batch=2)
