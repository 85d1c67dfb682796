"""A claim survives a lost reply: the same id gets the same jobs again, and never others."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from ..conftest import inside
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory


def ulids(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["ulid"] for job in jobs]


def test_the_same_claim_id_gets_the_same_jobs_again(observatory: Observatory) -> None:
    sent = [observatory.sends()["ulid"] for _ in range(3)]
    first = observatory.polls(claimId="a")
    assert ulids(first) == sent
    assert observatory.polls(claimId="a") == first


def test_it_never_takes_new_jobs(observatory: Observatory) -> None:
    first = observatory.sends()
    observatory.polls(claimId="a")
    second = observatory.sends()
    assert ulids(observatory.polls(claimId="a")) == [first["ulid"]]
    observatory.reports(first, "COMPLETE")
    assert observatory.polls(claimId="a") == []
    assert ulids(observatory.polls(claimId="b")) == [second["ulid"]]


def test_an_empty_reply_spends_no_id(observatory: Observatory) -> None:
    assert observatory.polls(claimId="a") == []
    job = observatory.sends()
    assert ulids(observatory.polls(claimId="a")) == [job["ulid"]]


def test_what_has_started_or_ended_is_not_replayed(observatory: Observatory) -> None:
    started, ended, still = (observatory.sends() for _ in range(3))
    observatory.polls(claimId="a")
    observatory.starts(started, claimId="a")
    observatory.reports(ended, "FAILED")
    assert ulids(observatory.polls(claimId="a")) == [still["ulid"]]


def test_a_lost_reply_with_canceled_jobs_does_not_keep_the_site_from_the_next(observatory: Observatory) -> None:
    """The id got jobs, so it gets no others; the client, which knows of none, is told to take a new id."""
    observatory.sends()
    observatory.polls(claimId="a")
    stop = observatory.sends("cancel_all_commands")
    for wait_seconds in (0, 60):
        again = observatory.posts("getnewjobs", {"site": "wmd", "claimId": "a", "waitSeconds": wait_seconds})
        assert (again.jobs, again.headers["X-Claim-Spent"]) == ([], "true")
    assert ulids(observatory.polls(claimId="b")) == [stop["ulid"]]


def test_only_a_spent_id_is_called_so(observatory: Observatory) -> None:
    assert "X-Claim-Spent" not in observatory.posts("getnewjobs", {"site": "wmd", "claimId": "a"}).headers
    observatory.sends()
    for _ in range(2):
        assert "X-Claim-Spent" not in observatory.posts("getnewjobs", {"site": "wmd", "claimId": "a"}).headers


def test_the_two_queues_claim_apart(observatory: Observatory) -> None:
    job = observatory.sends()
    assert ulids(observatory.polls(claimId="a", alternateQueue=True)) == [job["ulid"]]
    assert ulids(observatory.polls(claimId="a")) == [job["ulid"]]
    assert ulids(observatory.polls(claimId="a", alternateQueue=True)) == [job["ulid"]]


def test_another_sites_claim_id_is_another_claim(app: Flask) -> None:
    here, there = inside(app, "wmd"), inside(app, "mrc1")
    here.sends()
    here.polls(claimId="a")
    job = there.sends()
    assert ulids(there.polls(claimId="a")) == [job["ulid"]]


def test_no_job_goes_to_two_claims(observatory: Observatory) -> None:
    observatory.sends()
    observatory.polls(claimId="a")
    assert observatory.polls(claimId="b") == observatory.polls() == []


@pytest.mark.parametrize("queue", [{}, {"alternateQueue": True}], ids=["first queue", "alternate queue"])
class TestAStartAfterAPlainReport:
    """A start with the own claim id after the own plain report is 200, since that job runs by its word."""

    def test_is_taken_and_repeated(self, observatory: Observatory, queue: dict[str, bool]) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a", **queue)
        observatory.reports(job, "EXPOSING", **queue)
        for _ in range(2):
            begun = observatory.starts(job, claimId="a", secondsUntilComplete=7, **queue)
            assert (begun.status, begun.job["secondsUntilComplete"]) == (200, 7)
        said = [each["to"] for each in observatory.shows(job)["history"] if each["alternateQueue"] is bool(queue)]
        assert said[-3:] == ["RECEIVED", "EXPOSING", "STARTED"]

    @pytest.mark.parametrize("claim_id", ["b", None])
    def test_is_refused_to_another(
        self, observatory: Observatory, queue: dict[str, bool], claim_id: str | None
    ) -> None:
        job = observatory.sends()
        if claim_id is not None:
            observatory.polls(claimId=claim_id, **queue)
        observatory.reports(job, "EXPOSING", **queue)
        refusal = observatory.starts(job, claimId="a", **queue)
        assert (refusal.status, "was handed over to another claim" in refusal.text) == (409, True)

    @pytest.mark.parametrize("when", ["before the report", "after the report"])
    def test_is_refused_when_it_was_canceled(self, observatory: Observatory, queue: dict[str, bool], when: str) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a", **queue)
        if when == "before the report":
            observatory.asks_to_cancel(job)
        observatory.reports(job, "EXPOSING", **queue)
        if when == "after the report":
            observatory.asks_to_cancel(job)
        assert observatory.starts(job, claimId="a", **queue).status == 409

    def test_is_refused_after_its_end(self, observatory: Observatory, queue: dict[str, bool]) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a", **queue)
        observatory.reports(job, "COMPLETE", **queue)
        assert observatory.starts(job, claimId="a", **queue).status == 409


def test_a_reply_to_a_claim_ends_at_a_stop(observatory: Observatory) -> None:
    focuser = {"device": "focuser", "instance": "focuser1"}
    before = observatory.sends("move_absolute", **focuser)
    stop = observatory.sends("stop")
    after = observatory.sends("expose")
    assert ulids(observatory.polls(claimId="a")) == [before["ulid"], stop["ulid"]]
    assert ulids(observatory.polls(claimId="b")) == [after["ulid"]]


def test_a_plain_poll_gets_all_at_once_as_ever(observatory: Observatory) -> None:
    stop, expose = observatory.sends("stop"), observatory.sends("expose")
    assert ulids(observatory.polls()) == [stop["ulid"], expose["ulid"]]


class TestLimit:
    """A limited poll takes the oldest, but a stop goes first."""

    def test_the_oldest_come_first(self, observatory: Observatory) -> None:
        sent = [observatory.sends()["ulid"] for _ in range(3)]
        assert ulids(observatory.polls(limit=2)) == sent[:2]
        assert ulids(observatory.polls(limit=2)) == sent[2:]

    @pytest.mark.parametrize("claim", [{}, {"claimId": "a"}])
    def test_a_stop_goes_before_all_others(self, observatory: Observatory, claim: dict[str, str]) -> None:
        for number in range(3):
            observatory.sends("move_absolute", device="focuser", instance=f"focuser{number}")
        stop = observatory.sends("stop")
        assert ulids(observatory.polls(limit=1, **claim)) == [stop["ulid"]]

    def test_the_reply_itself_stays_in_order(self, observatory: Observatory) -> None:
        moves = [observatory.sends("go", device="mount", instance=f"mount{n}")["ulid"] for n in range(3)]
        stop = observatory.sends("stop")
        assert ulids(observatory.polls(limit=3)) == [moves[0], moves[1], stop["ulid"]]

    @pytest.mark.parametrize("limit", [0, -1, 1.5, "2", True])
    def test_a_limit_is_a_whole_number_from_one(self, observatory: Observatory, limit: object) -> None:
        refusal = observatory.posts("getnewjobs", {"site": "wmd", "limit": limit})
        assert (refusal.status, refusal.text) == (400, "[]")


@pytest.mark.parametrize("claim_id", ["", "x" * 65, " ", 7, ["a"]])
def test_a_claim_id_is_a_text_of_1_to_64_characters(observatory: Observatory, claim_id: object) -> None:
    job = observatory.sends()
    refusal = observatory.posts("getnewjobs", {"site": "wmd", "claimId": claim_id})
    assert (refusal.status, refusal.text) == (400, "[]")
    assert "claimId" in refusal.headers["X-Error"]
    assert ulids(observatory.polls(claimId="x" * 64)) == [job["ulid"]]


class TestFence:
    """With its claim id a site asks whether it still may move."""

    def test_what_was_claimed_may_start(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a")
        started = observatory.starts(job, claimId="a", secondsUntilComplete=20).job
        assert (started["statusId"], started["secondsUntilComplete"]) == (f"STARTED#{job['ulid']}", 20)

    def test_the_same_start_again_is_fine(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a")
        observatory.starts(job, claimId="a")
        assert observatory.starts(job, claimId="a").status == 200
        observatory.reports(job, "EXPOSING")
        assert observatory.starts(job, claimId="a").job["statusId"].startswith("EXPOSING#")
        assert observatory.history(job) == ["UNREAD", "RECEIVED", "STARTED", "EXPOSING"]

    def test_a_canceled_job_must_not_start(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a")
        assert observatory.asks_to_cancel(job).job["statusId"] == f"CANCELED#{job['ulid']}"
        refusal = observatory.starts(job, claimId="a")
        assert (refusal.status, refusal.text) == (409, f"Error: job {job['ulid']} must not start: it is CANCELED")

    def test_another_claims_job_must_not_start(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a")
        refusal = observatory.starts(job, claimId="b")
        assert refusal.status == 409
        assert "another claim" in refusal.text

    def test_a_job_not_handed_over_must_not_start(self, observatory: Observatory) -> None:
        job = observatory.sends()
        assert observatory.starts(job, claimId="a").status == 409
        assert observatory.status(job) == "UNREAD"

    def test_a_job_of_a_plain_poll_must_not_start_by_claim(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls()
        assert observatory.starts(job, claimId="a").status == 409

    def test_an_ended_job_must_not_start(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a")
        observatory.reports(job, "COMPLETE")
        assert observatory.starts(job, claimId="a").status == 409

    def test_a_job_of_another_site_is_unknown(self, app: Flask) -> None:
        job = inside(app, "mrc1").sends()
        inside(app, "mrc1").polls(claimId="a")
        assert inside(app).starts(job | {"site": "wmd"}, claimId="a").status == 404

    def test_what_was_handed_over_long_ago_must_not_start(self, clocks: Clocks, observatory: Observatory) -> None:
        on_time, late = observatory.sends(), observatory.sends()
        observatory.polls(claimId="a")
        clocks.pass_by(4 * HOUR - 1)
        assert observatory.starts(on_time, claimId="a").status == 200
        clocks.pass_by(1)
        refusal = observatory.starts(late, claimId="a")
        assert refusal.status == 409
        assert "more than 14400 seconds ago" in refusal.text

    def test_a_word_of_receipt_does_not_stretch_that(self, clocks: Clocks, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a")
        clocks.pass_by(3 * HOUR)
        observatory.reports(job, "RECEIVED")
        clocks.pass_by(1 * HOUR)
        assert observatory.starts(job, claimId="a").status == 409

    def test_both_queues_have_a_fence(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(claimId="a", alternateQueue=True)
        assert observatory.starts(job, claimId="a").status == 409
        started = observatory.starts(job, claimId="a", alternateQueue=True).job
        assert started["replicaStatusId"].startswith("STARTED#")
        assert started["statusId"].startswith("UNREAD#")
