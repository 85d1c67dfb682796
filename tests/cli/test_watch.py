"""What `flask jobs watch` prints of an event, from the database and from a service elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from jobs_server.cli import watch_database
from jobs_server.jobs import events, wire
from jobs_server.jobs.events import EventOfJob
from jobs_server.service import service_of

from ..support.observatory import Observatory


@pytest.fixture
def happened(shared_app: Flask, desk: Observatory) -> list[EventOfJob]:
    """The events of a job that was carried out and canceled meanwhile, read when it had ended long ago."""
    job = desk.sends(required_params={"n": 10**30})
    desk.polls()
    desk.reports(job, "EXPOSING", secondsUntilComplete=7)
    desk.asks_to_cancel(job)
    desk.reports(job, "FAILED", message="clouds")
    with service_of(shared_app).database.reading() as connection:
        return events.after(connection, 0, 100, desk.site).events


def printed(happened: list[EventOfJob]) -> list[dict[str, Any]]:
    lines = [json.loads(watch_database.line(each, as_json=True)) for each in happened]
    return [line for line in lines if not line["event"]["alternateQueue"]]


def test_an_event_says_from_which_status_it_led(happened: list[EventOfJob]) -> None:
    steps = [(each["event"]["from"], each["event"]["to"]) for each in printed(happened)]
    assert steps == [
        (None, "UNREAD"),
        ("UNREAD", "RECEIVED"),
        ("RECEIVED", "EXPOSING"),
        ("EXPOSING", "EXPOSING"),
        ("EXPOSING", "FAILED"),
    ]


def test_its_job_is_as_it_was_then(happened: list[EventOfJob]) -> None:
    told = printed(happened)
    assert [each["job"]["statusId"].split("#")[0] for each in told] == [each["event"]["to"] for each in told]
    assert ["cancelRequested" in each["job"] for each in told] == [False, False, False, True, True]
    assert all(each["job"]["required_params"] == {"n": 10**30} for each in told)


def test_it_is_what_the_stream_carries(happened: list[EventOfJob]) -> None:
    for each in happened:
        line = json.loads(watch_database.line(each, as_json=True))
        assert line["job"] | {"event": line["event"]} == json.loads(wire.change(each))["data"]
