"""The feed: each event is read and rendered once for all who watch, within bounds, whatever the database does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from jobs_server.errors import Unavailable
from jobs_server.jobs import events
from jobs_server.jobs.events import EventOfJob, EventPage
from jobs_server.live import readers, sse
from jobs_server.live.backlog import Backlog, BacklogBounds, Frame
from jobs_server.live.disconnect import Client
from jobs_server.live.feed import Feed
from jobs_server.live.readers import AllSitesReader, Marks, PerSiteReader
from jobs_server.live.subscribers import ChannelBounds, SiteChannel
from jobs_server.live.tuning import FeedTimes
from jobs_server.service import service_of
from jobs_server.storage.statement import Connection

from ..conftest import inside
from ..support import feeds
from ..support.waiting import until

SOMEBODY = Client("a browser", "127.0.0.1")


class Watcher(threading.Thread):
    """Somebody who watches a site of an app in this process."""

    def __init__(self, app: Flask, live: Feed, position: sse.Position | None = None) -> None:
        super().__init__(daemon=True)
        self._viewer = live.watch("wmd", SOMEBODY)
        self._live = live
        with service_of(app).database.reading() as connection:
            begin = sse.start(connection, position, "wmd")
        self._messages = sse.messages(live, self._viewer, begin)
        self.seen: list[bytes] = [next(self._messages)]
        self.start()

    def run(self) -> None:
        for message in self._messages:
            self.seen.extend(part for part in message.split(b"\n\n") if b'"topic":"jobs"' in part)
        self._live.leave(self._viewer)

    @property
    def seqs(self) -> list[int]:
        return [int(part.split(b"\n")[0].split(b"-")[1]) for part in self.seen[1:]]


@contextmanager
def watching(app: Flask, count: int, position: sse.Position | None = None) -> Iterator[list[Watcher]]:
    live = service_of(app).feed
    watchers = [Watcher(app, live, position) for _ in range(count)]
    try:
        yield watchers
    finally:
        live.stop()
        for watcher in watchers:
            watcher.join(10)


@pytest.fixture
def rendered(file_app: Flask) -> list[int]:
    """The numbers of the events that were rendered."""
    numbers: list[int] = []

    def render(epoch: str, change: EventOfJob) -> bytes:
        numbers.append(change.event.seq)
        return sse.render(epoch, change)

    feeds.put_in(file_app, render=render)
    return numbers


def test_each_event_is_rendered_once_for_all_viewers(file_app: Flask, rendered: list[int]) -> None:
    with watching(file_app, 20) as watchers:
        until(lambda: service_of(file_app).feed.tail is not None)
        for _ in range(5):
            inside(file_app).sends()
        until(lambda: all(len(watcher.seqs) == 5 for watcher in watchers))
    assert all(watcher.seqs == [1, 2, 3, 4, 5] for watcher in watchers)
    assert rendered == [1, 2, 3, 4, 5]


def test_those_who_come_back_together_share_what_is_read(file_app: Flask, rendered: list[int]) -> None:
    for _ in range(250):
        inside(file_app).sends()
    with service_of(file_app).database.reading() as connection:
        epoch = events.record(connection).epoch
    with watching(file_app, 10, sse.Position(epoch, 0)) as watchers:
        until(lambda: all(len(watcher.seqs) == 250 for watcher in watchers))
        inside(file_app).sends()
        until(lambda: all(len(watcher.seqs) == 251 for watcher in watchers))
    assert all(watcher.seqs == list(range(1, 252)) for watcher in watchers)
    assert sorted(rendered) == list(range(1, 252))


def test_who_lags_behind_what_is_kept_misses_nothing(file_app: Flask) -> None:
    live = feeds.put_in(file_app, bounds=ChannelBounds(events=3))
    with watching(file_app, 1) as (watcher,):
        until(lambda: live.tail is not None)
        slow = Watcher.__new__(Watcher)  # it takes its first message late
        viewer = live.watch("wmd", SOMEBODY)
        with service_of(file_app).database.reading() as connection:
            messages = sse.messages(live, viewer, sse.start(connection, None, "wmd"))
        next(messages)
        for _ in range(10):
            inside(file_app).sends()
        until(lambda: len(watcher.seqs) == 10)
        slow.seen = [b""]
        while len(slow.seqs) < 10:
            slow.seen.extend(part for part in next(messages).split(b"\n\n") if b'"topic":"jobs"' in part)
        assert slow.seqs == watcher.seqs == list(range(1, 11))
        live.leave(viewer)


def prune(app: Flask, upto: int) -> None:
    """Delete the events up to a number, as pruning does."""
    with service_of(app).database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO prune_permit (id) VALUES (1)")
        connection.exec_driver_sql(f"DELETE FROM job_event WHERE seq <= {upto}")
        connection.exec_driver_sql("DELETE FROM prune_permit")


def test_pruning_while_somebody_catches_up_is_a_reset_and_no_skip(file_app: Flask) -> None:
    for _ in range(303):
        inside(file_app).sends()
    live = service_of(file_app).feed
    with service_of(file_app).database.reading() as connection:
        epoch = events.record(connection).epoch
        begin = sse.start(connection, sse.Position(epoch, 0), "wmd")
    assert begin.reset is None
    viewer = live.watch("wmd", SOMEBODY)
    messages = sse.messages(live, viewer, begin)
    assert b"event: reset" not in next(messages)
    assert b"\nid: %b-100\n" % epoch.encode() in next(messages)
    prune(file_app, 300)
    skipped = next(messages)
    assert skipped.startswith(b"event: reset\nid: %b-303\n" % epoch.encode())
    assert b"not all kept" in skipped
    assert b'"topic":"jobs"' not in skipped
    inside(file_app).sends()
    sent = next(message for message in messages if b'"topic":"jobs"' in message)  # presence may come before it
    assert b"\nid: %b-304\n" % epoch.encode() in b"\n" + sent
    live.stop()
    live.leave(viewer)


def test_where_all_events_are_pruned_positions_go_on_from_there(file_app: Flask) -> None:
    for _ in range(6):
        inside(file_app).sends()
    prune(file_app, 6)
    with service_of(file_app).database.reading() as connection:
        epoch = events.record(connection).epoch
        begins = [sse.start(connection, sse.Position(epoch, seq), "wmd") for seq in (5, 6, 7)]
        assert sse.now(connection, "wmd") == sse.Position(epoch, 6)
    assert [begin.position.seq for begin in begins] == [6, 6, 6]
    assert [begin.reset for begin in begins] == [
        "what happened since is not all kept any more",
        None,
        "this position is ahead of all that has happened",
    ]


def test_what_is_kept_is_bounded_in_bytes_too() -> None:
    channel = SiteChannel("wmd", 0, ChannelBounds(bytes=100))
    for seq in range(1, 6):
        channel.add(Frame(seq, b"x" * 40))
    assert [frame.seq for frame in channel.frames] == [4, 5]
    assert channel.floor == 3
    channel.add(Frame(6, b"x" * 400))
    assert [frame.seq for frame in channel.frames] == [6]


def test_pages_of_the_backlog_are_kept_within_bounds(file_app: Flask) -> None:
    for _ in range(20):
        inside(file_app).sends()
    rendered: list[int] = []

    def render(_epoch: str, change: EventOfJob) -> bytes:
        rendered.append(change.event.seq)
        return b"x" * 500

    bounds = BacklogBounds(page_events=2, kept_bytes=3300)  # three pages of two messages, with what a page itself takes
    backlog = Backlog(service_of(file_app).database, render, bounds)
    for seq in range(0, 20, 2):
        assert [frame.seq for frame in backlog.after("wmd", seq).frames] == [seq + 1, seq + 2]
    assert rendered == list(range(1, 21))
    for seq in (14, 16, 18):
        backlog.after("wmd", seq)
    assert rendered == list(range(1, 21))
    backlog.after("wmd", 12)
    assert rendered[20:] == [13, 14]


def test_a_database_that_fails_holds_changes_up_and_loses_none(
    file_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    feeds.put_in(file_app, FeedTimes(first_pause_seconds=0.01))
    read, troubles = events.after, [Unavailable("Error: the disk is gone"), RuntimeError("a fault of ours")]

    def fails_twice(*arguments: Any) -> EventPage:
        if troubles:
            raise troubles.pop(0)
        return read(*arguments)

    with watching(file_app, 1) as (watcher,):
        until(lambda: service_of(file_app).feed.tail is not None)
        monkeypatch.setattr(events, "after", fails_twice)
        inside(file_app).sends()
        inside(file_app).sends()
        until(lambda: len(watcher.seqs) == 2)
    assert watcher.seqs == [1, 2]
    assert "the disk is gone" in caplog.text
    assert "a fault of ours" in caplog.text


def test_nothing_is_read_while_nobody_waits(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    live, looks = service_of(file_app).feed, list[Any]()
    rows = Connection.rows

    def noted(connection: Connection, statement: Any, **values: Any) -> Any:
        if threading.current_thread().name == "feed":
            looks.append(statement)
        return rows(connection, statement, **values)

    monkeypatch.setattr(Connection, "rows", noted)
    with live.waiting("wmd", SOMEBODY):
        until(lambda: len(looks) > 2)
    until(lambda: live.tail is None)
    seen = len(looks)
    for _ in range(9):
        inside(file_app).sends()
    assert len(looks) <= seen + 1  # one may have been under way
    with live.waiting("wmd", SOMEBODY) as waiter:
        inside(file_app).sends()
        waiter.wait(10)
        until(lambda: live.tail == 10)


def test_a_poll_for_stops_alone_sleeps_on_when_work_is_posted(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    live, woken = service_of(file_app).feed, list[str]()
    monkeypatch.setattr(live, "_wake_all", lambda _sites=None: None)  # the commit alone wakes
    with live.waiting("wmd", SOMEBODY, stops_only=True) as for_stops, live.waiting("wmd", SOMEBODY) as for_all:
        monkeypatch.setattr(for_stops, "wake", lambda: woken.append("for stops"))
        monkeypatch.setattr(for_all, "wake", lambda: woken.append("for all"))
        inside(file_app).sends()
        assert woken == ["for all"]
        inside(file_app).sends("stop")
        assert sorted(woken) == ["for all", "for all", "for stops"]


def test_who_comes_has_nothing_read_at_other_sites(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    live = feeds.put_in(file_app, FeedTimes(slow_look_seconds=1e9))  # Nothing is looked at by chance.
    asked = list[set[str]]()
    one_writer = service_of(file_app).database.kind.one_writer
    reader: Any = AllSitesReader if one_writer else PerSiteReader
    look = reader.look

    def noted(reader: Any, connection: Any, waited: set[str]) -> Any:
        asked.append(set(waited))
        return look(reader, connection, waited)

    monkeypatch.setattr(reader, "look", noted)
    with live.waiting("mrc", SOMEBODY):
        until(lambda: asked == [{"mrc"}])
        with live.waiting("wmd", SOMEBODY):
            until(lambda: len(asked) > 1)
    assert asked == [{"mrc"}, {"wmd"}]


@pytest.mark.parametrize("lifted", [False, True])
def test_a_lock_out_before_the_first_look_is_told(
    file_app: Flask, monkeypatch: pytest.MonkeyPatch, lifted: bool
) -> None:
    """Also one that began while nobody waited, and was lifted between the viewer's page and the first look."""
    vera = {"site": "wmd", "user_id": "v", "user_name": "Vera"}
    live, observatory = service_of(file_app).feed, inside(file_app)
    live.leave(live.watch("wmd", SOMEBODY))
    until(lambda: live.tail is None)
    live.presence.changed(["wmd"])  # There is no other news of the site.
    changed, marks = threading.Event(), readers.site_marks

    def late(connection: Connection, now_ms: int) -> Marks:
        changed.wait()
        return marks(connection, now_ms)

    monkeypatch.setattr(readers, "site_marks", late)
    if lifted:
        observatory.posts("lockout", vera | {"note": "hands"})
    viewer = live.watch("wmd", SOMEBODY)
    observatory.posts("liftlockout" if lifted else "lockout", vera | ({} if lifted else {"note": "hands"}))
    changed.set()
    until(lambda: viewer.channel.news == 1)
    live.stop()


