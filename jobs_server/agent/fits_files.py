"""Frames on disk: one FITS file each, by night, whole or not there, and never in place of another."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import fits_header
from .devices.interfaces import Picture
from .errors import BadReply, DeviceError, Refused
from .fits_header import BLOCK, Buffer, Entry

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, Any]

_BAND_BYTES = 4 << 20
_HEADER_ROOM = 4 * BLOCK
_SPARE_BYTES = 16 << 20  # a disk is not filled to its last byte: there are logs and databases beside the frames
_PART = ".part"
_MOST_TRIES = 100_000
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9+_.-]+")
_SIGN_BITS = {"uint16": 1 << 15, "uint32": 1 << 31, "uint64": 1 << 63}
_SUFFIXES = (".fits", ".fits.fz", ".fits.gz", ".fit", ".fts")


def night(when: datetime, longitude_degrees: float | None) -> date:
    """Return the evening's date of a night, which lasts from noon to noon by the sun of the place.

    Without a longitude the noon is this computer's.
    """
    if longitude_degrees is None:
        return (when.astimezone() - timedelta(hours=12)).date()
    return (when.astimezone(UTC) + timedelta(hours=longitude_degrees / 15 - 12)).date()


def check_room(images: Path, frames_bytes: int) -> None:
    """Raise Refused, before the shutter opens, when a frame would not fit on the disk, or the folder is none."""
    wanted = frames_bytes + _HEADER_ROOM + _SPARE_BYTES
    with _disk_errors(images):
        images.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(images).free
    if free < wanted:
        raise Refused(f"the disk of {images} is full: {free >> 20} MB are free, and a frame needs {wanted >> 20} MB")


def plain_name(*parts: str) -> str:
    """Return a file's name out of parts, of letters that each system takes; blank parts are left out."""
    named = (_NOT_PLAIN.sub("_", fits_header.ascii_text(part)).strip("_.")[:40] for part in parts)
    return "-".join(part for part in named if part) or "frame"


def write(folder: Path, name: str, picture: Picture, entries: Iterable[Entry]) -> Path:
    """Write a picture as a new file of a folder and return its path; it is there whole, or not at all.

    Raise BadReply when what the driver sent is no FITS file, DeviceError when the disk fails.
    """
    chunks = _chunks(picture, list(entries))
    first = next(chunks)  # what is no picture is told before there is a file
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream, part, path = _new_file(folder, name, _suffix(picture))
        try:
            with stream:
                _fill(stream, first, chunks)
            part.rename(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        _keep_name(folder)
    return path


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Raise DeviceError with what the disk says."""
    try:
        yield
    except OSError as error:
        raise DeviceError(f"the frame could not be written to {folder}: {error.strerror or error}") from error


def _suffix(picture: Picture) -> str:
    if picture.fits is None:
        return ".fits"
    if picture.format.lower() not in _SUFFIXES:
        raise BadReply(f"the driver sent a picture as {picture.format[:20]!r}: set its format to FITS")
    return ".fits.fz" if picture.format.lower() == ".fits.fz" else ".fits"


def _new_file(folder: Path, name: str, suffix: str) -> tuple[IO[bytes], Path, Path]:
    """Open a part that nobody else writes, for a file that is not there yet."""
    for number in range(1, _MOST_TRIES):
        path = folder / f"{name}-{number:04}{suffix}"
        part = path.with_name(path.name + _PART)
        if path.exists():
            continue
        with suppress(FileExistsError):
            stream = part.open("xb")
            if not path.exists():
                return stream, part, path
            stream.close()  # another one was renamed to it a moment ago
            part.unlink()
    raise DeviceError(f"{folder} holds too many frames of the name {name}")


def _fill(stream: IO[bytes], first: Buffer, chunks: Iterator[Buffer]) -> None:
    stream.write(first)
    for chunk in chunks:
        stream.write(chunk)
    stream.flush()
    os.fsync(stream.fileno())


def _keep_name(folder: Path) -> None:
    """Have the new name on disk too, where a system lets a folder be opened for that."""
    with suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _chunks(picture: Picture, entries: list[Entry]) -> Iterator[Buffer]:
    """Yield a file in pieces: a driver's own with its header completed, or pixels in bands."""
    if picture.fits is not None:
        return _completed(picture.fits, entries)
    if picture.pixels is None:
        raise BadReply("the camera sent no picture")
    return _made(picture.pixels, entries)


def _completed(data: Buffer, entries: list[Entry]) -> Iterator[Buffer]:
    header, view = fits_header.of_picture(data), memoryview(data)
    yield bytes(view[: header.begin]) + fits_header.completed(header, entries)
    yield view[header.end :]
    yield bytes(-(len(view) - header.end) % BLOCK)


def _made(pixels: Pixels, entries: list[Entry]) -> Iterator[Buffer]:
    kind, zero = _kind_on_disk(pixels)
    bitpix = kind.itemsize * (8 if kind.kind in "iu" else -8)
    yield fits_header.made(bitpix, reversed(pixels.shape), zero, entries)
    for band in bands(pixels):
        yield _on_disk(band, kind, zero).view("u1").data
    yield bytes(-(pixels.size * kind.itemsize) % BLOCK)


def bands(pixels: Pixels) -> Iterator[Pixels]:
    """Yield a picture's rows, some at a time and plane by plane, so that what is done with them needs little memory."""
    planes = pixels if pixels.ndim == 3 else pixels[None]
    rows = max(1, _BAND_BYTES // max(1, planes.shape[2] * pixels.itemsize))
    for plane in planes:
        for row in range(0, plane.shape[0], rows):
            yield plane[row : row + rows]


def _kind_on_disk(pixels: Pixels) -> tuple[numpy.dtype[Any], int]:
    """Return the kind of numbers to write, and what FITS has to add to them: it knows no unsigned ones."""
    import numpy as np

    if pixels.dtype.kind == "f":
        return np.dtype(f">f{max(4, min(8, pixels.itemsize))}"), 0
    if pixels.dtype.kind not in "iu":
        raise BadReply(f"the camera sent pixels of the kind {pixels.dtype}")
    if pixels.itemsize > 2:
        least, most = _extremes(pixels)
        if least >= 0 and most < 1 << 16:
            return np.dtype(">i2"), 1 << 15
        if least >= -(1 << 31) and most < 1 << 31:
            return np.dtype(">i4"), 0
    if pixels.itemsize == 1:
        return np.dtype("u1" if pixels.dtype.kind == "u" else ">i2"), 0
    return np.dtype(f">i{pixels.itemsize}"), _SIGN_BITS.get(pixels.dtype.name, 0)


def _extremes(pixels: Pixels) -> tuple[int, int]:
    extremes = [(int(band.min()), int(band.max())) for band in bands(pixels)]
    return min(least for least, _ in extremes), max(most for _, most in extremes)


def _on_disk(band: Pixels, kind: numpy.dtype[Any], zero: int) -> Pixels:
    import numpy as np

    out = np.empty(band.shape, kind)
    if not zero:
        out[...] = band
    elif band.dtype.kind == "u" and band.itemsize == kind.itemsize:
        out[...] = (band ^ band.dtype.type(zero)).view(np.dtype(f"{band.dtype.byteorder}i{band.itemsize}"))
    else:
        np.subtract(band, zero, out=out, casting="unsafe")
    return out
