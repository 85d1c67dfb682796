"""What people and programs write is text wherever it is told: it breaks no frame, header, log line or table."""

from __future__ import annotations

import csv
import io
import logging
import unicodedata
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.domain.lifecycle import UNREAD
from jobs_server.jobs.events import after
from jobs_server.live.sse import render
from jobs_server.service import reading, service_of
from jobs_server.upkeep.log_lines import Lines, Objects

from ..conftest import inside
from ..support import databases
from ..support.observatory import Observatory
from ..support.streams import Parser

HOSTILE = (
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "\u202eright to left\u202c \u05d0\u05d1\u05d2",
    "a\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200 OK",
    "a\n\ndata: {}\n\nid: x-1",
    "\x1b[2J\x1b]0;mine\x07\x85\u2028\u2029",
    "=cmd|' /C calc'!A0",
    "+1\t-1\t@SUM(A1)",
)

every_hostile_text = pytest.mark.parametrize("text", HOSTILE)


def entered(observatory: Observatory, text: str) -> dict[str, Any]:
    """Write a text wherever one can be entered for a job."""
    job = observatory.sends(
        user_name=text,
        user_id=text,
        instance=text,
        required_params={text: text},
        optional_params={"object_name": text, "filter": [text]},
    )
    observatory.polls()
    assert observatory.reports(job, text[:60].replace("#", ""), message=text).status == 200
    return job


@every_hostile_text
def test_it_stays_within_its_frame_of_the_stream(app: Flask, observatory: Observatory, text: str) -> None:
    job = entered(observatory, text)
    with app.app_context(), reading() as connection:
        changes = after(connection, 0, count=100).events
    parser = Parser()
    for line in b"".join(render("e", change) for change in changes).decode().split("\n"):
        parser.line(line.removesuffix("\r"))
    assert [message.id for message in parser.messages] == [f"e-{change.event.seq}" for change in changes]
    assert [message.data["data"]["ulid"] for message in parser.messages] == [job["ulid"]] * 3
    assert parser.messages[0].status == UNREAD
    assert parser.messages[-1].data["data"]["required_params"] == {text: text}


@every_hostile_text
def test_it_makes_no_line_of_its_own_in_the_log(app: Flask, text: str, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("jobs_server")
    logger.propagate, before = True, logger.propagate
    try:
        with caplog.at_level(logging.INFO, "jobs_server"):
            entered(inside(app), text)
    finally:
        logger.propagate = before
    lines = [Lines().format(record) for record in caplog.records]
    assert len(lines) >= 6
    assert all(not unicodedata.category(sign).startswith(("C", "Zl", "Zp")) for line in lines for sign in line)
    assert all("\n" not in Objects().format(record) for record in caplog.records)


@every_hostile_text
def test_it_is_no_formula_in_a_table(app: Flask, observatory: Observatory, text: str) -> None:
    job = entered(observatory, text)
    rows = list(
        csv.DictReader(
            io.StringIO(app.test_client().get("/jobs-log.csv?site=wmd").data.decode("utf-8-sig"), newline="")
        )
    )
    assert [row["ulid"] for row in rows] == [job["ulid"]]
    assert rows[0]["user_name"] in (text, f"'{text}")
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in rows[0].values())


@every_hostile_text
def test_it_is_shown_as_text_on_every_page_and_breaks_no_header(app: Flask, text: str) -> None:
    site = inside(app)
    job = entered(site, text)
    who = {"user_id": "auth0|vera", "user_name": text}
    event = {"site": "wmd", "title": text, "creator": text, "creator_id": "auth0|vera", "reservation_note": text}
    client = app.test_client()
    now = datetime.now(UTC)
    event |= {"start": now.isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    assert client.post("/calendar/newevent", json=event).status_code == 200
    assert site.posts("lockout", {"site": "wmd", "note": text} | who).status == 200
    refusal = site.asks()
    assert refusal.status == 423
    assert len(refusal.text.splitlines()) == 1
    token = client.post("/act/make-token", data={"site": "wmd", "name": text})
    assert token.status_code == 200
    profile = {"site": "wmd", "name": text, "device": text, "instances": text, "filters": text, "latitude_deg": text}
    refused = client.post("/settings/profile", data=profile)
    assert refused.status_code == 400
    paths = ["/", "/jobs-log", "/night", "/insights", "/send", "/reservations", f"/job/{job['ulid']}"]
    paths += [f"/send?again={job['ulid']}", "/settings", "/settings/profile", "/part/frame", "/sign-in"]
    pages = {path: client.get(path) for path in paths}  # of the only site
    assert {page.status_code for page in pages.values()} == {200}
    assert " ".join(text.split()) in unescape(pages["/settings"].text)
    for page in (token, refused, *pages.values()):
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "X-Evil" not in page.headers


@every_hostile_text
def test_it_does_not_command_the_terminal(app: Flask, text: str) -> None:
    site = inside(app)
    job = entered(site, text)
    event = {"site": "wmd", "title": text, "creator": text, "creator_id": text, "reservation_note": text}
    now = datetime.now(UTC)
    event |= {"start": now.isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    assert app.test_client().post("/calendar/newevent", json=event).status_code == 200
    assert site.posts("lockout", {"site": "wmd", "note": text, "user_id": text, "user_name": text}).status == 200
    terminal = app.test_cli_runner(charset="utf-8")
    assert terminal.invoke(args=["tokens", "create", "--site", "wmd", "--name", text]).exit_code == 0
    for command in (
        *("jobs list --site wmd", f"jobs show {job['ulid']}", "lockout list --site wmd", "tokens list"),
        "reservations list --site wmd",
    ):
        told = terminal.invoke(args=command.split())
        assert told.exit_code == 0, told.output
        assert not [sign for sign in told.output if unicodedata.category(sign).startswith("C") and sign != "\n"], (
            command
        )


def test_the_secret_of_a_one_time_link_is_not_logged(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("jobs_server").propagate = True
    with caplog.at_level(logging.INFO, "jobs_server"):
        assert app.test_client().get("/sign-in/link/opensesame").status_code == 403
    assert "/sign-in/link/..." in caplog.text
    assert "opensesame" not in caplog.text


def test_guessing_at_sign_in_is_slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "steady_seconds", lambda: 1_000.0)  # all within one minute
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "SIGN_INS_PER_MINUTE": 3})
    client = app.test_client()
    answers = [client.get(f"/sign-in/link/guess-{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [403, 403, 403, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    other = client.get("/sign-in/link/guess", environ_base={"REMOTE_ADDR": "127.0.0.2"})
    assert other.status_code == 403
    service_of(app).database.close()
