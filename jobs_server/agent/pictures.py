"""Small pictures of frames for people: binned, stretched, and never larger than the desk likes to get."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import TYPE_CHECKING, Any

from . import fits_header
from .errors import BadReply
from .fits_files import bands
from .fits_header import Buffer

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, Any]

LONGEST_SIDE = 1280
MOST_BYTES = 200_000
_QUALITIES = (88, 75, 60, 45, 30)
_LOW_PERCENT, _HIGH_PERCENT = 1.0, 99.7
_NOISES = 10  # of the way from the low percentile to the median: where stars are few, noise is not shown as light
_SKY_LEVEL = 0.2  # how bright the median is shown, of 1
_FITS_KINDS = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_GZIP = b"\x1f\x8b"


def preview(frame: Buffer | Pixels) -> bytes:
    """Return a frame, a FITS file or pixels of shape (rows, columns) or (planes, rows, columns), as a JPEG.

    It is at most 1,280 pixels wide and high and 200 kB large. Raise BadReply when the frame has no pixels to show.
    """
    pixels = pixels_of(frame) if isinstance(frame, bytes | bytearray | memoryview) else frame
    if pixels.ndim not in {2, 3} or pixels.size == 0 or pixels.dtype.kind not in "iuf":
        raise BadReply(f"a frame of the shape {pixels.shape} cannot be shown")
    return _encoded(_stretched(_binned(pixels)))


def pixels_of(data: Buffer) -> Pixels:
    """Return a view of a FITS file's pixels, as stored: without its zero and scale, which a stretch does not need.

    Raise BadReply when it holds none, or is compressed in tiles, which only astropy reads.
    """
    import numpy as np

    data = _unzipped(data)
    header = fits_header.of_picture(data)
    if header.value("ZIMAGE") is True:
        return _from_tiles(data)
    sizes = header.sizes
    while len(sizes) > 2 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if len(sizes) not in {2, 3} or min(sizes) < 1:
        raise BadReply("the FITS file holds no picture")
    kind, count = np.dtype(_FITS_KINDS[header.whole("BITPIX")]), int(np.prod(sizes, dtype=object))
    return np.frombuffer(data, kind, count, header.end).reshape(tuple(reversed(sizes)))


def _unzipped(data: Buffer) -> Buffer:
    if bytes(data[:2]) != _GZIP:
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise BadReply(f"the driver's compressed frame cannot be read: {error}") from error


def _from_tiles(data: Buffer) -> Pixels:
    from astropy.io import fits

    try:
        with fits.open(io.BytesIO(data)) as parts:
            pixels: Pixels = parts[1].data
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        raise BadReply(f"the driver's compressed frame cannot be read: {error}") from error
    if pixels is None:
        raise BadReply("the FITS file holds no picture")
    return pixels


def _binned(pixels: Pixels) -> Pixels:
    """Return planes of at most 1,280 pixels a side, each the mean of a square; band by band, not of a whole copy."""
    import numpy as np

    planes = pixels if pixels.ndim == 3 else pixels[None]
    planes = planes[:3] if planes.shape[0] >= 3 else planes[:1]
    side = -(-max(planes.shape[1:]) // LONGEST_SIDE)
    rows, columns = (max(1, length // side) for length in planes.shape[1:])
    side_rows, side_columns = (min(side, length) for length in planes.shape[1:])
    small = np.empty((len(planes), rows, columns), np.float32)
    for plane, shown in zip(planes, small, strict=True):
        _bin(plane[: rows * side_rows, : columns * side_columns], shown)
    return small


def _bin(plane: Pixels, shown: Pixels) -> None:
    """Write the means of a plane's squares; along the memory, which of a frame with columns first is the other way."""
    import numpy as np

    if abs(plane.strides[0]) < abs(plane.strides[1]):
        plane, shown = plane.T, shown.T
    side, width = plane.shape[0] // shown.shape[0], plane.shape[1] // shown.shape[1]
    step = max(1, len(next(bands(plane))) // side)
    for first in range(0, len(shown), step):
        band, sums = plane[first * side : (first + step) * side], shown[first : first + step]
        lines = np.zeros((len(sums), plane.shape[1]), np.float32)
        for row in range(side):
            lines += band[row::side]
        sums[...] = 0
        for column in range(width):
            sums += lines[:, column::width]
    shown /= side * width


def _stretched(planes: Pixels) -> Pixels:
    """Return planes as bytes: each from its low percentile to its high one, so that its median is a dark grey."""
    import numpy as np

    return np.stack([_stretched_plane(plane) for plane in planes])


def _stretched_plane(plane: Pixels) -> Pixels:
    import numpy as np

    good = plane[np.isfinite(plane)]
    if good.size == 0:
        return np.zeros(plane.shape, np.uint8)
    low, median, high = (float(each) for each in np.percentile(good, (_LOW_PERCENT, 50.0, _HIGH_PERCENT)))
    high = min(max(high, median + _NOISES * (median - low)), float(good.max()))
    if high <= low:
        low, high = float(good.min()), float(good.max())
    if high <= low:
        return np.full(plane.shape, round(255 * _SKY_LEVEL), np.uint8)
    scaled = np.clip(np.nan_to_num((plane - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    steepness = _steepness((median - low) / (high - low))
    shown: Pixels = np.rint(255 * np.arcsinh(scaled * steepness) / np.arcsinh(steepness)).astype(np.uint8)
    return shown


def _steepness(median: float) -> float:
    """Return the steepness of an asinh that shows the median as the sky is to be shown, as far as one can."""
    import numpy as np

    least, most = 1e-3, 1e6
    for _ in range(60):
        middle = (least * most) ** 0.5
        if np.arcsinh(median * middle) / np.arcsinh(middle) < _SKY_LEVEL:
            least = middle
        else:
            most = middle
    return least


def _encoded(planes: Pixels) -> bytes:
    from PIL import Image

    layers = [Image.fromarray(plane) for plane in planes]
    image = Image.merge("RGB", layers) if len(layers) == 3 else layers[0]
    while True:
        for quality in _QUALITIES:
            stream = io.BytesIO()
            image.save(stream, "JPEG", quality=quality)
            if stream.tell() <= MOST_BYTES:
                return stream.getvalue()
        image = image.resize((max(1, image.width // 2), max(1, image.height // 2)))
