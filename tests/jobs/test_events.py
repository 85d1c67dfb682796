"""A change shows its job as of that event, whenever it is looked at."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs_server import clock
from jobs_server.jobs import events as changes
from jobs_server.jobs import wire
from jobs_server.service import service_of
from jobs_server.upkeep import maintenance

from ..conftest import inside
from ..support.clocks import HOUR, Clocks

STEPS = ("poll", "claim", "alternate", "start", "expose", "complete", "cancel", "stop", "report alternate", "wait")


class Desk:
    """An observatory with one job, and what its changes look like."""

    def __init__(self, app: Flask, site: str = "wmd") -> None:
        self.app = app
        self.observatory = inside(app, site)
        self.job = self.observatory.sends()
        self.started = clock.read()

    def changes(self, seq: int = 0, count: int = 1000, site: str | None = None) -> list[dict[str, Any]]:
        with service_of(self.app).database.reading() as connection:
            found = changes.after(connection, seq, count, site).events
        return [{"seq": each.event.seq} | orjson.loads(wire.change(each))["data"] for each in found]

    def does(self, step: str, clocks: Clocks) -> None:
        observatory, job = self.observatory, self.job
        match step:
            case "poll":
                observatory.polls()
            case "claim":
                observatory.polls(claimId="a")
            case "alternate":
                observatory.polls(alternateQueue=True)
            case "start":
                observatory.starts(job, claimId="a", secondsUntilComplete=30)
            case "expose":
                observatory.reports(job, "EXPOSING", secondsUntilComplete=7, message="2 of 5")
            case "complete":
                observatory.reports(job, "COMPLETE")
            case "cancel":
                observatory.asks_to_cancel(job)
            case "stop":
                observatory.sends("cancel_all_commands")
            case "report alternate":
                observatory.reports(job, "EXPOSING", alternateQueue=True)
            case "wait":
                clocks.pass_by(5 * HOUR)
                settings = service_of(self.app).settings
                maintenance.sweep(service_of(self.app).database, settings, self.started)


def without_history(shown: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if key not in ("history", "event", "seq")}


def test_each_change_shows_its_job_as_it_was_then(clocks: Clocks, app: Flask) -> None:
    desk = Desk(app)
    desk.does("claim", clocks)
    desk.does("start", clocks)
    desk.does("cancel", clocks)
    desk.does("complete", clocks)
    told = [
        (change["statusId"].split("#")[0], change.get("secondsUntilComplete"), change.get("cancelRequested", False))
        for change in desk.changes()
        if not change["event"]["alternateQueue"]
    ]
    assert told == [
        ("UNREAD", None, False),
        ("RECEIVED", None, False),
        ("STARTED", 30, False),
        ("STARTED", 30, True),
        ("COMPLETE", -1, True),
    ]


def test_each_change_comes_with_its_event(clocks: Clocks, app: Flask) -> None:
    desk = Desk(app)
    desk.does("poll", clocks)
    desk.does("expose", clocks)
    events = [change["event"] for change in desk.changes()]
    assert events == desk.observatory.shows(desk.job)["history"]
    assert events[-1]["message"] == "2 of 5"


def test_the_other_queue_has_its_own_before(clocks: Clocks, app: Flask) -> None:
    desk = Desk(app)
    desk.does("alternate", clocks)
    assert desk.changes()[-1]["event"]["from"] == "UNREAD"
    assert desk.changes()[-1]["statusId"].startswith("UNREAD#")
    assert desk.changes()[-1]["replicaStatusId"].startswith("RECEIVED#")


def test_one_sites_changes_come_alone_and_in_pages(app: Flask) -> None:
    desk = Desk(app)
    inside(app, site="mrc").sends()
    desk.observatory.sends()
    assert [change["site"] for change in desk.changes()] == ["wmd", "mrc", "wmd"]
    assert [change["seq"] for change in desk.changes(site="wmd")] == [1, 3]
    assert [change["seq"] for change in desk.changes(1, 1)] == [2]


@given(st.lists(st.sampled_from(STEPS), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_told_at_once_is_told_the_same_later(app: Flask, steps: list[str]) -> None:
    site = str(uuid.uuid4())
    with pytest.MonkeyPatch.context() as patch:
        clocks = Clocks(patch)
        desk = Desk(app, site)
        at_once = desk.changes(site=site)
        for step in steps:
            desk.does(step, clocks)
            news = desk.changes(at_once[-1]["seq"], site=site)
            at_once += news
            mine = [change for change in news if change["ulid"] == desk.job["ulid"]]
            shown = without_history(desk.observatory.shows(desk.job))
            if mine and not shown["replicaStatusId"].startswith("EXPIRED"):  # there, jobs expire in silence
                assert without_history(mine[-1]) == shown
        assert desk.changes(site=site) == at_once
