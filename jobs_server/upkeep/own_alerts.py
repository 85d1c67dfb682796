"""Alerts of people's own: what happened to their jobs goes to the addresses that they have named.

What is to be sent is kept in the database before it is sent, so that a restart loses nothing and repeats nothing; only
a server that dies between the answer of an address and the note of it sends that once more.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .. import clock
from ..domain.lifecycle import OVER
from ..errors import TaskFailed
from ..jobs import alert_addresses, alert_matters
from ..jobs.alert_addresses import AlertAddressRow, DueRow, Mark
from ..jobs.alert_matters import PlanStates
from ..worker import Worker, attempt
from . import posting

if TYPE_CHECKING:
    from ..jobs.operations import CommittedChange
    from ..service import Service

log = logging.getLogger(__name__)

Post = Callable[[AlertAddressRow, str], None]

_MOST_AT_ONCE = 8
_MOST_FAILING_AT_ONCE = 4  # so that addresses that do not answer leave room for those that do
_MOST_LINES = 5


@dataclass(frozen=True, kw_only=True)
class OwnAlertTimes:
    """Times of alerts of people's own, in seconds, and how many a person gets."""

    look_seconds: float = 2.0
    rest_seconds: float = 0.5
    """What happens at once is gathered so long, and told in one message."""
    oldest_seconds: float = 3600.0
    """What is older is sent no more."""
    aged_seconds: float = 120.0
    """What is older is sent with its age."""
    again_seconds: float = 15.0
    """After how long an address that took nothing is tried again; each further time twice as long."""
    longest_again_seconds: float = 1800.0
    span_seconds: float = 60.0
    most_a_span: int = 6
    """So many messages a person gets within a span; what comes in between is told together in the next."""
    mark_seconds: float = 60.0
    """So often it is kept how far sites were looked through, while nothing is to be sent."""


TIMES = OwnAlertTimes()


