"""How the feed reads what is new: all sites at once on SQLite, site by site on PostgreSQL (see `postgresql`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from threading import Lock
from typing import cast

from ..jobs import events
from ..jobs.events import Change
from ..storage.statement import Connection
from .backlog import Frame, Render
from .subscribers import Channel

_READ = 100  # events read at once
_FEW = 4  # sites that are read one by one, without asking first which have moved

Channels = Mapping[str, Channel]
"""The sites that somebody watches; it changes while one looks, under the lock."""


class Everywhere:
    """Read the events of all sites from one number on: they become visible in the order of their numbers."""

    def __init__(self, lock: Lock, channels: Channels, render: Render) -> None:
        self.tail: int | None = None
        """The last event read; none while nobody waits."""
        self._lock = lock
        self._channels = channels
        self._render = render
        self._epoch = ""

    @property
    def joins_at(self) -> int | None:
        """Give the number from which on a new channel is complete; none: it is to be asked for."""
        return self.tail

    def look(self, connection: Connection, _waited: Collection[str]) -> Iterator[set[str] | None]:
        """Read what is new into the channels, and give the sites of which there is news; none: of any."""
        if self.tail is None:
            self._begin(events.record(connection).epoch, events.newest(connection))
            yield None
        while True:
            watched = set(self._channels)
            found = events.after(connection, cast(int, self.tail), _READ)
            if found:
                self._publish(found, watched)
                yield {change.job.site for change in found}
            if len(found) < _READ:
                return

    def rest(self) -> None:
        """Forget the position: nobody waits."""
        self.tail = None

    def _begin(self, epoch: str, tail: int) -> None:
        with self._lock:
            self._epoch, self.tail = epoch, tail
            for channel in self._channels.values():
                channel.begin(tail)

    def _publish(self, found: list[Change], watched: set[str]) -> None:
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
                    channel.floor = self.tail  # it came too late for what was just read


class SiteBySite:
    """Read each site's events from its own last number on: of two sites' events the later may be seen first."""

    def __init__(self, lock: Lock, channels: Channels, render: Render) -> None:
        self._lock = lock
        self._channels = channels
        self._render = render
        self._epoch = ""
        self._last: dict[str, int] = {}

    @property
    def tail(self) -> int | None:
        """Give the last event read; none while nobody waits."""
        return max(self._last.values(), default=None)

    @property
    def joins_at(self) -> None:
        """Say that a new channel's number is to be asked for."""
        return

    def look(self, connection: Connection, waited: Collection[str]) -> Iterator[set[str] | None]:
        """Read what is new at some sites into their channels, and give those of which there is news."""
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
        """Forget the positions: nobody waits."""
        self._last.clear()

    def _moved(self, connection: Connection, waited: Collection[str]) -> list[str]:
        """List the sites at which something has happened, at the cost of one statement."""
        found = events.lasts(connection, waited)
        channels = self._channels
        return [site for site in waited if found[site] != self._last.get(site) or _is_new(channels.get(site))]

    def _read(self, connection: Connection, channel: Channel) -> Iterator[set[str] | None]:
        while channel.tail is not None and (found := events.after(connection, channel.tail, _READ, channel.site)):
            frames = [Frame(change.event.seq, self._render(self._epoch, change)) for change in found]
            with self._lock:
                for frame in frames:
                    channel.add(frame)
                channel.tail = frames[-1].seq
            yield {channel.site}
            if len(found) < _READ:
                return


def _is_new(channel: Channel | None) -> bool:
    return channel is not None and channel.tail is None
