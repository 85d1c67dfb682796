"""Whether a site has room for new work, where it hears of stops apart."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing but stops begins for now."""

    why: str
    since: float = field(default_factory=time.monotonic)

    def sentence(self, limit_seconds: float | None) -> str | None:
        """Return why a job that waits for the end of the hold may not run any more; None while it may."""
        seconds = time.monotonic() - self.since
        if limit_seconds is None or seconds <= limit_seconds:
            return None
        return f"not begun: {self.why} (for {seconds:.0f} s)"


class Room:
    """What a site that hears of stops apart knows of its own hands; whoever uses this holds a lock."""

    def __init__(self, *, side_by_side: bool) -> None:
        """Take whether jobs may run beside each other."""
        self._side_by_side = side_by_side
        self.hold: Hold | None = None
        self.knows_stops_alone: bool | None = None
        """Whether the service hands over stops alone when asked; None before its first reply."""
        self.can_choose = side_by_side
        """Whether the service shows what waits, so that the job can be claimed that may run beside what runs."""

    def for_work(self, *, waiting: bool, running: bool) -> bool:
        """Whether a job that is claimed now can begin.

        Of an older service the poll for stops gets all jobs, in their order; a second poll would bring them out of it.
        One that does not show what waits hands over the next job, whichever that is: then one at most waits here.
        """
        if self.hold is not None or not self.knows_stops_alone:
            return False
        if self._side_by_side:
            return self.can_choose or not waiting
        return not waiting and not running
