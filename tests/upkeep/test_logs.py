"""The log says what was asked and what became of each job, and keeps secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask

from jobs_server.service import service_of
from jobs_server.upkeep import log_lines, logs

from ..conftest import inside, over_http
from ..support import servers
from ..support.observatory import a_command

SECRETS = ("opensesame", "c00kie", "t0ken-in-query", "pass-in-params", "basic-s3cret")


def logged(kind: str, folder: Path, **settings: str) -> tuple[str, list[str]]:
    """Run a job through a real server, and give its ulid and the log's lines about it."""
    environment = {f"JOBS_{name}": value for name, value in settings.items()}
    with servers.running(kind, folder, environment) as server:
        with httpx.Client(
            trust_env=False, timeout=60, headers={"X-Request-ID": "night-7", "User-Agent": "test"}
        ) as client:
            site = over_http(server.url, client)
            job = site.sends(user_name="Vera\n2026-01-01 forged line")
            site.polls(claimId="a")
            site.starts(job, claimId="a")
            site.reports(job, "COMPLETE")
            site.posts("newjob", b"{")
        ended = server
    return job["ulid"], ended.log.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("kind", ["flask", "gunicorn", "waitress"])
def test_people_read_one_line_for_each_request_and_each_change(kind: str, tmp_path: Path) -> None:
    ulid, lines = logged(kind, tmp_path)
    requests = [line for line in lines if " POST " in line]
    assert len(requests) == 5
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO   "
    who = rf"Vera 2026-01-01 forged line {ulid}"
    assert re.fullmatch(rf"{stamp} POST /jobs/newjob 200 [\d.]+ ms 127\.0\.0\.1 {who} \[night-7\]", requests[0])
    assert re.fullmatch(rf"{stamp} POST /jobs/newjob 400 [\d.]+ ms 127\.0\.0\.1 \[night-7\]", requests[4])
    told = [re.sub(r"^.*INFO +", "", line) for line in lines if f" job {ulid} " in line]
    assert told == [
        f"job {ulid} at wmd: expose camera camera_1_1 is UNREAD by said Vera 2026-01-01 forged line [night-7]",
        *(
            f"job {ulid} at wmd: expose camera camera_1_1 is {status} by site wmd [night-7]"
            for status in ("RECEIVED", "STARTED", "COMPLETE")
        ),
    ]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a running process cannot be set here")
def test_a_line_carries_its_time_in_utc_whatever_the_zone_of_the_pc(monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.makeLogRecord({"created": 1_800_000_000.25, "levelno": logging.INFO, "msg": "x"})
    with monkeypatch.context() as pc:
        pc.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        line = log_lines.Lines().format(record)
    time.tzset()
    assert line == "2027-01-15T08:00:00.250Z INFO    x"


def test_programs_read_json(tmp_path: Path) -> None:
    ulid, lines = logged("gunicorn", tmp_path, LOG_FORMAT="json")
    objects: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
    requests = [each for each in objects if each["logger"] == "jobs_server.requests" and each["method"] == "POST"]
    assert [(each["status"], each.get("jobs")) for each in requests] == [(200, [ulid])] * 4 + [(400, None)]
    assert {each["request_id"] for each in requests} == {"night-7"}
    assert requests[0]["actor"] == "auth0|vera"
    changes = [each for each in objects if each["logger"] == "jobs_server.changes"]
    assert [(each["job"], each["status"], each["actor"]) for each in changes] == [
        (ulid, "UNREAD", "auth0|vera"),
        (ulid, "RECEIVED", "wmd"),
        (ulid, "STARTED", "wmd"),
        (ulid, "COMPLETE", "wmd"),
    ]


def test_a_level_is_a_level(tmp_path: Path) -> None:
    _, lines = logged("gunicorn", tmp_path, LOG_LEVEL="warning")
    assert not [line for line in lines if "INFO " in line and "jobs" in line]


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_token_cookie_or_body_is_ever_logged(form: str, tmp_path: Path) -> None:
    with servers.running("gunicorn", tmp_path, {"JOBS_LOG_FORMAT": form, "JOBS_LOG_LEVEL": "debug"}) as server:
        headers = {"Authorization": "Bearer opensesame", "Cookie": "session=c00kie"}
        with httpx.Client(trust_env=False, timeout=60, headers=headers, auth=("vera", "basic-s3cret")) as client:
            for path in ("/jobs/newjob", "/jobs/getnewjobs", "/jobs/getjob", "/nowhere", "/jobs/canceljob"):
                body = a_command(required_params={"password": "pass-in-params"}, ulid="x")
                client.post(f"{server.url}{path}?token=t0ken-in-query", json=body)
                client.post(f"{server.url}{path}?token=t0ken-in-query", content=b'{"password": "pass-in-params"')
                client.get(f"{server.url}{path}?token=t0ken-in-query")
    log = server.log.read_text(encoding="utf-8")
    assert log.count("/jobs/newjob") >= 3
    assert not [secret for secret in SECRETS if secret in log]


@pytest.mark.parametrize("given", ["night-7", "a" * 100, "0af7651916cd43dd/8448eb211c80319c"])
def test_a_request_keeps_the_id_that_it_came_with(app: Flask, given: str) -> None:
    reply = app.test_client().get("/healthz", headers={"X-Request-ID": given})
    assert reply.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 101, "<script>", "ä"])
