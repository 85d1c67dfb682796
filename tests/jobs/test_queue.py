"""People see to the order of what waits: next, moves, edits, pauses."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from jobs_server import clock
from jobs_server.domain import ranks
from jobs_server.domain.actors import Actor, Known
from jobs_server.domain.queue_commands import EditJob, MoveJob, PauseQueue
from jobs_server.errors import Forbidden, Unauthorized
from jobs_server.jobs import events, reservations, wire
from jobs_server.jobs.reservations import ReservationRow
from jobs_server.live import readers
from jobs_server.service import service_of
from jobs_server.upkeep import maintenance

from ..conftest import inside
from ..support.clocks import Clocks
from ..support.observatory import Observatory, Reply
from .test_claims import ulids

MOUNT = {"device": "mount", "instance": "mount1"}
VERA = {"user_id": "auth0|vera", "user_name": "Vera"}
TYCHO = {"user_id": "auth0|tycho", "user_name": "Tycho"}


def moves(site: Observatory, job: dict[str, Any], to: str, **who: str) -> Reply:
    return site.posts("movejob", {"site": site.site, "ulid": job["ulid"], "to": to} | (who or VERA))


def edits(site: Observatory, job: dict[str, Any], **changed: Any) -> Reply:
    return site.posts("editjob", {"site": site.site, "ulid": job["ulid"]} | VERA | changed)


def pauses(site: Observatory, note: str = "clouds", **who: str) -> Reply:
    return site.posts("pausequeue", {"site": site.site, "note": note} | (who or VERA))


def resumes(site: Observatory, **who: str) -> Reply:
    return site.posts("resumequeue", {"site": site.site} | (who or VERA))


def sends(site: Observatory, count: int, **changed: Any) -> list[dict[str, Any]]:
    return [site.sends(**changed) for _ in range(count)]


@pytest.mark.parametrize("alternate", [False, True], ids=["", "alternate"])
def test_jobs_are_handed_over_in_the_order_that_people_gave_them(observatory: Observatory, alternate: bool) -> None:
    a, b, c, d = sends(observatory, 4)
    assert moves(observatory, d, "first").status == 200
    assert moves(observatory, a, "last").status == 200
    assert moves(observatory, c, b["ulid"]).status == 200
    last = observatory.sends()
    copies = observatory.polls(alternateQueue=alternate)
    assert ulids(copies) == ulids([d, c, b, a, last])
    stamps = [copy["timestamp_ms"] for copy in copies]
    assert stamps == sorted(stamps), "software that sorts by time loses the order"
    kept = {job["ulid"]: job["timestamp_ms"] for job in observatory.lists()}
    assert kept == {job["ulid"]: job["timestamp_ms"] for job in (a, b, c, d, last)}, "a stored time changed"


def test_a_repeated_claim_gives_the_same_reply_in_the_same_order_with_the_same_times(observatory: Observatory) -> None:
    a, b, c = sends(observatory, 3)
    moves(observatory, c, "first")
    copies = observatory.polls(claimId="one")
    assert ulids(copies) == ulids([c, a, b])
    assert observatory.polls(claimId="one") == copies


def test_claims_of_one_job_each_go_in_the_order_too(observatory: Observatory) -> None:
    a, b, c = sends(observatory, 3)
    moves(observatory, c, a["ulid"])
    assert [ulids(observatory.polls(claimId=f"{n}", limit=1))[0] for n in range(3)] == ulids([c, a, b])


def test_next_goes_before_what_waits_and_behind_stops_and_earlier_next_ones(observatory: Observatory) -> None:
    a = observatory.sends()
    stop = observatory.sends("stop", **MOUNT)
    b = observatory.sends()
    first, second = sends(observatory, 2, next=True)
    third = observatory.sends(next=True)
    assert ulids(observatory.polls()) == ulids([a, stop, first, second, third, b])


def test_next_where_nothing_waits_is_as_any_other_job(observatory: Observatory) -> None:
    first = observatory.sends(next=True)
    second = observatory.sends()
    assert ulids(observatory.polls()) == ulids([first, second])


def test_a_next_one_that_was_moved_to_the_end_holds_no_later_next_one_up(observatory: Observatory) -> None:
    a = observatory.sends()
    was_next = observatory.sends(next=True)
    moves(observatory, was_next, "last")
    new = observatory.sends(next=True)
    assert ulids(observatory.polls()) == ulids([new, a, was_next])


def test_no_job_is_moved_before_a_stop_that_waits(observatory: Observatory) -> None:
    a = observatory.sends()
    stop = observatory.sends("stop", **MOUNT)
    b, c = sends(observatory, 2)
    for to in (a["ulid"], stop["ulid"]):
        refusal = moves(observatory, c, to)
        assert refusal.status == 409
        assert refusal.text == f"Error: the stop command {stop['ulid']} waits, and no job is moved before a stop"
    assert moves(observatory, c, "first").status == 200
    assert ulids(observatory.polls()) == ulids([a, stop, c, b])


def test_a_stop_is_not_moved(observatory: Observatory) -> None:
    stop = observatory.sends("stop")
    refusal = moves(observatory, stop, "last")
    assert refusal.status == 400
    assert "stops go before all others already" in refusal.text


@pytest.mark.parametrize("queue", [{}, {"alternateQueue": True}], ids=["first", "alternate"])
def test_what_was_handed_over_on_either_queue_is_neither_moved_nor_edited(
    observatory: Observatory, queue: dict[str, Any]
) -> None:
    job, other = sends(observatory, 2)
    observatory.polls(limit=1, **queue)
    for refusal in (moves(observatory, job, "last"), edits(observatory, job, required_params={"time": 2})):
        assert refusal.status == 409
        assert "is RECEIVED" in refusal.text
        assert "only what waits can be moved or changed" in refusal.text
    assert observatory.history(job)[:1] == ["UNREAD"]
    if not queue:
        refusal = moves(observatory, other, job["ulid"])
        assert (refusal.status, "nothing goes before it" in refusal.text) == (409, True)


def test_moving_a_job_that_waited_too_long_or_is_not_there(clocks: Clocks, observatory: Observatory) -> None:
    job, other = sends(observatory, 2)
    assert moves(observatory, {"ulid": "nothing"}, "first").status == 404
    assert moves(observatory, job, "nothing").status == 404
    assert moves(observatory, job, " ").status == 400
    clocks.pass_by(16 * 60)
    for refusal in (moves(observatory, other, "first"), edits(observatory, job, instance="camera2")):
        assert refusal.status == 409
        assert "waited too long" in refusal.text


def test_a_move_to_where_the_job_is_changes_nothing(observatory: Observatory) -> None:
    a, b = sends(observatory, 2)
    for job, to in ((a, "first"), (b, "last"), (a, b["ulid"]), (a, a["ulid"])):
        assert moves(observatory, job, to).status == 200
    assert observatory.history(a) == observatory.history(b) == ["UNREAD"]


def test_the_history_says_who_moved_a_job_and_where(observatory: Observatory) -> None:
    a, b = sends(observatory, 2)
    moves(observatory, b, "first", **TYCHO)
    moves(observatory, b, "last", **TYCHO)
    moves(observatory, b, a["ulid"], **TYCHO)
    events = observatory.shows(b)["history"][1:]
    assert {(event["from"], event["to"], event["mark"], event["by"]["name"]) for event in events} == {
        ("UNREAD", "UNREAD", "moved", "Tycho")
    }
    assert [event["message"] for event in events] == [
        "moved to the front",
        "moved to the end",
        f"moved before expose of camera ({a['ulid']})",
    ]


def test_ranks_stay_short_however_often_one_place_is_moved_to(app: Flask) -> None:
    site = inside(app)
    a, b, c = sends(site, 3)
    for _ in range(200):
        for job in (a, b):
            assert moves(site, job, c["ulid"]).status == 200
    with service_of(app).database.engine.connect() as connection:
        longest = connection.exec_driver_sql("SELECT max(length(rank)) FROM job").scalar_one()
    assert 26 < longest <= ranks.LONGEST
    assert ulids(site.polls()) == ulids([a, b, c])


def test_two_people_who_move_at_once_both_have_their_way_and_nothing_is_lost(file_app: Flask) -> None:
    site = inside(file_app)
    jobs = sends(site, 12)
    with ThreadPoolExecutor(2) as people:
        done = [
            people.submit(moves, inside(file_app), job, to)
            for _ in range(3)
            for job, to in ((jobs[3], "first"), (jobs[7], jobs[3]["ulid"]), (jobs[11], "first"), (jobs[0], "last"))
        ]
    assert {each.result().status for each in done} == {200}
    assert sorted(ulids(site.polls())) == ulids(jobs)


def test_an_edit_changes_what_goes_out_and_the_history_keeps_both(observatory: Observatory) -> None:
    whole = 12345678901234567890123
    job = observatory.sends(required_params={"time": 1.5, "n": whole})
    edited = edits(observatory, job, required_params={"time": 2.25, "n": whole + 1}, instance="camera_2").job
    assert edited == job | {"required_params": {"time": 2.25, "n": whole + 1}, "deviceInstance": "camera_2"}
    assert observatory.polls() == [edited]
    event = observatory.shows(job)["history"][1]
    assert (event["from"], event["to"], event["mark"]) == ("UNREAD", "UNREAD", "edited")
    assert event["message"] == "changed required_params and instance"
    assert event["edit"] == {
        "from": {"required_params": {"time": 1.5, "n": whole}, "instance": "camera_1_1"},
        "to": {"required_params": {"time": 2.25, "n": whole + 1}, "instance": "camera_2"},
    }


def test_an_edit_that_changes_nothing_is_no_event_and_one_that_says_nothing_is_refused(
    observatory: Observatory,
) -> None:
    job = observatory.sends()
    assert edits(observatory, job, required_params=job["required_params"]).job == job
    assert observatory.history(job) == ["UNREAD"]
    assert edits(observatory, job).status == 400
    assert edits(observatory, job, instance=" ").status == 400
    assert edits(observatory, job, instance="c" * 65).status == 400
    assert edits(observatory, job, optional_params=[]).status == 400


def test_an_edit_makes_or_unmakes_no_stop(observatory: Observatory) -> None:
    script = observatory.sends("run", device="screen", required_params={"script": "focusAuto"})
    refusal = edits(observatory, script, required_params={"script": "stopScript"})
    assert (
        refusal.status,
        "would make a stop command of this job, which no edit may; send the stop by itself" in refusal.text,
    ) == (400, True)
    stop = observatory.sends("run", device="screen", instance="s", required_params={"script": "stopScript"})
    refusal = edits(observatory, stop, required_params={"script": "focusAuto"})
    assert (
        refusal.status,
        "would take from this stop command that it stops, which no edit may; cancel it" in refusal.text,
    ) == (400, True)
    assert edits(observatory, stop, instance="all").status == 400
    assert edits(observatory, stop, optional_params={"why": "x" * 5000}).status == 400
    assert edits(observatory, stop, optional_params={"why": "clouds"}).status == 200
    assert observatory.history(script) == ["UNREAD"]


def test_a_retry_with_its_key_gives_the_job_as_edited(observatory: Observatory) -> None:
    key = {"Idempotency-Key": "once"}
    body: dict[str, Any] = {
        "site": "wmd",
        "device": "camera",
        "instance": "c",
        "action": "expose",
        "required_params": {"time": 1},
    }
    body = body | {"optional_params": {}} | VERA
    job = observatory.posts("newjob", body, key).job
    edited = edits(observatory, job, required_params={"time": 9}).job
    assert observatory.posts("newjob", body, key).job == edited
    assert observatory.posts("newjob", body | {"next": False}, key).job == edited
    assert observatory.posts("newjob", body | {"next": True}, key).status == 422


def test_paused_only_stops_are_handed_over_and_begin(observatory: Observatory) -> None:
    (claimed,) = [observatory.sends()]
    observatory.polls(claimId="before")
    waiting = observatory.sends(**MOUNT)
    assert pauses(observatory).json["note"] == "clouds"
    stop = observatory.sends("stop", device="dome", instance="dome1")
    for alternate in (False, True):
        assert ulids(observatory.polls(claimId="during", alternateQueue=alternate)) == [stop["ulid"]]
    refusal = observatory.starts(claimed, claimId="before")
    assert refusal.status == 423
    assert "is paused by Vera since" in refusal.text
    assert "clouds; only stop commands begin until it is resumed" in refusal.text
    assert observatory.starts(stop, claimId="during").status == 200
    new = observatory.sends()
    assert resumes(observatory, **TYCHO).json["resumedBy"]["name"] == "Tycho"
    assert observatory.starts(claimed, claimId="before").status == 200
    assert ulids(observatory.polls()) == ulids([waiting, new])


def test_a_repeated_claim_while_paused_says_that_jobs_are_held(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls(claimId="a")
    pauses(observatory)
    held = observatory.posts("getnewjobs", {"site": observatory.site, "claimId": "a"})
    assert (held.jobs, held.headers.get("X-Claim-Held")) == ([], "true")
    resumes(observatory)
    assert ulids(observatory.polls(claimId="a")) == [job["ulid"]]


def test_a_queue_is_paused_and_resumed_once(observatory: Observatory) -> None:
    assert resumes(observatory).status == 409
    assert pauses(observatory).status == 200
    refusal = pauses(observatory, "again", **TYCHO)
    assert refusal.status == 409
    assert "is paused by Vera since" in refusal.text
    assert pauses(observatory, " ").status == 400
    assert resumes(observatory).status == 200
    assert resumes(observatory).status == 409


def test_what_waits_expires_while_the_queue_is_paused(app: Flask, clocks: Clocks) -> None:
    site = inside(app)
    job = site.sends()
    pauses(site)
    clocks.pass_by(16 * 60)
    maintenance.sweep(service_of(app).database, service_of(app).settings, clocks.now)
    resumes(site)
    assert site.polls() == []
    assert site.status(job) == "EXPIRED"


def somebody(name: str, *, is_admin: bool = False) -> Actor:
    return Actor(name, name, Known.SIGNED_IN, is_admin=is_admin)


def reserves(app: Flask, who: dict[str, str]) -> None:
    now = clock.read()
    blank: dict[str, Any] = dict.fromkeys(ReservationRow._fields, "")
    times = {"start_ms": now.wall_ms - 1000, "end_ms": now.wall_ms + 3_600_000, "last_modified_ms": 0}
    whose = {"creator_id": who["user_id"], "creator": who["user_name"], "reservation_type": "realtime"}
    row = ReservationRow(**blank | times | whose | {"site": "wmd"})
    with service_of(app).database.transaction("wmd") as connection:
        reservations.add(connection, row, somebody(who["user_id"]), now)


def test_with_sign_in_the_owner_and_admins_move_and_edit_and_holders_while_they_hold(app: Flask) -> None:
    site, desk = inside(app), service_of(app).desk
    a, b = sends(site, 2)
    move, edit = (
        MoveJob(site="wmd", ulid=b["ulid"], to="first"),
        EditJob(site="wmd", ulid=b["ulid"], instance="camera9"),
    )
    refusal = "this job is Vera's; only they, admins and holders may change it"
    with pytest.raises(Forbidden, match=refusal):
        desk.move(move, somebody("auth0|tycho"))
    with pytest.raises(Forbidden, match=refusal):
        desk.edit(edit, somebody("auth0|tycho"))
    desk.move(move, somebody("auth0|vera"))
    desk.edit(edit, somebody("auth0|admin", is_admin=True))
    reserves(app, TYCHO)
    desk.move(MoveJob(site="wmd", ulid=a["ulid"], to="first"), somebody("auth0|tycho"))
    with pytest.raises(Unauthorized, match="is reserved by Tycho"):
        desk.move(move, somebody("auth0|vera"))
    with pytest.raises(Unauthorized, match="is reserved by Tycho"):
        desk.pause(PauseQueue(site="wmd", note="mine now"), somebody("auth0|vera"))
    desk.pause(PauseQueue(site="wmd", note="mine"), somebody("auth0|tycho"))
    desk.move(move, somebody("auth0|admin", is_admin=True))


def test_the_feed_shows_each_event_with_the_job_as_it_then_was(app: Flask) -> None:
    site = inside(app)
    job = site.sends(required_params={"time": 1})
    edits(site, job, required_params={"time": 2}, instance="c2")
    moves(site, site.sends(**MOUNT), "first")
    edits(site, job, required_params={"time": 3})
    with service_of(app).database.reading() as connection:
        found = events.after(connection, 0, 100).events
        later = events.after(connection, found[0].event.seq, 1).events
    seen = [(json.loads(wire.change(each))["data"], each.event.mark) for each in found if each.job.ulid == job["ulid"]]
    assert [(data["required_params"]["time"], data["deviceInstance"], mark) for data, mark in seen] == [
        (1, "camera_1_1", None),
        (2, "c2", "edited"),
        (3, "c2", "edited"),
    ]
    assert json.loads(wire.change(later[0]))["data"]["required_params"] == {"time": 2}
    assert seen[1][0]["event"]["edit"]["from"] == {"required_params": {"time": 1}, "instance": "camera_1_1"}


def test_whoever_watches_learns_that_the_queue_was_paused_and_resumed(app: Flask) -> None:
    site = inside(app)
    with service_of(app).database.reading() as connection:
        free = readers.site_marks(connection, clock.now_ms())
    pauses(site)
    with service_of(app).database.reading() as connection:
        paused = readers.site_marks(connection, clock.now_ms())
    assert readers.changed_sites(free, paused) == readers.changed_sites(paused, free) == {"wmd"}
