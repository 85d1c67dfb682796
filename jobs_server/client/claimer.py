"""The thread that asks for jobs, with ids by which a lost reply is had again.

An id is used until it brings jobs. When its reply was lost and the next one is empty, it may be spent all the same
(its jobs were canceled meanwhile), or its first request may still be under way. So a new id goes on, and the old one is
asked again twice. The same when the service says that an id is spent which never brought anything: the network
delivered its request twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from .api import Claimed, SiteApi
from .backoff import Backoff
from .claim_ids import ClaimIds
from .errors import NotFound, Refused, SiteClientError, Unavailable, Unreachable
from .job import Job

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = (2.0, 60.0)
HELD_SECONDS = 10.0  # how often it is asked for what a lock-out holds back
_NONE = "none"  # names no job: such a claim brings what its id got before, and nothing new
BATCH = 100  # jobs taken with one claim


class JobTaker(Protocol):
    """Who takes what is claimed."""

    def take(self, jobs: list[Job], claim_id: str, *, retire: bool, unseen_seconds: float | None) -> bool:
        """Keep what an id brought; return False once nothing more is taken.

        `retire` when new jobs need another id, `unseen_seconds` how long ago the service may have handed these over,
        in a reply that was lost; None when that is not known.
        """

    def fail(self, error: Exception) -> bool:
        """Take the refusal that this site may not claim; return whether the claiming ends with it."""

    def rest(self, seconds: float) -> bool:
        """Wait so long; return False once nothing more is taken."""


class WorkTaker(JobTaker, Protocol):
    """Who takes work apart from stops."""

    def has_room(self) -> bool:
        """Whether a job that is claimed now can begin."""

    def await_room(self, seconds: float) -> None:
        """Wait for room, at most so long."""

    def is_idle(self) -> bool:
        """Whether any job can begin, since nothing runs or waits here."""

    def choose(self, offered: list[Job]) -> Job | None:
        """Return the first of the jobs at the service that can begin now; None when none can."""

    def await_change(self, seconds: float) -> None:
        """Wait until other jobs may be able to begin, at most so long."""

    def note_choice(self, possible: bool) -> None:
        """Note whether the service shows what waits."""

    def note_stops_alone(self, known: bool) -> None:
        """Note whether the service hands over stops alone when it is asked to."""


Taker = TypeVar("Taker", bound=JobTaker)


class Claimer(Generic[Taker]):
    """Ask for jobs, for as long as somebody takes them."""

    def __init__(
        self,
        client: SiteApi,
        ids: ClaimIds,
        *,
        wait_seconds: float,
        poll_seconds: float,
        alternate_queue: bool,
        limit: int = BATCH,
    ) -> None:
        self._client, self._ids, self._limit = client, ids, limit
        self._wait_seconds, self._poll_seconds = wait_seconds, poll_seconds
        self._alternate_queue = alternate_queue
        self._doubtful = {ids.current} if ids.was_there else set[str]()
        self._again = {claim_id: [0.0, ASK_AGAIN_SECONDS[-1] + time.monotonic()] for claim_id in ids.retired}
        self._held: set[str] = set()
        """Ids of whose jobs the service last said that it holds them back."""
        self._failing_since: float | None = None
        """When the first call was made of those that failed since the last reply."""
        self._crowded = False
        self._claim_id = ""
        self._skip_old_ids = False
        """Whether an old id was asked in vain: what fails for that id alone must not hold up a stop."""

    def work(self, taker: Taker) -> None:
        """Claim until the taker has enough, or the service refuses this site for good."""
        backoff = Backoff()
        pause = 0.0
        while taker.rest(pause):
            asked = time.monotonic()
            try:
                pause = self._ask_next(taker)
                self._failing_since = None
                backoff.reset()
            except Exception as error:  # this thread must not die: without it no stop is heard
                if isinstance(error, Refused) and error.for_good and taker.fail(error):
                    return
                unforeseen = None if isinstance(error, SiteClientError | OSError) else error
                log.warning("no jobs can be had, trying again: %s", error, exc_info=unforeseen)
                self._failing_since = self._failing_since or asked
                self._note_failure(self._claim_id, error)
                pause = backoff.pause() or 0.0

    def _ask_next(self, taker: Taker) -> float:
        """Ask once, and return how long to wait before the next time."""
        self._claim_id, wait_seconds = self._next_question()
        return self._ask(self._claim_id, wait_seconds, taker.take)

    def _claim(self, claim_id: str, wait_seconds: float) -> Claimed:
        return self._client.claim(
            claim_id, limit=self._limit, wait_seconds=wait_seconds, alternate_queue=self._alternate_queue
        )

    def _ask(self, claim_id: str, wait_seconds: float, take: Callable[..., bool]) -> float:
        asked = time.monotonic()
        claimed = self._claim(claim_id, wait_seconds)
        jobs, held = claimed.jobs, claimed.held
        self._crowded = False
        retired = claim_id in self._again
        doubtful = retired or claimed.spent or held or claim_id in self._doubtful
        unseen_seconds = self._unseen_seconds(claim_id) if doubtful else 0.0
        if not take(jobs, claim_id, retire=held or (doubtful and not jobs), unseen_seconds=unseen_seconds):
            return 0.0  # nothing was kept, so nothing is forgotten: the next start asks with this id again
        (self._held.add if held else self._held.discard)(claim_id)
        if held:  # for as long as the lock-out lasts
            self._again[claim_id] = [time.monotonic() + HELD_SECONDS]
        elif retired and (jobs or not self._again[claim_id]):
            self._again.pop(claim_id)
            self._ids.retired.discard(claim_id)
        elif not retired and doubtful and not jobs:
            self._again[claim_id] = [time.monotonic() + seconds for seconds in ASK_AGAIN_SECONDS]
        self._doubtful.discard(claim_id)
        waited = wait_seconds and time.monotonic() - asked >= wait_seconds / 2  # an older service cannot
        return 0.0 if jobs or waited or retired else self._poll_seconds

    def _unseen_seconds(self, claim_id: str) -> float | None:
        """Return how long the site did not hear of an id's jobs; None when it never did, so far."""
        if claim_id not in self._held:
            return None
        return 0.0 if self._failing_since is None else time.monotonic() - self._failing_since

    def _next_question(self) -> tuple[str, float]:
        """Return the id to ask with, and how long the answer may wait."""
        now = time.monotonic()
        due = min(((times[0], claim_id) for claim_id, times in self._again.items() if times), default=None)
        skip_old_ids, self._skip_old_ids = self._skip_old_ids, False
        if due is not None and due[0] <= now and not skip_old_ids:
            self._again[due[1]].pop(0)
            return due[1], 0.0
        # What an earlier reply brought, or an earlier run of the program left, must not wait for what comes next.
        at_once = self._crowded or self._ids.current in self._doubtful
        wait_seconds = 0.0 if at_once else self._wait_seconds
        return self._ids.current, max(0.0, min(wait_seconds, due[0] - now)) if due else wait_seconds

    def _note_failure(self, claim_id: str, error: Exception) -> None:
        self._crowded = isinstance(error, Unavailable)  # no place to wait, perhaps; a stop must be had all the same
        if claim_id in self._ids.retired:
            self._again.setdefault(claim_id, []).insert(0, time.monotonic() + ASK_AGAIN_SECONDS[0])
            self._skip_old_ids = True
        elif not isinstance(error, Unavailable) and not (isinstance(error, Unreachable) and not error.may_have_arrived):
            self._doubtful.add(claim_id)


