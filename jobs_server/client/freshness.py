"""How old a job is, by clocks that may differ and may be set, and when that is too old to begin."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

from .api import SiteApi
from .errors import NotFound
from .job import Job
from .ledger import Entry

_CLOCKS_DIFFER_MS = 60_000  # how far a clock may be set back before that counts
_RECEIVED = "RECEIVED"


def age_seconds(accepted_ms: int, server_ms: int | None, received_ms: int, here_ms: int) -> float | None:
    """Return a job's age, the larger of what the service's clock and this machine's show; None when nobody knows it.

    Two machines' clocks may differ, so each is compared with itself alone: the service's now (the `Date` of its reply)
    with when it accepted the job, this machine's now with when the job came here. A job that the service accepted in
    its own future, its clock having been set back, has an age that nobody knows.
    """
    if server_ms is None or server_ms < accepted_ms - _CLOCKS_DIFFER_MS:
        return None
    return max(server_ms - accepted_ms, here_ms - received_ms) / 1000


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a job may be too old to begin: the site may have lost sight of it for a while."""

    left: bool
    """Whether an earlier run of the program had it; else an earlier reply may have brought it, and was lost."""
    since: float = field(default_factory=time.monotonic)
    """When it came into the hands of this run; what it waits from then on is no loss of sight."""


class _Age(NamedTuple):
    seconds: float | None
    limit_seconds: float

    @property
    def is_too_old(self) -> bool:
        return self.seconds is None or self.seconds > self.limit_seconds


class Freshness:
    """Whether jobs of which a site lost sight for a while may still begin.

    What the service hands over it hands over as valid, so age counts from then. What an earlier run of the program had
    in its hands counts from when it could first be handed over: its acceptance, and its hold after that.
    """

    def __init__(self, client: SiteApi, max_age_seconds: float, *, alternate_queue: bool) -> None:
        """Take how old a job may be that has no time to live of its own."""
        self._client = client
        self._max_age_seconds = max_age_seconds
        self._alternate_queue = alternate_queue

    def why_too_old(self, entry: Entry, doubt: Doubt) -> str | None:
        """Return why a job must not begin; None when it may. Raises what a call to the service raises."""
        age = self._age(entry, doubt)
        if age is None or not age.is_too_old:
            return None
        how_old = "of unknown age" if age.seconds is None else f"{age.seconds:.0f} s old"
        limit = f"the limit is {age.limit_seconds:g} s"
        return f"not begun: it was out of the site's sight for a while and is {how_old}; {limit}"

    def _age(self, entry: Entry, doubt: Doubt) -> _Age | None:
        if not doubt.left:
            at_most = self._since(entry.job.timestamp_ms, entry, doubt)  # it was handed over later than accepted
            if not at_most.is_too_old:
                return at_most
        try:
            known = self._client.get(entry.job, alternate_queue=self._alternate_queue)
        except NotFound:
            return None  # the fence says so too
        if not doubt.left:
            return self._since(_handed_over_ms(known), entry, doubt)
        valid_ms = known.timestamp_ms + round(known.not_before_seconds * 1000)
        return self._since(valid_ms, entry, doubt, known.expires_in_seconds)

    def _since(self, since_ms: int, entry: Entry, doubt: Doubt, own_limit_seconds: float | None = None) -> _Age:
        """Return how old a job was when it came into the hands of this run."""
        here_ms = time.time_ns() // 1_000_000
        age = age_seconds(since_ms, self._client.server_time_ms(), entry.received_ms, here_ms)
        limit_seconds = self._max_age_seconds if own_limit_seconds is None else own_limit_seconds
        return _Age(None if age is None else age - (time.monotonic() - doubt.since), limit_seconds)


def _handed_over_ms(known: Job) -> int:
    handed_over = (event.timestamp_ms for event in known.history if event.after.upper() == _RECEIVED)
    return next(handed_over, known.timestamp_ms)
