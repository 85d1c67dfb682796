"""`GET /stream`: what happens at a site as Server-Sent Events (WHATWG HTML, section 9.2).

A position is `<epoch>-<seq>`. Whoever comes back with one gets what happened since, nothing missed and nothing twice;
where that is not known any more, a `reset` event says that everything is to be loaded anew.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterator
from itertools import accumulate, takewhile
from typing import NamedTuple

import orjson

from .. import clock
from ..errors import BadRequest, Fault, Unavailable
from ..jobs import events, wire
from ..jobs.events import EventOfJob, Record
from ..storage.statement import Connection
from . import presence
from .backlog import NOT_ALL_KEPT, Frame
from .feed import Feed
from .site_news import SOONEST_SECONDS, SiteNews
from .subscribers import SiteChannel, Viewer

_RETRY_MS = (1000, 3000)  # So that not all come back at the same moment after a restart.
_AT_ONCE_BYTES = 256 * 1024
_POSITION = re.compile(r"([0-9a-z]{1,32})-([0-9]{1,30})")


class Position(NamedTuple):
    """A place in the feed."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


class Start(NamedTuple):
    """Where a stream begins, and why not where it was asked to."""

    position: Position
    reset: str | None = None


def parse_position(text: str | None) -> Position | None:
    """Read a position as the stream gives it; None or an empty text mean from now on. Raises BadRequest."""
    if not text:
        return None
    parts = _POSITION.fullmatch(text)
    if parts is None:
        sentence = "lastEventId must be the id of an event, as the stream gave it, such as 5f0c2a91-123"
        raise BadRequest(f"Error: {sentence}", [Fault("lastEventId", sentence)])
    return Position(parts[1], int(parts[2]))


def now(connection: Connection, site: str) -> Position:
    """Return the position after all that has happened: a page gets it with what it shows, to follow from there."""
    return Position(events.record(connection).epoch, events.last(connection, site))


def start(connection: Connection, asked: Position | None, site: str) -> Start:
    """Find where a stream begins."""
    record = events.record(connection)
    reset = _reason_to_reset(record, events.newest(connection), asked) if asked else None
    seq = asked.seq if asked and not reset else events.last(connection, site)
    return Start(Position(record.epoch, seq), reset)


def has_news(connection: Connection, known: Position, site: str) -> bool:
    """Whether anything may have happened at a site after a position."""
    return start(connection, known, site).reset is not None or bool(events.after(connection, known.seq, 1, site)[0])


def _reason_to_reset(record: Record, newest: int, asked: Position) -> str | None:
    if asked.epoch != record.epoch:
        return "the database was restored from a backup since"
    if asked.seq > newest:
        return "this position is ahead of all that has happened"
    if asked.seq < record.pruned_seq:
        return NOT_ALL_KEPT
    return None


def render(epoch: str, change: EventOfJob) -> bytes:
    """Write one event."""
    return b"id: %b\ndata: %b\n\n" % (str(Position(epoch, change.event.seq)).encode(), wire.change(change))


def messages(feed: Feed, viewer: Viewer, begin: Start) -> Iterator[bytes]:
    """Write a stream for one viewer, until it disconnects, the server stops, or the viewer is too slow.

    No connection to the database is held while the stream waits.
    """
    reader = _Reader(feed, viewer.channel, begin.position)
    yield reader.greeting(begin.reset)
    due = time.monotonic() + feed.times.comment_seconds
    while not (feed.stopping or viewer.client.disconnected()):
        try:
            message = reader.news()
        except Unavailable as error:
            yield _dropped(error.sentence.removeprefix("Error: "))
            return
        if not message and time.monotonic() >= due:
            message = reader.comment()
        if not message:
            viewer.wait(min(due, reader.devices_due) - time.monotonic())
            continue
        viewer.sending_since = started = time.monotonic()
        yield message
        viewer.sending_since = None
        if time.monotonic() - started > feed.times.slow_reader_seconds:
            yield _dropped("it was read too slowly")
            return
        due = time.monotonic() + feed.times.comment_seconds


