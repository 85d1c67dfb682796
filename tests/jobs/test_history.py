"""History is append-only, and tells a job's whole life: when, from what to what, by whom, with which words."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy.exc import DBAPIError

from jobs_server.service import service_of

from ..conftest import inside
from ..support.clocks import START_MS, Clocks
from ..support.observatory import Observatory


def test_a_job_comes_with_its_whole_life(clocks: Clocks, observatory: Observatory) -> None:
    job = observatory.sends()
    clocks.pass_by(1)
    observatory.polls(claimId="a")
    clocks.pass_by(1)
    observatory.starts(job, claimId="a", secondsUntilComplete=30)
    clocks.pass_by(1)
    observatory.reports(job, "COMPLETE", message="seeing 1.2 arcsec")
    site = {"id": "wmd", "name": "wmd", "known": "site"}
    shown = observatory.shows(job)
    history = shown.pop("history")
    assert shown == job | {"statusId": f"COMPLETE#{job['ulid']}", "secondsUntilComplete": -1}
    assert history == [
        {
            **{"timestamp_ms": START_MS, "from": None, "to": "UNREAD", "alternateQueue": False},
            "by": {"id": "auth0|vera", "name": "Vera", "known": "said"},
        },
        {"timestamp_ms": START_MS + 1000, "from": "UNREAD", "to": "RECEIVED", "by": site, "alternateQueue": False},
        {
            **{"timestamp_ms": START_MS + 2000, "from": "RECEIVED", "to": "STARTED", "by": site},
            **{"alternateQueue": False, "secondsUntilComplete": 30},
        },
        {
            **{"timestamp_ms": START_MS + 3000, "from": "STARTED", "to": "COMPLETE", "by": site},
            **{"alternateQueue": False, "secondsUntilComplete": -1, "message": "seeing 1.2 arcsec"},
        },
    ]


def test_an_unknown_job_has_none(observatory: Observatory) -> None:
    refusal = observatory.posts("getjob", {"site": "wmd", "ulid": "nonsense"})
    assert (refusal.status, refusal.text) == (404, "Error: site wmd has no job nonsense")


def test_a_message_has_at_most_500_characters(observatory: Observatory) -> None:
    job = observatory.sends()
    assert observatory.reports(job, "EXPOSING", message="x" * 501).status == 400
    assert observatory.history(job) == ["UNREAD"]
    assert observatory.reports(job, "EXPOSING", message="☄" * 500).status == 200
    assert observatory.shows(job)["history"][-1]["message"] == "☄" * 500


@pytest.mark.parametrize("change", ["UPDATE job_event SET status = 'COMPLETE'", "DELETE FROM job_event"])
def test_what_happened_cannot_be_changed(file_app: Flask, change: str) -> None:
    observatory = inside(file_app)
    job = observatory.sends()
    engine = service_of(file_app).database.engine
    with pytest.raises(DBAPIError, match="history is append-only"), engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert observatory.history(job) == ["UNREAD"]


def test_pruning_has_a_permit_for_the_length_of_a_transaction(file_app: Flask) -> None:
    observatory = inside(file_app)
    observatory.sends()
    engine = service_of(file_app).database.engine
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO prune_permit (id) VALUES (1)")
        connection.exec_driver_sql("DELETE FROM job_event")
        connection.exec_driver_sql("DELETE FROM prune_permit")
    observatory.sends()
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM job_event")
