"""What is kept of a picture: PNG or JPEG, whole, not too large, and nothing beside it."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from jobs_server.state import picture_format
from jobs_server.state.picture_format import NoPicture

from .pictures import chunk, picture, png, with_chunk, with_segment

SCRIPT = b"<script>alert(1)</script><?php system($_GET[0]); ?>"


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_each_kind_of_png_is_taken(mode: str) -> None:
    data = picture("PNG", mode=mode)
    found = picture_format.read(data)
    assert found[:3] == ("png", 64, 48)
    assert Image.open(io.BytesIO(found.data)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_each_kind_of_jpeg_is_taken(mode: str, progressive: bool) -> None:
    data = picture("JPEG", mode=mode, progressive=progressive)
    found = picture_format.read(data)
    assert found[:3] == ("jpeg", 64, 48)
    assert Image.open(io.BytesIO(found.data)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


def test_a_jpeg_with_restart_markers_and_fill_bytes_is_taken() -> None:
    data = picture("JPEG", size=(256, 256), restart_marker_rows=1)
    assert b"\xff\xd0" in data
    at = data.index(b"\xff\xdb")
    assert picture_format.read(data[:at] + b"\xff\xff" + data[at:])[:3] == ("jpeg", 256, 256)


def test_an_interlaced_png_is_taken() -> None:
    data = png(3, 1, interlace=1, rows=bytes(2 + 2 + 2))  # passes of one column each: 1st, 4th and 6th
    assert picture_format.read(data)[:3] == ("png", 3, 1)


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((60_000, 1), "is 60000 x 1: a side has at most 32767 pixels"),
        ((1, 60_000), "is 1 x 60000: a side has at most 32767 pixels"),
        ((60_000, 60_000), "is 60000 x 60000: at most 16 megapixels are shown"),
        ((4_001, 4_000), "is 4001 x 4000: at most 16 megapixels are shown"),
        ((2**31 - 1, 2**31 - 1), "at most 16 megapixels are shown"),
        ((0, 5), "has no size"),
    ],
)
def test_one_of_60000_px_is_refused_by_its_header_alone_for_what_is_wrong_with_it(
    size: tuple[int, int], reason: str
) -> None:
    with pytest.raises(NoPicture, match=reason):
        picture_format.read(png(*size, rows=b"\0"))


def test_a_jpeg_of_60000_px_is_refused() -> None:
    data = bytearray(picture("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = (60_000).to_bytes(2) + (60_000).to_bytes(2)
    with pytest.raises(NoPicture, match="60000 x 60000"):
        picture_format.read(bytes(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_one_that_breaks_off_anywhere_is_refused(kind: str) -> None:
    data = picture(kind, size=(16, 16))
    for length in range(len(data)):
        with pytest.raises(NoPicture):
            picture_format.read(data[:length])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_scripts_behind_the_end_are_refused(kind: str) -> None:
    with pytest.raises(NoPicture, match="behind its end"):
        picture_format.read(picture(kind) + SCRIPT)


@pytest.mark.parametrize("kind", [b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"iCCP"])
def test_scripts_inside_a_png_are_left_out(kind: bytes) -> None:
    found = picture_format.read(with_chunk(picture("PNG"), kind, SCRIPT))
    assert b"script" not in found.data
    assert Image.open(io.BytesIO(found.data)).size == (64, 48)


@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xED, 0xEF, 0xFE])
def test_scripts_inside_a_jpeg_are_left_out(marker: int) -> None:
    found = picture_format.read(with_segment(picture("JPEG"), marker, SCRIPT))
    assert b"script" not in found.data
    assert Image.open(io.BytesIO(found.data)).size == (64, 48)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF89a" + bytes(64),
        b"<svg onload='alert(1)'/>",
        SCRIPT,
        b"BM" * 99,
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(NoPicture):
        picture_format.read(data)


def test_a_bomb_is_not_unpacked_further_than_its_header_says() -> None:
    with pytest.raises(NoPicture, match="more than its header says"):
        picture_format.read(png(16, 16, rows=bytes(500_000_000 // 4)))


@pytest.mark.parametrize(("spoilt", "why"), [(b"\0" * 16, "less than"), (b"\0" * (17 * 16 + 1), "more than")])
def test_a_header_that_lies_is_refused(spoilt: bytes, why: str) -> None:
    with pytest.raises(NoPicture, match=why):
        picture_format.read(png(16, 16, rows=spoilt))


def test_a_wrong_checksum_is_refused() -> None:
    data = bytearray(picture("PNG"))
    data[30] ^= 1
    with pytest.raises(NoPicture, match="checksum"):
        picture_format.read(bytes(data))


def test_a_chunk_that_must_be_understood_and_is_not_is_refused() -> None:
    with pytest.raises(NoPicture):
        picture_format.read(with_chunk(picture("PNG"), b"ABCD", b""))
    assert chunk(b"IEND", b"") in picture("PNG")
