"""The feed: each event is read and rendered once for all who watch, within bounds, whatever the database does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from jobs_server.errors import Unavailable
from jobs_server.jobs import events
from jobs_server.jobs.events import Change
from jobs_server.live import backlog, feed, sse, subscribers
from jobs_server.live.backlog import Frame
from jobs_server.live.disconnect import Client
from jobs_server.live.feed import Feed
from jobs_server.live.subscribers import Channel
from jobs_server.service import service_of

from ..conftest import inside
from .test_long_poll import until

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
def rendered(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the events that were rendered."""
    numbers: list[int] = []

    def render(epoch: str, change: Change) -> bytes:
        numbers.append(change.event.seq)
        return sse.render(epoch, change)

    live = service_of(file_app).feed
    monkeypatch.setattr(live._looker, "_render", render)
    monkeypatch.setattr(live._past, "_render", render)
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


def test_who_lags_behind_what_is_kept_misses_nothing(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "_KEPT_EVENTS", 3)
    live = service_of(file_app).feed
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


def test_what_is_kept_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "_KEPT_BYTES", 100)
    channel = Channel("wmd", 0)
    for seq in range(1, 6):
        channel.add(Frame(seq, b"x" * 40))
    assert [frame.seq for frame in channel.frames] == [4, 5]
    assert channel.floor == 3
    channel.add(Frame(6, b"x" * 400))
    assert [frame.seq for frame in channel.frames] == [6]


def test_pages_of_the_past_are_bounded(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        inside(file_app).sends()
    monkeypatch.setattr(backlog, "_PAGE", 2)
    monkeypatch.setattr(backlog, "_KEPT_BYTES", 3000)
    pages = service_of(file_app).feed._past
    for seq in range(0, 20, 2):
        assert [frame.seq for frame in pages.after("wmd", seq).frames] == [seq + 1, seq + 2]
    assert 1 < len(pages._pages) < 10
    assert pages._bytes <= 3000


def test_a_database_that_fails_holds_changes_up_and_loses_none(
    file_app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feed, "_FIRST_PAUSE_SECONDS", 0.01)
    read, troubles = events.after, [Unavailable("Error: the disk is gone"), RuntimeError("a fault of ours")]

    def fails_twice(*arguments: Any) -> list[Change]:
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
    version = live._version

    def look(connection: Any) -> int:
        looks.append(connection)
        return version(connection)

    monkeypatch.setattr(live, "_version", look)
    with live.waiting("wmd", SOMEBODY):
        until(lambda: len(looks) > 2)
    until(lambda: live.tail is None)
    seen = len(looks)
    inside(file_app).sends()
    assert len(looks) == seen
    with live.waiting("wmd", SOMEBODY) as waiter:
        inside(file_app).sends()
        waiter.wait(10)
        until(lambda: live.tail == 2)


def test_who_comes_has_nothing_read_at_other_sites(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_SLOW_LOOK_SECONDS", 1e9)  # nothing is looked at by chance
    live, asked = service_of(file_app).feed, list[set[str]]()
    look = live._looker.look

    def noted(connection: Any, waited: set[str]) -> Any:
        asked.append(set(waited))
        return look(connection, waited)

    monkeypatch.setattr(live._looker, "look", noted)
    with live.waiting("mrc", SOMEBODY):
        until(lambda: asked == [{"mrc"}])
        with live.waiting("wmd", SOMEBODY):
            until(lambda: len(asked) > 1)
    assert asked == [{"mrc"}, {"wmd"}]


def test_a_lock_out_before_the_first_look_is_told(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    live = service_of(file_app).feed
    live.leave(live.watch("wmd", SOMEBODY))
    until(lambda: live.tail is None)
    live.presence.changed(["wmd"])  # there is no other news of the site
    looks = threading.Event()
    monkeypatch.setattr(feed, "time", Halted(looks))
    viewer = live.watch("wmd", SOMEBODY)
    inside(file_app).posts("lockout", {"site": "wmd", "note": "hands", "user_id": "v", "user_name": "Vera"})
    looks.set()
    until(lambda: viewer.channel.news == 1)
    live.stop()


class Halted:
    """The module `time`, whose sleeps end when something else has happened."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, event: threading.Event) -> None:
        self.sleep = lambda _seconds: event.wait(10)


def test_a_commit_just_as_the_feed_stops_waiting_is_not_forgotten(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    live = service_of(app).feed

    class Late(threading.Event):
        sent = False

        def wait(self, _timeout: float | None = None) -> bool:
            if super().wait(0.01):
                return True
            if live.tail is not None and not self.sent:
                self.sent = True
                inside(app).sends()
            return False

    monkeypatch.setattr(feed, "_SLOW_LOOK_SECONDS", 1e9)  # nothing is found by chance
    monkeypatch.setattr(live, "_nudged", Late())
    viewer = live.watch("wmd", SOMEBODY)
    until(lambda: len(viewer.channel.frames) == 1)
    live.stop()


@pytest.mark.parametrize(("threads", "places"), [(1, 0), (4, 1), (16, 4), (20, 4), (21, 5), (64, 48), (320, 304)])
def test_calls_always_have_threads_left(app: Flask, threads: int, places: int) -> None:
    from jobs_server.config import Settings

    settings = Settings(threads=threads)
    assert Feed(service_of(app).database, settings, sse.render).places == places


def test_a_reader_that_takes_too_long_is_told_and_dropped(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "SLOW_SECONDS", -1.0)
    live = service_of(app).feed
    viewer = live.watch("wmd", SOMEBODY)
    with service_of(app).database.reading() as connection:
        messages = sse.messages(live, viewer, sse.start(connection, None, "wmd"))
    next(messages)
    inside(app).sends()
    *_, last = messages
    assert last.startswith(b"event: dropped\ndata: ")
    live.leave(viewer)


@pytest.mark.sqlite("elsewhere a position counts the events of its own site")
def test_a_quiet_viewer_gets_a_sign_of_life_and_moves_on(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 0.05)
    live = service_of(app).feed
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
