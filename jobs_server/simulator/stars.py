"""Pictures of made-up stars: the same field shows the same stars. Written as PNG with nothing but zlib."""

from __future__ import annotations

import math
import random
import zlib

WIDTH, HEIGHT = 360, 240
_STARS = 70
_SKY = bytes(14 + (each & 7) for each in range(256))  # noise of eight levels
_REACH = 6


def picture(ra_hours: float, dec_degrees: float, fwhm_pixels: float = 2.8) -> bytes:
    """Return a grey PNG of the field at a place of the sky."""
    noise = random.Random()  # noqa: S311
    rows = [bytearray(noise.randbytes(WIDTH).translate(_SKY)) for _ in range(HEIGHT)]
    field = random.Random(f"{ra_hours:.2f} {dec_degrees:.1f}")  # noqa: S311
    for _ in range(_STARS):
        peak = min(235.0, 12.0 * field.paretovariate(0.9))
        _draw(rows, field.uniform(0, WIDTH), field.uniform(0, HEIGHT), peak, fwhm_pixels)
    return _png(rows)


def _draw(rows: list[bytearray], x: float, y: float, peak: float, fwhm: float) -> None:
    """Draw a star as a Gaussian."""
    for row in range(max(0, int(y) - _REACH), min(HEIGHT, int(y) + _REACH + 1)):
        for column in range(max(0, int(x) - _REACH), min(WIDTH, int(x) + _REACH + 1)):
            square = (column - x) ** 2 + (row - y) ** 2
            light = rows[row][column] + peak * math.exp(-4 * math.log(2) * square / fwhm**2)
            rows[row][column] = min(255, int(light))


def _png(rows: list[bytearray]) -> bytes:
    header = WIDTH.to_bytes(4) + HEIGHT.to_bytes(4) + bytes((8, 0, 0, 0, 0))
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