class _Reader:
    """The messages for one viewer, from a position on."""

    def __init__(self, feed: Feed, channel: SiteChannel, position: Position) -> None:
        self._feed = feed
        self._channel = channel
        self._epoch, self._seq = position
        self._told_seq = position.seq
        self._news = channel.news
        self._site_news = feed.site_news
        self._devices = self._preview = self._plans = 0
        self._devices_at = -math.inf
        self.devices_due = math.inf
        """When devices that have changed are to be told of; never while none have."""

    def greeting(self, reset: str | None) -> bytes:
        """Write what comes first: how soon to come back, from where, and whether the site's software is there."""
        parts = [b"retry: %d\n" % random.randint(*_RETRY_MS), self._id(), b"\n"]  # noqa: S311  This is no secret.
        if reset is not None:
            parts.append(self._reset(reset))
        parts.append(self._presence())
        if self._site_news:
            devices, self._devices = self._site_news.all_devices(self._channel.site)
            preview, self._preview = self._site_news.newest_preview(self._channel.site)
            parts += [devices, preview]
        return b"".join(parts)

    def news(self) -> bytes:
        """Write what is new, if anything."""
        page = self._feed.since(self._channel, self._seq)
        # So far there were only other sites' events.
        while not page.frames and not page.reset and page.upto > self._seq:
            self._seq = page.upto
            page = self._feed.since(self._channel, self._seq)
        frames = _at_once(page.frames)
        parts = [frame.data for frame in frames]
        self._seq = page.upto if len(frames) == len(page.frames) else frames[-1].seq
        if page.reset:
            self._told_seq = self._seq
            parts.append(self._reset(page.reset))
        if frames:
            self._told_seq = frames[-1].seq
        if self._news != self._channel.news:
            self._news = self._channel.news
            parts.append(self._presence())
        number = self._channel.plans or 0
        if self._site_news and self._plans != number:
            plans, self._plans = self._site_news.plans_since(self._channel.site, self._plans, number)
            parts.append(plans)
        if self._site_news:
            parts += self._of_the_site(self._site_news)
        return b"".join(parts)

    def _of_the_site(self, news: SiteNews) -> list[bytes]:
        """Write what the site says of itself since: pictures at once, devices as often as anybody can see."""
        site, now = self._channel.site, time.monotonic()
        previews, self._preview = news.previews_since(site, self._preview)
        if news.number(site) <= self._devices:
            self.devices_due = math.inf
            return [previews]
        self.devices_due = self._devices_at + SOONEST_SECONDS
        if now < self.devices_due:
            return [previews]
        devices, self._devices = news.devices_since(site, self._devices)
        self._devices_at, self.devices_due = now, math.inf
        return [previews, devices]

    def comment(self) -> bytes:
        """Write a sign of life, and the position where it has moved on without news for this site."""
        if self._told_seq == self._seq:
            return b":\n\n"
        self._told_seq = self._seq
        return b":\n" + self._id() + b"\n"

    def _id(self) -> bytes:
        return b"id: %b\n" % str(Position(self._epoch, self._seq)).encode()

    def _reset(self, reason: str) -> bytes:
        return b"".join((b"event: reset\n", self._id(), self._data("reset", {"reason": reason})))

    def _presence(self) -> bytes:
        return self._data("presence", presence.public(self._feed.presence, self._channel.site, clock.now_ms()))

    def _data(self, topic: str, data: object) -> bytes:
        return b"data: %b\n\n" % wire.message(topic, self._channel.site, data)


def _at_once(frames: list[Frame]) -> list[Frame]:
    """Return the first frames: as much as one message may hold, since a viewer that reads slowly keeps it so long."""
    sizes = accumulate(len(frame.data) for frame in frames)
    return frames[: max(1, sum(1 for _ in takewhile(lambda size: size <= _AT_ONCE_BYTES, sizes)))]


def _dropped(reason: str) -> bytes:
    """Write why a stream ends; its viewer may come back."""
    return b"event: dropped\ndata: %b\n\n" % orjson.dumps({"reason": reason})
