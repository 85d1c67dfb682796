"""How long to wait before something is tried again."""

from __future__ import annotations

import random
import time

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 5.0


class Backoff:
    """Grow the pauses between tries, with jitter, so that many clients do not come back all at once.

    A pause is drawn between nothing and a bound that doubles with each try. Chance is here no secret. It has a source
    of its own, so that a program that seeds Python's gets the same numbers from there whatever this client waits for.
    """

    def __init__(
        self, patience_seconds: float = float("inf"), first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS
    ) -> None:
        self._deadline = time.monotonic() + patience_seconds
        self._first, self._longest = first, longest
        self._tries = 0
        self._chance = random.Random()  # noqa: S311

    def reset(self) -> None:
        """Begin anew with short pauses: a try succeeded."""
        self._tries = 0

    def pause(self, at_least: float = 0.0) -> float | None:
        """Return the next pause in seconds, drawn by chance; None when the pause would end past the patience."""
        bound = min(self._longest, self._first * 2 ** min(self._tries, 30))
        self._tries += 1
        seconds = at_least + self._chance.uniform(0, bound)
        return seconds if time.monotonic() + seconds < self._deadline else None