def test_a_commit_just_as_the_feed_stops_waiting_is_not_forgotten(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(threading.Event):
        sent = False

        def wait(self, _timeout: float | None = None) -> bool:
            if super().wait(0.01):
                return True
            if live.tail is not None and not self.sent:
                self.sent = True
                inside(app).sends()
            return False

    with monkeypatch.context() as patch:
        patch.setattr(threading, "Event", Late)
        live = feeds.put_in(app, FeedTimes(slow_look_seconds=1e9))  # Nothing is found by chance.
    viewer = live.watch("wmd", SOMEBODY)
    until(lambda: len(viewer.channel.frames) == 1)
    live.stop()


@pytest.mark.parametrize(("threads", "places"), [(1, 0), (4, 1), (16, 4), (20, 4), (21, 5), (64, 48), (320, 304)])
def test_calls_always_have_threads_left(app: Flask, threads: int, places: int) -> None:
    from jobs_server.config import Settings

    settings = Settings(threads=threads)
    assert Feed(service_of(app).database, settings, sse.render).places == places


def test_a_reader_that_takes_too_long_is_told_and_dropped(app: Flask) -> None:
    live = feeds.put_in(app, FeedTimes(slow_reader_seconds=-1.0))
    viewer = live.watch("wmd", SOMEBODY)
    with service_of(app).database.reading() as connection:
        messages = sse.messages(live, viewer, sse.start(connection, None, "wmd"))
    next(messages)
    inside(app).sends()
    *_, last = messages
    assert last.startswith(b"event: dropped\ndata: ")
    live.leave(viewer)


@pytest.mark.sqlite("elsewhere a position counts the events of its own site")
def test_a_quiet_viewer_gets_a_sign_of_life_and_moves_on(app: Flask) -> None:
    live = feeds.put_in(app, FeedTimes(comment_seconds=0.05))
    viewer = live.watch("wmd", SOMEBODY)
    with service_of(app).database.reading() as connection:
        messages = sse.messages(live, viewer, sse.start(connection, None, "wmd"))
    next(messages)
    until(lambda: live.tail is not None)
    inside(app, "mrc").sends()
    moved = next(message for message in messages if b"id: " in message)
    assert moved.startswith(b":\nid: ")
    assert moved.endswith(b"-1\n\n")
    assert next(message for message in messages if b"data" not in message) == b":\n\n"
    live.leave(viewer)
