"""The two queues are independent: what a site says of a job on one of them says nothing of it on the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask

from jobs_server.client import SiteClient
from jobs_server.jobs import events, wire
from jobs_server.service import service_of

from ..support import servers
from ..support.claiming import WHO, sends, take
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory
from ..support.waiting import until
from .test_expiry import Desk

THERE: dict[str, Any] = {"alternateQueue": True}


@pytest.fixture
def desk(clocks: Clocks, app: Flask) -> Desk:
    del clocks
    return Desk(app)


def runs_there(people: Observatory, **report: Any) -> dict[str, Any]:
    """A job begins on the alternate queue, through the fence."""
    job = people.sends()
    people.polls(claimId="there", **THERE)
    assert people.starts(job, claimId="there", **report, **THERE).status == 200
    return job


class TestCancel:
    """What runs on the alternate queue can be canceled, whatever became of it on the first."""

    def test_of_a_job_that_is_complete_on_the_first(self, observatory: Observatory) -> None:
        """It was 409, "there is nothing left to cancel"."""
        job = runs_there(observatory)
        observatory.reports(job, "COMPLETE")
        answer = observatory.asks_to_cancel(job).job
        assert (answer["statusId"], answer["replicaStatusId"]) == (f"COMPLETE#{job['ulid']}", f"STARTED#{job['ulid']}")
        assert observatory.reports(job, "EXPOSING", **THERE).job["cancelRequested"] is True
        assert "cancelRequested" not in observatory.lists()[0]

    def test_of_a_job_that_is_expired_on_the_first(self, desk: Desk, clocks: Clocks) -> None:
        job = runs_there(desk, secondsUntilComplete=2 * HOUR)
        clocks.pass_by(HOUR)
        desk.sweeps()
        assert desk.status(job) == "EXPIRED"
        for _ in range(2):  # the same again changes nothing
            assert desk.asks_to_cancel(job).status == 200
            assert desk.reports(job, "EXPOSING", **THERE).job["cancelRequested"] is True
        marks = [event["mark"] for event in desk.shows(job)["history"] if "mark" in event]
        assert marks == ["cancel requested"]

    def test_of_a_job_that_is_claimed_there_holds_the_fence(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="there", **THERE)
        observatory.reports(job, "FAILED")
        for _ in range(2):
            assert observatory.asks_to_cancel(job).job["replicaStatusId"] == f"CANCELED#{job['ulid']}"
        assert observatory.starts(job, claimId="there", **THERE).status == 409

    @pytest.mark.parametrize("there", ["waits", "is read along", "has ended"])
    def test_of_a_job_that_nobody_has_in_hand_is_refused(self, observatory: Observatory, there: str) -> None:
        job = observatory.sends()
        if there == "is read along":
            observatory.polls(**THERE)
        if there == "has ended":
            observatory.reports(job, "FAILED", **THERE)
        observatory.reports(job, "COMPLETE")
        before = observatory.shows(job)
        assert observatory.asks_to_cancel(job).status == 409
        assert observatory.shows(job) == before

    def test_is_asked_for_on_each_queue_and_told_on_each(self, observatory: Observatory) -> None:
        job = runs_there(observatory)
        observatory.starts(job)
        observatory.sends("cancel_all_commands")
        for queue in ({}, THERE):
            assert observatory.reports(job, "EXPOSING", **queue).job["cancelRequested"] is True
        asked = [event["alternateQueue"] for event in observatory.shows(job)["history"] if "mark" in event]
        assert asked == [False, True]

    def test_is_offered_and_told_on_the_jobs_page(self, app: Flask, observatory: Observatory) -> None:
        job, browser = runs_there(observatory), app.test_client()
        observatory.reports(job, "COMPLETE")
        address = f"/job/{job['ulid']}?site=wmd"
        assert "Cancel this job" in browser.get(address).text
        pressed = {"site": "wmd", "ulid": job["ulid"]}
        answer = browser.post("/act/cancel", data=pressed, headers={"X-Requested-By": "script"})
        assert answer.get_json()["line"] == "The site was asked to end it."
        page = browser.get(address).text
        assert "Cancel this job" not in page
        assert "<bdi>STARTED</bdi>, cancel asked." in page

    def test_at_the_terminal_says_on_which_queue(self, app: Flask, observatory: Observatory) -> None:
        job = runs_there(observatory)
        observatory.reports(job, "COMPLETE")
        said = app.test_cli_runner().invoke(args=["jobs", "cancel", job["ulid"]]).output
        assert said.endswith("now STARTED on the alternate queue.\n")


class TestEstimate:
    """Each queue has an estimate of its own, by which alone a job that is silent on it is called lost."""

    def test_one_of_0_on_the_alternate_queue_makes_nothing_lost_on_the_first(self, desk: Desk, clocks: Clocks) -> None:
        """The one of both made it LOST: 3,600 s at the fence, a report of 0 on the alternate queue, 700 s."""
        job = desk.runs(secondsUntilComplete=3600)
        desk.reports(job, "EXPOSING", secondsUntilComplete=0, **THERE)
        clocks.pass_by(700)
        assert desk.sweeps() == 0
        assert desk.status(job) == "STARTED"
        clocks.pass_by(3500)
        desk.sweeps()
        assert desk.status(job) == "LOST"

    def test_one_on_the_first_queue_makes_nothing_lost_on_the_alternate(self, desk: Desk, clocks: Clocks) -> None:
        job = runs_there(desk, secondsUntilComplete=3600)
        desk.reports(job, "EXPOSING", secondsUntilComplete=0)
        clocks.pass_by(700)
        desk.sweeps()
        assert desk.shows(job)["replicaStatusId"] == f"STARTED#{job['ulid']}"
        clocks.pass_by(3500)
        desk.sweeps()
        assert desk.shows(job)["replicaStatusId"] == f"LOST#{job['ulid']}"

    def test_of_the_first_stands_in_lists_and_that_of_the_second_in_its_own_replies(
        self, observatory: Observatory
    ) -> None:
        job = observatory.sends()
        observatory.polls(claimId="there", **THERE)
        assert observatory.reports(job, "SLEWING", secondsUntilComplete=9).job["secondsUntilComplete"] == 9
        (again,) = observatory.polls(claimId="there", **THERE)
        assert "secondsUntilComplete" not in again
        started = observatory.starts(job, claimId="there", secondsUntilComplete=5, **THERE)
        assert started.job["secondsUntilComplete"] == 5
        assert observatory.reports(job, "EXPOSING", secondsUntilComplete=4, **THERE).job["secondsUntilComplete"] == 4
        assert observatory.lists()[0]["secondsUntilComplete"] == 9
        asked = {"site": "wmd", "ulid": job["ulid"]}
        assert observatory.shows(job)["secondsUntilComplete"] == 9
        assert observatory.posts("getjob", asked | {"alternateQueue": False}).job["secondsUntilComplete"] == 9
        there = observatory.posts("getjob", asked | THERE).job
        assert there["secondsUntilComplete"] == 4
        assert there["history"] == observatory.shows(job)["history"]
        assert observatory.posts("getjob", asked | {"alternateQueue": "yes"}).status == 400

    def test_of_the_first_stands_in_the_stream(self, app: Flask, observatory: Observatory) -> None:
        job = runs_there(observatory, secondsUntilComplete=5)
        observatory.reports(job, "SLEWING", secondsUntilComplete=9)
        observatory.asks_to_cancel(job)
        observatory.reports(job, "EXPOSING", secondsUntilComplete=4, **THERE)
        with service_of(app).database.reading() as connection:
            told = [orjson.loads(wire.change(each))["data"] for each in events.after(connection, 0, 99).events]
        there = [each for each in told if each["event"]["alternateQueue"]]
        assert [each.get("secondsUntilComplete") for each in there] == [None, None, 9, 9]
        assert [each["event"].get("secondsUntilComplete") for each in there] == [None, 5, None, 4]
        listed = observatory.lists()[0]
        assert {key: told[-1][key] for key in listed} == listed


def test_a_report_against_a_label_flags_its_own_queue(app: Flask, observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls(claimId="here")
    observatory.polls(claimId="there", **THERE)
    observatory.asks_to_cancel(job)
    observatory.reports(job, "EXPOSING", **THERE)
    marks = [(each["alternateQueue"], each["mark"]) for each in observatory.shows(job)["history"] if "mark" in each]
    assert marks == [(True, "against the label")]
    assert "after it had been ended here" not in app.test_client().get(f"/job/{job['ulid']}?site=wmd").text


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SiteClient]:
    with servers.running("flask", tmp_path / "instance") as server, SiteClient(server.url, "wmd") as client:
        yield client


def test_the_python_client_learns_of_a_cancel_on_the_queue_that_it_reads(client: SiteClient, tmp_path: Path) -> None:
    """It looks by `getjob` while the job has nothing to report, and the first queue says nothing there."""
    job = sends(client)
    with take(client, tmp_path / "claims.json", alternate_queue=True) as claims:
        run = claims.next()
        assert run is not None
        client.update(job, "COMPLETE")
        until(lambda: client.get(job, alternate_queue=True).status == "STARTED")
        assert not client.get(job, alternate_queue=True).cancel_requested
        client.cancel(job, **WHO)
        until(lambda: run.cancel_requested)
        assert client.get(job, alternate_queue=True).cancel_requested
        assert not client.get(job).cancel_requested
        run.end("CANCELED")
    assert client.get(job, alternate_queue=True).status == "CANCELED"
