"""The life of a job, as a person at the desk and the site's software see it."""

from __future__ import annotations

import pytest

from ..support.observatory import Observatory

ENDS = ["COMPLETE", "completed", "FAILED", "Error", "CANCELED", "CANCELLED", "ABORTED", "STOPPED"]


def test_a_new_job_waits_unread(observatory: Observatory) -> None:
    job = observatory.sends()
    assert job["statusId"] == job["replicaStatusId"] == f"UNREAD#{job['ulid']}"
    assert "secondsUntilComplete" not in job


def test_a_poll_hands_a_job_over_once_and_shows_it_as_it_was_read(observatory: Observatory) -> None:
    job = observatory.sends()
    assert observatory.polls() == [job]
    assert observatory.polls() == []
    assert observatory.status(job) == "RECEIVED"


def test_each_queue_hands_a_job_over_once(observatory: Observatory) -> None:
    job = observatory.sends()
    assert [each["ulid"] for each in observatory.polls(alternateQueue=True)] == [job["ulid"]]
    assert observatory.polls(alternateQueue=True) == []
    assert [each["ulid"] for each in observatory.polls()] == [job["ulid"]]


def test_a_report_on_one_queue_leaves_the_other(observatory: Observatory) -> None:
    job = observatory.sends()
    after = observatory.reports(job, "EXPOSING", alternateQueue=True, secondsUntilComplete=4).job
    assert after["replicaStatusId"] == f"EXPOSING#{job['ulid']}"
    assert after["statusId"] == f"UNREAD#{job['ulid']}"
    assert after["secondsUntilComplete"] == 4


def test_jobs_come_oldest_first(observatory: Observatory) -> None:
    sent = [observatory.sends()["ulid"] for _ in range(5)]
    assert [job["ulid"] for job in observatory.polls()] == sent == sorted(sent)


def test_a_site_gets_only_its_own_jobs(observatory: Observatory) -> None:
    observatory.sends(site="elsewhere")
    assert observatory.polls() == []


def test_a_job_runs_through_words_of_the_sites_own_to_its_end(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.polls()
    assert observatory.starts(job, secondsUntilComplete=30).job["statusId"].startswith("STARTED#")
    assert observatory.reports(job, "EXPOSING 1/2").job["secondsUntilComplete"] == -1
    assert observatory.reports(job, "COMPLETE").job["statusId"] == f"COMPLETE#{job['ulid']}"


def test_a_report_on_a_job_never_claimed_takes_it_off_the_queue(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.starts(job)
    assert observatory.polls() == []


@pytest.mark.parametrize("end", ENDS)
def test_nothing_leads_on_from_an_end(observatory: Observatory, end: str) -> None:
    job = observatory.sends()
    observatory.polls()
    observatory.reports(job, end)
    assert observatory.starts(job).status == 409
    assert observatory.reports(job, "EXPOSING").status == 409
    assert observatory.status(job) == end


@pytest.mark.parametrize("end", ENDS)
def test_the_same_end_reported_again_is_fine(observatory: Observatory, end: str) -> None:
    job = observatory.sends()
    observatory.reports(job, end)
    again = observatory.reports(job, end.swapcase())
    assert again.job["statusId"] == f"{end}#{job['ulid']}"


@pytest.mark.parametrize("word", ["UNREAD", "unread"])
def test_nothing_leads_back_to_unread(observatory: Observatory, word: str) -> None:
    job = observatory.sends()
    observatory.polls()
    assert observatory.reports(job, word).status == 409
    assert observatory.polls() == []


def test_a_late_receipt_does_not_hide_that_a_job_runs(observatory: Observatory) -> None:
    job = observatory.sends()
    observatory.starts(job)
    assert observatory.reports(job, "RECEIVED").status == 200
    assert observatory.reports(job, "EXPOSING").status == 200


def test_an_unknown_job_is_refused_and_none_is_made(observatory: Observatory) -> None:
    ghost = {"site": "wmd", "ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    assert observatory.reports(ghost, "STARTED").status == 404
    assert observatory.lists() == []


def test_a_job_of_another_site_is_unknown_here(observatory: Observatory) -> None:
    job = observatory.sends(site="elsewhere")
    assert observatory.starts(job | {"site": "wmd"}).status == 404


class TestStopCommands:
    """A stop command cancels what waits before it, and is then queued itself."""

    def test_cancel_all_cancels_everything_that_waits_at_the_site(self, observatory: Observatory) -> None:
        camera = observatory.sends()
        mount = observatory.sends("go", device="mount", instance="mount1")
        elsewhere = observatory.sends(site="elsewhere")
        stop = observatory.sends("cancel_all_commands", device="all", instance="all")
        assert [job["ulid"] for job in observatory.polls()] == [stop["ulid"]]
        assert [job["ulid"] for job in observatory.polls(alternateQueue=True)] == [stop["ulid"]]
        assert {observatory.status(camera), observatory.status(mount)} == {"CANCELED"}
        assert len(observatory.polls(site="elsewhere")) == 1, elsewhere

    @pytest.mark.parametrize("action", ["stop", "Cancel"])
    def test_a_stop_of_one_device_leaves_the_others(self, observatory: Observatory, action: str) -> None:
        camera = observatory.sends()
        focuser = observatory.sends("move_absolute", device="focuser", instance="focuser1")
        observatory.sends(action)
        assert observatory.status(camera) == "CANCELED"
        assert observatory.status(focuser) == "UNREAD"

    def test_a_focusers_move_and_a_cameras_stop_stay_in_one_reply(self, observatory: Observatory) -> None:
        move = observatory.sends("move_relative", device="focuser", instance="focuser1")
        stop = observatory.sends("stop")
        assert [job["ulid"] for job in observatory.polls()] == [move["ulid"], stop["ulid"]]

    def test_the_stop_script_is_a_stop(self, observatory: Observatory) -> None:
        run = observatory.sends(
            "run", device="sequencer", instance="sequencer", required_params={"script": "focusAuto"}
        )
        observatory.sends("run", device="sequencer", instance="sequencer", required_params={"script": "stopScript"})
        assert observatory.status(run) == "CANCELED"

    def test_a_stop_of_device_all_covers_the_site(self, observatory: Observatory) -> None:
        camera = observatory.sends()
        observatory.sends("stop", device="all", instance="all")
        assert observatory.status(camera) == "CANCELED"

    def test_history_stays(self, observatory: Observatory) -> None:
        done = observatory.sends()
        observatory.polls()
        observatory.reports(done, "COMPLETE")
        observatory.sends("cancel_all_commands", device="all", instance="all")
        assert observatory.status(done) == "COMPLETE"

    def test_a_job_canceled_before_it_was_handed_over_cannot_start(self, observatory: Observatory) -> None:
        job = observatory.sends()
        observatory.sends("stop")
        assert observatory.starts(job).status == 409
        assert observatory.status(job) == "CANCELED"
