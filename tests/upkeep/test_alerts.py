"""Whoever is responsible is told once when something begins, and once when it is over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import httpx
import pytest
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.errors import TaskFailed, Unavailable
from jobs_server.live.presence import Presence, Seen, State
from jobs_server.service import Service, service_of
from jobs_server.storage.database import Database
from jobs_server.upkeep import alerts, maintenance
from jobs_server.upkeep.alerts import AlertTimes
from jobs_server.upkeep.maintenance import DailyTimes

from ..conftest import inside
from ..support import databases
from ..support.clocks import Clocks

SOON = AlertTimes(pause_seconds=0.01)


class Told:
    """What a watch told."""

    def __init__(self, app: Flask) -> None:
        self.sentences: list[str] = []
        self.watch = alerts.Watch(service_of(app), self.sentences.append)
        service_of(app).database.on_changes.append(self.watch.changed)
        databases.put_on_duty(app)

    def after(self, now: float) -> list[str]:
        """Look, and give what was told since the last look."""
        self.sentences.clear()
        self.watch.look(now)
        return list(self.sentences)


@pytest.fixture
def told(app: Flask) -> Told:
    return Told(app)


def test_when_all_is_well_nobody_is_told(app: Flask, told: Told) -> None:
    inside(app).polls()
    inside(app).sends()
    assert told.after(0) == []


def test_a_silent_site_is_told_only_with_work_waiting_and_once(
    app: Flask, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Presence, "seen", lambda *_: Seen(State.SILENT, "", None, 0, False))
    assert told.after(0) == []
    inside(app).sends()
    assert told.after(2) == ["wmd: its software is silent, and 1 jobs wait."]
    assert told.after(4) == []
    monkeypatch.undo()
    inside(app).polls()
    assert told.after(6) == ["Over: wmd: its software is silent, and 1 jobs wait."]


def test_the_same_comes_again_only_after_an_hour(app: Flask, told: Told) -> None:
    keeper = service_of(app).daily_work
    keeper.backup_failure = "the disk is full"
    assert len(told.after(0)) == 1
    keeper.backup_failure = None
    assert told.after(10) == ["Over: A backup failed: the disk is full."]
    keeper.backup_failure = "the disk is full"
    assert told.after(20) == []
    assert told.after(3700) == ["A backup failed: the disk is full."]


def test_a_stop_that_is_not_taken_within_ten_seconds_is_told(app: Flask, told: Told, clocks: Clocks) -> None:
    inside(app).sends("stop")
    clocks.pass_by(9)
    assert told.after(0) == []
    clocks.pass_by(2)
    (sentence,) = told.after(2)
    assert sentence.startswith("wmd: stop was not taken within 10 s")


def expires(app: Flask, clocks: Clocks, seconds: float = 16 * 60) -> None:
    """Let time go by, and have the server label what is too old."""
    clocks.pass_by(seconds)
    assert maintenance.sweep(service_of(app).database, service_of(app).settings, clocks.now) > 0


UNTAKEN = "wmd: stop was not taken within 10 s. Use the hard stop."


def test_each_untaken_stop_alerts_once_and_its_expiry_is_not_an_end_to_be_glad_of(
    app: Flask, told: Told, clocks: Clocks
) -> None:
    """An untaken stop that expired was "over", and a second one 30 minutes later alerted nobody."""
    site = inside(app)
    site.sends("stop")
    clocks.pass_by(11)
    assert told.after(0) == [UNTAKEN]
    assert told.after(2) == []
    expires(app, clocks)
    assert told.after(4) == []
    clocks.pass_by(15 * 60)
    site.sends("stop")
    clocks.pass_by(11)
    assert told.after(1800) == [UNTAKEN]
    assert told.after(1802) == []
    site.polls()
    assert told.after(1804) == [f"Over: {UNTAKEN}"] * 2  # the second was taken, and so the site acts again


def test_a_stop_that_was_taken_late_is_over(app: Flask, told: Told, clocks: Clocks) -> None:
    inside(app).sends("stop")
    clocks.pass_by(11)
    assert told.after(0) == [UNTAKEN]
    inside(app).polls()
    assert told.after(2) == [f"Over: {UNTAKEN}"]


@pytest.mark.parametrize("how", ["takes another job", "says that one has ended"])
def test_an_expired_stop_is_over_when_the_site_is_seen_to_act(app: Flask, told: Told, clocks: Clocks, how: str) -> None:
    site = inside(app)
    running = site.sends()
    site.polls()
    site.sends("stop")
    clocks.pass_by(11)
    assert told.after(0) == [UNTAKEN]
    expires(app, clocks)
    site.polls()  # there was nothing to take
    site.reports(running, "EXPOSING")  # it goes on, and stops nothing
    assert told.after(2) == []
    if how == "takes another job":
        site.sends()
        site.polls()
    else:
        site.reports(running, "CANCELED")
    assert told.after(4) == [f"Over: {UNTAKEN}"]


def test_a_stop_that_a_person_or_a_wider_stop_took_away_is_not_over_by_that(
    app: Flask, told: Told, clocks: Clocks
) -> None:
    site = inside(app)
    stop = site.sends("stop")
    clocks.pass_by(11)
    assert told.after(0) == [UNTAKEN]
    assert site.asks_to_cancel(stop).status == 200
    assert told.after(2) == []


def test_a_stop_too_short_lived_to_be_seen_waiting_alerts_when_it_expires(
    app: Flask, told: Told, clocks: Clocks
) -> None:
    inside(app).sends("stop", expiresInSeconds=5)
    expires(app, clocks, 6)
    assert told.after(0) == ["wmd: stop was not taken, and has expired. Use the hard stop."]
    assert told.after(2) == []


@pytest.mark.parametrize("hours", [-1, 24 * 365])
def test_a_clock_that_is_set_hides_no_untaken_stop(app: Flask, told: Told, clocks: Clocks, hours: int) -> None:
    inside(app).sends("stop")
    clocks.set_wall(hours * 3600)
    clocks.pass_by(11)
    assert UNTAKEN in told.after(0)


def loses_a_job(app: Flask, clocks: Clocks) -> None:
    observatory = inside(app)
    observatory.sends()
    (job,) = observatory.polls(claimId="one")
    observatory.starts(job, claimId="one", secondsUntilComplete=1)
    started = clock.read()
    clocks.pass_by(2000)
    settings = service_of(app).settings
    assert maintenance.sweep(service_of(app).database, settings, started) > 0


def test_a_lost_job_is_told(app: Flask, told: Told, clocks: Clocks) -> None:
    loses_a_job(app, clocks)
    assert told.after(0) == ["wmd: expose for camera camera_1_1 is lost: no word from the site."]


@pytest.mark.sqlite("the disk that its file is on")
def says_of_the_roof(app: Flask, **values: object) -> None:
    answer = inside(app).posts("devicestate", {"site": "wmd", "devices": {"enclosure/enclosure1": values}})
    assert answer.status == 200, answer.text


def test_a_roof_that_is_open_although_it_is_not_safe_is_told_each_minute_until_it_is_closed(
    app: Flask, told: Told
) -> None:
    says_of_the_roof(app, status="open")
    assert told.after(0) == []
    says_of_the_roof(app, status="open", unsafe_reason="rain; the mount did not park")
    sentence = "wmd: enclosure/enclosure1 is open and not safe: rain; the mount did not park"
    assert told.after(2) == [sentence]
    assert told.after(30) == []
    assert told.after(62) == told.after(122) == [sentence]
    says_of_the_roof(app, status="closed", unsafe_reason="rain")
    assert told.after(124) == [f"Over: {sentence}"]
    assert told.after(200) == []


def test_a_roof_in_the_rain_whose_software_fell_silent_is_still_told(app: Flask, told: Told, clocks: Clocks) -> None:
    says_of_the_roof(app, status="opening", unsafe_reason="rain")
    clocks.pass_by(120)
    assert told.after(0) == ["wmd: enclosure/enclosure1 is opening and not safe: rain, as was said 120 s ago"]


def test_a_full_disk_is_told(file_app: Flask) -> None:
    app = create_app({"INSTANCE": service_of(file_app).settings.instance, "DISK_FREE_MB": 10**9})
    (sentence,) = Told(app).after(0)
    assert sentence.startswith("The disk runs full")


@pytest.mark.sqlite("the disk that its file is on")
def test_a_disk_that_cannot_be_looked_at_is_told(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", fails)
    assert Told(file_app).after(0) == ["The disk of the jobs cannot be looked at: Input/output error."]


@pytest.mark.sqlite("PostgreSQL has backups of its own")
def test_a_backup_that_fails_is_told_and_when_one_is_made_again(file_app: Flask, tmp_path: Path) -> None:
    (tmp_path / "disk2").touch()
    instance = service_of(file_app).settings.instance
    app = create_app({"INSTANCE": instance, "BACKUP_FOLDER": str(tmp_path / "disk2"), "DISK_FREE_MB": 0})
    keeper, told = service_of(app).daily_work, Told(app)
    keeper.times = DailyTimes(retry_seconds=0.0)
    keeper.look(datetime.now().astimezone())
    [sentence] = told.after(0)
    assert sentence.startswith(f"A backup failed: no backup can be made in {tmp_path}/disk2")
    assert told.after(60) == []
    (tmp_path / "disk2").unlink()
    keeper.look(datetime.now().astimezone())
    assert told.after(120) == [f"Over: {sentence}"]
    service_of(app).database.close()


class Receiver(BaseHTTPRequestHandler):
    """Take alerts, but not the first ones."""

    got: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []
    refuse: ClassVar[int] = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((self.path, dict(self.headers), body))
        refused = len(self.got) <= self.refuse
        self.send_response(503 if refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Receiver, "got", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_ntfy_gets_the_sentence_as_plain_text(receiver: str) -> None:
    alerts.post(f"{receiver}/observatory", "Fünf jobs wait.")
    ((path, headers, body),) = Receiver.got
    assert (path, headers["Title"], body.decode()) == ("/observatory", "jobs_server", "Fünf jobs wait.")


def test_gotify_and_chats_get_json_with_the_key_that_they_read(receiver: str) -> None:
    alerts.post(f"{receiver}/hooks/x1y2", "Five jobs wait.")
    ((_, headers, body),) = Receiver.got
    assert headers["Content-Type"] == "application/json"
    assert {json.loads(body)[key] for key in ("message", "text", "content")} == {"Five jobs wait."}


def test_gotifys_address_gets_json_though_it_is_short(receiver: str) -> None:
    alerts.post(f"{receiver}/message?token=x", "Five jobs wait.")
    assert json.loads(Receiver.got[0][2])["message"] == "Five jobs wait."


def test_an_alert_is_sent_again_until_it_is_taken(receiver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "refuse", 2)
    alerts.post(f"{receiver}/observatory", "Five jobs wait.", times=SOON)
    assert len(Receiver.got) == 3


def test_an_alert_that_nobody_takes_fails_in_one_sentence_without_its_address(
    receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Receiver, "refuse", 99)
    with pytest.raises(TaskFailed, match="it answered 503") as failed:
        alerts.post(f"{receiver}/secret-topic", "Five jobs wait.", times=SOON)
    assert "secret-topic" not in failed.value.message
    assert len(Receiver.got) == alerts.TRIES


def test_one_can_try_it_out(receiver: str) -> None:
    app = create_app({"DATABASE_URL": databases.fresh(), "ALERT_URL": f"{receiver}/observatory"})
    tried = app.test_cli_runner().invoke(args=["alerts", "test"])
    assert (tried.exit_code, len(Receiver.got)) == (0, 1)
    assert "It was taken" in tried.output
    assert f"{receiver}/observatory" not in app.test_cli_runner().invoke(args=["settings"]).output


def test_trying_out_without_an_address_says_what_to_set(app: Flask) -> None:
    tried = app.test_cli_runner().invoke(args=["alerts", "test"])
    assert tried.exit_code == 1
    assert "JOBS_ALERT_URL" in tried.output


class Unreachable(Told):
    """A watch whose alerts are not taken while the network, or whoever is named here, is away."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.away = True
        self.refused = ""
        self.watch = alerts.Watch(service_of(app), self._take)
        service_of(app).database.on_changes.append(self.watch.changed)

    def _take(self, sentence: str) -> None:
        if self.away or sentence == self.refused:
            raise TaskFailed("the alert could not be sent to ntfy.example.org: no route")
        self.sentences.append(sentence)


