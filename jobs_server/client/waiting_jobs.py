"""The jobs in the site's hands that have not begun: stops first, then the oldest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .job import Job
from .ledger import Entry

_FIRST_IN_LINE = 50  # jobs that are looked at to find one that may run beside what runs


class WaitingJobs:
    """Hold jobs until each may run beside what runs; whoever uses this from several threads holds a lock."""

    def __init__(self, beside: Callable[[Job, Job], bool] | None) -> None:
        """Take what says whether a job may run beside an earlier one; None: none may."""
        self._beside = beside
        self._entries: list[Entry] = []

    def add(self, entries: Iterable[Entry]) -> None:
        """Put jobs where they belong in the order."""
        self._entries = sorted([*self._entries, *entries], key=lambda entry: (not entry.job.is_stop, entry.job.ulid))

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
        for entry in self._entries[:_FIRST_IN_LINE]:
            if stops_only and not entry.job.is_stop:
                return None
            if entry.job.is_stop or not before or self._may_run_beside(entry.job, before):
                self._entries.remove(entry)
                return entry
            before.append(entry.job)
        return None

    def _may_run_beside(self, job: Job, others: Iterable[Job]) -> bool:
        return self._beside is not None and all(self._beside(job, other) for other in others)
