"""A calendar elsewhere says who holds the telescope; what it said of the coming day serves while it does not answer."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from jobs_server import create_app, db
from jobs_server.actors import Actor, Known
from jobs_server.commands import SubmitJob
from jobs_server.config import Settings
from jobs_server.errors import Unavailable
from jobs_server.remote_calendar import RemoteCalendar

from .conftest import inside
from .support.observatory import a_command

HOUR_MS = 60 * 60 * 1000


class Elsewhere:
    """A calendar whose answers are in the test's hands; none: it fails."""

    def __init__(self) -> None:
        self.events: list[Any] | None = []
        self.asked: list[tuple[str, Any]] = []
        self.url = ""

    def reserves(self, who: str) -> None:
        now_s = time.time()
        span = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s + at)) for name, at in SPAN.items()}
        self.events = [{"creator_id": who, "creator": who.partition("|")[2].title(), "site": "wmd"} | span]


SPAN = {"start": -60, "end": 3600}


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    calendar = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            calendar.asked.append((self.path, body))
            self.send_response(200 if calendar.events is not None else 500)
            self.end_headers()
            self.wfile.write(json.dumps(calendar.events).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    calendar.url = f"http://127.0.0.1:{server.server_port}/calendar"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield calendar
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_asked_for_each_job_and_only_holders_pass(elsewhere: Elsewhere) -> None:
    app = create_app({"TESTING": True, "DATABASE_URL": "sqlite://", "CALENDAR_URL": elsewhere.url})
    site = inside(app)
    assert site.asks(user_id="auth0|tycho").status == 200
    elsewhere.reserves("auth0|vera")
    refusal = site.asks(user_id="auth0|tycho")
    assert (refusal.status, "is reserved by Vera until" in refusal.text) == (401, True)
    assert site.asks(user_id="auth0|vera").status == 200
    assert site.asks("stop", user_id="auth0|tycho").status == 200
    path, body = next(each for each in elsewhere.asked if each[0].endswith("get-event-at-time"))
    assert (path, set(body)) == ("/calendar/get-event-at-time", {"site", "time"})
    app.extensions[db.EXTENSION].engine.dispose()


def test_while_it_is_silent_what_it_said_of_the_coming_day_is_used(elsewhere: Elsewhere) -> None:
    elsewhere.reserves("auth0|vera")
    calendar, now_ms = RemoteCalendar(elsewhere.url), time.time_ns() // 1_000_000
    calendar.fetch("wmd", now_ms)
    elsewhere.events = None
    assert [held.creator_id for held in calendar.holders("wmd", now_ms)] == ["auth0|vera"]
    assert calendar.holders("wmd", now_ms + 2 * HOUR_MS) == []
    with pytest.raises(Unavailable):
        calendar.holders("wmd", now_ms + 25 * HOUR_MS)


@pytest.mark.parametrize("answer", [None, {"a": 1}, ["x"], [{"start": "x"}], [{"creator_id": "a", "start": "soon"}]])
def test_with_nothing_known_only_admins_pass(elsewhere: Elsewhere, answer: Any) -> None:
    elsewhere.events = answer
    calendar, settings = RemoteCalendar(elsewhere.url), Settings()
    command = SubmitJob.model_validate(a_command())
    with pytest.raises(Unavailable, match="cannot be reached"):
        calendar.check(command, Actor("auth0|vera", "Vera", Known.SAID), settings)
    calendar.check(command, Actor("auth0|chief", "Chief", Known.SIGNED_IN, is_admin=True), settings)
    calendar.check(SubmitJob.model_validate(a_command("stop")), Actor("a", "A", Known.SAID), settings)
