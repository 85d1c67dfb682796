"""Nothing runs stale, whatever the clocks do; and what falls silent is called lost, not forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from jobs_server import clock
from jobs_server.service import service_of
from jobs_server.upkeep import maintenance

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory

QUARTER = HOUR / 4
CLAIMED = {"claimId": "a"}


class Desk(Observatory):
    """An observatory whose server's sweeps are in the test's hands."""

    def __init__(self, app: Flask) -> None:
        super().__init__(inside(app)._post)
        self._app = app
        self.restarts()

    def restarts(self) -> None:
        """The server restarts: what it measures of silence begins anew."""
        self._started = clock.read()

    def sweeps(self) -> int:
        """The server labels what is too old or silent; gives how many jobs that were."""
        settings = service_of(self._app).settings
        return maintenance.sweep(service_of(self._app).database, settings, self._started)

    def runs(self, **report: Any) -> dict[str, Any]:
        """A job is sent, claimed and started through the fence."""
        job = self.sends()
        self.polls(claimId=job["ulid"])
        return self.starts(job, claimId=job["ulid"], **report).job


@pytest.fixture
def desk(clocks: Clocks, app: Flask) -> Desk:
    return Desk(app)


class TestWaiting:
    """A job that waited too long is never handed over."""

    def test_last_nights_command_is_not_run_at_boot(self, clocks: Clocks, desk: Desk) -> None:
        desk.sends()
        clocks.pass_by(QUARTER)
        assert desk.polls() == desk.polls(**CLAIMED) == []

    def test_until_then_it_is(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        clocks.pass_by(QUARTER - 1)
        assert desk.polls() == [job]

    def test_a_job_may_say_how_long_it_waits(self, clocks: Clocks, desk: Desk) -> None:
        long, short = desk.sends(expiresInSeconds=7 * 24 * 3600), desk.sends(expiresInSeconds=0.5)
        clocks.pass_by(1)
        assert [job["ulid"] for job in desk.polls()] == [long["ulid"]], short

    def test_a_sweep_labels_it(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        assert desk.sweeps() == 0
        clocks.pass_by(QUARTER)
        assert desk.status(job) == "UNREAD"
        desk.sweeps()
        assert desk.history(job) == ["UNREAD", "EXPIRED"]
        assert desk.starts(job).status == 409

    def test_the_label_is_put_once(self, clocks: Clocks, desk: Desk) -> None:
        desk.sends()
        clocks.pass_by(QUARTER)
        assert [desk.sweeps() > 0, desk.sweeps()] == [True, 0]

    def test_on_the_alternate_queue_it_expires_in_silence(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        desk.polls()
        clocks.pass_by(QUARTER)
        assert desk.polls(alternateQueue=True) == []
        desk.sweeps()
        assert [event["to"] for event in desk.shows(job)["history"]] == ["UNREAD", "RECEIVED"]

    @pytest.mark.parametrize("seconds", [-1, 0, 7 * 24 * 3600 + 1, 10**30, "900", True, [900]])
    def test_a_time_to_live_is_a_number_up_to_seven_days(self, desk: Desk, seconds: object) -> None:
        refusal = desk.asks(expiresInSeconds=seconds)
        assert (refusal.status, refusal.text) == (
            400,
            "Error: expiresInSeconds must be a number of seconds, at most 7 days",
        )
        assert desk.lists() == []

    def test_the_default_is_a_setting(self, clocks: Clocks, app: Flask) -> None:
        from jobs_server import create_app

        desk = Desk(create_app({"TESTING": True, "DATABASE_URL": databases.fresh(), "EXPIRES_IN_SECONDS": 60}))
        desk.sends()
        clocks.pass_by(60)
        assert desk.polls() == []


class TestHeldBack:
    """A job may be held back for a while: stop, then park."""

    def test_it_is_not_handed_over_earlier(self, clocks: Clocks, desk: Desk) -> None:
        park = desk.sends("park", device="mount", notBeforeSeconds=30)
        clocks.pass_by(29)
        assert desk.polls() == desk.polls(**CLAIMED) == []
        clocks.pass_by(1)
        assert desk.polls(**CLAIMED) == [park]

    def test_a_wall_clock_set_forward_does_not_let_it_go(self, clocks: Clocks, desk: Desk) -> None:
        desk.sends("park", notBeforeSeconds=30, expiresInSeconds=9 * HOUR)
        clocks.set_wall(HOUR)
        assert desk.polls() == []

    def test_its_time_to_live_begins_when_it_may_go(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends(notBeforeSeconds=3600, expiresInSeconds=10)
        clocks.pass_by(3605)
        assert desk.polls() == [job]

    @pytest.mark.parametrize("seconds", [-1, 86_401, "30", False])
    def test_it_is_a_number_up_to_a_day(self, desk: Desk, seconds: object) -> None:
        assert desk.asks(notBeforeSeconds=seconds).status == 400


class TestClocksThatAreSet:
    """Age is the larger of what both clocks say."""

    def test_a_clock_set_forward_expires(self, clocks: Clocks, desk: Desk) -> None:
        desk.sends()
        clocks.set_wall(HOUR)
        assert desk.polls() == []

    def test_a_clock_set_back_never_makes_the_stale_fresh(self, clocks: Clocks, desk: Desk) -> None:
        desk.sends()
        clocks.set_wall(-8 * HOUR)
        clocks.pass_by(QUARTER)
        assert desk.polls() == []

    def test_a_clock_set_back_keeps_the_fresh_fresh(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        clocks.set_wall(-8 * HOUR)
        assert desk.polls() == [job]

    def test_a_reboot_leaves_the_wall_clock(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        clocks.reboot(wall_seconds=60)
        assert desk.polls(**CLAIMED) == [job]
        clocks.reboot(wall_seconds=QUARTER)
        assert desk.polls(claimId="b") == []

    def test_what_seems_to_come_from_the_future_after_a_reboot_counts_as_old(self, clocks: Clocks, desk: Desk) -> None:
        desk.sends()
        clocks.reboot(wall_seconds=-2 * HOUR)
        assert desk.polls() == []

    def test_the_fence_goes_by_the_same_rule(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        desk.polls(**CLAIMED)
        clocks.set_wall(-8 * HOUR)
        clocks.pass_by(4 * HOUR)
        assert desk.starts(job, **CLAIMED).status == 409


class TestClaimedAndNeverStarted:
    """Behind the fence, what can start no more is said to have expired; the site's word still stands."""

    def test_it_is_labelled(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        desk.polls(**CLAIMED)
        clocks.pass_by(4 * HOUR)
        desk.sweeps()
        assert desk.history(job) == ["UNREAD", "RECEIVED", "EXPIRED"]
        assert desk.polls(**CLAIMED) == []

    def test_a_job_of_a_plain_poll_is_not(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.sends()
        desk.polls()
        clocks.pass_by(4 * HOUR)
        desk.sweeps()
        assert desk.history(job) == ["UNREAD", "RECEIVED"]


class TestLost:
    """A job started through the fence that falls silent is lost, until the site says otherwise."""

    def test_past_its_estimate_and_the_grace(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs(secondsUntilComplete=100)
        clocks.pass_by(699)
        assert desk.sweeps() == 0
        clocks.pass_by(1)
        assert desk.sweeps() == 1
        assert desk.status(job) == "LOST"

    def test_without_an_estimate_after_four_hours(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs()
        clocks.pass_by(4 * HOUR - 1)
        desk.sweeps()
        assert desk.status(job) == "STARTED"
        clocks.pass_by(1)
        desk.sweeps()
        assert desk.status(job) == "LOST"

    def test_each_report_counts_anew(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs(secondsUntilComplete=100)
        clocks.pass_by(600)
        desk.reports(job, "EXPOSING", secondsUntilComplete=100)
        clocks.pass_by(699)
        desk.sweeps()
        assert desk.status(job) == "EXPOSING"

    def test_time_in_which_the_server_was_down_does_not_count(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs(secondsUntilComplete=100)
        clocks.pass_by(9 * HOUR)
        desk.restarts()
        clocks.pass_by(699)
        desk.sweeps()
        assert desk.status(job) == "STARTED"
        clocks.pass_by(1)
        desk.sweeps()
        assert desk.status(job) == "LOST"

    def test_a_wall_clock_set_forward_loses_nothing(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs(secondsUntilComplete=100)
        clocks.set_wall(9 * HOUR)
        desk.sweeps()
        assert desk.status(job) == "STARTED"

    def test_after_a_reboot_it_is_still_found(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs(secondsUntilComplete=100)
        clocks.reboot()
        desk.restarts()
        clocks.pass_by(700)
        desk.sweeps()
        assert desk.status(job) == "LOST"

    @pytest.mark.parametrize("stop", ["cancel_all_commands", "stop"])
    def test_heard_of_again_it_learns_of_a_stop_that_came_meanwhile(
        self, clocks: Clocks, desk: Desk, stop: str
    ) -> None:
        job = desk.runs(secondsUntilComplete=0)
        clocks.pass_by(600)
        desk.sweeps()
        desk.sends(stop)
        assert desk.status(job) == "LOST"
        assert desk.reports(job, "EXPOSING").job["cancelRequested"] is True

    def test_the_sites_word_stands(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs(secondsUntilComplete=0)
        clocks.pass_by(600)
        desk.sweeps()
        assert desk.reports(job, "EXPOSING").status == 200
        assert desk.reports(job, "COMPLETE").status == 200
        assert desk.history(job)[2:] == ["STARTED", "LOST", "EXPOSING (against the label)", "COMPLETE"]

    @pytest.mark.parametrize(("end", "mark"), [("LOST", ""), ("EXPIRED", " (against the label)")])
    def test_the_sites_own_lost_is_not_against_the_label(self, clocks: Clocks, desk: Desk, end: str, mark: str) -> None:
        job = desk.runs(secondsUntilComplete=0)
        clocks.pass_by(600)
        desk.sweeps()
        desk.reports(job, end)
        assert desk.history(job)[3:] == ["LOST", end + mark]

    def test_a_lost_job_does_not_start_again(self, clocks: Clocks, desk: Desk) -> None:
        job = desk.runs(secondsUntilComplete=0)
        clocks.pass_by(600)
        desk.sweeps()
        assert desk.starts(job, claimId=job["ulid"]).status == 409

    def test_old_clients_jobs_are_never_called_lost(self, clocks: Clocks, desk: Desk) -> None:
        plain, unfenced = desk.sends(), desk.sends()
        desk.polls(claimId="a", limit=1)
        desk.polls()
        for job in (plain, unfenced):
            desk.starts(job, secondsUntilComplete=1)
        clocks.pass_by(99 * HOUR)
        desk.sweeps()
        assert desk.history(plain) == desk.history(unfenced) == ["UNREAD", "RECEIVED", "STARTED"]
