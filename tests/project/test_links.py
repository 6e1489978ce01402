"""External links are listed with their pages; a server that misbehaves in every way is seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import links

FAST = {
    "linkcheck_timeout": 1,
    "linkcheck_retries": 1,
}
GOOD = ["/fine", "/moved", "/fine#here"]
BAD = ["/gone", "/slow", "/fine#nowhere", "/moved-to-nothing", "/fails"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/fine": 200, "/gone": 404, "/slow": 200, "/moved": 302, "/fails": 500}
        path = self.path
        if path == "/slow":
            time.sleep(3)
        self.send_response(status.get(path, 302 if path == "/moved-to-nothing" else 404))
        if path.startswith("/moved"):
            self.send_header("Location", "/fine" if path == "/moved" else "/gone")
        body = b"<html><body><p id='here'></p></body></html>"
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def book(folder: Path, addresses: list[str]) -> Path:
    for name in ("a", "b"):
        anchors = "".join(f"<a href='{link}'>x</a>" for link in addresses)
        text = f"<a href='https://outside.example/'></a><article>{anchors}<a href='b.html'></a>"
        (folder / f"{name}.html").write_text(text + "</article>")
    return folder


def test_links_are_listed_with_their_pages(tmp_path: Path) -> None:
    found = links.external(book(tmp_path, ["https://one.example/", "http://two.example/x#y"]))
    assert found == {"http://two.example/x#y": ["a", "b"], "https://one.example/": ["a", "b"]}


def test_good_links_pass(tmp_path: Path, address: str) -> None:
    html = book(tmp_path, [address + path for path in GOOD])
    assert links.main(html, checked=True, settings=FAST) == 0


def test_dead_links_are_listed(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    html = book(tmp_path, [address + path for path in GOOD + BAD])
    assert links.main(html, checked=True, settings=FAST) == 1
    told = capsys.readouterr().out
    listed = {line.split("  [")[0] for line in told.splitlines() if line.startswith("http")}
    assert listed == {address + path for path in BAD}
    assert f"{len(GOOD + BAD)} links to other sites, {len(BAD)} dead." in told


def test_ignored_links_have_a_reason_and_are_not_asked(address: str) -> None:
    assert all(links.IGNORED.values())
    assert not links.check([address + "/gone"], {**FAST, "linkcheck_ignore": [address]})


def test_dois_are_looked_up_in_their_register() -> None:
    assert links.asked("https://doi.org/10.1/a") == "https://doi.org/api/handles/10.1/a"


def test_no_pages_is_no_success(tmp_path: Path) -> None:
    assert links.main(tmp_path, checked=True) == 2
