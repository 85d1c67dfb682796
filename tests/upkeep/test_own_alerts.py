"""Alerts of people's own: what happened to a person's jobs goes to the addresses that the person has named."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask

from jobs_server import clock, create_app
from jobs_server.admin import doctor
from jobs_server.admin.installation import Installation
from jobs_server.config import Loaded
from jobs_server.errors import BadRequest, Conflict, TaskFailed
from jobs_server.jobs import alert_addresses
from jobs_server.jobs.alert_addresses import OPERATOR, AlertAddressRow, Wanted
from jobs_server.service import Service, service_of
from jobs_server.upkeep import own_alerts, posting, startup
from jobs_server.upkeep.findings import Grade
from jobs_server.upkeep.own_alerts import OwnAlerts, OwnAlertTimes

from ..conftest import inside
from ..support import databases
from ..support.clocks import Clocks
from ..support.plans import carries_out, does, plans
from ..support.receivers import Receiver, receiving
from ..support.waiting import until

VERA, TYCHO = ("auth0|vera", "Vera"), ("auth0|tycho", "Tycho")
ALL = ("on_failed", "on_done", "on_stopped", "on_plan")
AT_ONCE = OwnAlertTimes(again_seconds=0.0, most_a_span=1000)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app({"TESTING": True, "BALLAST_MB": 0} | databases.at(tmp_path / "instance"))
    startup.prepare(app)
    databases.put_on_duty(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def names(
    app: Flask,
    url: str,
    *choices: str,
    person: tuple[str, str] = VERA,
    kind: str = "ntfy",
    site: str = "wmd",
    may_reach_all: bool = True,
) -> AlertAddressRow:
    """Somebody names an address."""
    wanted = Wanted(kind, url, *(choice in (choices or ALL) for choice in ALL))
    with service_of(app).database.transaction() as connection:
        return alert_addresses.add(connection, wanted, person, site, clock.read(), may_reach_all=may_reach_all)


def kept(app: Flask) -> list[AlertAddressRow]:
    """All addresses as they are kept."""
    with service_of(app).database.reading() as connection:
        return alert_addresses.list_all(connection)


def due(app: Flask) -> list[str]:
    """What is still to be sent, to whomever."""
    with service_of(app).database.reading() as connection:
        return [each.sentence for row in kept(app) for each in alert_addresses.due(connection, row.id)]


def sender(app: Flask, times: OwnAlertTimes = AT_ONCE) -> OwnAlerts:
    service = service_of(app)
    return OwnAlerts(service, partial(posting.post, service.settings), times)


def looks(sender: OwnAlerts) -> None:
    """Look once, and wait until all that was begun to be sent has come to its end."""
    sender.look()
    until(lambda: not sender._sending)


def sends(app: Flask, person: tuple[str, str] = VERA, action: str = "expose", **changed: Any) -> dict[str, Any]:
    return inside(app).sends(action, user_id=person[0], user_name=person[1], **changed)


def ends(app: Flask, status: str, person: tuple[str, str] = VERA, **more: Any) -> dict[str, Any]:
    """A job of a person is sent, taken and ends."""
    job = sends(app, person)
    inside(app).polls()
    assert inside(app).reports(job, status, **more).status == 200
    return job


def test_a_failed_job_reaches_its_persons_phone_with_the_reason_and_nobody_elses(
    app: Flask, receiver: Receiver
) -> None:
    names(app, f"{receiver.url}/vera-topic")
    names(app, f"{receiver.url}/tycho-topic", person=TYCHO)
    ends(app, "FAILED", message="the shutter is stuck")
    looks(sender(app))
    [(path, headers, body)] = receiver.got
    assert (path, headers["Title"], headers["Host"]) == ("/vera-topic", "jobs_server", receiver.url[7:])
    text = body.decode()
    assert text.startswith("wmd: your job failed: ")
    assert text.endswith(": the shutter is stuck")


@pytest.mark.parametrize(
    ("choice", "said"),
    [("on_failed", "your job failed"), ("on_done", "your job is done"), ("on_stopped", "Tycho has sent a stop")],
)
def test_each_address_gets_what_was_chosen_for_it_alone(app: Flask, receiver: Receiver, choice: str, said: str) -> None:
    names(app, f"{receiver.url}/topic", choice)
    ends(app, "FAILED")
    ends(app, "COMPLETE")
    sends(app, TYCHO, "stop", instance="camera_1_1", required_params={}, optional_params={})
    looks(sender(app))
    [text] = receiver.texts
    assert said in text
    assert "\n" not in text


def test_stops_are_those_of_the_site_that_the_address_was_named_at(app: Flask, receiver: Receiver) -> None:
    names(app, f"{receiver.url}/topic", "on_stopped", site="elsewhere")
    sends(app, TYCHO, "stop", required_params={}, optional_params={})
    looks(sender(app))
    assert receiver.got == []


def test_an_end_that_is_reported_once_more_is_told_once(app: Flask, receiver: Receiver) -> None:
    names(app, f"{receiver.url}/topic")
    watch = sender(app)
    job = ends(app, "COMPLETE")
    looks(watch)
    assert inside(app).reports(job, "COMPLETE", result={"fwhm_arcsec": 2.3}).status == 200
    looks(watch)
    assert len(receiver.got) == 1


def test_a_plan_that_pauses_or_ends_is_told_once_and_its_steps_are_not(app: Flask, receiver: Receiver) -> None:
    names(app, f"{receiver.url}/topic", "on_done", "on_plan")
    watch, site = sender(app), inside(app)
    plan = plans(site)
    carries_out(site)
    looks(watch)
    assert receiver.got == []
    does(site, "pauseplan", plan, note="clouds")
    looks(watch)
    assert does(site, "editplan", plan, title="M42, later").status == 200
    looks(watch)
    looks(sender(app))
    assert [text.partition(" is paused")[0] for text in receiver.texts] == ["wmd: your plan M42"]
    does(site, "cancelplan", plan)
    looks(watch)
    assert "was canceled" in receiver.texts[1]


def test_what_happened_before_an_address_was_named_is_not_sent(app: Flask, receiver: Receiver) -> None:
    ends(app, "FAILED")
    names(app, f"{receiver.url}/topic")
    looks(sender(app))
    assert receiver.got == []


def test_without_sign_in_the_operator_hears_of_everybodys_jobs(app: Flask, receiver: Receiver) -> None:
    names(app, f"{receiver.url}/topic", person=(OPERATOR, ""))
    ends(app, "FAILED", TYCHO)
    looks(sender(app))
    assert receiver.texts[0].startswith("wmd: Tycho's job failed: ")


@pytest.mark.parametrize(("kind", "path"), [("gotify", "/message?token=A1"), ("webhook", "/hooks/x1")])
def test_gotify_and_webhooks_get_json(app: Flask, receiver: Receiver, kind: str, path: str) -> None:
    names(app, receiver.url + path, kind=kind)
    ends(app, "FAILED")
    looks(sender(app))
    assert receiver.got[0][0] == path
    assert receiver.messages[0].startswith("wmd: your job failed: ")


def test_a_restart_sends_nothing_again_and_forgets_nothing(app: Flask, receiver: Receiver) -> None:
    names(app, f"{receiver.url}/topic")
    ends(app, "FAILED", message="first")
    looks(sender(app))
    looks(sender(app))
    assert len(receiver.got) == 1
    receiver.status = 503
    ends(app, "FAILED", message="second")
    looks(sender(app))
    receiver.status = 200
    looks(sender(app))
    looks(sender(app))
    assert ["second" in text for text in receiver.texts] == [False, True, True]  # refused once, then taken once


def test_what_is_old_is_sent_with_its_age_and_what_is_very_old_not_at_all(
    app: Flask, receiver: Receiver, clocks: Clocks
) -> None:
    names(app, f"{receiver.url}/topic")
    ends(app, "FAILED")
    clocks.pass_by(12 * 60)
    looks(sender(app))
    assert receiver.texts[0].startswith("12 min ago: wmd: your job failed")
    ends(app, "FAILED")
    clocks.pass_by(61 * 60)
    looks(sender(app))
    assert len(receiver.got) == 1
    assert due(app) == []


def test_a_slow_address_holds_nobody_up_and_no_stop(app: Flask, receiver: Receiver) -> None:
    with receiving() as slow:
        slow.may_answer.clear()
        names(app, f"{slow.url}/topic")
        names(app, f"{receiver.url}/topic")
        ends(app, "FAILED")
        watch = sender(app, replace(AT_ONCE, again_seconds=3600.0))
        service_of(app).database.on_changes.append(watch.changed)
        watch.look()
        until(lambda: slow.got and receiver.got and len(watch._sending) == 1)  # what was taken is noted as well
        assert sends(app, TYCHO, "stop", required_params={}, optional_params={})["statusId"].startswith("UNREAD")
        watch.look()
        until(lambda: len(receiver.got) == 2)
        assert len(slow.got) == 1
        slow.may_answer.set()
        until(lambda: not watch._sending)


def test_addresses_that_fail_leave_room_for_those_that_do_not(app: Flask) -> None:
    may_answer, asked = Event(), list[str]()

    def post(address: AlertAddressRow, _sentence: str) -> None:
        asked.append(address.person_name)
        if address.person_name != "Vera":
            may_answer.wait(60)

    for number in range(12):
        names(app, "https://ntfy.sh/topic", person=(f"auth0|{number}", str(number)))
    with service_of(app).database.transaction() as connection:
        for each in alert_addresses.list_all(connection):
            alert_addresses.note_not_taken(connection, each, "it answered 503", 1, 1)
    names(app, "https://ntfy.sh/topic")
    watch = OwnAlerts(service_of(app), post, AT_ONCE)
    for number in range(12):
        ends(app, "FAILED", (f"auth0|{number}", str(number)))
    watch.look()
    until(lambda: len(asked) == 4)
    ends(app, "FAILED")
    watch.look()
    until(lambda: len(asked) == 5)
    assert asked[4] == "Vera"
    may_answer.set()
    until(lambda: not watch._sending)


def test_an_address_that_takes_nothing_is_tried_less_and_less_often(
    app: Flask, receiver: Receiver, clocks: Clocks
) -> None:
    receiver.status = 503
    names(app, f"{receiver.url}/topic")
    ends(app, "FAILED")
    watch = sender(app, replace(AT_ONCE, again_seconds=15.0))
    waits = []
    for _ in range(9):
        looks(watch)
        [row] = kept(app)
        waits.append(round((row.not_before_ms - clock.now_ms()) / 1000))
        looks(watch)
        clocks.pass_by(waits[-1])
    assert waits[:5] == [15, 30, 60, 120, 240]
    assert len(receiver.got) < 9  # after an hour the alert is too old
    assert due(app) == []


def test_at_most_so_many_messages_a_minute_and_the_rest_is_told_together(app: Flask, receiver: Receiver) -> None:
    names(app, f"{receiver.url}/topic")
    watch = sender(app, OwnAlertTimes(most_a_span=2, span_seconds=3600.0))
    for number in range(9):
        ends(app, "FAILED", message=f"number {number}")
        looks(watch)
    assert len(receiver.got) == 2
    looks(sender(app))
    assert receiver.texts[2].splitlines()[0] == "2 more before:"
    assert [line.rpartition(" ")[2] for line in receiver.texts[2].splitlines()[1:]] == ["4", "5", "6", "7", "8"]


def test_the_queue_of_an_address_is_bounded_and_what_found_no_place_is_counted(app: Flask, receiver: Receiver) -> None:
    receiver.status = 503
    names(app, f"{receiver.url}/topic")
    watch = sender(app)
    for number in range(60):
        ends(app, "FAILED", message=f"number {number}")
    looks(watch)
    assert len(due(app)) == alert_addresses.MOST_DUE
    receiver.status = 200
    looks(watch)
    assert receiver.texts[-1].startswith("55 more before:")
    assert kept(app)[0].left_out == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.7", "192.168.1.7", "169.254.169.254", "[::1]"])
def test_an_ordinary_person_reaches_no_private_network(app: Flask, host: str) -> None:
    address = names(app, f"http://{host}:9/topic", may_reach_all=False)
    with pytest.raises(TaskFailed, match="in a network to which no alerts of people's own are sent"):
        posting.post(service_of(app).settings, address, "It works.")


def test_nor_by_a_name_that_leads_there(app: Flask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that was judged is the one that is called: a name that changes between the two leads nowhere else."""
    numbers = iter(["8.8.8.8", "127.0.0.1"])
    port = int(receiver.url.rpartition(":")[2])
    called: list[object] = []

    def look_up(*_given: object, **_more: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(numbers), port))]

    def connect(address: tuple[str, int], *_given: object, **_more: object) -> None:
        called.append(address)
        raise OSError("no route")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setattr("socket.create_connection", connect)
    address = names(app, f"http://ntfy.example.org:{port}/topic", may_reach_all=False)
    with pytest.raises(TaskFailed):
        posting.post(service_of(app).settings, address, "It works.")
    assert called == [("8.8.8.8", port)]
    with pytest.raises(TaskFailed, match="JOBS_OWN_ALERT_NETWORKS"):
        posting.post(service_of(app).settings, address, "It works.")


