"""Pictures as sites send them, and what pretends to be one."""

from __future__ import annotations

import io
import random
import zlib

from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "L", **options: object) -> bytes:
    """Return a picture."""
    output = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(output, kind, **options)
    return output.getvalue()


def noise(width: int, height: int) -> bytes:
    """Return a picture that no compression makes smaller."""
    output = io.BytesIO()
    Image.frombytes("L", (width, height), random.Random(1).randbytes(width * height)).save(output, "PNG")
    return output.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def png(width: int, height: int, *, depth: int = 8, interlace: int = 0, rows: bytes | None = None) -> bytes:
    """Return a grey PNG whose header says what one wants."""
    header = width.to_bytes(4) + height.to_bytes(4) + bytes((depth, 0, 0, 0, interlace))
    pixels = zlib.compress(bytes((width + 1) * height) if rows is None else rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """Return a PNG with one more chunk before its pixels."""
    at = data.index(b"IDAT") - 4
    return data[:at] + chunk(kind, body) + data[at:]


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    """Return a JPEG with one more segment at its beginning."""
    return data[:2] + bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body + data[2:]
