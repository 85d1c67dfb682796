"""A poll may wait: it is answered the moment there is a job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of

from ..conftest import inside, over_http
from ..support import databases, servers
from ..support.observatory import Observatory
from ..support.streams import Viewer
from ..support.waiting import until

LONG = 60  # As long as a poll may wait, and so long that no test waits for its end.


class Poll(threading.Thread):
    """A poll that waits, on a connection of its own."""

    def __init__(self, url: str, site: str, **options: Any) -> None:
        super().__init__(daemon=True)
        self._url, self._site = url, site
        self._options = {"waitSeconds": LONG} | options
        self.jobs: list[dict[str, Any]] = []
        self.start()

    def run(self) -> None:
        with httpx.Client(trust_env=False, timeout=2 * LONG) as client, suppress(httpx.TransportError):
            self.jobs = over_http(self._url, client, self._site).polls(**self._options)

    def gets(self) -> list[str]:
        self.join(LONG - 5)
        assert not self.is_alive(), "the poll was not answered"
        return [job["ulid"] for job in self.jobs]


def someone_waits(url: str, site: str) -> Callable[[], bool]:
    def look() -> bool:
        sites = httpx.get(f"{url}/sites", trust_env=False, timeout=60).json()
        return any(
            each["waiting"] or each.get("alternateQueue", each)["waiting"] for each in sites if each["site"] == site
        )

    return look


@pytest.mark.parametrize("options", [{}, {"limit": 1}, {"claimId": "a"}, {"alternateQueue": True}])
def test_it_is_answered_when_a_job_comes(live: str, people: Observatory, options: dict[str, Any]) -> None:
    site = people.site = f"{people.site}-{'-'.join(options)}"
    poll = Poll(live, site, **options)
    until(someone_waits(live, site))
    job = people.sends()
    assert poll.gets() == [job["ulid"]]


@pytest.mark.parametrize("options", [{}, {"claimId": "a"}, {"alternateQueue": True}])
def test_one_for_stops_alone_waits_for_a_stop(live: str, people: Observatory, options: dict[str, Any]) -> None:
    site = people.site = f"{people.site}-{'-'.join(options)}"
    waits_already, poll = people.sends(), Poll(live, site, stopsOnly=True, **options)
    until(someone_waits(live, site))
    comes = people.sends("go", device="mount", instance="mount1")
    stop = people.sends("stop", device="focuser", instance="focuser1")
    assert poll.gets() == [stop["ulid"]]
    others = people.polls(**options | {"claimId": None})
    assert [each["ulid"] for each in others] == [waits_already["ulid"], comes["ulid"]]


def test_what_is_there_already_is_not_waited_for(people: Observatory) -> None:
    job = people.sends()
    assert [each["ulid"] for each in people.polls(waitSeconds=LONG)] == [job["ulid"]]


def test_two_that_wait_share_what_comes(live: str, people: Observatory) -> None:
    polls = [Poll(live, people.site, limit=1), Poll(live, people.site, limit=1)]
    until(someone_waits(live, people.site))
    sent = [people.sends()["ulid"], people.sends()["ulid"]]
    assert sorted(polls[0].gets() + polls[1].gets()) == sent


def test_a_job_that_was_held_back_wakes_it(live: str, people: Observatory) -> None:
    park = people.sends("park", notBeforeSeconds=1.5)
    assert people.polls() == []
    assert Poll(live, people.site).gets() == [park["ulid"]]


VERA = {"user_id": "auth0|vera", "user_name": "Vera"}


def test_it_is_answered_when_a_lock_out_is_lifted_that_kept_what_waited(live: str, people: Observatory) -> None:
    job = people.sends()
    assert people.posts("lockout", {"site": people.site, "note": "hands on the mount"} | VERA).status == 200
    poll = Poll(live, people.site)
    until(someone_waits(live, people.site))
    lifted = people.posts("liftlockout", {"site": people.site, "cancelWaiting": False} | VERA)
    assert (lifted.status, poll.gets()) == (200, [job["ulid"]])


def test_it_is_answered_when_another_process_lifts_the_lock_out(tmp_path: Path) -> None:
    with (
        servers.running("gunicorn", tmp_path / "instance") as server,
        httpx.Client(trust_env=False, timeout=60) as client,
    ):
        site = over_http(server.url, client)
        job = site.sends()
        app = create_app(databases.at(tmp_path / "instance"))
        terminal = app.test_cli_runner()
        locked = terminal.invoke(args=["lockout", "on", "--site", "wmd", "--by", "Vera", "--note", "hands"])
        poll = Poll(server.url, "wmd")
        until(someone_waits(server.url, "wmd"))
        lifted = terminal.invoke(args=["lockout", "off", "--site", "wmd", "--by", "Vera", "--keep-waiting"])
        assert (locked.exit_code, lifted.exit_code) == (0, 0)
        assert poll.gets() == [job["ulid"]]
        service_of(app).database.close()


def test_who_watches_hears_of_lock_outs_and_reservations(live: str, people: Observatory) -> None:
    with Viewer(live, people.site) as viewer:
        viewer.sees(2, "presence")  # with the greeting, and when the feed first looks at the site
        locked = people.posts("lockout", {"site": people.site, "note": "hands on the mount"} | VERA)
        viewer.sees(3, "presence")
        lifted = people.posts("liftlockout", {"site": people.site} | VERA)
        viewer.sees(4, "presence")
        span = {"start": "2999-01-01T00:00Z", "end": "2999-01-01T01:00Z", "creator_id": "auth0|vera", "creator": "Vera"}
        reserved = httpx.post(
            f"{live}/calendar/newevent", json={"site": people.site} | span, trust_env=False, timeout=60
        )
        assert (locked.status, lifted.status, reserved.status_code) == (200, 200, 200)
        viewer.sees(5, "presence")
        event_id = reserved.json()["new_calendar_event"]["event_id"]
        httpx.post(f"{live}/calendar/delete", json={"event_id": event_id} | span, trust_env=False, timeout=60)
        viewer.sees(6, "presence")


def test_a_client_that_hung_up_gets_no_job(live: str, people: Observatory) -> None:
    with (
        httpx.Client(trust_env=False, timeout=httpx.Timeout(LONG, read=1.5)) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        over_http(live, client, people.site).polls(waitSeconds=LONG)
    job = people.sends()
    assert people.status(job) == "UNREAD"
    assert [each["ulid"] for each in people.polls()] == [job["ulid"]]


def test_while_it_waits_it_holds_no_connection(app: Flask) -> None:
    got: list[Any] = []  # in memory there is one connection for all
    poll = threading.Thread(target=lambda: got.extend(inside(app).polls(waitSeconds=LONG)))
    poll.start()
    until(lambda: service_of(app).feed.counts() == (0, 1))
    job = inside(app).sends()
    poll.join(LONG - 5)
    assert [each["ulid"] for each in got] == [job["ulid"]]
    service_of(app).feed.stop()


@pytest.mark.parametrize("seconds", [-1, 0, None, 0.01, -1e300])
def test_little_is_not_waited_for(observatory: Observatory, seconds: float | None) -> None:
    assert observatory.polls(waitSeconds=seconds) == []


@pytest.mark.parametrize("seconds", ["20", "", True, [1], {}])
def test_it_is_a_number(observatory: Observatory, seconds: object) -> None:
    refusal = observatory.posts("getnewjobs", {"site": "wmd", "waitSeconds": seconds})
    assert (refusal.status, refusal.text) == (400, "[]")
    assert refusal.headers["X-Error"] == "Error: waitSeconds must be a number of seconds; at most 60 are waited"


@pytest.mark.parametrize("seconds", [61, 1e9, 10**30, 1e300])
def test_much_is_cut(app: Flask, seconds: float) -> None:
    poll = threading.Thread(target=lambda: inside(app).polls(waitSeconds=seconds))
    poll.start()
    live = service_of(app).feed
    until(lambda: live.counts() == (0, 1))
    live.stop()
    poll.join(LONG - 5)
    assert not poll.is_alive()
    assert live.counts() == (0, 0)


def test_too_many_are_told_to_come_back(tmp_path: Path) -> None:
    few = {"JOBS_THREADS": "18"}
    with (
        servers.running("gunicorn", tmp_path / "instance", few) as server,
        httpx.Client(trust_env=False, timeout=60) as client,
    ):
        site = over_http(server.url, client)
        with ExitStack() as crowd:
            for _ in range(4):
                crowd.enter_context(Viewer(server.url))
            refusal = site.posts("getnewjobs", {"site": "wmd", "waitSeconds": 1})
            assert (refusal.status, refusal.text, refusal.headers["Retry-After"]) == (503, "[]", "5")
            assert "all 4 places" in refusal.headers["X-Error"]
            stream = client.get(f"{server.url}/stream?site=wmd")
            assert (stream.status_code, stream.headers["Retry-After"]) == (503, "5")
            assert site.polls() == []
            job = site.sends()
            assert site.polls(waitSeconds=1)[0]["ulid"] == job["ulid"]
        until(lambda: site.posts("getnewjobs", {"site": "wmd", "waitSeconds": 0.01}).status == 200)
