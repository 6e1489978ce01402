"""Open built pages in headless Chromium and say what is wrong with them.

The pages are served on the loopback interface. Requests to any other host are stopped and reported.
"""

from __future__ import annotations

import http
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Response,
    Route,
    sync_playwright,
)

import serve

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Pages that Sphinx generates beside the chapters; index.html only leads to the first one.
LISTS = ("genindex", "index", "prf-prf", "proof-proof", "py-modindex", "search")
GENERATED = {f"{name}.html" for name in LISTS}
SETTLED = """async () => {
  await document.fonts.ready;
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
}"""
LOOK = """() => {
  const wide = document.documentElement;
  const formulas = [...document.querySelectorAll('.math')];
  const images = [...document.querySelectorAll('article img')];
  const broken = images.filter(i => i.complete && !i.naturalWidth);
  return {
    'formulas that were not rendered':
      formulas.filter(f => !f.querySelector('mjx-container')).map(f => f.textContent),
    'formulas with errors':
      [...document.querySelectorAll('mjx-merror')].map(e => e.getAttribute('data-mjx-error')),
    'images without alternative text':
      images.filter(i => !(i.getAttribute('alt') || '').trim()).map(i => i.src),
    'images that do not load': broken.map(i => i.src),
    'pixels beyond the right edge':
      wide.scrollWidth > wide.clientWidth ? [wide.scrollWidth - wide.clientWidth] : [],
  };
}"""

WIDGET = ".scalelib-widget"
VIEW_TAG = '<script type="application/vnd.jupyter.widget-view+json">'
PATIENCE = 20000  # milliseconds; a busy machine needs seconds for the widget manager
OTHER_TEXT = "([widget, text]) => widget.querySelector('.readout').textContent !== text"


@dataclass(frozen=True)
class View:
    """A window of a given size in a given colour scheme."""

    width: int
    height: int
    scheme: str


VIEWS = {
    "wide-light": View(1440, 900, "light"),
    "wide-dark": View(1440, 900, "dark"),
    "phone-light": View(360, 780, "light"),
    "phone-dark": View(360, 780, "dark"),
}


def chromium() -> str | None:
    """Path of an installed Chromium, None if there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


def chapters(html: Path) -> list[str]:
    """Names of the built pages, those that only list things excepted."""
    found = (path.relative_to(html) for path in html.rglob("*.html"))
    kept = (p for p in found if p.parts[0][0] != "_" and p.as_posix() not in GENERATED)
    return sorted(path.as_posix() for path in kept)


@contextmanager
def served(html: Path) -> Iterator[str]:
    """Serve a folder on a free port; gives its address."""
    with serve.server(0, html) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def window(view: View) -> Iterator[BrowserContext]:
    """Open a browser with an empty profile."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        options: dict[str, Any] = {
            "executable_path": chromium(),
            "viewport": {"width": view.width, "height": view.height},
            "color_scheme": view.scheme,
            "args": FLAGS,
        }
        context = playwright.chromium.launch_persistent_context(profile, **options)
        try:
            yield context
        finally:
            context.close()


def _watch(page: Page, base: str) -> dict[str, list[str]]:
    """Record what leaves the page, what fails to arrive and what its scripts complain about."""
    seen: dict[str, list[str]] = {"requests that leave": [], "HTTP errors": [], "console": []}

    def route(request: Route) -> None:
        address = request.request.url
        if address.startswith((base, "data:", "blob:")):
            request.continue_()
        else:
            seen["requests that leave"].append(address)
            request.abort()

    def response(answer: Response) -> None:
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            seen["HTTP errors"].append(answer.url)

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen["console"].append(message.text)

    page.route("**/*", route)
    page.on("response", response)
    page.on("console", console)
    page.on("pageerror", lambda error: seen["console"].append(str(error)))
    return seen


def visit(
    context: BrowserContext, base: str, name: str, shot: Path | None = None
) -> dict[str, Any]:
    """Open one page; return its problems by kind, empty if there are none."""
    page = context.new_page()
    try:
        seen: dict[str, list[Any]] = _watch(page, base)
        page.goto(f"{base}/{name}", wait_until="load")
        try:
            page.evaluate(SETTLED)
        except Error as error:
            seen["console"].append(str(error))
        found = {**seen, **page.evaluate(LOOK)}
        if shot:
            page.screenshot(path=shot, full_page=True)
        return {kind: what for kind, what in found.items() if what}
    finally:
        page.close()


def widget_pages(html: Path) -> list[str]:
    """Names of the built pages with widgets."""
    return [name for name in chapters(html) if VIEW_TAG in (html / name).read_text("utf-8")]


def operate(context: BrowserContext, base: str, name: str) -> dict[str, Any]:
    """Press a key in every widget of a page; return problems by kind, empty if there are none.

    The first slider or list of a widget must change its readout.
    """
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        seen: dict[str, list[Any]] = _watch(page, base)
        page.goto(f"{base}/{name}", wait_until="load")
        expected = page.content().count(VIEW_TAG)
        try:
            page.wait_for_function(f"document.querySelectorAll('{WIDGET}').length === {expected}")
        except Error:
            seen["widgets that do not appear"] = [expected - page.locator(WIDGET).count()]
        seen["widgets that do not answer"] = [
            widget.get_attribute("aria-label")
            for widget in page.locator(WIDGET).all()
            if not _answers(page, widget)
        ]
        return {kind: what for kind, what in seen.items() if what}
    finally:
        page.close()


def _answers(page: Page, widget: Locator) -> bool:
    """Press the arrow keys in the first control: one of them leads to another value."""
    readout, control = widget.locator(".readout"), widget.locator("input[type=range], select").first
    before = readout.text_content()
    for key in ("ArrowRight", "ArrowLeft"):
        control.press(key)
        try:
            page.wait_for_function(OTHER_TEXT, arg=[widget.element_handle(), before], timeout=3000)
            return True
        except Error:
            continue
    return False