@pytest.fixture
def unreachable(app: Flask) -> Unreachable:
    return Unreachable(app)


def test_an_alert_that_could_not_be_sent_is_sent_when_it_can_be(
    app: Flask, unreachable: Unreachable, caplog: pytest.LogCaptureFixture
) -> None:
    service_of(app).daily_work.backup_failure = "the disk is full"
    assert unreachable.after(0) == []
    assert "could not be sent" in caplog.text
    unreachable.away = False
    assert unreachable.after(2) == []  # not every two seconds
    assert unreachable.after(30) == ["A backup failed: the disk is full."]
    assert unreachable.after(60) == []
    service_of(app).daily_work.backup_failure = None
    unreachable.away = True
    assert unreachable.after(90) == []
    unreachable.away = False
    assert unreachable.after(120) == ["Over: A backup failed: the disk is full."]


def test_what_is_over_before_it_could_be_told_is_told_once(app: Flask, unreachable: Unreachable) -> None:
    service_of(app).daily_work.backup_failure = "the disk is full"
    assert unreachable.after(0) == []
    service_of(app).daily_work.backup_failure = None
    unreachable.away = False
    assert unreachable.after(30) == ["Over: A backup failed: the disk is full."]
    service_of(app).daily_work.backup_failure = "the disk is full"
    assert unreachable.after(60) == ["A backup failed: the disk is full."]  # which nobody was told before


