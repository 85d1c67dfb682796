"""How the feed reads what is new: all sites at once on SQLite, site by site on PostgreSQL (see `storage.postgresql`).

Lock-outs, pauses and reservations are no events of a job: they are read as marks, which the feed compares.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from threading import Lock
from typing import Any, cast

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select, union_all

from ..jobs import events
from ..jobs.events import EventOfJob
from ..storage.models import Lockout, PlanMark, QueuePause, Reservation
from ..storage.statement import Connection, Statement
from .backlog import Frame, Render
from .subscribers import SiteChannel

_READ = 100  # So many events are read at once.
_FEW = 4  # Up to so many sites are read one by one, without asking first which of them have moved.

_ZERO: ColumnElement[int] = literal_column("0")
_OF_PLANS: ColumnElement[int] = literal_column("-1")
_MARKS = Statement(
    union_all(
        select(Lockout.site, Lockout.id, _ZERO, _ZERO).where(Lockout.lifted_ms.is_(None)),
        select(QueuePause.site, _ZERO, QueuePause.id, _ZERO).where(QueuePause.resumed_ms.is_(None)),
        select(
            Reservation.site,
            func.count(),
            func.max(Reservation.last_modified_ms),
            func.sum(Reservation.end_ms - Reservation.start_ms),
        )
        .where(Reservation.end_ms > bindparam("now_ms"))
        .group_by(Reservation.site),
        select(PlanMark.site, PlanMark.number, _OF_PLANS, _OF_PLANS),
    )
)

Marks = frozenset[tuple[Any, ...]]
"""What stands at all sites of lock-outs, reservations and plans, the site first in each mark."""

Channels = Mapping[str, SiteChannel]
"""The sites that somebody watches; it changes while one looks, under the lock."""


class AllSitesReader:
    """Read the events of all sites from one number on: they become visible in the order of their numbers."""

    def __init__(self, lock: Lock, channels: Channels, render: Render) -> None:
        self.tail: int | None = None
        """The number of the last event read; None while nobody waits."""
        self._lock = lock
        self._channels = channels
        self._render = render
        self._epoch = ""

    @property
    def joins_at(self) -> int | None:
        """Return the number from which on a new channel is complete; None when the number must be asked for."""
        return self.tail

    def look(self, connection: Connection, _waited: Collection[str]) -> Iterator[set[str] | None]:
        """Read what is new into the channels, and yield the sites that have news; None stands for any site."""
        if self.tail is None:
            self._begin(events.record(connection).epoch, events.newest(connection))
            yield None
        while True:
            watched = set(self._channels)
            found, more = events.after(connection, cast(int, self.tail), _READ)
            if found:
                self._publish(found, watched)
                yield {change.job.site for change in found}
            if not more:
                return

    def rest(self) -> None:
        """Forget the position, since nobody waits."""
        self.tail = None

    def _begin(self, epoch: str, tail: int) -> None:
        with self._lock:
            self._epoch, self.tail = epoch, tail
            for channel in self._channels.values():
                channel.begin(tail)

    def _publish(self, found: list[EventOfJob], watched: set[str]) -> None:
        rendered = [
            (change.job.site, Frame(change.event.seq, self._render(self._epoch, change)))
            for change in found
            if change.job.site in watched
        ]
        with self._lock:
            self.tail = found[-1].event.seq
            for site, frame in rendered:
                if channel := self._channels.get(site):
                    channel.add(frame)
            for site, channel in self._channels.items():
                channel.tail = self.tail
                if site not in watched:
                    channel.floor = self.tail  # The channel came too late for what was just read.


class PerSiteReader:
    """Read each site's events from its own last number on: of two sites' events the later may be seen first."""

    def __init__(self, lock: Lock, channels: Channels, render: Render) -> None:
        self._lock = lock
        self._channels = channels
        self._render = render
        self._epoch = ""
        self._last: dict[str, int] = {}

    @property
    def tail(self) -> int | None:
        """Return the number of the last event read; None while nobody waits."""
        return max(self._last.values(), default=None)

    @property
    def joins_at(self) -> None:
        """Return None: a new channel's number must be asked for."""
        return

    def look(self, connection: Connection, waited: Collection[str]) -> Iterator[set[str] | None]:
        """Read what is new at some sites into their channels, and yield the sites that have news."""
        if not self._last:
            self._epoch = events.record(connection).epoch
        for site in self._moved(connection, waited) if len(waited) > _FEW else waited:
            channel = self._channels.get(site)
            if channel is not None and channel.tail is not None:
                yield from self._read(connection, channel)
                self._last[site] = channel.tail
                continue
            before, self._last[site] = self._last.get(site), events.last(connection, site)
            if channel is not None:
                with self._lock:
                    channel.begin(self._last[site])
            if channel is not None or before != self._last[site]:
                yield {site}

    def rest(self) -> None:
        """Forget the positions, since nobody waits."""
        self._last.clear()

    def _moved(self, connection: Connection, waited: Collection[str]) -> list[str]:
        """Return the sites at which something has happened, at the cost of one statement."""
        found = events.lasts(connection, waited)
        channels = self._channels
        return [site for site in waited if found[site] != self._last.get(site) or _is_new(channels.get(site))]

    def _read(self, connection: Connection, channel: SiteChannel) -> Iterator[set[str] | None]:
        more = True
        while more and channel.tail is not None:
            found, more = events.after(connection, channel.tail, _READ, channel.site)
            if found:
                self._publish(found, channel)
                yield {channel.site}

    def _publish(self, found: list[EventOfJob], channel: SiteChannel) -> None:
        frames = [Frame(change.event.seq, self._render(self._epoch, change)) for change in found]
        with self._lock:
            for frame in frames:
                channel.add(frame)
            channel.tail = frames[-1].seq


def _is_new(channel: SiteChannel | None) -> bool:
    return channel is not None and channel.tail is None


def site_marks(connection: Connection, now_ms: int) -> Marks:
    """Return marks of the lock-outs, reservations and plans of all sites; they differ when one of those has changed."""
    return frozenset(connection.rows(_MARKS, now_ms=now_ms))


def changed_sites(before: Marks, after: Marks) -> set[str]:
    """Return the sites at which a lock-out or a reservation has changed."""
    return {mark[0] for mark in before ^ after if mark[2] != -1}


def plan_numbers(marks: Marks) -> dict[str, int]:
    """Return by site the number of the last change of a plan there."""
    return {mark[0]: mark[1] for mark in marks if mark[2] == -1}
