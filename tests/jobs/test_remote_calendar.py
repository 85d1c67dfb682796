"""A calendar elsewhere says who holds the telescope; what it said of the coming day serves while it does not answer."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.config import Settings
from jobs_server.domain.actors import Actor, Known
from jobs_server.domain.commands import SubmitJob
from jobs_server.errors import Unauthorized, Unavailable
from jobs_server.jobs import remote_calendar
from jobs_server.jobs.remote_calendar import RemoteCalendar
from jobs_server.service import service_of
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import databases, servers
from ..support.observatory import a_command
from ..support.waiting import until

HOUR_MS = 60 * 60 * 1000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


VERA, TYCHO = Actor("auth0|vera", "Vera", Known.SIGNED_IN), Actor("auth0|tycho", "Tycho", Known.SIGNED_IN)
CHIEF = Actor("auth0|chief", "Chief", Known.SIGNED_IN, is_admin=True)


class Elsewhere:
    """A calendar whose answers are in the test's hands; none: it fails."""

    def __init__(self) -> None:
        self.events: list[Any] | None = []
        self.asked: list[tuple[str, Any]] = []
        self.url = ""
        self.answers = threading.Event()
        """While this is not set, it takes requests and says nothing."""
        self.answers.set()

    def reserves(self, who: str) -> None:
        now_s = time.time()
        span = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s + at)) for name, at in SPAN.items()}
        self.events = [{"creator_id": who, "creator": who.partition("|")[2].title(), "site": "wmd"} | span]

    def times_asked(self, route: str) -> int:
        return sum(path.endswith(route) for path, _ in list(self.asked))


SPAN = {"start": -60, "end": 3600}


@contextmanager
def a_calendar(port: int = 0) -> Iterator[Elsewhere]:
    """Run a calendar; at the end it is gone, and nobody listens."""
    calendar = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calendar.asked.append((self.path, body))
            calendar.answers.wait()
            self.send_response(200 if calendar.events is not None else 500)
            self.end_headers()
            self.wfile.write(json.dumps(calendar.events).encode())

        def log_message(self, *_: object) -> None:
            """Write no log."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Pass over clients that hung up."""

    server = Server(("127.0.0.1", port), Handler)
    calendar.url = f"http://127.0.0.1:{server.server_port}/calendar"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield calendar
    finally:
        calendar.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with a_calendar() as calendar:
        yield calendar


@pytest.fixture
def asks() -> Iterator[Callable[..., RemoteCalendar]]:
    """Make what asks a calendar; it fetches nothing more when the test is over."""
    made: list[RemoteCalendar] = []

    def make(elsewhere: Elsewhere, **options: float) -> RemoteCalendar:
        made.append(RemoteCalendar(elsewhere.url, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def app(elsewhere: Elsewhere) -> Iterator[Flask]:
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "CALENDAR_URL": elsewhere.url})
    yield app
    closes(app)


def closes(app: Flask) -> None:
    remote = service_of(app).calendar
    assert remote is not None
    remote.close()
    service_of(app).database.close()


def a_job(action: str = "expose") -> SubmitJob:
    return SubmitJob.model_validate(a_command(action))


def test_it_is_asked_for_each_job_and_only_holders_pass(app: Flask, elsewhere: Elsewhere) -> None:
    site = inside(app)
    assert site.asks(user_id="auth0|tycho").status == 200
    elsewhere.reserves("auth0|vera")
    refusal = site.asks(user_id="auth0|tycho")
    assert (refusal.status, "is reserved by Vera until" in refusal.text) == (401, True)
    assert site.asks(user_id="auth0|vera").status == 200
    assert site.asks("stop", user_id="auth0|tycho").status == 200
    path, body = next(each for each in elsewhere.asked if each[0].endswith("get-event-at-time"))
    assert (path, set(body)) == ("/calendar/get-event-at-time", {"site", "time"})


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-01T00:00:00Z", "9999-12-31T20:00:00-12:00"),
        ("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_what_is_reserved_for_ever_is_so_until_the_year_9000(
    app: Flask, elsewhere: Elsewhere, start: str, end: str
) -> None:
    """A newevent from `9999-12-31T20:00:00-12:00`, in the calendar elsewhere."""
    elsewhere.events = [{"creator_id": "auth0|vera", "creator": "Vera", "site": "wmd", "start": start, "end": end}]
    refusal = inside(app).asks(user_id="auth0|tycho")
    assert (refusal.status, "is reserved by Vera until 9001-01-01 00:00 UTC" in refusal.text) == (401, True)
    assert inside(app).asks(user_id="auth0|vera").status == 200