class StopClaimer(Claimer[WorkTaker]):
    """Ask for stops alone. An older service answers with any job: then nobody else claims."""

    _is_known = False

    def _ask_next(self, taker: WorkTaker) -> float:
        self._taker = taker
        return super()._ask_next(taker)

    def _claim(self, claim_id: str, wait_seconds: float) -> Claimed:
        claimed = self._client.claim(
            claim_id,
            limit=self._limit,
            wait_seconds=wait_seconds if self._is_known else 0.0,
            stops_only=True,
            alternate_queue=self._alternate_queue,
        )
        self._is_known = True
        self._taker.note_stops_alone(claimed.stops_alone)
        return claimed


class WorkClaimer(Claimer[WorkTaker]):
    """Ask for one job at a time, and only for one that can begin, beside a `StopClaimer`.

    While nothing runs that is the next one. Beside what runs it is the first that may run so: what waits at the service
    is looked at, and that job alone is claimed. A reply that was lost may have held a stop, which the other claimer
    cannot get: that is asked for at any time.
    """

    _only: str | None = None
    _can_look = True

    def _ask_next(self, taker: WorkTaker) -> float:
        self._only = None
        if not taker.has_room():
            for claim_id in sorted(self._doubtful | self._again.keys()):
                self._claim_id = claim_id
                self._ask_for_lost_stops(claim_id, taker)
            taker.await_room(ASK_AGAIN_SECONDS[0])
            return 0.0
        if taker.is_idle() or not self._can_look:
            return super()._ask_next(taker)
        return self._ask_for_one_beside(taker)

    def _ask_for_one_beside(self, taker: WorkTaker) -> float:
        try:
            offered = self._client.waiting(alternate_queue=self._alternate_queue)
        except NotFound:  # an older service
            self._can_look = False
            taker.note_choice(False)
            return 0.0
        chosen = taker.choose(offered)
        self._claim_id, _ = self._next_question()
        is_new = self._claim_id == self._ids.current and self._claim_id not in self._doubtful
        if chosen is None and is_new:
            taker.await_change(self._poll_seconds)
            return 0.0
        self._only = chosen.ulid if chosen else _NONE
        return self._ask(self._claim_id, 0.0, taker.take)

    def _claim(self, claim_id: str, wait_seconds: float) -> Claimed:
        return self._client.claim(
            claim_id,
            limit=self._limit,
            wait_seconds=wait_seconds,
            only=self._only,
            alternate_queue=self._alternate_queue,
        )

    def _ask_for_lost_stops(self, claim_id: str, taker: WorkTaker) -> None:
        claimed = self._client.claim(claim_id, stops_only=True, alternate_queue=self._alternate_queue)
        if claimed.jobs and taker.take(claimed.jobs, claim_id, retire=True, unseen_seconds=None):
            self._doubtful.discard(claim_id)  # what else it got is asked for as soon as there is room
            times = self._again.setdefault(claim_id, [])
            if not times:
                times.append(time.monotonic())
