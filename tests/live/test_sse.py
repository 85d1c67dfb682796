"""Everybody watches live: every change of a site's jobs, in order, nothing missed and nothing twice."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from flask import Flask

from jobs_server.jobs import events
from jobs_server.service import service_of
from jobs_server.storage.database import Database

from ..conftest import inside
from ..support import servers
from ..support.observatory import Observatory
from ..support.streams import Viewer


def test_a_viewer_sees_all_that_happens_at_its_site(live: str, people: Observatory) -> None:
    elsewhere = people.sends(site="mrc")
    with Viewer(live, people.site) as viewer:
        assert viewer.headers["Content-Type"].startswith("text/event-stream")
        assert 1000 <= (viewer.retry_ms or 0) <= 3000
        job = people.sends()
        people.polls()
        people.reports(elsewhere, "EXPOSING")
        people.reports(job, "EXPOSING", secondsUntilComplete=30, message="1 of 3")
        people.reports(job, "COMPLETE")
        seen = viewer.sees(4)
    assert [message.status for message in seen] == ["UNREAD", "RECEIVED", "EXPOSING", "COMPLETE"]
    assert seen[2].data["site"] == people.site
    assert seen[2].data["data"]["secondsUntilComplete"] == 30
    assert [message.data["data"]["event"] for message in seen] == people.shows(job)["history"]


def test_who_comes_back_gets_what_it_missed(live: str, people: Observatory) -> None:
    with Viewer(live, people.site) as viewer:
        first = people.sends()
        viewer.sees(1)
    second = people.sends()
    people.polls()
    with Viewer(live, people.site, viewer.last_id) as again:
        third = people.sends()
        seen = again.sees(4)
    told = [(message.data["data"]["ulid"], message.status) for message in seen]
    assert told == [
        (second["ulid"], "UNREAD"),
        (first["ulid"], "RECEIVED"),
        (second["ulid"], "RECEIVED"),
        (third["ulid"], "UNREAD"),
    ]
    with Viewer(live, people.site, lastEventId=viewer.last_id) as by_address:
        assert by_address.sees(4) == seen


def test_who_saw_nothing_yet_comes_back_to_the_same_place(live: str, people: Observatory) -> None:
    with Viewer(live, people.site) as viewer:
        pass
    job = people.sends()
    with Viewer(live, people.site, viewer.last_id) as again:
        assert [message.data["data"]["ulid"] for message in again.sees(1)] == [job["ulid"]]


def test_the_header_goes_before_the_address(live: str, people: Observatory) -> None:
    with Viewer(live, people.site) as viewer:
        people.sends()
        people.sends()
        seen = viewer.sees(2)
    with Viewer(live, people.site, seen[0].id, lastEventId=seen[1].id) as again:
        assert again.sees(1) == seen[1:]


def test_a_position_from_the_future_is_now(live: str, people: Observatory) -> None:
    with Viewer(live, people.site) as viewer:
        epoch, seq = viewer.last_id.split("-")
    with Viewer(live, people.site, f"{epoch}-{int(seq) + 10**20}") as ahead:
        (reset,) = ahead.sees(1, "reset")
        people.sends()
        ahead.sees(1)
    assert reset.event == "reset"
    assert reset.id == viewer.last_id
    assert "ahead" in reset.data["data"]["reason"]


def test_a_position_of_another_epoch_is_reset(live: str, people: Observatory) -> None:
    people.sends()
    with Viewer(live, people.site, "abcdef01-1") as viewer:
        (reset,) = viewer.sees(1, "reset")
    assert "restored" in reset.data["data"]["reason"]


@pytest.mark.parametrize(
    "position", ["abc", "12", "-1", "abcdef01--1", "abcdef01-x", "ABC-1", "a-1 ", "☄-1", "a-\uff11"]
)
def test_what_is_no_position_is_refused(live: str, position: str) -> None:
    reply = httpx.get(
        f"{live}/jobs/stream", params={"site": "wmd", "lastEventId": position}, trust_env=False, timeout=60
    )
    assert reply.status_code == 400
    assert reply.text.startswith("Error: lastEventId must be the id of an event")


@pytest.mark.parametrize("query", ["", "?site=", "?site=%00", "?sites=wmd"])
def test_a_site_is_needed(live: str, query: str) -> None:
    reply = httpx.get(f"{live}/stream{query}", trust_env=False, timeout=60)
    assert (reply.status_code, reply.text[:6]) == (400, "Error:")


def test_an_unknown_site_is_an_empty_stream(live: str) -> None:
    with Viewer(live, "nowhere") as viewer:
        assert viewer.all() == []


def test_asking_for_the_head_takes_no_place(live: str) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        for _ in range(60):
            assert client.head(f"{live}/stream?site=wmd").status_code == 200


def test_pruned_history_is_reset(file_app: Flask, tmp_path: Path) -> None:
    inside(file_app).sends()
    inside(file_app).sends()
    with service_of(file_app).database.engine.begin() as connection:
        epoch = connection.exec_driver_sql("SELECT epoch FROM feed_record").scalar()
        connection.exec_driver_sql("INSERT INTO prune_permit (id) VALUES (1)")
        connection.exec_driver_sql("DELETE FROM job_event WHERE seq = 1")
        connection.exec_driver_sql("DELETE FROM prune_permit")
    with servers.running("flask", tmp_path / "instance") as server:
        with Viewer(server.url, "wmd", f"{epoch}-0") as viewer:
            (reset,) = viewer.sees(1, "reset")
            assert "not all kept" in reset.data["data"]["reason"]
            assert reset.id == f"{epoch}-2"
        with Viewer(server.url, "wmd", f"{epoch}-1") as viewer:
            viewer.sees(1)
            assert viewer.all("reset") == []


def test_a_new_epoch_voids_all_positions(file_app: Flask, tmp_path: Path) -> None:
    inside(file_app).sends()
    database: Database = service_of(file_app).database
    with database.reading() as connection:
        before = events.record(connection)
    with database.transaction() as connection:
        events.begin_epoch(connection)
    with database.reading() as connection:
        after = events.record(connection)
    assert before.epoch != after.epoch
    with (
        servers.running("flask", tmp_path / "instance") as server,
        Viewer(server.url, "wmd", f"{before.epoch}-1") as viewer,
    ):
        assert viewer.sees(1, "reset")[0].id == f"{after.epoch}-1"