def test_what_was_sent_before_with_its_key_is_the_first_job_again(app: Flask, elsewhere: Elsewhere) -> None:
    site, body, key = inside(app), a_command(user_id="auth0|tycho"), {"Idempotency-Key": "k"}
    first = site.posts("newjob", body, key).job
    elsewhere.reserves("auth0|vera")
    assert site.posts("newjob", body, key).job == first
    assert site.posts("newjob", body, {"Idempotency-Key": "another"}).status == 401


def test_reservations_kept_here_do_not_count_beside_it(app: Flask, elsewhere: Elsewhere) -> None:
    elsewhere.reserves("auth0|vera")
    [event] = elsewhere.events or []
    elsewhere.events = []
    assert app.test_client().post("/calendar/newevent", json=event).status_code == 200
    assert inside(app).asks(user_id="auth0|tycho").status == 200


def test_the_week_shows_what_it_told_and_that_what_is_reserved_here_does_not_count(
    app: Flask, elsewhere: Elsewhere
) -> None:
    elsewhere.reserves("auth0|vera")
    [event] = elsewhere.events or []
    local = event | {"creator_id": "auth0|tycho", "creator": "Tycho"}
    assert app.test_client().post("/calendar/newevent", json=local).status_code == 200
    remote = service_of(app).calendar
    assert remote is not None
    remote.fetch("wmd", now_ms())
    week = app.test_client().get("/reservations?site=wmd").text
    strips = re.findall(r"<svg class=.strip.*?</svg>", week, re.DOTALL)
    assert any("Vera:" in strip for strip in strips)
    assert not any("Tycho" in strip for strip in strips)
    assert re.search(r"<bdi>Tycho</bdi>.*made here, does not count", week)
    assert ("Not known yet" in week, ">Free<" in strips[-1]) == (True, False)


def test_who_is_in_the_way_there_is_said_before_a_reservation_is_sent(app: Flask, elsewhere: Elsewhere) -> None:
    elsewhere.reserves("auth0|vera")
    [event] = elsewhere.events or []
    remote = service_of(app).calendar
    assert remote is not None
    remote.fetch("wmd", now_ms())
    wanted = {"site": "wmd", "do": "check", "start": event["start"], "end": event["end"]}
    checked = app.test_client().post("/act/reserve", data=wanted)
    assert checked.get_json()["fault"].startswith("Vera has reserved")


def test_at_the_terminal_it_holds_too_but_for_stops(app: Flask, elsewhere: Elsewhere) -> None:
    elsewhere.reserves("auth0|vera")
    terminal = app.test_cli_runner()
    refused = terminal.invoke(args=["jobs", "send", "--site", "wmd", "--user", "tycho", "mount", "mount1", "park"])
    assert (refused.exit_code, "is reserved by Vera" in refused.output) == (1, True)
    assert terminal.invoke(args=["jobs", "cancel-all", "--site", "wmd", "--user", "tycho"]).exit_code == 0


def test_it_is_waited_for_three_seconds_and_fetched_ahead_every_five_minutes() -> None:
    calendar = RemoteCalendar("http://calendar.example")
    assert (calendar.timeout_seconds, calendar.fetch_seconds) == (3, 5 * 60)


def test_the_coming_day_is_fetched_again_and_again(elsewhere: Elsewhere, asks: Callable[..., RemoteCalendar]) -> None:
    elsewhere.reserves("auth0|vera")
    calendar = asks(elsewhere, fetch_seconds=0.01)
    calendar.follow("wmd", "mrc1")
    until(lambda: calendar.known("wmd", now_ms()) is not None)
    elsewhere.reserves("auth0|tycho")
    until(lambda: [held.creator_id for held in calendar.known("wmd", now_ms()) or []] == ["auth0|tycho"])
    until(lambda: {body["site"] for _, body in list(elsewhere.asked)} == {"wmd", "mrc1"})
    before = elsewhere.times_asked("siteevents")
    until(lambda: elsewhere.times_asked("siteevents") > before + 4)
    body = elsewhere.asked[-1][1]
    ahead = [time.strptime(body[name], "%Y-%m-%dT%H:%M:%SZ") for name in ("start", "end")]
    assert time.mktime(ahead[1]) - time.mktime(ahead[0]) >= 24 * 3600


