"""Whether each site's software is there: who polls is, who falls silent is not, and no more is claimed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.domain.lifecycle import Queue
from jobs_server.live.presence import Presence, State
from jobs_server.live.tuning import FeedTimes

from ..conftest import inside
from ..support import databases, feeds
from ..support.clocks import Clocks
from ..support.observatory import Observatory
from ..support.streams import Viewer


class Ticks:
    """The clock that silence is measured by, in the test's hands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    return Ticks(monkeypatch)


def state(known: Presence, site: str = "wmd") -> State:
    return known.seen(site, Queue.PRIMARY).state


def sites(app: Flask) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = app.test_client().get("/sites").get_json()
    return listed


class TestStates:
    def test_who_polls_is_online_until_it_has_been_silent_for_long(self, ticks: Ticks) -> None:
        known = Presence(30)
        known.heard("wmd", Queue.PRIMARY, "ptr-observatory")
        ticks.now += 29
        assert state(known) is State.ONLINE
        ticks.now += 1
        assert state(known) is State.SILENT

    def test_who_never_polled_is_unknown_at_first(self, ticks: Ticks) -> None:
        known = Presence(30)
        assert state(known) is State.UNKNOWN
        ticks.now += 30
        assert state(known) is State.SILENT

    def test_who_waits_is_there(self, ticks: Ticks) -> None:
        known = Presence(30)
        known.heard("wmd", Queue.PRIMARY, "")
        with known.waiting("wmd", Queue.PRIMARY):
            ticks.now += 60
            assert state(known) is State.ONLINE
        ticks.now += 29
        assert state(known) is State.ONLINE  # it has just been answered
        ticks.now += 1
        assert state(known) is State.SILENT

    def test_who_waited_here_is_not_said_to_wait_elsewhere(self, ticks: Ticks) -> None:
        known, others = Presence(30), Presence(30)
        known.heard("wmd", Queue.PRIMARY, "")
        with known.waiting("wmd", Queue.PRIMARY):
            ticks.now += 5
            told = known.heard_here()
            known.heard_elsewhere(told)  # as it comes back from the database
            others.heard_elsewhere(told)
        assert not known.seen("wmd", Queue.PRIMARY).waiting
        assert others.seen("wmd", Queue.PRIMARY).waiting
        ticks.now += 1
        (after,) = known.heard_here()
        assert (after.age_ms, after.waiting) == (1000, 0)  # newer than what was told before

    def test_where_others_listen_too_silence_is_not_claimed(self, ticks: Ticks) -> None:
        known = Presence(30)
        known.alone = False
        known.heard("wmd", Queue.PRIMARY, "")
        assert state(known) is State.ONLINE
        ticks.now += 30
        assert state(known) is State.UNKNOWN

    def test_that_several_processes_serve_one_file_is_warned_of_once(self, caplog: pytest.LogCaptureFixture) -> None:
        presence = Presence(30)
        for others in (False, True, True):
            presence.serves_beside_others(others)
        assert [record.message[:47] for record in caplog.records] == ["several processes serve one SQLite database: no"]

    def test_a_change_is_told_once(self, ticks: Ticks) -> None:
        news: list[str] = []
        known = Presence(30, lambda: news.append("news"))
        known.heard("wmd", Queue.PRIMARY, "")
        assert (known.changed(["wmd"]), known.changed(["wmd"])) == ({"wmd"}, set())
        known.heard("wmd", Queue.PRIMARY, "")
        assert len(news) == 1
        ticks.now += 30
        assert known.changed([]) == {"wmd"}
        known.heard("wmd", Queue.PRIMARY, "")
        assert len(news) == 2

    def test_made_up_sites_do_not_fill_the_memory(self, ticks: Ticks) -> None:
        known = Presence(30)
        for number in range(3000):
            ticks.now += 0.001
            known.heard(f"site{number}", Queue.PRIMARY, "")
        assert len(known.sites()) == 1000
        assert state(known, "site2999") is State.ONLINE


class TestSites:
    """`GET /sites` lists the sites that are known, and what is known of each."""

    def test_a_site_that_polls(self, clocks: Clocks, app: Flask) -> None:
        app.test_client().post("/getnewjobs", data=b'{"site": "wmd"}', headers={"User-Agent": "ptr-observatory/3"})
        now_ms = clocks.now.wall_ms
        online = {"state": "online", "lastPoll_ms": now_ms, "silentSince_ms": None, "waiting": False}
        assert sites(app) == [{"site": "wmd", "now_ms": now_ms, "client": "ptr-observatory/3", **online}]

    def test_the_alternate_queue_is_told_apart(self, observatory: Observatory, app: Flask) -> None:
        observatory.polls(alternateQueue=True)
        (site,) = sites(app)
        assert (site["state"], site["alternateQueue"]["state"]) == ("unknown", "online")

    def test_a_site_that_only_has_jobs_or_a_setting(self, clocks: Clocks) -> None:
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SITES": ("mrc", "wmd")})
        assert [(site["site"], site["state"]) for site in sites(app)] == [("mrc", "unknown"), ("wmd", "unknown")]
        app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh()})
        for site in ("b", "a", "b"):
            inside(app, site).sends()
        assert [site["site"] for site in sites(app)] == ["a", "b"]

    def test_silence_has_a_beginning(self, ticks: Ticks, clocks: Clocks, app: Flask) -> None:
        inside(app).polls()
        polled_ms = clocks.now.wall_ms
        ticks.now += 30
        clocks.pass_by(30)
        (site,) = sites(app)
        assert (site["state"], site["silentSince_ms"]) == ("silent", polled_ms)
        assert site["now_ms"] - site["lastPoll_ms"] == 30_000


def test_viewers_are_told_when_a_site_comes_back(live: str, people: Observatory) -> None:
    with Viewer(live, people.site) as viewer:
        assert viewer.sees(1, "presence")[0].data["data"]["state"] == "unknown"
        people.polls()
        viewer.until(lambda: viewer.states[-1] == "online", "online")


def test_viewers_are_told_when_a_site_falls_silent(app: Flask) -> None:
    live = feeds.put_in(app, FeedTimes(tend_seconds=0.05), silent_after_seconds=1)
    inside(app).polls()
    with live.presence.waiting("wmd", Queue.PRIMARY):  # The site is there until the stream has begun.
        reply = app.test_client().get("/stream?site=wmd", buffered=False)
        messages = reply.iter_encoded()
        assert b'"state":"online"' in next(messages)
    assert any(b'"state":"silent"' in message for message in messages)
    reply.close()
