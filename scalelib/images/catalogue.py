"""The photographs that ship inside scikit-image and that anyone may use for anything."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PHOTOGRAPHS", "Photograph"]

_DOCUMENTATION = "https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data."


@dataclass(frozen=True)
class Photograph:
    """A photograph of the default data: what it shows, whose it is, and which file it must be.

    Attributes
    ----------
    name : str
        Name for :func:`load`, as in ``skimage.data``.
    title, author : str
        What it shows and who is credited.
    licence : str
        ``"CC0"`` or ``"public domain"``, as stated by the documentation of scikit-image.
    source : str
        Address of the original, or of the statement where no original is linked.
    file : str
        File name in the folder ``data`` of the installed scikit-image.
    sha256 : str
        SHA-256 of that file, 64 hexadecimal digits.
    crop : tuple of three int
        The designed square crop: left edge, upper edge and side, in pixels.
    """

    name: str
    title: str
    author: str
    licence: str
    source: str
    file: str
    sha256: str
    crop: tuple[int, int, int]

    @property
    def documentation(self) -> str:
        """Address of the documentation that states the licence."""
        return _DOCUMENTATION + self.name

    def path(self) -> Path:
        """Return the file, after checking that it is the very one of this catalogue.

        Raises
        ------
        ValueError
            If scikit-image or the file is missing, or its SHA-256 differs.
        """
        path = _data_folder() / self.file
        if not path.is_file():
            raise ValueError(
                f"photograph {self.name!r} must be the file {self.file} of scikit-image, found none"
            )
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256:
            raise ValueError(
                f"photograph {self.name!r} ({self.file} of scikit-image) must have SHA-256 "
                f"{self.sha256}, found {found}"
            )
        return path


def _data_folder() -> Path:
    # Found without an import of scikit-image, which takes longer than decoding all photographs.
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "the default photographs must come from scikit-image, found none installed"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


# Every licence was read in the documentation of scikit-image 0.26. The page "Image credits" of the
# book says which photographs were left out, and why.
PHOTOGRAPHS = (
    Photograph(
        name="astronaut",
        title="Astronaut Eileen Collins",
        author="NASA",
        licence="public domain",
        source="https://flic.kr/p/r9qvLn",
        file="astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        crop=(96, 0, 256),
    ),
    Photograph(
        name="camera",
        title="Man with a camera",
        author="Lav Varshney",
        licence="CC0",
        source="https://github.com/scikit-image/scikit-image/issues/3927",
        file="camera.png",
        sha256="b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        crop=(60, 20, 330),
    ),
    Photograph(
        name="chelsea",
        title="Chelsea the cat",
        author="Stefan van der Walt",
        licence="CC0",
        source=_DOCUMENTATION + "chelsea",
        file="chelsea.png",
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        crop=(90, 0, 300),
    ),
    Photograph(
        name="coffee",
        title="Coffee cup, courtesy of Pikolo Espresso Bar",
        author="Rachel Michetti",
        licence="CC0",
        source=_DOCUMENTATION + "coffee",
        file="coffee.png",
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        crop=(110, 0, 400),
    ),
    Photograph(
        name="grass",
        title="Grass 01",
        author="linolafett",
        licence="CC0",
        source="https://www.deviantart.com/linolafett/art/Grass-01-434853879",
        file="grass.png",
        sha256="b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
        crop=(0, 0, 512),
    ),
    Photograph(
        name="hubble_deep_field",
        title="Hubble eXtreme Deep Field",
        author="NASA, ESA and the HUDF09 Team",
        licence="public domain",
        source="http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/",
        file="hubble_deep_field.jpg",
        sha256="3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        crop=(64, 0, 872),
    ),
    Photograph(
        name="retina",
        title="Fundus photograph of a normal left eye",
        author="Mikael Häggström",
        licence="CC0",
        source="https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg",
        file="retina.jpg",
        sha256="38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
        crop=(0, 0, 1411),
    ),
)
"""The catalogue, in alphabetical order of the names."""