def test_when_serving_begins_what_is_known_is_fetched_before_anybody_asks(elsewhere: Elsewhere, tmp_path: Path) -> None:
    elsewhere.reserves("auth0|vera")
    settings = {"TESTING": True, "CALENDAR_URL": elsewhere.url, "SITES": ("wmd",)}
    app = create_app(settings | databases.at(tmp_path / "instance"))
    startup.prepare(app)
    remote = service_of(app).calendar
    assert remote is not None
    remote_calendar.start(remote, service_of(app).database, service_of(app).settings)
    until(lambda: remote.known("wmd", now_ms()))
    elsewhere.events = None
    assert inside(app).asks(user_id="auth0|tycho").status == 401
    assert inside(app).asks(user_id="auth0|vera").status == 200
    assert "Vera" in app.test_client().get("/?site=wmd").text
    closes(app)


def test_while_it_fails_what_it_said_of_the_coming_day_is_used(
    elsewhere: Elsewhere, asks: Callable[..., RemoteCalendar]
) -> None:
    elsewhere.reserves("auth0|vera")
    calendar = asks(elsewhere)
    calendar.fetch("wmd", now_ms())
    elsewhere.events = None
    assert [held.creator_id for held in calendar.holders("wmd", now_ms())] == ["auth0|vera"]
    assert calendar.holders("wmd", now_ms() + 2 * HOUR_MS) == []
    with pytest.raises(Unavailable):
        calendar.holders("wmd", now_ms() + 25 * HOUR_MS)


def test_while_it_hangs_the_same_is_used_and_a_failed_fetch_forgets_nothing(
    elsewhere: Elsewhere, asks: Callable[..., RemoteCalendar]
) -> None:
    elsewhere.reserves("auth0|vera")
    calendar = asks(elsewhere)
    calendar.fetch("wmd", now_ms())
    elsewhere.answers.clear()
    calendar.timeout_seconds = 0.05
    calendar.fetch("wmd", now_ms())
    assert [held.creator_id for held in calendar.holders("wmd", now_ms())] == ["auth0|vera"]
    with pytest.raises(Unavailable, match="cannot be reached"):
        calendar.holders("mrc1", now_ms())
    elsewhere.answers.set()
    calendar.timeout_seconds = remote_calendar.TIMEOUT_SECONDS
    assert [held.creator_id for held in calendar.holders("wmd", now_ms())] == ["auth0|vera"]


def test_when_it_is_gone_the_same_is_used_and_when_it_is_back_it_is_asked_again(
    asks: Callable[..., RemoteCalendar],
) -> None:
    port = servers.free_port()
    with a_calendar(port) as elsewhere:
        elsewhere.reserves("auth0|vera")
        calendar = asks(elsewhere)
        calendar.fetch("wmd", now_ms())
    assert [held.creator_id for held in calendar.holders("wmd", now_ms())] == ["auth0|vera"]
    with a_calendar(port) as elsewhere:
        elsewhere.reserves("auth0|tycho")
        assert [held.creator_id for held in calendar.holders("wmd", now_ms())] == ["auth0|tycho"]


@pytest.mark.parametrize("answer", [None, {"a": 1}, ["x"], [{"start": "x"}], [{"creator_id": "a", "start": "soon"}]])
def test_with_nothing_known_only_admins_pass(
    elsewhere: Elsewhere, asks: Callable[..., RemoteCalendar], answer: Any
) -> None:
    elsewhere.events = answer
    calendar, settings = asks(elsewhere), Settings()
    with pytest.raises(Unavailable, match="cannot be reached"):
        calendar.check(a_job(), VERA, settings)
    calendar.check(a_job(), CHIEF, settings)
    calendar.check(a_job("stop"), TYCHO, settings)


