"""What a server prints goes nowhere when the disk of its output is full, and the server goes on.

Its output may lie on the disk that is full, and Flask's own banner would end the start.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO


class _Unfailing:
    """Write to a stream, and do without what it cannot take."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; return how long it is."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with suppress(OSError):
            self._stream.flush()


def begin() -> None:
    """Have the standard streams of this process take whatever is written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and stream is not None:
            setattr(sys, name, _Unfailing(stream))
