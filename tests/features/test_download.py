"""Downloads from a server on this machine: whole, interrupted, resumed, wrong, refused."""

from __future__ import annotations

import hashlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

from scalelib.features import _download
from scalelib.features._download import CHUNK, PARTIAL, fetch

CONTENT = bytes(range(256)) * 1200  # several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "weights.pth"


class Server(ThreadingHTTPServer):
    """Serves one content; tells what was asked, and misbehaves as told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.breaks_after = CONTENT, True, len(CONTENT)
        self.status, self.shift = 0, 0
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/releases/{NAME}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-|", wanted)[1] or 0) if self.server.ranges else 0
        if self.server.status:
            self.send_error(self.server.status)
            return
        if start >= len(self.server.content):
            self.send_error(416)
            return
        part = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            first = start + self.server.shift
            self.send_header("Content-Range", f"bytes {first}-{len(self.server.content) - 1}/*")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part[: max(0, self.server.breaks_after - start)])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_downloaded_once(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a" / "b"
    path = fetch(server.url, SHA256, folder)
    assert path == folder / NAME
    assert path.read_bytes() == CONTENT
    assert names(folder) == [NAME]
    assert fetch(server.url, SHA256, folder) == path
    assert server.asked == [""]
    shown = capfd.readouterr()
    assert NAME in shown.err
    assert "100%" in shown.err or "307.2" in shown.err
    assert not shown.out


def test_an_interrupted_download_goes_on(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 100_000
    with pytest.raises(OSError, match=r"connection broke after 100000 of 307200 bytes.*Try again"):
        fetch(server.url, SHA256, tmp_path)
    assert names(tmp_path) == [NAME + PARTIAL]
    server.breaks_after = 250_000
    with pytest.raises(OSError, match="after 250000 of 307200"):
        fetch(server.url, SHA256, tmp_path)
    server.breaks_after = len(CONTENT)
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-", "bytes=250000-"]
    assert names(tmp_path) == [NAME]


def test_a_killed_download_goes_on(server: Server, tmp_path: Path) -> None:
    (tmp_path / (NAME + PARTIAL)).write_bytes(CONTENT[: CHUNK + 7])
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={CHUNK + 7}-"]


def test_a_download_that_was_whole_is_put_into_place(server: Server, tmp_path: Path) -> None:
    (tmp_path / (NAME + PARTIAL)).write_bytes(CONTENT)
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == [NAME]


def test_a_server_without_ranges_sends_everything_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / (NAME + PARTIAL)).write_bytes(b"x" * 999)
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT


def test_another_part_is_refused(server: Server, tmp_path: Path) -> None:
    server.shift = 5
    (tmp_path / (NAME + PARTIAL)).write_bytes(CONTENT[:10])
    with pytest.raises(OSError, match="another part than from byte 10"):
        fetch(server.url, SHA256, tmp_path)
    assert names(tmp_path) == [NAME + PARTIAL]


@pytest.mark.parametrize("begun", [b"", b"spoilt", CONTENT + b"!"])
def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path, begun: bytes) -> None:
    if begun:
        (tmp_path / (NAME + PARTIAL)).write_bytes(begun)
    else:
        server.content = CONTENT[::-1]
    with pytest.raises(ValueError, match=rf"(?s)hash.*does not match.*{SHA256}"):
        fetch(server.url, SHA256, tmp_path)
    assert names(tmp_path) == []
    server.content = CONTENT
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT


def test_a_damaged_file_is_downloaded_again_and_kept_until_then(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(b"damaged")
    server.content = CONTENT[::-1]
    with pytest.raises(ValueError, match="does not match"):
        fetch(server.url, SHA256, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"damaged"
    server.content = CONTENT
    assert fetch(server.url, SHA256, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_refuses_is_quoted(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(OSError, match=rf"{NAME} cannot be downloaded: .*{status}.*other means"):
        fetch(server.url, SHA256, tmp_path)
    assert names(tmp_path) == []


def test_nothing_left_is_an_error_if_nothing_is_there(server: Server, tmp_path: Path) -> None:
    server.status = 416
    with pytest.raises(OSError, match=r"cannot be downloaded: .*416"):
        fetch(server.url, SHA256, tmp_path)


def test_an_unreachable_host_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/{NAME}"
        with pytest.raises(OSError, match=rf"{NAME} cannot be downloaded: .*refused.*Try again"):
            fetch(url, SHA256, tmp_path)
    with pytest.raises(OSError, match="cannot be downloaded"):
        fetch(f"http://host.invalid/{NAME}", SHA256, tmp_path)
    assert names(tmp_path) == []


def test_a_server_that_is_silent_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{NAME}"
        with pytest.raises(OSError, match=r"cannot be downloaded: .*timed out"):
            fetch(url, SHA256, tmp_path)


def test_an_answer_that_is_no_http_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def answer() -> None:
            connection, _ = odd.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"GARBAGE\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{odd.getsockname()[1]}/{NAME}"
        with pytest.raises(OSError, match="cannot be downloaded"):
            fetch(url, SHA256, tmp_path)
        thread.join()


def test_without_pooch_there_is_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pooch"):
        fetch("http://host.invalid/x", SHA256, tmp_path)


def test_the_usual_place_is_the_cache_of_the_user(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(pooch, "os_cache", lambda name: asked.append(name) or tmp_path)
    assert fetch(server.url, SHA256).parent == tmp_path
    assert asked == ["scalelib"]