class TestStopsWhereOnlyHoldersMayStop:
    """A stop is refused to strangers, and never held up by a calendar that is away."""

    SETTINGS = Settings(anyone_may_stop=False)

    def test_strangers_are_refused_holders_and_admins_pass(
        self, elsewhere: Elsewhere, asks: Callable[..., RemoteCalendar]
    ) -> None:
        elsewhere.reserves(VERA.id)
        calendar = asks(elsewhere)
        calendar.check(a_job("stop"), VERA, self.SETTINGS)
        calendar.check(a_job("stop"), CHIEF, self.SETTINGS)
        with pytest.raises(Unauthorized, match="reserved by Vera"):
            calendar.check(a_job("stop"), TYCHO, self.SETTINGS)

    def test_whoever_is_known_to_hold_it_stops_without_a_question(
        self, elsewhere: Elsewhere, asks: Callable[..., RemoteCalendar]
    ) -> None:
        elsewhere.reserves(VERA.id)
        calendar = asks(elsewhere)
        calendar.fetch("wmd", now_ms())
        calendar.check(a_job("stop"), VERA, self.SETTINGS)
        assert elsewhere.times_asked("get-event-at-time") == 0
        elsewhere.events = None
        calendar.check(a_job("stop"), VERA, self.SETTINGS)
        with pytest.raises(Unauthorized):
            calendar.check(a_job("stop"), TYCHO, self.SETTINGS)

    def test_while_nobody_knows_who_holds_it_a_stop_passes(
        self, elsewhere: Elsewhere, asks: Callable[..., RemoteCalendar]
    ) -> None:
        elsewhere.events = None
        asks(elsewhere).check(a_job("stop"), TYCHO, self.SETTINGS)

    def test_a_stranger_cancels_only_what_is_their_own(self, elsewhere: Elsewhere) -> None:
        settings = {"DATABASE_URL": databases.fresh(), "CALENDAR_URL": elsewhere.url, "ANYONE_MAY_STOP": False}
        app = create_app({"TESTING": True} | settings)
        site = inside(app)
        vera, tycho = site.sends(user_id=VERA.id), site.sends(user_id=TYCHO.id)
        remote = service_of(app).calendar
        assert remote is not None
        until(lambda: remote.known("wmd", now_ms()) is not None)
        elsewhere.reserves(VERA.id)
        remote.fetch("wmd", now_ms())
        who = {"site": "wmd", "user_id": TYCHO.id, "user_name": "Tycho"}
        assert site.posts("canceljob", who | {"ulid": vera["ulid"]}).status == 401
        assert site.posts("canceljob", who | {"ulid": tycho["ulid"]}).status == 200
        assert app.test_client().post("/act/stop", data={"site": "wmd", "how": "waiting"}).status_code == 401
        assert site.status(vera) == "UNREAD"
        closes(app)


@pytest.mark.parametrize("hours", [-24 * 365, -1])
def test_of_a_time_before_it_was_asked_nothing_is_known(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the clock set back, what was fetched of the coming day would say that nobody holds the telescope."""
    calendar = RemoteCalendar("http://calendar.example")
    monkeypatch.setattr(calendar, "_ask", lambda *_: [])
    calendar.fetch("wmd", 2_000_000_000_000)
    assert calendar.known("wmd", 2_000_000_000_000) == []
    assert calendar.known("wmd", 2_000_000_000_000 + hours * HOUR_MS) is None


class TestAPasswordInItsAddress:
    """A password or a key in `JOBS_CALENDAR_URL` is for the calendar alone."""

    ADDRESS = "http://desk:hunter2@127.0.0.1:9/calendar?key=opensesame"

    def test_stands_on_no_page_in_no_command_and_in_no_log(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = create_app({"DATABASE_URL": "sqlite://", "INSTANCE": str(tmp_path), "CALENDAR_URL": self.ADDRESS})
        startup.prepare(app)
        calendar = service_of(app).calendar
        assert calendar is not None
        inside(app).asks()
        calendar.fetch("wmd", clock.now_ms())
        told = [
            caplog.text,
            str(calendar.fault("wmd", clock.now_ms())),
            app.test_client().get("/reservations?site=wmd").text,
            app.test_client().get("/settings?site=wmd").text,
            *(app.test_cli_runner().invoke(args=[command]).output for command in ("settings", "doctor")),
        ]
        assert "does not answer" in caplog.text
        for text in told:
            assert "hunter2" not in text
            assert "opensesame" not in text
        assert "http://***@127.0.0.1:9/calendar" in told[2]

    def test_stands_in_no_refusal_of_the_calendar(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuses(_self: httpx.Client, url: str, **_more: object) -> httpx.Response:
            return httpx.Response(403, request=httpx.Request("POST", url))

        monkeypatch.setattr(httpx.Client, "post", refuses)
        fault = RemoteCalendar("https://desk:hunter2@calendar.example/x").fault("wmd", clock.now_ms())
        assert fault is not None
        assert "403" in fault
        assert "hunter2" not in fault
