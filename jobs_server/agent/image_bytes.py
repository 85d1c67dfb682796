"""Alpaca's ImageBytes: a head of 44 bytes, and pixels whose first index is x."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

HEAD_BYTES = 44
_HEAD = struct.Struct("<11i")
_VERSION = 1
_ELEMENTS = {1: "<i2", 2: "<i4", 3: "<f8", 4: "<f4", 5: "<u8", 6: "u1", 7: "<i8", 8: "<u2", 9: "<u4"}


class BadImage(Exception):
    """What came is no frame; `number` is Alpaca's when the device answered an error in place of one."""

    def __init__(self, message: str, number: int = 0) -> None:
        """Take the sentence and Alpaca's number."""
        super().__init__(message)
        self.number = number


def image(content: bytes | bytearray) -> numpy.ndarray[Any, Any]:
    """Return the frame as a view into what came, of shape (rows, columns) or (planes, rows, columns).

    Raise BadImage when it is none, is cut short, or tells of an error.
    """
    import numpy as np

    if len(content) < HEAD_BYTES:
        raise BadImage(f"a frame of {len(content)} bytes, shorter than its head")
    version, error, _, _, start, _, sent_as, rank, *sizes = _HEAD.unpack_from(content)
    if version != _VERSION:
        raise BadImage(f"ImageBytes of version {version}")
    if error:
        raise BadImage(bytes(content[max(start, HEAD_BYTES) :][:500]).decode("utf-8", "replace"), error)
    if rank not in {2, 3} or sent_as not in _ELEMENTS or start < HEAD_BYTES:
        raise BadImage(f"a frame of {rank} dimensions and elements of type {sent_as}, from byte {start}")
    shape, kind = tuple(sizes[:rank]), np.dtype(_ELEMENTS[sent_as])
    elements = int(np.prod(shape, dtype=object))
    if min(shape) < 1 or elements * kind.itemsize != len(content) - start:
        raise BadImage(f"a frame of {shape} elements in {len(content) - start} bytes: cut short, or too long")
    return np.frombuffer(content, kind, offset=start).reshape(shape).transpose()