def test_a_lost_job_is_told_when_it_can_be(app: Flask, unreachable: Unreachable, clocks: Clocks) -> None:
    loses_a_job(app, clocks)
    assert unreachable.after(0) == []
    unreachable.away = False
    assert unreachable.after(30) == ["wmd: expose for camera camera_1_1 is lost: no word from the site."]
    assert unreachable.after(60) == []


def test_an_alert_that_is_never_taken_holds_no_other_up(app: Flask, unreachable: Unreachable, clocks: Clocks) -> None:
    loses_a_job(app, clocks)
    service_of(app).daily_work.backup_failure = "the disk is full"
    unreachable.away, unreachable.refused = False, "A backup failed: the disk is full."
    told = unreachable.after(0) + unreachable.after(30)
    assert told == ["wmd: expose for camera camera_1_1 is lost: no word from the site."]


def test_what_cannot_be_seen_now_is_not_called_over(app: Flask, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    service_of(app).daily_work.backup_failure = "the disk is full"
    assert len(told.after(0)) == 1

    def fails(_: object) -> None:
        raise Unavailable("Error: the database cannot be used now: disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(Database, "reading", fails)
        assert told.after(2) == ["the database cannot be used now: disk I/O error"]
    with monkeypatch.context() as other:
        other.setattr(Service, "is_on_duty", False)
        assert told.after(4) == ["Over: the database cannot be used now: disk I/O error"]
    assert told.after(6) == []


def test_a_host_that_is_not_there_fails_in_one_sentence() -> None:

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to host", request=request)

    with pytest.raises(TaskFailed, match=r"ntfy\.example\.org: no route to host"):
        alerts.post("https://ntfy.example.org/topic", "x", httpx.MockTransport(refuse), SOON)
