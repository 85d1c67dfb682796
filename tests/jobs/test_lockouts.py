"""While there are hands on the telescope, nothing but stop commands reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory, Reply
from .test_claims import ulids

STOP = {"action": "cancel_all_commands", "device": "all", "instance": "all"}
VERA = {"user_id": "auth0|vera", "user_name": "Vera"}
TYCHO = {"user_id": "auth0|tycho", "user_name": "Tycho"}


def locks(observatory: Observatory, note: str = "hands on the mount", **who: str) -> Reply:
    return observatory.posts("lockout", {"site": observatory.site, "note": note} | (who or VERA))


def lifts(observatory: Observatory, who: dict[str, str] = VERA, **options: Any) -> Reply:
    return observatory.posts("liftlockout", {"site": observatory.site} | who | options)


def shown(observatory: Observatory) -> Any:
    return observatory.posts("getlockout", {"site": observatory.site}).json


def test_new_jobs_are_refused_with_who_since_when_and_why(clocks: Clocks, observatory: Observatory) -> None:
    assert locks(observatory).status == 200
    refusal = observatory.asks()
    assert refusal.status == 423
    assert refusal.text == (
        "Error: wmd is locked out by Vera since 2027-01-15 08:00 UTC: hands on the mount;"
        " only stop commands reach the telescope until it is lifted"
    )
    assert observatory.lists() == []


def test_waiting_jobs_are_held_back_on_both_queues_until_it_is_lifted(observatory: Observatory) -> None:
    job = observatory.sends()
    locks(observatory)
    assert observatory.polls() == observatory.polls(alternateQueue=True) == observatory.polls(claimId="a") == []
    assert observatory.polls(limit=1) == []
    assert observatory.status(job) == "UNREAD"
    lifts(observatory, cancelWaiting=False)
    assert observatory.polls() == [job]


def test_stop_commands_pass(observatory: Observatory) -> None:
    earlier = observatory.sends("stop", device="mount", instance="mount1")
    locks(observatory)
    stop = observatory.sends(**STOP)
    assert observatory.status(earlier) == "CANCELED"
    assert [job["ulid"] for job in observatory.polls(claimId="a")] == [stop["ulid"]]
    assert observatory.starts(stop, claimId="a").status == 200


def test_what_was_handed_over_but_not_begun_does_not_pass_the_fence(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls(claimId="a")
    locks(observatory)
    refusal = observatory.starts(job, claimId="a")
    assert (refusal.status, "locked out by Vera" in refusal.text) == (423, True)
    assert observatory.polls(claimId="a") == []
    lifts(observatory, cancelWaiting=False)
    assert observatory.starts(job, claimId="a").status == 200


def test_a_stop_that_is_too_old_to_start_says_so_during_a_lockout(file_app: Flask, clocks: Clocks) -> None:
    """It was 423, "only stop commands reach the telescope", which is no reason for a stop."""
    site = inside(file_app)
    work, stop = site.sends(), site.sends("stop", device="mount", instance="mount1")
    site.polls(claimId="a")
    locks(site)
    clocks.pass_by(4 * HOUR)
    refusal = site.starts(stop, claimId="a")
    assert (refusal.status, refusal.text) == (
        409,
        f"Error: job {stop['ulid']} must not start: it was handed over more than 14400 seconds ago",
    )
    assert site.starts(work, claimId="a").status == 423


def test_a_stop_reaches_a_site_that_repeats_its_poll(observatory: Observatory) -> None:
    observatory.sends()
    observatory.polls(claimId="a")
    locks(observatory)
    stop = observatory.sends(**STOP)
    assert [job["ulid"] for job in observatory.polls(claimId="a")] == [stop["ulid"]]


def test_a_claim_is_told_that_a_lockout_holds_its_jobs_back(observatory: Observatory) -> None:
    job, other = observatory.sends(), observatory.sends()
    claim = {"site": "wmd", "claimId": "a"}
    for reply in (observatory.posts("getnewjobs", claim), observatory.posts("getnewjobs", claim)):
        assert (ulids(reply.jobs), "X-Claim-Held" in reply.headers) == ([job["ulid"], other["ulid"]], False)
    locks(observatory)
    assert_held(observatory.posts("getnewjobs", claim))
    stop = observatory.sends("stop", device="mount", instance="mount1")
    for _ in range(2):
        assert_held(observatory.posts("getnewjobs", claim), stop)
    observatory.reports(stop, "COMPLETE")
    assert_held(observatory.posts("getnewjobs", claim))  # not spent, although the stop that it got has ended
    observatory.asks_to_cancel(other)
    lifts(observatory, cancelWaiting=False)
    reply = observatory.posts("getnewjobs", claim)
    assert (ulids(reply.jobs), "X-Claim-Held" in reply.headers) == ([job["ulid"]], False)


def test_a_claim_of_which_a_lockout_holds_nothing_back_is_not_told_so(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls(claimId="a")
    observatory.reports(job, "FAILED")
    observatory.sends()
    locks(observatory)
    assert "X-Claim-Held" not in observatory.posts("getnewjobs", {"site": "wmd", "claimId": "a"}).headers
    assert "X-Claim-Held" not in observatory.posts("getnewjobs", {"site": "wmd", "claimId": "b"}).headers


def assert_held(reply: Reply, *jobs: dict[str, Any]) -> None:
    assert ulids(reply.jobs) == ulids(list(jobs))
    assert reply.headers["X-Claim-Held"] == "true"
    assert "X-Claim-Spent" not in reply.headers


def test_what_runs_can_still_be_reported_on(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls()
    observatory.starts(job)
    locks(observatory)
    assert observatory.reports(job, "COMPLETE").status == 200


def test_the_same_job_sent_again_is_the_first_job_again(observatory: Observatory) -> None:
    key = {"Idempotency-Key": "one"}
    body = {"site": "wmd", "device": "mount", "instance": "m", "action": "park", **VERA}
    empty: dict[str, Any] = {"required_params": {}, "optional_params": {}}
    first = observatory.posts("newjob", body | empty, key).job
    locks(observatory)
    assert observatory.posts("newjob", body | empty, key).job == first


def test_other_sites_are_free(app: Flask, observatory: Observatory) -> None:
    locks(observatory)
    other = inside(app, site="mrc1")
    assert other.polls() == [other.sends()] or other.lists()
    assert other.asks().status == 200


def test_lifting_cancels_what_waited_and_says_so_in_its_history(observatory: Observatory) -> None:
    waiting = observatory.sends()
    claimed = observatory.sends()
    observatory.polls(claimId="a", limit=1)
    locks(observatory)
    stop = observatory.sends("stop", device="mount", instance="mount1")
    assert lifts(observatory).json["canceled"] == 2
    assert observatory.status(waiting) == observatory.status(claimed) == "CANCELED"
    event = observatory.shows(waiting)["history"][-1]
    assert (event["message"], event["by"]["name"]) == ("waited when the lock-out was lifted", "Vera")
    assert [job["ulid"] for job in observatory.polls()] == [stop["ulid"]]
    assert observatory.asks().status == 200


def test_only_whoever_put_it_on_lifts_it(observatory: Observatory) -> None:
    locks(observatory)
    refusal = lifts(observatory, TYCHO)
    assert (refusal.status, "only Vera or an admin may lift it" in refusal.text) == (403, True)
    assert observatory.asks().status == 423
    assert lifts(observatory).status == 200


def test_it_cannot_be_put_on_or_lifted_twice(observatory: Observatory) -> None:
    assert lifts(observatory).status == 409
    locks(observatory)
    again = locks(observatory, **TYCHO)
    assert (again.status, "locked out by Vera" in again.text) == (409, True)
    lifts(observatory)
    assert lifts(observatory).status == 409


@pytest.mark.parametrize("note", ["", "  ", "x" * 501, 5, None])
def test_it_needs_a_reason(observatory: Observatory, note: Any) -> None:
    assert locks(observatory, note).status == 400
    assert observatory.asks().status == 200


def test_its_history_is_kept(clocks: Clocks, observatory: Observatory) -> None:
    assert shown(observatory) == {"site": "wmd", "lockout": None, "history": []}
    locks(observatory, "first")
    lifts(observatory)
    clocks.pass_by(60)
    locks(observatory, "second", **TYCHO)
    found = shown(observatory)
    assert found["lockout"]["by"] == {"id": "auth0|tycho", "name": "Tycho", "known": "said"}
    assert [each["note"] for each in found["history"]] == ["second", "first"]
    assert found["history"][1]["liftedBy"]["name"] == "Vera"
    assert found["history"][0]["since_ms"] - found["history"][1]["lifted_ms"] == 60_000


def test_it_outlives_the_server(file_app: Flask) -> None:
    locks(inside(file_app))
    url = service_of(file_app).database.engine.url
    again = create_app({"TESTING": True, "DATABASE_URL": url.render_as_string(hide_password=False)})
    assert inside(again).asks().status == 423
    service_of(again).database.close()


def test_no_job_slips_past_a_lockout_that_was_acknowledged(file_app: Flask) -> None:
    observatory = inside(file_app)

    def one(number: int) -> list[Any]:
        if number == 20:
            assert locks(observatory).status == 200
            return observatory.polls()
        observatory.asks()
        return []

    with ThreadPoolExecutor(8) as people:
        handed_over = list(people.map(one, range(60)))
    assert handed_over == [[]] * 60
    assert observatory.polls() == []


@pytest.fixture
def few() -> Iterator[Observatory]:
    """An observatory at which at most three jobs may wait."""
    app = create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "MAX_WAITING_JOBS": 3})
    yield inside(app)
    service_of(app).database.close()


def test_no_more_jobs_wait_than_may_but_stop_commands_pass(few: Observatory) -> None:
    for _ in range(3):
        few.sends()
    refusal = few.asks()
    assert (refusal.status, refusal.headers["Retry-After"]) == (429, "1")
    assert "3 jobs wait at wmd already" in refusal.text
    assert few.sends("stop", device="mount", instance="mount1")
    assert few.asks().status == 429
    few.polls(limit=2)
    assert few.asks().status == 200


def test_what_nobody_reads_on_the_alternate_queue_takes_no_room(few: Observatory) -> None:
    for _ in range(4):
        few.sends()
        few.polls()
    assert len(few.polls(alternateQueue=True)) == 4


def test_another_site_has_room_of_its_own(few: Observatory) -> None:
    for _ in range(3):
        few.sends()
    assert few.asks(site="mrc1").status == 200


def runs(app: Flask, *args: str, **options: Any) -> Result:
    return app.test_cli_runner().invoke(args=["lockout", *args, "--site", "wmd"], **options)


def test_the_terminal_locks_out_and_lifts(app: Flask, observatory: Observatory) -> None:
    job = observatory.sends()
    put_on = runs(app, "on", "--by", "Vera", "--note", "hands on the mount")
    assert "wmd is locked out by Vera since" in put_on.output
    assert observatory.asks().status == 423
    assert "in force" in runs(app, "list").output
    other = runs(app, "off", "--by", "Tycho", "--keep-waiting")
    assert (other.exit_code, "only Vera or an admin may lift it" in other.output) == (1, True)
    lifted = runs(app, "off", "--by", "vera", input="\n")
    assert "Cancel the jobs that waited meanwhile? [Y/n]" in lifted.output
    assert "wmd is free again. Jobs canceled: 1." in lifted.output
    assert observatory.status(job) == "CANCELED"


def test_at_the_terminal_an_admin_lifts_somebody_elses(app: Flask, observatory: Observatory) -> None:
    job = observatory.sends()
    locks(observatory)
    assert runs(app, "off", "--by", "Tycho", "--admin", "--keep-waiting").exit_code == 0
    assert observatory.polls() == [job]


def test_whoever_said_their_name_may_lift_it_at_the_terminal(app: Flask, observatory: Observatory) -> None:
    locks(observatory)
    assert runs(app, "off", "--by", "Vera", "--cancel-waiting").exit_code == 0


def test_the_terminal_tells_of_what_still_runs(app: Flask, observatory: Observatory) -> None:
    observatory.starts(observatory.sends())
    assert "The site has 1 unfinished job" in runs(app, "on", "--note", "x").output


def test_a_note_with_control_characters_is_shown_as_text(app: Flask, observatory: Observatory) -> None:
    locks(observatory, note="a\r\nX-Evil: 1\x1b[31m<script>\u202e")
    refusal = observatory.posts("getnewjobs", {"site": "wmd"})
    assert (refusal.status, refusal.text) == (200, "[]")
    said = observatory.asks()
    assert said.status == 423
    assert "X-Evil" not in said.headers
    assert said.headers["Content-Type"] == "text/plain; charset=utf-8"