def test_a_network_that_the_operator_names_is_reached(receiver: Receiver) -> None:
    app = create_app({"DATABASE_URL": databases.fresh(), "OWN_ALERT_NETWORKS": ("127.0.0.0/8",)})
    startup.prepare(app)
    posting.post(service_of(app).settings, names(app, f"{receiver.url}/t", may_reach_all=False), "It works.")
    assert receiver.texts == ["It works."]
    service_of(app).database.close()


def test_no_redirect_is_followed(app: Flask, receiver: Receiver) -> None:
    receiver.status = 302
    with pytest.raises(TaskFailed, match="it answered 302 and leads elsewhere"):
        posting.post(service_of(app).settings, names(app, f"{receiver.url}/topic"), "It works.")


def test_an_address_that_does_not_answer_is_left_in_time(app: Flask, receiver: Receiver) -> None:
    receiver.may_answer.clear()
    with pytest.raises(TaskFailed, match="it did not answer in time"):
        posting.post(service_of(app).settings, names(app, f"{receiver.url}/topic"), "It works.", seconds=0.2)


def test_no_log_and_no_doctor_tells_what_is_secret_in_an_address(
    app: Flask, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.status = 401
    names(app, f"{receiver.url}/opensesame?token=opensesame")
    names(app, "http://opensesame:opensesame@127.0.0.1:9/message?token=opensesame", kind="gotify")
    ends(app, "FAILED")
    looks(sender(app))
    service = service_of(app)
    [one, other] = [each for each in found(service) if each.about == "own alerts"]
    assert "ntfy at 127.0.0.1 of Vera takes none since" in one.sentence
    assert "it answered 401" in one.sentence
    assert "gotify at 127.0.0.1 of Vera takes none since" in other.sentence
    assert (one.grade, other.grade) == (Grade.NOTE, Grade.NOTE)
    assert "opensesame" not in one.sentence + other.sentence + "".join(str(row.failure) for row in kept(app))
    assert "was not taken: it answered 401" in caplog.text
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("jobs_server"))
    assert "opensesame" not in said


