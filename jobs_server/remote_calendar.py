"""Who holds the telescope when, as a calendar elsewhere says, with what it said before for when it does not answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Any, cast

import httpx
from flask import Flask, current_app

from . import clock, reservations
from .actors import Actor
from .bookings import time_ms
from .commands import SubmitJob
from .config import EXTENSION, Loaded, Settings
from .errors import Unavailable, shown
from .lifecycle import is_stop
from .reservations import Held

log = logging.getLogger(__name__)

CALENDAR = "jobs_server.remote_calendar"
AHEAD_MS = 24 * 60 * 60 * 1000
FETCH_SECONDS = 5 * 60.0
_TIMEOUT_SECONDS = 3.0

_Span = tuple[int, Held]
"""When a reservation begins, and who holds it until when."""


class RemoteCalendar:
    """Ask one calendar, and remember what it said of the coming day."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._lock = threading.Lock()
        self._ahead: dict[str, tuple[int, list[_Span]]] = {}
        """By site: until when it is known, and the reservations until then."""
        self._fetcher: threading.Thread | None = None

    def check(self, command: SubmitJob, actor: Actor, settings: Settings) -> None:
        """Refuse a command while somebody else holds the telescope.

        Raises Unauthorized, or Unavailable when nobody knows who does; admins pass, and stops where anybody may stop.
        """
        stops = is_stop(command.action, command.required_params)
        if not actor.is_admin and not (stops and settings.strangers_may_stop):
            reservations.refuse_others(self.holders(command.site, clock.now_ms()), command.site, actor)

    def holders(self, site: str, now_ms: int) -> list[Held]:
        """List who holds a telescope now. Raises Unavailable when nobody knows."""
        self._fetch_ahead_of(site, now_ms)
        try:
            events = self._ask("get-event-at-time", {"site": site, "time": reservations.in_utc(now_ms)})
            return [held for start_ms, held in _spans(events) if start_ms <= now_ms < held.end_ms]
        except (httpx.HTTPError, ValueError) as error:
            log.warning("the calendar %s does not answer: %s", self._url, error)
        known_until, spans = self._ahead.get(site, (0, []))
        if now_ms >= known_until:
            raise Unavailable(
                f"Error: the calendar that says who has reserved {shown(site)} cannot be reached, and nothing is"
                " known of now; admins may command, and others when it answers again"
            )
        return [held for start_ms, held in spans if start_ms <= now_ms < held.end_ms]

    def fetch(self, site: str, now_ms: int) -> None:
        """Fetch the reservations of the coming day."""
        # Twice as far: the public service finds reservations by when they end.
        body = {"start": reservations.in_utc(now_ms), "end": reservations.in_utc(now_ms + 2 * AHEAD_MS), "site": site}
        try:
            self._ahead[site] = (now_ms + AHEAD_MS, list(_spans(self._ask("siteevents", body))))
        except (httpx.HTTPError, ValueError) as error:
            log.warning("the calendar %s does not tell the coming day of %s: %s", self._url, shown(site), error)

    def _fetch_ahead_of(self, site: str, now_ms: int) -> None:
        with self._lock:
            if site not in self._ahead:
                self._ahead[site] = (0, [])
                threading.Thread(target=self.fetch, args=(site, now_ms), name="calendar", daemon=True).start()
            if self._fetcher is None:
                self._fetcher = threading.Thread(target=self._fetch_for_ever, name="calendar ahead", daemon=True)
                self._fetcher.start()

    def _fetch_for_ever(self) -> None:
        pause = threading.Event()
        while not pause.wait(FETCH_SECONDS):
            for site in list(self._ahead):
                self.fetch(site, clock.now_ms())

    def _ask(self, route: str, body: dict[str, str]) -> list[Any]:
        with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
            answer = client.post(f"{self._url}/{route}", json=body).raise_for_status().json()
        if not isinstance(answer, list):
            raise ValueError("its answer is no list")
        return answer


def _spans(events: Iterable[Any]) -> Iterable[_Span]:
    """Read events of the public calendar's wire. Raises ValueError when one cannot be read."""
    for event in events:
        if not isinstance(event, dict) or not isinstance(event.get("creator_id"), str):
            raise ValueError("an event has no creator_id")
        who = str(event.get("creator") or event["creator_id"])
        yield time_ms(event.get("start")), Held(event["creator_id"], who, time_ms(event.get("end")))


def register(app: Flask) -> None:
    """Give an app the calendar elsewhere, when one is set."""
    url = cast(Loaded, app.extensions[EXTENSION]).settings.calendar_url
    app.extensions[CALENDAR] = RemoteCalendar(url) if url else None


def check(command: SubmitJob, actor: Actor, settings: Settings) -> None:
    """Refuse a command by what the calendar elsewhere says; without one, the operation itself looks into ours."""
    if (remote := cast("RemoteCalendar | None", current_app.extensions[CALENDAR])) is not None:
        remote.check(command, actor, settings)
