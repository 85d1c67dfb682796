"""A site that holds new work, or has its hands full, asks for stop commands alone and gets nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from jobs_server import clock
from jobs_server.domain.lifecycle import Queue
from jobs_server.jobs import queries
from jobs_server.service import service_of

from ..conftest import inside
from ..support.clocks import Clocks
from ..support.observatory import Observatory, Reply

QUEUES = pytest.mark.parametrize("queue", [{}, {"alternateQueue": True}], ids=["first queue", "alternate queue"])
CLAIMS = pytest.mark.parametrize("claim", [{}, {"claimId": "a"}], ids=["plain poll", "claim"])
MOUNT = {"device": "mount", "instance": "mount1"}
FOCUSER = {"device": "focuser", "instance": "focuser1"}


def ulids(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["ulid"] for job in jobs]


def asks(observatory: Observatory, **options: Any) -> Reply:
    return observatory.posts("getnewjobs", {"site": observatory.site, "stopsOnly": True} | options)


@QUEUES
@CLAIMS
def test_stops_are_handed_over_and_work_goes_on_waiting(
    observatory: Observatory, queue: dict[str, Any], claim: dict[str, Any]
) -> None:
    before = observatory.sends(**FOCUSER)
    stop = observatory.sends("stop", **MOUNT)
    after = observatory.sends("go", **MOUNT)
    reply = asks(observatory, **queue, **claim)
    assert (ulids(reply.jobs), reply.headers["X-Stops-Only"]) == ([stop["ulid"]], "true")
    assert asks(observatory, **queue).jobs == []
    assert ulids(observatory.polls(**queue)) == [before["ulid"], after["ulid"]]


@QUEUES
@CLAIMS
def test_all_stops_come_at_once_oldest_first(
    observatory: Observatory, queue: dict[str, Any], claim: dict[str, Any]
) -> None:
    stops = [observatory.sends("stop", **device)["ulid"] for device in (MOUNT, FOCUSER)]
    assert ulids(asks(observatory, **queue, **claim).jobs) == stops


@QUEUES
@CLAIMS
def test_a_limit_counts_stops(observatory: Observatory, queue: dict[str, Any], claim: dict[str, Any]) -> None:
    observatory.sends()
    stops = [observatory.sends("stop", **device)["ulid"] for device in (MOUNT, FOCUSER)]
    assert ulids(asks(observatory, limit=1, **queue, **claim).jobs) == stops[:1]
    assert ulids(asks(observatory, limit=1, **queue).jobs) == stops[1:]


@CLAIMS
def test_an_answer_with_nothing_says_too_that_it_is_of_stops_alone(
    observatory: Observatory, claim: dict[str, Any]
) -> None:
    observatory.sends()
    reply = asks(observatory, **claim)
    assert (reply.jobs, reply.headers["X-Stops-Only"]) == ([], "true")


@pytest.mark.parametrize("options", [{}, {"stopsOnly": False}, {"stopsOnly": None}])
def test_any_other_poll_gets_all_and_says_nothing_of_stops(observatory: Observatory, options: dict[str, Any]) -> None:
    sent = [observatory.sends(**FOCUSER)["ulid"], observatory.sends("stop", **MOUNT)["ulid"]]
    reply = observatory.posts("getnewjobs", {"site": "wmd"} | options)
    assert (ulids(reply.jobs), "X-Stops-Only" in reply.headers) == (sent, False)


@pytest.mark.parametrize("wrong", ["true", 1, 0, "", [], {}, 1.0])
def test_it_is_true_or_false(observatory: Observatory, wrong: object) -> None:
    stop = observatory.sends("stop", **MOUNT)
    refusal = asks(observatory, stopsOnly=wrong)
    assert (refusal.status, refusal.text) == (400, "[]")
    assert refusal.headers["X-Error"] == "Error: stopsOnly must be true or false"
    assert ulids(observatory.polls()) == [stop["ulid"]]


@QUEUES
def test_a_lost_reply_is_had_again_by_its_claim_id(observatory: Observatory, queue: dict[str, Any]) -> None:
    stop = observatory.sends("stop", **MOUNT)
    asks(observatory, claimId="a", **queue)
    observatory.sends("stop", **FOCUSER)
    assert ulids(asks(observatory, claimId="a", **queue).jobs) == [stop["ulid"]]


def test_a_claim_id_whose_stops_are_over_is_spent(observatory: Observatory) -> None:
    stop = observatory.sends("stop", **MOUNT)
    asks(observatory, claimId="a")
    observatory.reports(stop, "COMPLETE")
    reply = asks(observatory, claimId="a", waitSeconds=60)
    assert (reply.jobs, reply.headers["X-Claim-Spent"], reply.headers["X-Stops-Only"]) == ([], "true", "true")


def test_work_that_a_claim_id_got_before_is_not_repeated(observatory: Observatory) -> None:
    work = observatory.sends()
    observatory.polls(claimId="a")
    assert asks(observatory, claimId="a").jobs == []
    stop = observatory.sends("stop", **MOUNT)
    assert ulids(asks(observatory, claimId="a").jobs) == [stop["ulid"]]
    assert ulids(observatory.polls(claimId="a")) == [work["ulid"], stop["ulid"]]


def test_a_stop_that_was_claimed_passes_the_fence(observatory: Observatory) -> None:
    stop = observatory.sends("stop", **MOUNT)
    asks(observatory, claimId="a")
    assert observatory.starts(stop, claimId="a").status == 200


def test_a_lock_out_holds_no_stop_back(observatory: Observatory) -> None:
    observatory.sends()
    vera = {"user_id": "auth0|vera", "user_name": "Vera"}
    observatory.posts("lockout", {"site": "wmd", "note": "hands on the mount"} | vera)
    stop = observatory.sends("stop", **MOUNT)
    reply = asks(observatory, claimId="a")
    assert (ulids(reply.jobs), "X-Claim-Held" in reply.headers) == ([stop["ulid"]], False)


def test_stops_of_another_site_are_its_own(app: Flask) -> None:
    inside(app, "mrc1").sends("stop", **MOUNT)
    assert asks(inside(app, "wmd")).jobs == []


def test_stops_of_more_than_two_megabytes_come_in_parts(observatory: Observatory) -> None:
    note = {"note": "x" * 4000}
    stops = [
        observatory.sends("stop", device="mount", instance=f"mount{number}", optional_params=note)["ulid"]
        for number in range(450)
    ]
    first = ulids(asks(observatory).jobs)
    assert 0 < len(first) < len(stops)
    assert first + ulids(asks(observatory).jobs) == stops


def test_work_that_is_due_is_nothing_to_look_for_again(app: Flask, observatory: Observatory, clocks: Clocks) -> None:
    """A poll for stops alone that waits would go round without a pause."""
    observatory.sends(notBeforeSeconds=30)
    clocks.pass_by(31)
    with service_of(app).database.reading() as connection:
        look = (connection, "wmd", Queue.PRIMARY, clock.read())
        assert queries.next_due_ms(*look) == -1000
        assert queries.next_due_ms(*look, stops_only=True) is None
    observatory.sends("stop", **MOUNT, notBeforeSeconds=10)
    with service_of(app).database.reading() as connection:
        assert queries.next_due_ms(connection, *look[1:], stops_only=True) == 10_000
