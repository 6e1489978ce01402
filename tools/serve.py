"""Serve the built book on this machine: python tools/serve.py [--port 8000]."""

from __future__ import annotations

import argparse
import functools
import http
import http.server
import sys
from pathlib import Path

HTML = Path(__file__).resolve().parent.parent / "_build/html"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files; only failures are reported."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Report what was not found, and nothing else."""
        if int(code) >= http.HTTPStatus.BAD_REQUEST:
            print(f"{int(code)} {self.path}", flush=True)

    def log_error(self, *_: object) -> None:
        """Say nothing: log_request has said it."""


def server(port: int, folder: Path = HTML) -> http.server.ThreadingHTTPServer:
    """Return a server of ``folder`` on the loopback interface; port 0 takes a free one."""
    handler = functools.partial(Handler, directory=str(folder))
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    try:
        book = server(port)
    except OSError as error:
        other = f'make serve ARGS="--port {port + 1}"'
        sys.exit(f"Port {port} cannot be used ({error.strerror}). Try another: {other}")
    with book:
        print(f"\nThe book: http://127.0.0.1:{book.server_port}/  (Ctrl-C ends)", flush=True)
        try:
            book.serve_forever()
        except KeyboardInterrupt:
            print()
