"""The change feed: whoever waits for something to happen, here waits; one thread of the process looks.

A commit in this process wakes the thread at once; another process's commit is seen through SQLite's `data_version`,
which is read only while somebody waits, or told by PostgreSQL (`listener`), with a slow look behind it. What is found
is rendered once and kept for a while, for all who watch.
Nobody who waits holds a database connection.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import takewhile

from sqlalchemy import text

from .. import clock
from ..config import Settings
from ..domain.lifecycle import UNREAD
from ..errors import Crowded, Unavailable
from ..jobs.operations import Change as Told
from ..storage.database import Database
from ..storage.statement import Connection, Statement
from . import site_marks
from .backlog import Page, Past, Render
from .disconnect import Client
from .presence import Presence
from .readers import Everywhere, SiteBySite
from .subscribers import Channel, Viewer, Waiter

log = logging.getLogger(__name__)


SLOW_SECONDS = 30.0
"""How long a reader may take over one message before it is dropped."""

_GATHER_SECONDS = 0.01  # what follows a commit at once is told with it: each round wakes all viewers
_LOOK_SECONDS = 0.01  # how soon another process's commit is seen on SQLite while a poll waits for it
_WATCH_SECONDS = 0.025  # and while none does: those who watch see it soon enough, and every look wakes the processor
_SLOW_LOOK_SECONDS = 0.5  # and on PostgreSQL, while its notices cannot be heard
_LOST_NOTICE_SECONDS = 5  # and should a notice be lost
_TEND_SECONDS = 1.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 4.0
_CALLS = 16  # threads that stay free of streams and waiting polls
_DATA_VERSION = Statement(text("PRAGMA data_version"))


class Feed:
    """Wake whoever waits when something happens. Its thread starts when somebody first waits."""

    def __init__(self, database: Database, settings: Settings, render: Render) -> None:
        self.presence = Presence(settings.silent_after_seconds, self._hear)
        self.places = max(settings.threads - _CALLS, min(4, settings.threads // 4))
        """How many may wait at once: all threads but 16, so that calls are always answered."""
        self.stopping = False
        self.hears: Callable[[], bool] = lambda: False
        """Tells whether other processes' commits are told to this one, on PostgreSQL."""
        self.replays = 0
        """Counts the polls that were answered with what their claim id had got before."""
        self._database = database
        self._standing: site_marks.Marks = frozenset()
        self._past = Past(database, render)
        self._lock = threading.Lock()
        self._waiters: set[Waiter] = set()
        self._channels: dict[str, Channel] = {}
        self._told = deque[str | None]()
        self._heard = False
        self._nudged = threading.Event()
        self._thread: threading.Thread | None = None
        looker = Everywhere if database.kind.one_writer else SiteBySite
        self._looker: Everywhere | SiteBySite = looker(self._lock, self._channels, render)

    @property
    def tail(self) -> int | None:
        """Give the last event seen; none while nobody waits."""
        return self._looker.tail

    def nudge(self, site: str | None = None) -> None:
        """Have the thread look at once: something was committed, at a site or anywhere."""
        if self._waiters:
            self._told.append(site)
            self._nudged.set()

    def wake_polls(self, told: Sequence[Told]) -> None:
        """Wake the polls of sites where something was committed: the telescope goes before those who watch it."""
        sites = {change.job.site for change in told if change.event.status == UNREAD}
        if sites:
            for waiter in tuple(self._waiters):  # without the lock, for which a commit would have to wait
                if waiter.site in sites and not isinstance(waiter, Viewer):
                    waiter.wake()

    def watch(self, site: str, client: Client) -> Viewer:
        """Take a place for a stream. Raises Crowded when all places are taken."""
        with self._lock:
            self._check_room()
            channel = self._channels.setdefault(site, Channel(site, self._looker.joins_at))
            channel.viewers += 1
            viewer = Viewer(site, client, channel)
            self._waiters.add(viewer)
        self._begin_to_look(site)
        return viewer

    @contextmanager
    def waiting(self, site: str, client: Client) -> Iterator[Waiter]:
        """Take a place for a poll, for the length of a block. Raises Crowded when all places are taken."""
        waiter = Waiter(site, client)
        with self._lock:
            self._check_room()
            self._waiters.add(waiter)
        self._begin_to_look(site)
        try:
            yield waiter
        finally:
            self.leave(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Give a place back; a second time does nothing."""
        with self._lock:
            if waiter not in self._waiters:
                return
            self._waiters.remove(waiter)
            if isinstance(waiter, Viewer):
                waiter.channel.viewers -= 1
                if not waiter.channel.viewers:
                    self._channels.pop(waiter.site)

    def since(self, channel: Channel, seq: int) -> Page:
        """Give what happened at a channel's site after an event: all of it when it is kept here, else a page."""
        with self._lock:
            if channel.floor is not None and channel.tail is not None and seq >= channel.floor:
                newest_first = takewhile(lambda frame: frame.seq > seq, reversed(channel.frames))
                return Page(list(newest_first)[::-1], max(seq, channel.tail))
        return self._past.after(channel.site, seq)

    def counts(self) -> tuple[int, int]:
        """Count the streams, and the polls that wait."""
        with self._lock:
            streams = sum(channel.viewers for channel in self._channels.values())
            return streams, len(self._waiters) - streams

    def is_well(self) -> bool:
        """Tell whether the thread is there, if it ever had to be."""
        return self._thread is None or self._thread.is_alive() or self.stopping

    def stop(self) -> None:
        """End all streams and waiting polls: the server is about to stop. May be called in a signal handler."""
        self.stopping = True
        for waiter in tuple(self._waiters):  # without the lock, which the interrupted code may hold
            waiter.wake()
        self._nudged.set()

    def _hear(self) -> None:
        """Have it told at once that a site's software is there."""
        if self._waiters:
            self._heard = True
            self._nudged.set()

    def _check_room(self) -> None:
        if len(self._waiters) < self.places:
            return
        gone = [waiter for waiter in self._waiters if waiter.has_gone()]
        for waiter in gone:
            waiter.wake()
        if len(self._waiters) - len(gone) >= self.places:
            raise Crowded(
                f"Error: all {self.places} places for live streams and waiting polls are taken;"
                " try again in a few seconds (JOBS_THREADS sets how many there are)"
            )

    def _begin_to_look(self, site: str) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
                self._thread.start()
        self._told.append(site)  # who comes has nothing read at other sites
        self._nudged.set()

    def _run(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self.stopping:
            if not self._waiters:
                self._nudged.wait()
            try:
                self._watch()
                pause_seconds = _FIRST_PAUSE_SECONDS
            except Exception as error:
                # Whatever it is, those who wait must not be forgotten; the position is kept, so nothing is missed.
                cause = None if isinstance(error, Unavailable) else error
                log.warning("live changes are held up, next try in %g s: %s", pause_seconds, error, exc_info=cause)
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _watch(self) -> None:
        """Look for changes for as long as somebody waits, on one connection: `data_version` counts from its view."""
        closed = self._database.closed
        with self._held() as connection:
            version: int | None = None
            next_tend = 0.0
            while self._waiters and not self.stopping and closed == self._database.closed:
                nudged = self._nudged.wait(self._pause_seconds() if connection else _SLOW_LOOK_SECONDS)
                told: set[str | None] = set()
                if nudged:
                    time.sleep(_GATHER_SECONDS)
                    self._nudged.clear()
                    told = {self._told.popleft() for _ in range(len(self._told))}
                heard, self._heard = self._heard, False
                before, version = version, self._version(connection)
                news: set[str] = set()
                if told or version != before:
                    news = self._look(connection, told if version == before else {None})
                tends = time.monotonic() >= next_tend
                if heard or tends:  # all sites' states are gone through: not for each commit
                    news |= self.presence.changed(self._channels)
                self._tell(news)
                if tends:
                    self._tend()
                    next_tend = time.monotonic() + _TEND_SECONDS
        self._rest()

    def _pause_seconds(self) -> float:
        streams = sum(channel.viewers for channel in tuple(self._channels.values()))
        return _LOOK_SECONDS if len(self._waiters) > streams else _WATCH_SECONDS

    def _held(self) -> AbstractContextManager[Connection | None]:
        # In memory there is one connection for all; of PostgreSQL's there are few, and nothing is to be seen in one.
        held = self._database.kind.one_writer and not self._database.in_memory
        return self._database.reading() if held else nullcontext()

    def _look(self, held: Connection | None, told: set[str | None]) -> set[str]:
        """Read what is new, keep it for the sites that are watched, and wake who waits for it.

        Gives the sites at which something beside the jobs has changed. At the first look these are all that are
        watched: what changed between the page that a viewer has and this look, nobody can tell.
        """
        waited = {waiter.site for waiter in self._everybody()}
        first = self.tail is None
        with nullcontext(held) if held else self._database.reading() as connection:
            stands = site_marks.marks(connection, clock.now_ms())
            for sites in self._looker.look(connection, waited if None in told else waited & told):
                self._wake_all(sites)
        before, self._standing = self._standing, stands
        return set(self._channels) if first else site_marks.changed(before, stands)

    def _tell(self, sites: set[str]) -> None:
        for site in sites:
            if channel := self._channels.get(site):
                channel.news += 1
        if sites:
            self._wake_all(sites)

    def _tend(self) -> None:
        """Wake whose client hung up, and cut off who does not read what is sent."""
        now = time.monotonic()
        for waiter in self._everybody():
            since = waiter.sending_since
            if waiter.has_gone():
                waiter.wake()
            elif since is not None and now - since > SLOW_SECONDS:
                log.warning(
                    "the stream of %s at %s was dropped: it took nothing for %d s",
                    waiter.site,
                    waiter.client.address,
                    now - since,
                )
                waiter.client.cut()

    def _wake_all(self, sites: set[str] | None = None) -> None:
        for waiter in self._everybody():
            if sites is None or waiter.site in sites:
                waiter.wake()

    def _everybody(self) -> tuple[Waiter, ...]:
        with self._lock:
            return tuple(self._waiters)

    def _rest(self) -> None:
        """Forget the position when nobody waits: from then on nothing is read."""
        with self._lock:
            if not self._waiters:
                self._looker.rest()
                self._told.clear()
                self._nudged.clear()

    def _version(self, connection: Connection | None) -> int:
        """Give a number that changes with every commit of another connection, or whenever it is time to look."""
        if connection:
            return int(connection.rows(_DATA_VERSION)[0][0])
        return int(time.monotonic() / (_LOST_NOTICE_SECONDS if self.hears() else _SLOW_LOOK_SECONDS))


def feed_of(database: Database, settings: Settings, render: Render) -> Feed:
    """Make the feed of a database, which is told of each commit; nothing runs yet."""
    feed = Feed(database, settings, render)
    database.on_changes.insert(0, feed.wake_polls)  # before a line of log is written
    database.on_commit.append(feed.nudge)
    return feed
