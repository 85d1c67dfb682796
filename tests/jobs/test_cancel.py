"""A stop wins: what waits is canceled, what was claimed cannot start, what runs is told."""

from __future__ import annotations

import itertools

import pytest

from jobs_server.domain.lifecycle import Queue
from jobs_server.jobs import statements

from ..conftest import inside
from ..support import databases
from ..support.observatory import Observatory

ALL = {"device": "all", "instance": "all"}


def test_a_waiting_job_is_canceled_at_once(observatory: Observatory) -> None:
    job = observatory.sends()
    canceled = observatory.asks_to_cancel(job).job
    assert canceled["statusId"] == canceled["replicaStatusId"] == f"CANCELED#{job['ulid']}"
    assert observatory.polls() == observatory.polls(alternateQueue=True) == []


def test_a_claimed_job_is_canceled_and_the_fence_holds(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls(claimId="a")
    assert observatory.asks_to_cancel(job).job["statusId"].startswith("CANCELED#")
    assert observatory.polls(claimId="a") == []
    assert observatory.starts(job, claimId="a").status == 409


def test_a_start_told_again_after_a_cancel_tells_of_it(observatory: Observatory) -> None:
    """On the alternate queue too, while the queue that everybody reads shows the job as canceled already."""
    there = {"claimId": "a", "alternateQueue": True}
    job = observatory.sends()
    observatory.polls(**there)
    assert "cancelRequested" not in observatory.starts(job, **there).job
    assert observatory.asks_to_cancel(job).job["statusId"].startswith("CANCELED#")
    again = observatory.starts(job, **there)
    assert (again.status, again.job["cancelRequested"]) == (200, True)


def test_a_running_job_is_asked_to_end_and_learns_it_with_its_next_report(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls(claimId="a")
    observatory.starts(job, claimId="a")
    asked = observatory.asks_to_cancel(job).job
    assert (asked["statusId"].split("#")[0], asked["cancelRequested"]) == ("STARTED", True)
    assert observatory.reports(job, "EXPOSING").job["cancelRequested"] is True
    assert observatory.shows(job)["cancelRequested"] is True
    assert observatory.lists()[0]["cancelRequested"] is True
    assert observatory.reports(job, "CANCELED").job["statusId"].startswith("CANCELED#")


def test_a_job_of_a_plain_poll_is_asked_to_end_since_it_may_have_begun(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls()
    assert observatory.asks_to_cancel(job).job["statusId"].startswith("RECEIVED#")
    assert observatory.starts(job).job["cancelRequested"] is True


def test_nothing_is_said_of_canceling_before_somebody_asks(observatory: Observatory) -> None:
    job = observatory.sends()
    assert "cancelRequested" not in observatory.starts(job).job


def test_asking_again_changes_nothing(observatory: Observatory) -> None:
    waiting, running = observatory.sends(), observatory.sends()
    observatory.starts(running)
    for job in (waiting, running):
        first = observatory.asks_to_cancel(job).job
        history = observatory.history(job)
        assert observatory.asks_to_cancel(job).job == first
        assert observatory.history(job) == history


@pytest.mark.parametrize("end", ["COMPLETE", "FAILED", "CANCELED"])
def test_an_ended_job_cannot_be_canceled_and_stays_as_it_is(observatory: Observatory, end: str) -> None:
    job = observatory.sends()
    observatory.polls()
    observatory.reports(job, end)
    before = observatory.shows(job)
    refusal = observatory.asks_to_cancel(job)
    assert (refusal.status, refusal.text) == (
        409,
        f"Error: job {job['ulid']} is {end}; there is nothing left to cancel",
    )
    assert observatory.shows(job) == before


def test_an_unknown_job_cannot_be_canceled(observatory: Observatory) -> None:
    assert observatory.asks_to_cancel({"site": "wmd", "ulid": "nonsense"}).status == 404


def test_the_history_tells_who_canceled(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.asks_to_cancel(job)
    by = observatory.shows(job)["history"][-1]["by"]
    assert by == {"id": "auth0|vera", "name": "Vera", "known": "said"}


def test_the_sites_word_stands_against_a_cancel(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls(claimId="a")
    observatory.asks_to_cancel(job)
    assert observatory.reports(job, "EXPOSING").job["cancelRequested"] is True
    assert observatory.history(job)[-1] == "EXPOSING (against the label)"


@pytest.mark.parametrize("queue", [{}, {"alternateQueue": True}], ids=["first queue", "alternate queue"])
@pytest.mark.parametrize(
    ("end", "is_against"),
    [
        ("CANCELED", False),
        ("cancelled", False),
        ("ABORTED", False),
        ("Stopped", False),
        ("COMPLETE", True),
        ("LOST", True),
    ],
)
def test_an_end_that_says_what_the_label_says_is_not_against_it(
    observatory: Observatory, end: str, is_against: bool, queue: dict[str, bool]
) -> None:
    """A site's CANCELED on a job that the server had labelled CANCELED."""
    job = observatory.sends()
    observatory.polls(claimId="a", **queue)
    observatory.asks_to_cancel(job)
    assert observatory.reports(job, end, **queue).status == 200
    event = observatory.shows(job)["history"][-1]
    assert (event["to"], event.get("mark")) == (end, "against the label" if is_against else None)


class TestStopCommand:
    """A stop cancels what it covers, before the fence and behind it."""

    def test_each_kind_of_job_gets_what_it_can(self, observatory: Observatory) -> None:
        running, plain, claimed, waiting = (observatory.sends() for _ in range(4))
        observatory.polls(claimId="a", limit=1)
        observatory.starts(running, claimId="a")
        observatory.polls(limit=1)
        observatory.polls(claimId="b", limit=1)
        observatory.sends("cancel_all_commands", **ALL)
        assert observatory.history(running) == ["UNREAD", "RECEIVED", "STARTED", "STARTED (cancel requested)"]
        assert observatory.history(plain) == ["UNREAD", "RECEIVED", "RECEIVED (cancel requested)"]
        assert observatory.history(claimed) == ["UNREAD", "RECEIVED", "CANCELED"]
        assert observatory.history(waiting) == ["UNREAD", "CANCELED"]
        assert all(observatory.shows(job).get("cancelRequested") for job in (running, plain, claimed))

    @pytest.mark.parametrize("stop", ["cancel_all_commands", "stop"])
    def test_what_the_fence_holds_is_reached_however_much_it_is(
        self, observatory: Observatory, stop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for steps, which in ((statements.CANCEL_SITE, statements.ALL), (statements.CANCEL_DEVICE, statements.DEVICE)):
            for queue in Queue:
                monkeypatch.setitem(steps, queue, statements.cancel_at_site(queue, which, reach_jobs=1))
        *running, claimed, other = (observatory.sends() for _ in range(4))
        observatory.polls(claimId="a")
        for job in running:
            observatory.starts(job, claimId="a")
        old, newest = observatory.sends(), observatory.sends()
        observatory.polls()
        observatory.reports(newest, "EXPOSING")
        observatory.sends(stop)
        assert [observatory.status(job) for job in (claimed, other)] == ["CANCELED", "CANCELED"]
        assert observatory.starts(claimed, claimId="a").status == 409
        assert all(observatory.shows(job).get("cancelRequested") for job in (*running, newest))
        assert "cancelRequested" not in observatory.shows(old)  # what old software left in years is not counted

    @pytest.mark.parametrize("ended", [True, False], ids=["ended on the alternate queue", "ended on the primary queue"])
    @pytest.mark.parametrize("stop", [True, False], ids=["stop", "cancel"])
    def test_what_runs_on_one_queue_is_told_though_it_ended_on_the_other(
        self, observatory: Observatory, stop: bool, ended: bool
    ) -> None:
        job = observatory.sends()
        observatory.reports(job, "COMPLETE", alternateQueue=ended)
        observatory.reports(job, "EXPOSING", alternateQueue=not ended)
        if stop:
            observatory.sends("cancel_all_commands", **ALL)
        else:
            assert observatory.asks_to_cancel(job).status == 200
        told = observatory.reports(job, "EXPOSING", alternateQueue=not ended).job
        assert told["cancelRequested"] is True

    def test_who_only_reads_along_is_not_asked_to_end_what_has_ended(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.polls(alternateQueue=True)
        observatory.reports(job, "COMPLETE")
        observatory.sends("cancel_all_commands", **ALL)
        assert "cancelRequested" not in observatory.shows(job)

    def test_later_jobs_are_not_covered(self, observatory: Observatory) -> None:
        observatory.sends("cancel_all_commands", **ALL)
        later = observatory.sends()
        assert observatory.status(later) == "UNREAD"

    def test_other_devices_go_on(self, observatory: Observatory) -> None:
        mount = observatory.sends("go", device="mount", instance="mount1")
        observatory.starts(mount)
        observatory.sends("stop")
        assert "cancelRequested" not in observatory.shows(mount)

    def test_with_the_setting_a_stop_of_one_device_covers_the_site(self) -> None:
        from jobs_server import create_app

        observatory = inside(create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "STOP_SCOPE": "site"}))
        mount = observatory.sends("go", device="mount", instance="mount1")
        observatory.sends("stop")
        assert observatory.status(mount) == "CANCELED"


STEPS = ("claim", "start", "cancel")


@pytest.mark.parametrize("canceler", ["canceljob", "cancel_all_commands"])
@pytest.mark.parametrize("order", sorted(set(itertools.permutations(STEPS))), ids="-".join)
def test_in_whatever_order_cancel_and_start_meet_a_stop_wins(
    observatory: Observatory, order: tuple[str, ...], canceler: str
) -> None:
    job = observatory.sends()
    may_move = False
    for step in order:
        if step == "claim":
            observatory.polls(claimId="a", limit=1)
        elif step == "start":
            may_move = observatory.starts(job, claimId="a").status == 200
        elif canceler == "canceljob":
            observatory.asks_to_cancel(job)
        else:
            observatory.sends("cancel_all_commands", **ALL)
    if may_move:
        assert observatory.reports(job, "EXPOSING").job["cancelRequested"] is True
    else:
        assert observatory.status(job) == "CANCELED"
        assert observatory.starts(job, claimId="a").status == 409
