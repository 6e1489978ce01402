"""Image files: what is read, and what is refused rather than read with a loss."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from scalelib.images.decoding import UnreadableImageError, decode, listed, unreadable_message

RGB = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def saved(path, array, mode=None, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_grey_and_colours_are_read_as_they_are(tmp_path):
    assert np.array_equal(decode(saved(tmp_path / "a.png", RGB)), RGB)
    assert np.array_equal(decode(saved(tmp_path / "b.png", GREY)), GREY)
    assert np.array_equal(decode(saved(tmp_path / "c.bmp", RGB)), RGB)
    assert decode(saved(tmp_path / "d.jpg", RGB)).shape == RGB.shape


def test_an_opaque_alpha_channel_is_left_out(tmp_path):
    opaque = np.dstack([RGB, np.full(GREY.shape, 255, np.uint8)])
    assert np.array_equal(decode(saved(tmp_path / "a.png", opaque)), RGB)
    assert np.array_equal(decode(saved(tmp_path / "b.png", GREY, "LA")), GREY)


def test_palettes_and_bilevel_images_become_colours_and_grey(tmp_path):
    few = np.stack([GREY // 64 * 64] * 3, axis=2)
    palette = Image.fromarray(few).quantize(8)
    path = saved(tmp_path / "a.png", palette)
    assert np.array_equal(decode(path), np.asarray(palette.convert("RGB")))
    black = GREY > 128
    assert np.array_equal(decode(saved(tmp_path / "b.png", black)), black * np.uint8(255))


def test_the_exif_orientation_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    path = saved(tmp_path / "a.png", RGB, exif=exif)
    assert np.array_equal(decode(path), np.rot90(RGB, -1))


def transparent():
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[0, 0] = 254
    return np.dstack([RGB, alpha])


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("a.png", transparent(), "expected an opaque image, found transparent pixels"),
        ("a.png", GREY.astype(np.uint16) * 257, "expected 8 bits per channel, found 16"),
        ("a.tif", GREY.astype(np.float32), "expected 8-bit grey or RGB, found mode F"),
        ("a.jpg", Image.fromarray(RGB).convert("CMYK"), "found mode CMYK"),
    ],
)
def test_what_would_lose_something_is_refused(tmp_path, name, image, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        decode(saved(tmp_path / name, image))


def test_several_frames_are_refused(tmp_path):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(UnreadableImageError, match="expected one frame, found 2"):
        decode(tmp_path / "a.gif")


def sixteen_bit_png():
    """A PNG of one pixel with 16 bits per colour, which Pillow would read as 8."""

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + struct.pack(">HHH", 1, 2, 3))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_sixteen_bit_colours_are_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(sixteen_bit_png())
    with pytest.raises(UnreadableImageError, match="expected 8 bits per channel, found 16"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("keep", [0, 0.002, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_truncated_files_are_refused(tmp_path, name, keep):
    content = saved(tmp_path / name, np.tile(RGB, (9, 9, 1))).read_bytes()
    (tmp_path / name).write_bytes(content[: int(keep * len(content))])
    with pytest.raises(UnreadableImageError) as caught:
        decode(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)


def test_garbage_is_refused_whatever_it_is(tmp_path):
    """Bytes flipped in a PNG: either the pixels are read or the file is refused."""
    content = saved(tmp_path / "a.png", RGB).read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "b.png").write_bytes(damaged)
        try:
            decode(tmp_path / "b.png")
        except UnreadableImageError:
            continue


def test_messages_name_the_bad_and_the_good(tmp_path):
    good = saved(tmp_path / "good.png", GREY)
    (tmp_path / "notes.txt").write_text("hello")
    message = unreadable_message([("good.png", good), ("notes.txt", tmp_path / "notes.txt")])
    assert "found 1 of 2 files that are not: 'notes.txt' (cannot identify image file)" in message
    assert message.endswith("the other 1 are readable: 'good.png'")
    alone = unreadable_message([("notes.txt", tmp_path / "notes.txt")])
    assert alone.endswith("the other 0 are readable: none")


def test_long_lists_are_counted():
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(k) for k in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
