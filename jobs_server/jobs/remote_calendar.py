"""Who holds the telescope when, as a calendar elsewhere says, or said before where it does not answer now."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from .. import clock
from ..clock import in_utc
from ..config import Settings
from ..config.checks import without_secrets
from ..domain.actors import Actor, Known
from ..domain.commands import SubmitJob
from ..domain.lifecycle import is_stop
from ..errors import Unavailable, shown
from ..storage.database import Database
from ..worker import Worker, within
from . import admission, queries, reservations
from .reservation_commands import any_time_ms
from .reservations import Held

log = logging.getLogger(__name__)

_CLOCK_SLACK_MS = 60_000
AHEAD_MS = 24 * 60 * 60 * 1000
FETCH_SECONDS = 5 * 60.0
TIMEOUT_SECONDS = 3.0
"""How long an answer may take in all, from the question to its last byte."""
STOP_SECONDS = 1.0
"""How long a stop waits for an answer at most."""
_SILENT_SECONDS = 30.0
"""How long after an answer that did not come in time no stop waits for one."""
_MOST_SITES = 100
"""So many sites are fetched ahead at most: site codes in commands may be made up."""

Span = tuple[int, Held]
"""When a reservation begins, and who holds it until when."""


class NoAnswer(Exception):
    """The calendar elsewhere did not answer."""


class RemoteCalendar:
    """Ask one calendar, and remember what it said of the coming day."""

    def __init__(
        self, url: str, *, fetch_seconds: float = FETCH_SECONDS, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.fetch_seconds = fetch_seconds
        self.timeout_seconds = timeout_seconds
        self._url = url.rstrip("/")
        self._shown = without_secrets(self._url)
        self._lock = threading.Lock()
        self._silent_until = 0.0
        """Until when no stop waits for an answer, by the monotonic clock."""
        self._sites: set[str] = set()
        self._ahead: dict[str, tuple[int, list[Span]]] = {}
        """By site: until when it is known, and the reservations until then."""
        self.worker = Worker(
            "calendar ahead",
            lambda: self.fetch_seconds,
            self._fetch_all,
            does="fetches the reservations of the coming day",
            failure="the reservations of the coming day could not be fetched",
        )

    def check(self, command: SubmitJob, actor: Actor, settings: Settings) -> None:
        """Refuse a command while somebody else holds the telescope.

        Raises Unauthorized, or Unavailable when nobody knows who does; admins pass, and stops where anybody may stop.
        """
        if is_stop(command.action, command.required_params):
            self.check_stop(command.site, actor, settings)
        elif not actor.is_admin:
            reservations.refuse_others(self.holders(command.site, clock.now_ms()), command.site, actor)

    def check_stop(self, site: str, actor: Actor, settings: Settings) -> None:
        """Refuse a stop by somebody who is no holder nor at the PC, where only holders may stop. Raises Unauthorized.

        A stop is not held up by a calendar that does not answer: what it said before is enough to let it pass, and when
        nobody knows anything it passes. It waits for an answer for a moment, and for none where none came just now.
        """
        if settings.strangers_may_stop or actor.is_admin or actor.known is Known.CONSOLE:
            return
        now_ms = clock.now_ms()
        known = self.known(site, now_ms)
        if known is not None and (not known or actor.id in {held.creator_id for held in known}):
            return
        if time.monotonic() >= self._silent_until:
            with suppress(Unavailable):
                known = self.holders(site, now_ms, min(STOP_SECONDS, self.timeout_seconds))
        if known is not None:
            reservations.refuse_others(known, site, actor)

    def holders(self, site: str, now_ms: int, seconds: float | None = None) -> list[Held]:
        """List who holds a telescope now. Raises Unavailable when nobody knows."""
        self.follow(site)
        try:
            events = self._ask("get-event-at-time", {"site": site, "time": in_utc(now_ms)}, seconds)
            return [held for start_ms, held in _spans(events) if start_ms <= now_ms < held.end_ms]
        except (NoAnswer, ValueError) as error:
            log.warning("the calendar %s does not answer: %s", self._shown, error)
        known = self.known(site, now_ms)
        if known is None:
            raise Unavailable(
                f"Error: the calendar that says who has reserved {shown(site)} cannot be reached, and nothing is"
                " known of now; admins may command, and others when it answers again"
            )
        return known

    def known(self, site: str, now_ms: int) -> list[Held] | None:
        """List who holds a telescope by what was fetched ahead; none when that says nothing of now.

        Of a time before it was fetched, as after a clock was set back, it says nothing either.
        """
        known_until, spans = self._ahead.get(site, (0, []))
        if not known_until - AHEAD_MS - _CLOCK_SLACK_MS <= now_ms < known_until:
            return None
        return [held for start_ms, held in spans if start_ms <= now_ms < held.end_ms]

    def ahead(self, site: str, from_ms: int, to_ms: int) -> tuple[list[Span], bool]:
        """List what is known of a stretch of time; return that, and whether it is known up to its end."""
        known_until, spans = self._ahead.get(site, (0, []))
        touching = [(start_ms, held) for start_ms, held in spans if start_ms < to_ms and held.end_ms > from_ms]
        return touching, to_ms <= known_until

    def fault(self, site: str, now_ms: int) -> str | None:
        """Ask, and return why there is no answer that can be read; None when there is one."""
        try:
            list(_spans(self._ask("get-event-at-time", {"site": site, "time": in_utc(now_ms)})))
        except (NoAnswer, ValueError) as error:
            return str(error).partition("\n")[0] or type(error).__name__
        return None

    def fetch(self, site: str, now_ms: int) -> None:
        """Fetch the reservations of the coming day."""
        # Twice as far: the public service finds reservations by when they end.
        body = {"start": in_utc(now_ms), "end": in_utc(now_ms + 2 * AHEAD_MS), "site": site}
        try:
            self._ahead[site] = (now_ms + AHEAD_MS, list(_spans(self._ask("siteevents", body))))
        except (NoAnswer, ValueError) as error:
            log.warning("the calendar %s does not tell the coming day of %s: %s", self._shown, shown(site), error)

    def follow(self, *sites: str) -> None:
        """Fetch the coming day of these sites too, in the background, at once and then every few minutes."""
        with self._lock:
            new = set(sites) - self._sites
            if not new or len(self._sites) >= _MOST_SITES:
                return
            self._sites = self._sites | new  # The set is a new one: another thread may just go through the old one.
        self.worker.start(after_seconds=0)
        self.worker.wake()

    def close(self) -> None:
        """Fetch no more."""
        self.worker.stop()

    def _fetch_all(self) -> None:
        for site in sorted(self._sites):
            self.fetch(site, clock.now_ms())

    def _ask(self, route: str, body: dict[str, str], seconds: float | None = None) -> list[Any]:
        import httpx  # Here, since it loads slowly, and most have no calendar elsewhere.

        seconds = self.timeout_seconds if seconds is None else seconds
        try:
            with httpx.Client(timeout=seconds) as client:
                post = partial(client.post, f"{self._url}/{route}", json=body)
                answer = within(seconds, post, client.close).raise_for_status().json()
        except (httpx.HTTPError, TimeoutError) as error:
            if isinstance(error, (httpx.TimeoutException, TimeoutError)):
                self._silent_until = time.monotonic() + _SILENT_SECONDS
            if isinstance(error, httpx.HTTPStatusError):  # whose text has the whole address
                raise NoAnswer(f"it answered {error.response.status_code}") from None
            raise NoAnswer(str(error) or type(error).__name__) from error
        self._silent_until = 0.0
        if not isinstance(answer, list):
            raise ValueError("its answer is no list")
        return answer


def _spans(events: Iterable[Any]) -> Iterable[Span]:
    """Read events of the public calendar's wire. Raises ValueError when one cannot be read."""
    for event in events:
        if not isinstance(event, dict) or not isinstance(event.get("creator_id"), str):
            raise ValueError("an event has no creator_id")
        who = str(event.get("creator") or event["creator_id"])
        start_ms, end_ms = (_nearest_ms(event.get(name)) for name in ("start", "end"))
        yield start_ms, Held(event["creator_id"], who, end_ms)