def test_an_id_that_is_none_is_replaced(app: Flask, given: str) -> None:
    client = app.test_client()
    first, second = (client.get("/nowhere", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(2))
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert first != second


@pytest.mark.sqlite("its triggers")
def test_what_was_rolled_back_is_not_told(file_app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="jobs_server")
    with service_of(file_app).database.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no_events BEFORE INSERT ON job_event BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    file_app.testing = False
    inside(file_app).asks()
    assert [record.name for record in caplog.records if record.name == "jobs_server.changes"] == []


class TestGathered:
    def test_lines_are_written_in_their_order_and_all(self) -> None:
        stream = io.StringIO()
        log = logs.Gathered(stream)
        writers = [threading.Thread(target=say, args=(log, name)) for name in "abc"]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        log.close()
        lines = stream.getvalue().splitlines()
        for name in "abc":
            assert [line for line in lines if line.startswith(name)] == [f"{name} {number}" for number in range(500)]

    def test_a_warning_is_written_at_once_with_what_was_before_it(self) -> None:
        stream = io.StringIO()
        log = logs.Gathered(stream)
        log._due.set()  # its thread is not asked
        log.handle(logging.LogRecord("", logging.INFO, "", 0, "a job", None, None))
        assert stream.getvalue() == ""
        log.handle(logging.LogRecord("", logging.WARNING, "", 0, "the disk is full", None, None))
        assert stream.getvalue() == "a job\nthe disk is full\n"
        log.close()

    def test_a_terminal_that_is_gone_does_no_harm(self) -> None:
        stream = io.StringIO()
        stream.close()
        log = logs.Gathered(stream)
        say(log, "a")
        log.close()

    def test_a_line_that_cannot_be_worded_takes_no_other_with_it(self) -> None:
        stream = io.StringIO()
        log = logs.Gathered(stream)
        log.handle(logging.LogRecord("jobs_server", logging.INFO, "", 0, "%d jobs", ("many",), None))
        log.handle(logging.LogRecord("jobs_server", logging.INFO, "", 0, "after", None, None))
        log.close()
        first, second = stream.getvalue().splitlines()
        assert first.startswith("a line of jobs_server could not be written")
        assert second == "after"


def say(log: logs.Gathered, name: str) -> None:
    for number in range(500):
        log.handle(logging.LogRecord("", logging.INFO, "", 0, f"{name} {number}", None, None))
