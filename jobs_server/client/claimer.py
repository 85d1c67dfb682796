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
from typing import Protocol

from .api import SiteApi
from .backoff import Backoff
from .errors import Refused, SiteClientError, Unavailable, Unreachable
from .job import Job
from .ledger import Ledger

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = (2.0, 60.0)
HELD_SECONDS = 10.0  # how often it is asked for what a lock-out holds back
_BATCH = 100  # jobs taken with one claim


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


class Claimer:
    """Ask for jobs, for as long as somebody takes them."""

    def __init__(
        self, client: SiteApi, ledger: Ledger, *, wait_seconds: float, poll_seconds: float, alternate_queue: bool
    ) -> None:
        self._client, self._ledger = client, ledger
        self._wait_seconds, self._poll_seconds = wait_seconds, poll_seconds
        self._alternate_queue = alternate_queue
        self._doubtful = {ledger.claim_id} if ledger.was_there else set[str]()
        self._again = {claim_id: [0.0, ASK_AGAIN_SECONDS[-1] + time.monotonic()] for claim_id in ledger.retired}
        self._held: set[str] = set()
        """Ids of whose jobs the service last said that it holds them back."""
        self._failing_since: float | None = None
        """When the first call was made of those that failed since the last reply."""
        self._crowded = False
        self._skip_old_ids = False
        """Whether an old id was asked in vain: what fails for that id alone must not hold up a stop."""

    def work(self, taker: JobTaker) -> None:
        """Claim until the taker has enough, or the service refuses this site for good."""
        backoff = Backoff()
        pause = 0.0
        while taker.rest(pause):
            claim_id, wait_seconds = self._next_question()
            asked = time.monotonic()
            try:
                pause = self._ask(claim_id, wait_seconds, taker.take)
                self._failing_since = None
                backoff.reset()
            except Exception as error:  # this thread must not die: without it no stop is heard
                if isinstance(error, Refused) and error.for_good and taker.fail(error):
                    return
                unforeseen = None if isinstance(error, SiteClientError | OSError) else error
                log.warning("no jobs can be had, trying again: %s", error, exc_info=unforeseen)
                self._failing_since = self._failing_since or asked
                self._note_failure(claim_id, error)
                pause = backoff.pause() or 0.0

    def _ask(self, claim_id: str, wait_seconds: float, take: Callable[..., bool]) -> float:
        """Ask once, and return how long to wait before the next time."""
        asked = time.monotonic()
        jobs, spent, held = self._client.claim(
            claim_id, limit=_BATCH, wait_seconds=wait_seconds, alternate_queue=self._alternate_queue
        )
        self._crowded = False
        retired = claim_id in self._again
        doubtful = retired or spent or held or claim_id in self._doubtful
        unseen_seconds = self._unseen_seconds(claim_id) if doubtful else 0.0
        if not take(jobs, claim_id, retire=held or (doubtful and not jobs), unseen_seconds=unseen_seconds):
            return 0.0  # nothing was kept, so nothing is forgotten: the next start asks with this id again
        (self._held.add if held else self._held.discard)(claim_id)
        if held:  # for as long as the lock-out lasts
            self._again[claim_id] = [time.monotonic() + HELD_SECONDS]
        elif retired and (jobs or not self._again[claim_id]):
            self._again.pop(claim_id)
            self._ledger.retired.discard(claim_id)
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
        at_once = self._crowded or self._ledger.claim_id in self._doubtful
        wait_seconds = 0.0 if at_once else self._wait_seconds
        return self._ledger.claim_id, max(0.0, min(wait_seconds, due[0] - now)) if due else wait_seconds

    def _note_failure(self, claim_id: str, error: Exception) -> None:
        self._crowded = isinstance(error, Unavailable)  # no place to wait, perhaps; a stop must be had all the same
        if claim_id in self._ledger.retired:
            self._again.setdefault(claim_id, []).insert(0, time.monotonic() + ASK_AGAIN_SECONDS[0])
            self._skip_old_ids = True
        elif not isinstance(error, Unavailable) and not (isinstance(error, Unreachable) and not error.may_have_arrived):
            self._doubtful.add(claim_id)