def _nearest_ms(text: object) -> int:
    """Read a time; one before 1970 or after 9000, such as of what is reserved for ever, is the nearest of these."""
    return min(max(any_time_ms(text), 0), clock.END_MS)


def start(calendar: RemoteCalendar, database: Database, settings: Settings) -> None:
    """Begin to fetch ahead for the sites that are known, so that the first command finds something known."""
    with database.reading() as connection:
        known = queries.recent_sites(connection, queries.MOST_SITES)
    calendar.follow(*known, *settings.sites)


def check(
    calendar: RemoteCalendar | None,
    database: Database,
    command: SubmitJob,
    actor: Actor,
    settings: Settings,
    key: str | None = None,
) -> None:
    """Refuse a command by what the calendar elsewhere says; without one, the operation itself looks into ours.

    What was sent before with this key is not refused: it is the first job again.
    """
    if calendar is None or (settings.strangers_may_stop and is_stop(command.action, command.required_params)):
        return
    if key is not None:
        with database.reading(urgent=is_stop(command.action, command.required_params)) as connection:
            if admission.is_known_key(connection, command, clock.read(), key):
                return
    calendar.check(command, actor, settings)


def check_cancel(
    calendar: RemoteCalendar | None,
    database: Database,
    site: str,
    ulid: str | None,
    actor: Actor,
    settings: Settings,
) -> None:
    """Refuse to cancel a job that is another's, or all of them, where only holders may stop and the actor is none."""
    if calendar is None or settings.strangers_may_stop:
        return
    with database.reading(urgent=True) as connection:
        job = queries.job(connection, site, ulid) if ulid is not None else None
    if ulid is None or (job is not None and job.user_id != actor.id):
        calendar.check_stop(site, actor, settings)