def found(service: Service) -> list[Any]:
    return list(doctor._own_alerts(Installation(Loaded(service.settings, {}), service.database)))


def test_the_doctor_says_when_all_addresses_take_alerts(app: Flask, receiver: Receiver) -> None:
    assert found(service_of(app)) == []
    names(app, f"{receiver.url}/topic")
    ends(app, "FAILED")
    looks(sender(app))
    assert [each.grade for each in found(service_of(app))] == [Grade.GOOD]


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        *(("ntfy", "ntfy.sh/topic"), ("ntfy", "ftp://ntfy.sh/topic"), ("ntfy", "https://ntfy.sh"), ("ntfy", "")),
        *(("gotify", "https://gotify.example.org/message"), ("webhook", "https://host:port/"), ("mail", "https://a/b")),
        *(("webhook", "https://a/b c"), ("webhook", "https://a/" + "x" * 1000), ("webhook", "https://a:0/x")),
    ],
)
def test_what_is_no_address_is_refused(app: Flask, kind: str, url: str) -> None:
    with pytest.raises(BadRequest):
        names(app, url, kind=kind)


def test_a_gotify_server_is_written_to_where_it_takes_messages(app: Flask) -> None:
    assert names(app, "https://gotify.example.org/?token=A1", kind="gotify").url == (
        "https://gotify.example.org/message?token=A1"
    )


def test_a_person_has_few_addresses_and_none_twice(app: Flask) -> None:
    names(app, "https://ntfy.sh/a")
    with pytest.raises(Conflict, match="named already"):
        names(app, "https://ntfy.sh/a")
    for number in range(alert_addresses.MOST_ADDRESSES - 1):
        names(app, f"https://ntfy.sh/{number}")
    with pytest.raises(Conflict, match="as many as may be"):
        names(app, "https://ntfy.sh/one-more")
    names(app, "https://ntfy.sh/a", person=TYCHO)


def test_a_server_starts_what_sends_them_unless_it_is_switched_off(app: Flask) -> None:
    assert own_alerts.sender(service_of(app)) is not None
    off = create_app({"DATABASE_URL": databases.fresh(), "OWN_ALERTS": "off"})
    assert own_alerts.sender(service_of(off)) is None
