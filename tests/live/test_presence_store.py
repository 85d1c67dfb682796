"""What is noted of a site's silence: from its last poll to its next one, once, whoever notes it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.domain.lifecycle import Queue
from jobs_server.live import presence_store
from jobs_server.live.presence import Presence
from jobs_server.service import service_of
from jobs_server.storage.database import Database
from jobs_server.upkeep import retention, startup

from ..conftest import inside, over_http
from ..support import postgres, servers
from ..support.clocks import HOUR, Clocks
from ..support.waiting import until

FOREVER_MS = 10**15


class Hall:
    """One server with a site that polls, or does not, and whose clocks are in the test's hands."""

    def __init__(self, app: Flask, clocks: Clocks) -> None:
        self.database: Database = service_of(app).database
        self.presence = service_of(app).feed.presence
        self.site = inside(app)
        self._clocks = clocks

    def polls(self) -> int:
        self.site.polls()
        return self._clocks.now.wall_ms

    def passes(self, seconds: float) -> None:
        """Let time pass; the server looks at the end of it."""
        self._clocks.pass_by(seconds)
        self.notes()

    def notes(self, presence: Presence | None = None, expected: tuple[str, ...] = ("wmd",)) -> None:
        presence_store.note_silences(self.database, presence or self.presence, expected)

    def noted(self, site: str = "wmd", from_ms: int = 0, to_ms: int = FOREVER_MS) -> list[tuple[int, int]]:
        with self.database.reading() as connection:
            return presence_store.silences_between(connection, site, from_ms, to_ms)


@pytest.fixture
def hall(app: Flask, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> Hall:
    monkeypatch.setattr(time, "monotonic", lambda: clocks.now.wall_ms / 1000)
    return Hall(app, clocks)


def test_a_silence_is_from_the_last_poll_to_the_next(hall: Hall) -> None:
    last_ms = hall.polls()
    hall.passes(29)
    assert hall.noted() == []
    hall.passes(1)
    assert hall.noted() == [(last_ms, FOREVER_MS)]  # it lasts
    hall.passes(600)
    next_ms = hall.polls()
    hall.notes()
    assert hall.noted() == [(last_ms, next_ms)]
    hall.passes(10)
    assert hall.noted() == [(last_ms, next_ms)]


def test_a_stretch_of_time_has_its_part_of_a_silence(hall: Hall) -> None:
    last_ms = hall.polls()
    hall.passes(100)
    next_ms = hall.polls()
    hall.notes()
    assert hall.noted(from_ms=last_ms + 10, to_ms=next_ms - 10) == [(last_ms + 10, next_ms - 10)]
    assert hall.noted(from_ms=next_ms) == []
    assert hall.noted(to_ms=last_ms) == []
    assert hall.noted("mrc") == []


def test_a_silence_goes_on_over_a_restart_of_the_server(hall: Hall) -> None:
    last_ms = hall.polls()
    hall.passes(60)
    after = Presence(30)
    after.serves_beside_others(False)
    hall.notes(after)
    hall.passes(60)
    hall.notes(after)
    assert hall.noted() == [(last_ms, FOREVER_MS)]


def test_nothing_is_noted_where_other_processes_may_have_heard(hall: Hall) -> None:
    starts = Presence(30)  # no request has told yet whether it is alone
    beside = Presence(30)
    beside.serves_beside_others(True)
    hall.passes(100)
    for presence in (starts, beside):
        hall.notes(presence)
    assert hall.noted() == []


def test_sites_with_jobs_are_noted_and_others_that_polled_are_not(hall: Hall) -> None:
    hall.site.sends()
    hall.polls()
    hall.presence.heard("typo", Queue.PRIMARY, "")
    hall.passes(60)
    hall.notes(expected=())
    assert (len(hall.noted()), hall.noted("typo")) == (1, [])


def test_a_clock_that_was_set_back_makes_no_silence_of_less_than_nothing(hall: Hall, clocks: Clocks) -> None:
    hall.polls()
    hall.passes(60)
    assert len(hall.noted()) == 1
    clocks.set_wall(-HOUR)
    hall.polls()
    hall.notes()
    assert hall.noted() == []


def test_old_silences_go_with_old_jobs(hall: Hall, clocks: Clocks) -> None:
    for days in (20, 20, 0):
        hall.polls()
        hall.notes()
        hall.passes(60)
        hall.passes(days * 24 * HOUR)
    _, second, third = hall.noted()
    retention.prune(hall.database, second[1])
    assert hall.noted() == [second, third]


def test_insights_show_a_silence_in_which_nothing_waited(tmp_path: Path) -> None:
    soon = {"JOBS_SILENT_AFTER_SECONDS": "1", "JOBS_SWEEP_SECONDS": "0.2", "JOBS_SITES": "wmd"}
    with servers.running("gunicorn", tmp_path, soon) as server, httpx.Client(trust_env=False, timeout=60) as client:

        def silent() -> list[str]:
            return re.findall(
                r'data-silent="([^0"]\d*)" data-waited="0"', client.get(f"{server.url}/insights?site=wmd").text
            )

        over_http(server.url, client).polls()
        until(silent)


def test_what_was_heard_while_the_databases_clock_was_a_year_ahead_counts_for_nothing(tmp_path: Path) -> None:
    """A site would be shown as there for a year, and no poll of it would be written."""
    app = create_app({"TESTING": True, "DATABASE_URL": postgres.shared().database(), "INSTANCE": str(tmp_path)})
    startup.prepare(app)
    database, presence = service_of(app).database, service_of(app).feed.presence
    shared = presence_store.SharedPresence(database, presence)
    ahead = "INSERT INTO site_presence VALUES ('wmd', 0, 'x', 1, extract(epoch FROM now()) * 1000 + 31536000000, 0)"
    with database.engine.begin() as connection:
        connection.exec_driver_sql(ahead)
    shared.sync()
    assert presence.seen("wmd", Queue.PRIMARY).last_poll_ms is None
    inside(app).polls()
    shared.sync()
    with database.reading() as connection:
        assert [row[4] for row in connection.rows(presence_store._READ)] == [pytest.approx(0, abs=60_000)]
    database.close()
