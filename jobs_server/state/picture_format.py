"""What a picture is, read from its own bytes: nothing but PNG and JPEG, whole, and not too large to be shown.

A header that lies about a picture's size, a file that is cut off and data behind a picture's end are refused: no byte
that is not the picture's is ever served. Sources: PNG (Third Edition), sections 5 and 11; JPEG, ITU-T T.81, annex B.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

MOST_PIXELS = 16_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_LONGEST_SIDE = 32_767

_SHOWN_CHUNKS = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT"))
"""What a picture needs; texts, profiles and what else a file may carry is left out of what is kept."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""By colour type, the bits of one value (PNG, table 11.1)."""

_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended and progressive: what browsers show
_OTHER_FRAMES = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a segment
_SCAN, _END = 0xDA, 0xD9
_DROPPED = frozenset((*range(0xE1, 0xEE), 0xEF, 0xFE))  # what programs add, and comments; APP0 and APP14 tell colours


class Picture(NamedTuple):
    """A picture that may be shown."""

    kind: str  # png or jpeg
    width: int
    height: int
    data: bytes  # without what the file carried beside the picture


class NoPicture(ValueError):
    """These bytes are no picture that may be shown; the message completes "the picture ..."."""


def read(data: bytes) -> Picture:
    """Return the picture that some bytes are. Raises NoPicture."""
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_JPEG):
        return _jpeg(data)
    raise NoPicture("must be a PNG or a JPEG")


def _check_size(width: int, height: int) -> None:
    if not (width and height):
        raise NoPicture("has no size")
    if max(width, height) > _LONGEST_SIDE and width * height <= MOST_PIXELS:
        raise NoPicture(f"is {width} x {height}: a side has at most {_LONGEST_SIDE} pixels")
    if width * height > MOST_PIXELS:
        raise NoPicture(f"is {width} x {height}: at most {MOST_PIXELS // 1_000_000} megapixels are shown")


def _png(data: bytes) -> Picture:
    at, kept = len(_PNG), [_PNG]
    pixels = _Pixels()
    width = height = 0
    while at < len(data):
        length, kind, body = _chunk(data, at)
        if (at == len(_PNG)) != (kind == b"IHDR"):
            raise NoPicture("is no PNG: its header is not where it must be")
        if kind == b"IHDR":
            width, height, rows_bytes = _png_header(body)
            pixels.expect(rows_bytes)
        if kind == b"IDAT":
            pixels.feed(body)
        if kind in _SHOWN_CHUNKS:
            kept.append(data[at : at + 12 + length])
        elif not kind[0] & 0x20:
            raise NoPicture("is no PNG that browsers show")  # A chunk that must be understood, and is not.
        at += 12 + length
        if kind == b"IEND":
            break
    else:
        raise NoPicture("breaks off before its end")
    if at != len(data):
        raise NoPicture("goes on behind its end")
    pixels.check_whole()
    return Picture("png", width, height, b"".join(kept))


def _chunk(data: bytes, at: int) -> tuple[int, bytes, bytes]:
    """Return length, kind and body of the chunk at a place."""
    length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
    body = data[at + 8 : at + 8 + length]
    said = data[at + 8 + length : at + 12 + length]
    if len(said) < 4:
        raise NoPicture("breaks off before its end")
    if zlib.crc32(kind + body) != int.from_bytes(said):
        raise NoPicture("is damaged: a checksum in it is wrong")
    return length, kind, body


def _png_header(body: bytes) -> tuple[int, int, int]:
    """Return width, height and how many bytes all rows take."""
    if len(body) != 13:
        raise NoPicture("is no PNG: its header has another length")
    width, height = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
    depth, colour, compression, filtering, interlace = body[8:]
    _check_size(width, height)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise NoPicture("is no PNG that browsers show")
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    return width, height, sum(_rows_bytes(width, height, bits, *each) for each in passes)


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced picture: first column and row, and the steps between them."""


def _rows_bytes(width: int, height: int, bits: int, left: int, top: int, right: int, down: int) -> int:
    columns, rows = -(-(width - left) // right), -(-(height - top) // down)
    return rows * (1 + (columns * bits + 7) // 8) if columns > 0 and rows > 0 else 0


class _Pixels:
    """Unpack the pixels of a PNG as they come, to see that there are as many as its header says."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj()
        self._left = 0

    def expect(self, rows_bytes: int) -> None:
        self._left = rows_bytes

    def feed(self, body: bytes) -> None:
        piece = body
        while piece:
            try:
                rows = self._unpacker.decompress(piece, 1 << 20)
            except zlib.error:
                raise NoPicture("is damaged: its pixels cannot be unpacked") from None
            self._left -= len(rows)
            if self._left < 0 or self._unpacker.unused_data:
                raise NoPicture("holds more than its header says")
            piece = self._unpacker.unconsumed_tail

    def check_whole(self) -> None:
        if self._left or not self._unpacker.eof:
            raise NoPicture("holds less than its header says")


def _jpeg(data: bytes) -> Picture:
    at, kept = 2, [data[:2]]
    size: tuple[int, int] | None = None
    has_scan = False
    while True:
        marker, begin, end = _segment(data, at)
        if marker == _END:
            kept.append(b"\xff\xd9")
            break
        if marker in _OTHER_FRAMES or (marker in _FRAMES and size is not None):
            raise NoPicture("is no JPEG that browsers show")
        if marker in _FRAMES:
            size = _frame(data[begin:end])
        if marker == _SCAN:
            if size is None:
                raise NoPicture("is no JPEG: its pixels come before its size")
            has_scan, end = True, _scan_end(data, end)
        if marker not in _DROPPED:
            kept.append(data[at:end])
        at = end
    if size is None or not has_scan:
        raise NoPicture("holds less than its header says")
    if end != len(data):
        raise NoPicture("goes on behind its end")
    return Picture("jpeg", *size, b"".join(kept))


def _segment(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the marker at a place, and where its segment's content begins and ends."""
    if data[at : at + 1] != b"\xff":
        raise NoPicture("breaks off before its end" if at >= len(data) else "is damaged: a marker is missing")
    while data[at + 1 : at + 2] == b"\xff":  # Any number of fill bytes may stand before a marker.
        at += 1
    marker = data[at + 1] if at + 1 < len(data) else None
    if marker is None:
        raise NoPicture("breaks off before its end")
    if marker in _ALONE or marker == _END:
        return marker, at + 2, at + 2
    length = int.from_bytes(data[at + 2 : at + 4])
    if length < 2 or at + 2 + length > len(data):
        raise NoPicture("breaks off before its end")
    return marker, at + 4, at + 2 + length


def _frame(body: bytes) -> tuple[int, int]:
    if len(body) < 6 or len(body) != 6 + 3 * body[5] or body[5] not in (1, 3, 4) or body[0] != 8:
        raise NoPicture("is no JPEG that browsers show")
    height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
    _check_size(width, height)
    return width, height


def _scan_end(data: bytes, at: int) -> int:
    """Return where the compressed pixels that begin at a place end: at the next marker that is none of theirs."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise NoPicture("breaks off before its end")
        follows = data[at + 1]
        if follows == 0xFF:
            at += 1
        elif follows == 0 or 0xD0 <= follows <= 0xD7:
            at += 2
        else:
            return at
