"""What an earlier run of the program left moving: told to `on_lost`, before anything new begins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from .job import Job
from .ledger import Entry, Ledger

log = logging.getLogger(__name__)

LOST = "LOST"
NOT_KNOWN = (
    "the site's program ended while this job ran: what became of it is not known; look at the telescope before going on"
)


class LostJobs:
    """The jobs that had begun when the program ended. Each stays in the file as begun until `on_lost` has returned.

    So a program that is killed in the middle of `on_lost` calls it again at the next start.
    """

    def __init__(self, entries: Iterable[Entry], ledger: Ledger, on_lost: Callable[[list[Job]], object]) -> None:
        self._entries = {entry.job.ulid: entry for entry in entries}
        self._ledger, self._on_lost = ledger, on_lost
        self._lock = threading.Lock()
        self._acknowledged: set[str] = set()
        self.are_seen_to = False
        """Whether `on_lost` has returned: anything may begin."""
        self.is_over = False
        """Whether `on_lost` runs no more, be it that it has returned or raised."""

    def acknowledge(self, ulid: str) -> bool:
        """Note that the service knows a job as LOST; return whether the job has to stay in the file all the same."""
        with self._lock:
            self._acknowledged.add(ulid)
            return ulid in self._entries

    def see_to(self) -> None:
        """Call `on_lost` with the jobs, and keep that they were seen to. Raises what `on_lost` raises."""
        try:
            self._on_lost([entry.job for entry in self._entries.values()])
            with self._lock:
                entries, self._entries = self._entries, {}
                for entry in entries.values():
                    self._end(entry)
            self.are_seen_to = True
        finally:
            self.is_over = True

    def _end(self, entry: Entry) -> None:
        try:
            self._ledger.ended(entry, LOST, NOT_KNOWN)
        except OSError as error:
            log.error("it cannot be kept that %s was seen to: %s", entry.job, error)  # noqa: TRY400
        if entry.job.ulid in self._acknowledged:
            self._ledger.forget(entry.job.ulid)
