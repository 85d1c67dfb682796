"""When each site's software last asked for jobs, kept in memory: a poll that gets nothing writes nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from typing import Any, NamedTuple

import orjson

from .. import clock
from ..domain.lifecycle import Queue

log = logging.getLogger(__name__)

_MOST = 1000  # So many pollers are remembered, since anybody can make up site codes.


class State(StrEnum):
    """Whether a site's software is there."""

    ONLINE = "online"
    SILENT = "silent"
    UNKNOWN = "unknown"  # This process has not listened for long enough, or is not the only one that listens.


@dataclass(slots=True)
class Poller:
    """What is known of the software that polls one queue of a site."""

    client: str = ""
    last_poll_ms: int | None = None
    waiting: int = 0
    heard: float = field(default_factory=time.monotonic)
    """The end of the last poll, or the time at which this process began to listen."""
    here: bool = False
    """Whether this process heard the last poll."""
    waits_elsewhere: bool = False
    """Whether another server says that a poll waits there, as long as that is news."""


class Heard(NamedTuple):
    """How one queue of a site was polled, as servers share it."""

    site: str
    queue: Queue
    client: str
    last_poll_ms: int
    age_ms: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Seen:
    """How one queue of a site was polled, up to now."""

    state: State
    client: str
    last_poll_ms: int | None
    silent_since_ms: int | None
    waiting: bool


class Presence:
    """Which sites' software is there.

    A silence counts from the end of the last poll, which may have waited for long, or from the start of this server.
    """

    def __init__(self, silent_after_seconds: float, *on_news: Callable[[], None]) -> None:
        self._silent_after_seconds = silent_after_seconds
        self.on_news = list(on_news)
        self._lock = Lock()
        self._pollers: dict[tuple[str, Queue], Poller] = {}
        self._announced: dict[tuple[str, Queue], State] = {}
        self._started = time.monotonic()
        self._started_ms = clock.now_ms()
        self.alone = True
        """Whether no other process answers polls: what this one did not hear, nobody did."""
        self.asked = False
        """Whether a request has shown that; up to then it is taken for granted."""
        self.shared = False
        """Whether the other servers share what they hear."""

    def serves_beside_others(self, others: bool) -> None:
        """Note whether other processes answer polls too, as the server says with each request."""
        if others and self.alone and not self.shared:
            log.warning(
                "several processes serve one SQLite database: none knows which sites the others hear, so that silence"
                " is not shown, and nothing is gained; one process with many threads is enough (JOBS_WORKERS=1)"
            )
        self.alone, self.asked = not others, True

    def heard(self, site: str, queue: Queue, client: str) -> None:
        """Note a poll."""
        with self._lock:
            poller = self._pollers.get((site, queue)) or self._meet(site, queue)
            poller.client, poller.last_poll_ms, poller.heard = client, clock.now_ms(), time.monotonic()
            poller.here, poller.waits_elsewhere = True, False
            news = self._announced.get((site, queue)) is not State.ONLINE
        if news:
            for announce in self.on_news:
                announce()

    @contextmanager
    def waiting(self, site: str, queue: Queue) -> Iterator[None]:
        """Count a poll that waits: its software is there for as long as it does."""
        with self._lock:
            poller = self._pollers.get((site, queue)) or self._meet(site, queue)
            poller.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                poller.waiting -= 1
                poller.heard, poller.here, poller.waits_elsewhere = time.monotonic(), True, False

    def sites(self) -> set[str]:
        """Return the sites that have polled."""
        with self._lock:
            return {site for site, _ in self._pollers}

    def seen(self, site: str, queue: Queue) -> Seen:
        """Return how one queue of a site was polled."""
        with self._lock:
            poller = self._pollers.get((site, queue)) or Poller(heard=self._started)
            state = self._state(poller)
            since_ms = self._started_ms if poller.last_poll_ms is None else poller.last_poll_ms
            return Seen(
                state,
                poller.client,
                poller.last_poll_ms,
                since_ms if state is State.SILENT else None,
                poller.waiting > 0 or (poller.waits_elsewhere and state is State.ONLINE),
            )

    def heard_here(self) -> list[Heard]:
        """Return what this process heard itself, for other servers; a poll that waits is heard now."""
        with self._lock:
            now = time.monotonic()
            return [
                Heard(
                    *(site, queue, poller.client, poller.last_poll_ms),
                    *(0 if poller.waiting else round((now - poller.heard) * 1000), int(poller.waiting > 0)),
                )
                for (site, queue), poller in self._pollers.items()
                if poller.last_poll_ms is not None and (poller.here or poller.waiting)
            ]

    def heard_elsewhere(self, shared: Iterable[Heard]) -> None:
        """Note what other servers heard, where that is newer than what is known here."""
        with self._lock:
            for each in shared:
                heard = time.monotonic() - each.age_ms / 1000
                poller = self._pollers.get((each.site, each.queue))
                if poller is not None and poller.here and poller.last_poll_ms == each.last_poll_ms:
                    continue  # It is this server's own word, read back.
                if poller is None or poller.last_poll_ms is None or heard > poller.heard + 0.1:
                    poller = self._pollers.setdefault((each.site, each.queue), Poller())
                    poller.client, poller.last_poll_ms, poller.heard = each.client, each.last_poll_ms, heard
                    poller.here, poller.waits_elsewhere = False, bool(each.waiting)

    def changed(self, watched: Iterable[str]) -> set[str]:
        """Return the sites whose state is another than at the last call."""
        with self._lock:
            asked = {*self._pollers, *((site, Queue.PRIMARY) for site in watched)}
            states = {key: self._state(self._pollers.get(key) or Poller(heard=self._started)) for key in asked}
            changed = {site for (site, queue), state in states.items() if self._announced.get((site, queue)) != state}
            self._announced = states
        return changed

    def _meet(self, site: str, queue: Queue) -> Poller:
        """Remember another poller, in the place of the poller that was silent for longest when there are too many."""
        if len(self._pollers) >= _MOST:
            del self._pollers[min(self._pollers, key=lambda key: self._pollers[key].heard)]
        poller = self._pollers[site, queue] = Poller()
        return poller

    def _state(self, poller: Poller) -> State:
        if poller.waiting or time.monotonic() - poller.heard < self._silent_after_seconds:
            return State.UNKNOWN if poller.last_poll_ms is None else State.ONLINE
        return State.SILENT if self.alone or self.shared else State.UNKNOWN


def public(known: Presence, site: str, now_ms: int) -> dict[str, Any]:
    """Return whether a site's software is there as a public object, with the time at which this was so.

    The state is that of the queue which site software reads; the alternate queue's state stands apart, once that queue
    is polled.
    """
    seen, alternate = known.seen(site, Queue.PRIMARY), known.seen(site, Queue.ALTERNATE)
    shown = {"site": site, "now_ms": now_ms} | _public(seen)
    return shown if alternate.last_poll_ms is None else shown | {"alternateQueue": _public(alternate)}


def public_list(known: Presence, sites: Iterable[str], now_ms: int) -> bytes:
    """Write a list of sites, and whether their software is there."""
    return orjson.dumps([public(known, site, now_ms) for site in sites])


def _public(seen: Seen) -> dict[str, Any]:
    return {
        "state": seen.state,
        "lastPoll_ms": seen.last_poll_ms,
        "silentSince_ms": seen.silent_since_ms,
        "waiting": seen.waiting,
        "client": seen.client,
    }
