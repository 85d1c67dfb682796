"""How the C library keeps memory that was freed: large pieces go back to the system at once."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's malloc.h
_LARGE_BYTES = 128 * 1024


def give_back_large_pieces() -> None:
    """Have glibc ask the system for each large piece by itself, as it does until the first large one is freed.

    From then on it would take what is as large from the heaps of its threads, which keep holes of all sizes.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
