"""Wait for something that will surely come, and fail when it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PATIENCE_SECONDS = 60.0


def until(look: Callable[[], Found], patience_seconds: float = PATIENCE_SECONDS, every: float = 0.02) -> Found:
    """Look until there is something, and give it."""
    deadline = time.monotonic() + patience_seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(every)
    return found
