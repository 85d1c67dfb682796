"""The jobs in the site's hands that have not begun: stops first, then in the order of work, which is the service's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from .job import Job
from .ledger import Entry

FIRST_IN_LINE = 50
"""So many jobs are looked at to find one that may run beside what runs."""


class WaitingJobs:
    """Hold jobs until each may run beside what runs; whoever uses this from several threads holds a lock."""

    def __init__(self, beside: Callable[[Job, Job], bool] | None) -> None:
        """Take what says whether a job may run beside an earlier one; None: none may."""
        self._beside = beside
        self._entries: list[Entry] = []
        self._numbers = count()
        self._came: dict[str, int] = {}
        """By ULID, as how-many-th a job came; one that is put back goes where it was."""

    def add(self, entries: Iterable[Entry]) -> None:
        """Put jobs where they belong in the order: as they came, but for one whose reply was lost and came later."""
        new = list(entries)
        for entry in new:
            self._came.setdefault(entry.job.ulid, next(self._numbers))
        self._entries = sorted([*self._entries, *new], key=self._place)

    def forget(self, ulid: str) -> None:
        """Forget where a job was: it is over."""
        self._came.pop(ulid, None)

    @property
    def are_there(self) -> bool:
        """Whether any job waits."""
        return bool(self._entries)

    def take_work(self) -> Entry | None:
        """Remove and return the first job that is no stop, whatever runs."""
        entry = next((entry for entry in self._entries if not entry.job.is_stop), None)
        if entry is not None:
            self._entries.remove(entry)
        return entry

    def take_first(self, running: Iterable[Job], *, stops_only: bool = False) -> Entry | None:
        """Remove and return the first job that may run beside what runs, and beside what waits before that job."""
        before = list(running)
        for entry in self._entries[:FIRST_IN_LINE]:
            if stops_only and not entry.job.is_stop:
                return None
            if entry.job.is_stop or not before or self._may_run_beside(entry.job, before):
                self._entries.remove(entry)
                return entry
            before.append(entry.job)
        return None

    def choose(self, running: Iterable[Job], offered: Iterable[Job]) -> Job | None:
        """Return the first job at the service that may run beside what runs, and beside what waits before that job."""
        before = [*running, *(entry.job for entry in self._entries)]
        for job in offered:
            if not before or self._may_run_beside(job, before):
                return job
            before.append(job)
        return None

    def _place(self, entry: Entry) -> tuple[bool, int, int]:
        # The times of copies rise from reply to reply in the order of work.
        return not entry.job.is_stop, entry.job.timestamp_ms, self._came[entry.job.ulid]

    def _may_run_beside(self, job: Job, others: Iterable[Job]) -> bool:
        return self._beside is not None and all(self._beside(job, other) for other in others)