class OwnAlerts:
    """Look what has happened, and send it."""

    def __init__(self, service: Service, post: Post, times: OwnAlertTimes = TIMES) -> None:
        self._service = service
        self._database = service.database
        self._post = post
        self._times = times
        self._marks: dict[str, Mark] = {}
        self._kept: dict[str, Mark] = {}
        """What of them is kept in the database."""
        self._marks_kept_at = -math.inf
        self._plans = PlanStates()
        self._has_addresses = False
        self._lock = threading.Lock()
        self._sending: dict[int, bool] = {}
        """Addresses to which something is being sent, each with whether it failed before."""
        self._sent: dict[str, deque[float]] = {}
        """By person, when messages were sent within the last span."""
        self.worker = Worker(
            "own alerts",
            times.look_seconds,
            self.look,
            does="sends people's own alerts",
            failure="people's own alerts could not be looked for",
            rest_seconds=times.rest_seconds,
        )

    def changed(self, changes: Sequence[CommittedChange]) -> None:
        """Have what happened told soon; whoever changed it waits for nothing."""
        if self._has_addresses and any(each.job.is_stop or each.job.phase in OVER for each in changes):
            self.worker.wake()

    def look(self) -> None:
        """Keep what is to be sent of what is new, and begin to send what is due."""
        if not self._service.is_on_duty:
            return
        with self._database.reading() as connection:
            addresses = alert_addresses.list_all(connection)
            waiting = alert_addresses.waiting(connection) if addresses else set()
        self._has_addresses = bool(addresses)
        if not addresses:
            self._marks.clear()
            return
        if self._gather(addresses):
            with self._database.reading() as connection:
                waiting = alert_addresses.waiting(connection)
        self._send(addresses, waiting)

    def _gather(self, addresses: list[AlertAddressRow]) -> bool:
        """Keep what is to be sent, site by site; return whether there is anything new."""
        with self._database.reading() as connection:
            if not self._marks:
                self._marks = alert_addresses.marks(connection)
                self._kept = dict(self._marks)
            sites = alert_matters.sites(connection, self._marks)
        found = [self._gather_at(site, addresses) for site in sorted(sites)]
        if time.monotonic() - self._marks_kept_at >= self._times.mark_seconds:
            self._marks_kept_at = time.monotonic()
            for site in sites:
                self._keep(site, [])
        return any(found)

    def _gather_at(self, site: str, addresses: list[AlertAddressRow]) -> bool:
        """Keep what is to be sent of a site."""
        mark = alert_matters.begin(self._marks, site, addresses)
        more, has_found = True, False
        while more:
            with self._database.snapshot() as connection:
                matters, seq, more = alert_matters.of_jobs(connection, site, mark.seq)
                number = alert_matters.plan_numbers(connection).get(site, 0)
                matters += self._plans.of_plans(connection, site, mark.plan_number, number)
            mark = self._marks[site] = Mark(seq, number)
            since_ms = clock.now_ms() - self._times.oldest_seconds * 1000
            alerts = [
                (address.id, sentence, at_ms)
                for address in addresses
                for sentence, at_ms in alert_matters.sentences(matters, address)
                if at_ms >= since_ms
            ]
            # Of plans it is known how they stand, and not what happened: what was looked at must not come again.
            if alerts or self._kept.get(site, Mark(0, 0)).plan_number != number:
                self._keep(site, alerts)
            has_found |= bool(alerts)
        return has_found

    def _keep(self, site: str, alerts: list[tuple[int, str, int]]) -> None:
        """Keep in one transaction what is to be sent and how far the site was looked through."""
        mark = self._marks[site]
        if not alerts and self._kept.get(site) == mark:
            return
        with self._database.transaction(site) as connection:
            known = {address.id for address in alert_addresses.list_all(connection)}
            alert_addresses.put_due(connection, [each for each in alerts if each[0] in known])
            alert_addresses.set_mark(connection, site, mark)
        self._kept[site] = mark

    def _send(self, addresses: list[AlertAddressRow], waiting: set[int]) -> None:
        """Begin to send to the addresses that are due, those first that failed least; nobody is waited for."""
        now_ms = clock.now_ms()
        for address in sorted(addresses, key=lambda each: (each.tries, each.not_before_ms, each.id)):
            is_due = address.id in waiting and _waits_ms(address, now_ms, self._times) <= 0
            if is_due and self._begin(address):
                work = partial(attempt, "an alert could not be sent", partial(self._deliver, address))
                threading.Thread(target=work, name="own alert", daemon=True).start()

    def _begin(self, address: AlertAddressRow) -> bool:
        """Whether something may be sent to an address now, of which this takes the place."""
        now = time.monotonic()
        with self._lock:
            sent = self._sent.setdefault(address.person_id, deque())
            while sent and now - sent[0] >= self._times.span_seconds:
                sent.popleft()
            failing = sum(self._sending.values())
            is_full = len(self._sending) >= _MOST_AT_ONCE or (address.tries and failing >= _MOST_FAILING_AT_ONCE)
            if address.id in self._sending or is_full or len(sent) >= self._times.most_a_span:
                return False
            self._sending[address.id] = address.tries > 0
            sent.append(now)
            return True

    def _deliver(self, address: AlertAddressRow) -> None:
        """Send what is due to an address, in one message, and note what came of it."""
        try:
            now_ms = clock.now_ms()
            with self._database.reading() as connection:
                due = alert_addresses.due(connection, address.id)
            fresh = [each for each in due if now_ms - each.at_ms < self._times.oldest_seconds * 1000]
            failure = self._failure(address, self._message(fresh, address.left_out, now_ms)) if fresh else None
            with self._database.transaction(address.site) as connection:
                if failure is None:
                    alert_addresses.drop(connection, due)
                    if fresh:
                        alert_addresses.note_taken(connection, address, clock.now_ms())
                    return
                again_ms = now_ms + round(self._again_seconds(address.tries) * 1000)
                alert_addresses.note_not_taken(connection, address, failure, now_ms, again_ms)
                alert_addresses.drop(connection, [each for each in due if each not in fresh])
        finally:
            with self._lock:
                self._sending.pop(address.id, None)

    def _failure(self, address: AlertAddressRow, message: str) -> str | None:
        """Send a message; return why it was not taken, None when it was."""
        try:
            self._post(address, message)
        except TaskFailed as failure:
            log.warning("an alert of %s was not taken: %s", address.place, failure.message)
            return failure.message
        return None

    def _message(self, due: list[DueRow], left_out: int, now_ms: int) -> str:
        """Write what is due as one message: the newest in words, and of the rest how many they are."""
        shown = due[-_MOST_LINES:]
        lines = [self._with_age(each, now_ms) for each in shown]
        more = len(due) - len(shown) + left_out
        return "\n".join([*([f"{more} more before:"] if more else []), *lines])

    def _with_age(self, alert: DueRow, now_ms: int) -> str:
        seconds = (now_ms - alert.at_ms) / 1000
        return alert.sentence if seconds < self._times.aged_seconds else f"{seconds / 60:.0f} min ago: {alert.sentence}"

    def _again_seconds(self, tries: int) -> float:
        return min(self._times.again_seconds * 2.0 ** min(tries, 20), self._times.longest_again_seconds)


def _waits_ms(address: AlertAddressRow, now_ms: int, times: OwnAlertTimes) -> float:
    """Return in how many ms an address is tried again; one that a clock set back would have wait for long, at once."""
    waits_ms: float = address.not_before_ms - now_ms
    return waits_ms if waits_ms <= times.longest_again_seconds * 1000 else 0


def sender(service: Service) -> OwnAlerts | None:
    """Return what sends people's own alerts; None where they are switched off."""
    settings = service.settings
    if settings.own_alerts == "off":
        return None
    found = OwnAlerts(service, partial(posting.post, settings))
    service.database.on_changes.append(found.changed)
    return found
