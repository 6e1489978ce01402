"""Figures that the reader paints or draws on, or feeds with pictures, in headless Chromium."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, FilePayload, Locator, Page

import browser

pytestmark = pytest.mark.browser
Opener = Callable[[str, str], Locator]


@pytest.fixture(scope="module", params=["wide-light", "phone-dark"])
def context(request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    with browser.window(browser.VIEWS[request.param]) as opened:
        yield opened


@pytest.fixture
def widget(context: BrowserContext, base: str) -> Iterator[Opener]:
    """Open a page and find a widget on it by its name."""
    opened: list[Page] = []

    def found(page: str, name: str) -> Locator:
        opened.append(context.new_page())
        opened[0].goto(f"{base}/book/{page}.html")
        group = opened[0].get_by_role("group", name=name)
        group.wait_for(timeout=browser.PATIENCE)
        group.scroll_into_view_if_needed()
        return group

    yield found
    opened[0].close()


def said(widget: Locator, other: str = "") -> str:
    """What the readout says when all is computed and it is not the other text; else nothing."""
    for _ in range(100):
        text = widget.locator(".readout").inner_text()
        if text != other and "computed" not in text:
            return text
        widget.page.wait_for_timeout(100)
    return ""


def changes(widget: Locator, act: Callable[[], None]) -> bool:
    """Whether the readout becomes another one."""
    before = said(widget)
    act()
    return bool(said(widget, other=before))


def stroke(canvas: Locator) -> None:
    """Draw with the mouse from one corner towards the other."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    mouse = canvas.page.mouse
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    mouse.up()


def paint_by_keyboard(canvas: Locator) -> None:
    canvas.focus()
    keyboard = canvas.page.keyboard
    keyboard.down(" ")
    for _ in range(6):
        keyboard.press("ArrowDown")
    keyboard.up(" ")


def chosen(widget: Locator, label: str) -> str:
    return str(widget.get_by_label(label, exact=True).input_value())


@pytest.mark.parametrize("paint", [stroke, paint_by_keyboard])
def test_the_guidance_image_can_be_painted(
    widget: Opener, paint: Callable[[Locator], None]
) -> None:
    playground = widget("osmosis", "Osmosis playground")
    assert chosen(playground, "guidance image") == "chelsea"
    board = playground.get_by_role("application")
    before = said(playground)
    assert changes(playground, lambda: paint(board))
    assert chosen(playground, "guidance image") == "your own"
    assert changes(playground, playground.get_by_role("button", name="Reset").click)
    assert chosen(playground, "guidance image") == "chelsea"
    assert said(playground) == before


def test_arrows_alone_do_not_paint(widget: Opener) -> None:
    playground = widget("osmosis", "Osmosis playground")
    playground.get_by_role("application").focus()
    for _ in range(6):
        playground.page.keyboard.press("ArrowDown")
    playground.page.wait_for_timeout(500)
    assert chosen(playground, "guidance image") == "chelsea"


def picture() -> bytes:
    """A picture file that is wider than high: black on the left, white on the right."""
    image = Image.new("L", (300, 200))
    image.paste(255, (150, 0, 300, 200))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("page", "name", "label"),
    [
        ("osmosis", "Osmosis playground", "guidance image"),
        ("intro", "Scale explorer", "photograph"),
    ],
)
def test_a_picture_of_the_reader_is_taken_or_refused(
    widget: Opener, page: str, name: str, label: str
) -> None:
    figure = widget(page, name)
    assert said(figure)  # what is computed on opening would replace the message
    files = figure.locator("input[type=file]")
    wrong = FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"no picture")
    files.set_input_files(wrong)
    figure.get_by_text("notes.txt is not a picture").wait_for(timeout=browser.PATIENCE)
    right = FilePayload(name="halves.png", mimeType="image/png", buffer=picture())
    assert changes(figure, lambda: files.set_input_files(right))
    assert chosen(figure, label) == "your own"


def test_a_density_can_be_drawn(widget: Opener) -> None:
    figure = widget("vp-is-osmosis", "Density as osmosis")
    assert chosen(figure, "density at s = 0") == "two bumps"
    assert changes(figure, lambda: stroke(figure.locator("svg.drawable")))
    assert chosen(figure, "density at s = 0") == "your own"
    assert figure.locator(".readout").inner_text().startswith("s = 0.00")
    assert changes(figure, figure.get_by_role("button", name="Reset").click)
    assert chosen(figure, "density at s = 0") == "two bumps"


def test_a_density_can_be_made_without_a_pointer(widget: Opener) -> None:
    figure = widget("vp-is-osmosis", "Density as osmosis")
    button = figure.get_by_role("button", name="Add a bump")
    button.focus()
    assert changes(figure, lambda: figure.page.keyboard.press("Enter"))
    assert chosen(figure, "density at s = 0") == "your own"
