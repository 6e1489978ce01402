"""Download of one file: checked, resumed where it was interrupted, moved into place when whole."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException, HTTPResponse
from importlib import import_module
from pathlib import Path
from typing import cast
from urllib.error import HTTPError

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

PARTIAL = ".partial"
PARTIAL_CONTENT, NOTHING_LEFT = 206, 416  # status codes of HTTP
CHUNK = 1 << 16
TIMEOUT = 30.0  # seconds without an answer


def fetch(url: str, sha256: str, folder: str | Path | None = None) -> Path:
    """Return the path of a file that is downloaded unless it is there already.

    Parameters
    ----------
    url : str
        Address of the file; its last part is the name.
    sha256 : str
        Checksum. A file with another one is never put into place.
    folder : str, Path or None
        Where the file is kept; None is the user's cache.

    Returns
    -------
    Path

    Raises
    ------
    OSError
        If the server cannot be reached, refuses, or the connection breaks. What came is kept in a
        file with the suffix ``.partial``; the next call goes on from there.
    ValueError
        If the checksum is wrong. What came is removed.
    ModuleNotFoundError
        If pooch is not installed.

    Notes
    -----
    One process at a time: two that write the same partial file spoil it, which the checksum tells.
    """
    try:
        pooch = import_module("pooch")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pooch must be installed for downloads: pip install pooch", name="pooch"
        ) from error
    place = Path(pooch.os_cache("scalelib") if folder is None else folder)
    name = url.rsplit("/", 1)[-1]

    def download(address: str, output: str, _: object) -> None:
        partial = place / (name + PARTIAL)
        _resume(address, partial)
        partial.replace(output)

    found = pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=place, downloader=download)
    return Path(found)


def _resume(url: str, partial: Path) -> None:
    """Fetch what a partial file lacks."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            _append(cast(HTTPResponse, response), partial, have)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError) and error.code == NOTHING_LEFT and have:
            return  # the checksum tells whether it is whole
        raise OSError(
            f"{url} cannot be downloaded: {error}. Try again, or get the file by other means "
            "and give its path"
        ) from error


def _append(response: HTTPResponse, partial: Path, have: int) -> None:
    """Write an answer behind what is there; from the start, if the server sends everything."""
    if response.status != PARTIAL_CONTENT:
        have = 0
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise OSError(f"the server sent another part than from byte {have}")
    length = response.headers.get("Content-Length")
    total = None if length is None else have + int(length)
    with partial.open("ab" if have else "wb") as file, _progress() as progress:
        task = progress.add_task(partial.stem, total=total, completed=have)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            progress.advance(task, len(chunk))
        if total is not None and file.tell() != total:
            raise OSError(f"the connection broke after {file.tell()} of {total} bytes")


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True))
