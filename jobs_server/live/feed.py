"""The change feed: whoever waits for something to happen waits here; one thread of the process looks.

A commit in this process wakes the thread at once; another process's commit is seen through SQLite's `data_version`,
which is read only while somebody waits, or announced by PostgreSQL (`storage.notifications`), with a slow look behind
it. What is found is rendered once and kept for a while, for all who view the site.
Nobody who waits holds a database connection.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import takewhile

from sqlalchemy import text

from .. import clock
from ..config import Settings
from ..domain.lifecycle import UNREAD
from ..errors import Crowded, Unavailable
from ..jobs.operations import CommittedChange
from ..storage.database import Database
from ..storage.statement import Connection, Statement
from . import readers
from .backlog import Backlog, Page, Render
from .disconnect import Client
from .presence import Presence
from .readers import AllSitesReader, Marks, PerSiteReader
from .site_news import SiteNews
from .subscribers import ChannelBounds, SiteChannel, Subscriber, Viewer
from .tuning import FeedTimes

log = logging.getLogger(__name__)


CALLS = 16
"""So many threads stay free of streams and waiting polls."""
_DATA_VERSION = Statement(text("PRAGMA data_version"))


class Feed:
    """Wake whoever waits when something happens. Its thread starts when somebody first waits."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        render: Render,
        times: FeedTimes | None = None,
        bounds: ChannelBounds | None = None,
    ) -> None:
        self.presence = Presence(settings.silent_after_seconds, self._hear)
        self.times = times or FeedTimes()
        self.places = max(settings.threads - CALLS, min(4, settings.threads // 4))
        """How many may wait at once: all threads but 16, so that calls are always answered."""
        self.stopping = False
        self.hears: Callable[[], bool] = lambda: False
        """Whether this process hears of the others' commits, on PostgreSQL."""
        self.site_news: SiteNews | None = None
        """What sites say of themselves, for streams; none where no streams are served."""
        self.replays = 0
        """Counts the polls that were answered with what their claim id had got before."""
        self._database = database
        self._bounds = bounds or ChannelBounds()
        self._backlog = Backlog(database, render)
        self._lock = threading.Lock()
        self._subscribers: set[Subscriber] = set()
        self._channels: dict[str, SiteChannel] = {}
        self._marks: Marks = frozenset()
        self._committed = deque[str | None]()
        self._polled = False
        self._nudged = threading.Event()
        self._thread: threading.Thread | None = None
        reader = AllSitesReader if database.kind.one_writer else PerSiteReader
        self._reader: AllSitesReader | PerSiteReader = reader(self._lock, self._channels, render)

    @property
    def has_room(self) -> bool:
        """Whether a place for a stream or a waiting poll is free."""
        return len(self._subscribers) < self.places

    @property
    def tail(self) -> int | None:
        """Return the number of the last event seen; None while nobody waits."""
        return self._reader.tail

    def follow_commits(self) -> None:
        """Have the database call this feed after each commit."""
        self._database.on_changes.insert(0, self.wake_polls)  # The polls are woken before a line of log is written.
        self._database.on_commit.append(self.nudge)

    def nudge(self, site: str | None = None) -> None:
        """Have the thread look at once: something was committed, at a site or anywhere."""
        if self._subscribers:
            self._committed.append(site)
            self._nudged.set()

    def wake_polls(self, changes: Sequence[CommittedChange]) -> None:
        """Wake the polls of sites where something was committed: the telescope goes before those who watch it."""
        if not self._subscribers:
            return
        posted = [change.job for change in changes if change.event.status == UNREAD]
        if posted:
            sites, sites_of_stops = {job.site for job in posted}, {job.site for job in posted if job.is_stop}
            # The lock is not taken, since a commit would have to wait for it.
            for subscriber in tuple(self._subscribers):
                its = sites_of_stops if subscriber.stops_only else sites
                if subscriber.site in its and not isinstance(subscriber, Viewer):
                    subscriber.wake()

    def wake_viewers(self, site: str) -> None:
        """Have the viewers of a site look at what the site says of itself; polls and the database stay alone."""
        for subscriber in tuple(self._subscribers):
            if subscriber.site == site and isinstance(subscriber, Viewer):
                subscriber.wake()

    def watch(self, site: str, client: Client) -> Viewer:
        """Take a place for a stream. Raises Crowded when all places are taken."""
        with self._lock:
            self._check_room()
            channel = self._channels.setdefault(site, SiteChannel(site, self._reader.joins_at, self._bounds))
            channel.viewers += 1
            viewer = Viewer(site, client, channel)
            self._subscribers.add(viewer)
        self._begin_to_look(site)
        return viewer

    @contextmanager
    def waiting(self, site: str, client: Client, *, stops_only: bool = False) -> Iterator[Subscriber]:
        """Take a place for a poll, for the length of a block. Raises Crowded when all places are taken."""
        subscriber = Subscriber(site, client, stops_only=stops_only)
        with self._lock:
            self._check_room()
            self._subscribers.add(subscriber)
        self._begin_to_look(site)
        try:
            yield subscriber
        finally:
            self.leave(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Free the place of a subscriber; a second time does nothing."""
        with self._lock:
            if subscriber not in self._subscribers:
                return
            self._subscribers.remove(subscriber)
            if isinstance(subscriber, Viewer):
                subscriber.channel.viewers -= 1
                if not subscriber.channel.viewers:
                    self._channels.pop(subscriber.site)
                    if self.site_news:
                        self.site_news.forget(subscriber.site)

    def since(self, channel: SiteChannel, seq: int) -> Page:
        """Return what happened at a channel's site after an event: all of it when the channel has it, else a page."""
        with self._lock:
            if channel.floor is not None and channel.tail is not None and seq >= channel.floor:
                newest_first = takewhile(lambda frame: frame.seq > seq, reversed(channel.frames))
                return Page(list(newest_first)[::-1], max(seq, channel.tail))
        return self._backlog.after(channel.site, seq)

    def counts(self) -> tuple[int, int]:
        """Count the streams, and the polls that wait."""
        with self._lock:
            streams = sum(channel.viewers for channel in self._channels.values())
            return streams, len(self._subscribers) - streams

    def is_well(self) -> bool:
        """Whether the thread is there, if it ever had to be."""
        return self._thread is None or self._thread.is_alive() or self.stopping

    def stop(self) -> None:
        """End all streams and waiting polls: the server is about to stop. May be called in a signal handler."""
        self.stopping = True
        for subscriber in tuple(self._subscribers):  # The lock is not taken: the interrupted code may hold it.
            subscriber.wake()
        self._nudged.set()

    def _hear(self) -> None:
        """Have viewers learn at once that a site's software is there."""
        if self._subscribers:
            self._polled = True
            self._nudged.set()

    def _check_room(self) -> None:
        if len(self._subscribers) < self.places:
            return
        gone = [subscriber for subscriber in self._subscribers if subscriber.has_gone()]
        for subscriber in gone:
            subscriber.wake()
        if len(self._subscribers) - len(gone) >= self.places:
            raise Crowded(
                f"Error: all {self.places} places for live streams and waiting polls are taken;"
                " try again in a few seconds (JOBS_THREADS sets how many there are)"
            )

    def _begin_to_look(self, site: str) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
                self._thread.start()
        self._committed.append(site)  # For who comes now, nothing is read at other sites.
        self._nudged.set()

    def _run(self) -> None:
        pause_seconds = self.times.first_pause_seconds
        while not self.stopping:
            if not self._subscribers:
                self._nudged.wait()
            try:
                self._watch()
                pause_seconds = self.times.first_pause_seconds
            except Exception as error:
                # Whatever it is, those who wait must not be forgotten; the position is kept, so nothing is missed.
                cause = None if isinstance(error, Unavailable) else error
                log.warning("live changes are held up, next try in %g s: %s", pause_seconds, error, exc_info=cause)
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, self.times.longest_pause_seconds)

    def _watch(self) -> None:
        """Look for changes for as long as somebody waits, on one connection: `data_version` counts from its view."""
        closed = self._database.closed
        with self._held() as connection:
            version: int | None = None
            next_tend = 0.0
            while self._subscribers and not self.stopping and closed == self._database.closed:
                nudged = self._nudged.wait(self._pause_seconds() if connection else self.times.slow_look_seconds)
                committed: set[str | None] = set()
                if nudged:
                    time.sleep(self.times.gather_seconds)
                    self._nudged.clear()
                    committed = {self._committed.popleft() for _ in range(len(self._committed))}
                polled, self._polled = self._polled, False
                before, version = version, self._version(connection)
                news: set[str] = set()
                if committed or version != before:
                    news = self._look(connection, committed if version == before else {None})
                tends = time.monotonic() >= next_tend
                if polled or tends:  # All sites' states are gone through, which would be too much for each commit.
                    news |= self.presence.changed(self._channels)
                self._tell(news)
                if tends:
                    self._tend()
                    next_tend = time.monotonic() + self.times.tend_seconds
        self._rest()

    def _pause_seconds(self) -> float:
        streams = sum(channel.viewers for channel in tuple(self._channels.values()))
        return self.times.look_seconds if len(self._subscribers) > streams else self.times.watch_seconds

    def _held(self) -> AbstractContextManager[Connection | None]:
        # In memory one connection serves all; PostgreSQL's connections are few, and show nothing of other commits.
        held = self._database.kind.one_writer and not self._database.in_memory
        return self._database.reading() if held else nullcontext()

    def _look(self, held: Connection | None, committed: set[str | None]) -> set[str]:
        """Read what is new, keep it for the sites that are viewed, and wake who waits for it.

        Return the sites at which something beside the jobs has changed. At the first look these are all sites that are
        viewed: nobody knows what changed between the page that a viewer has and this look.
        """
        waited = {subscriber.site for subscriber in self._everybody()}
        first = self.tail is None
        with nullcontext(held) if held else self._database.reading() as connection:
            marks = readers.site_marks(connection, clock.now_ms())
            for sites in self._reader.look(connection, waited if None in committed else waited & committed):
                self._wake_all(sites)
        before, self._marks = self._marks, marks
        if marks != before or any(channel.plans is None for channel in tuple(self._channels.values())):
            self._note_plans(readers.plan_numbers(marks))
        return set(self._channels) if first else readers.changed_sites(before, marks)

    def _note_plans(self, numbers: Mapping[str, int]) -> None:
        """Wake the viewers of sites at which a plan has changed."""
        for site, channel in tuple(self._channels.items()):
            number = numbers.get(site, 0)
            if channel.plans != number:
                channel.plans = number
                self.wake_viewers(site)

    def _tell(self, sites: set[str]) -> None:
        for site in sites:
            if channel := self._channels.get(site):
                channel.news += 1
        if sites:
            self._wake_all(sites)

    def _tend(self) -> None:
        """Wake the subscribers whose client has disconnected, and cut off the clients that do not read what is sent."""
        now = time.monotonic()
        for subscriber in self._everybody():
            since = subscriber.sending_since
            if subscriber.has_gone():
                subscriber.wake()
            elif since is not None and now - since > self.times.slow_reader_seconds:
                log.warning(
                    "the stream of %s at %s was dropped: it took nothing for %d s",
                    subscriber.site,
                    subscriber.client.address,
                    now - since,
                )
                subscriber.client.cut()

    def _wake_all(self, sites: set[str] | None = None) -> None:
        for subscriber in self._everybody():
            if sites is None or subscriber.site in sites:
                subscriber.wake()

    def _everybody(self) -> tuple[Subscriber, ...]:
        with self._lock:
            return tuple(self._subscribers)

    def _rest(self) -> None:
        """Forget the position when nobody waits: from then on nothing is read."""
        with self._lock:
            if not self._subscribers:
                self._reader.rest()
                self._committed.clear()
                self._nudged.clear()

    def _version(self, connection: Connection | None) -> int:
        """Return a number that changes with every commit of another connection, or whenever it is time to look."""
        if connection:
            return int(connection.rows(_DATA_VERSION)[0][0])
        every_seconds = self.times.lost_notice_seconds if self.hears() else self.times.slow_look_seconds
        return int(time.monotonic() / every_seconds)


def feed_of(database: Database, settings: Settings, render: Render) -> Feed:
    """Make the feed of a database, which calls it after each commit; nothing runs yet."""
    feed = Feed(database, settings, render)
    feed.follow_commits()
    return feed
