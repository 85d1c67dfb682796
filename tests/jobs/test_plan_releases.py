"""Each release of a plan's step asks anew what a new job would be asked, and pauses the plan with the reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from jobs_server.jobs import reservations
from jobs_server.jobs.reservations import REALTIME, ReservationRow
from jobs_server.observatory import profiles
from jobs_server.service import service_of
from jobs_server.upkeep import maintenance, plan_work

from ..conftest import inside
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory
from ..support.plans import SERIES, WHO, a_step, asks_for_plan, carries_out, does, plans, shows


@pytest.fixture
def site(app: Flask, clocks: Clocks) -> Observatory:
    """An observatory whose clocks are in the test's hands."""
    assert clocks
    return inside(app)


def iso(clocks: Clocks, seconds: float) -> str:
    """A time so many seconds from now."""
    return datetime.fromtimestamp(clocks.now.wall_ms / 1000 + seconds, UTC).isoformat(timespec="milliseconds")


def look(app: Flask) -> float | None:
    """What the server does by itself every few seconds."""
    return plan_work.release_due(service_of(app))


def sweep(app: Flask, clocks: Clocks) -> None:
    service = service_of(app)
    maintenance.sweep(service.database, service.settings, clocks.now)


def reserve(app: Flask, clocks: Clocks, begin: float, end: float, who: str = "auth0|tycho") -> None:
    """Somebody reserves the telescope from so many seconds from now on."""
    start_ms, end_ms = (round(clocks.now.wall_ms + seconds * 1000) for seconds in (begin, end))
    row = ReservationRow("e", "wmd", start_ms, end_ms, who, "Tycho", "t", REALTIME, "", "", "", "", 0)
    with service_of(app).database.transaction("wmd") as connection:
        connection.rows(reservations._INSERT, **row._asdict())


def test_a_lock_out_pauses_at_the_next_release_and_says_who_and_why(site: Observatory) -> None:
    plan = plans(site)
    (job,) = site.polls()
    site.posts("lockout", {"site": "wmd", "note": "mirror is being washed"} | WHO)
    site.reports(job, "COMPLETE")
    paused = shows(site, plan)
    assert paused["state"] == "paused"
    assert "step 2 was not released: wmd is locked out by Vera" in paused["reason"]
    assert "mirror is being washed" in paused["reason"]
    site.posts("liftlockout", {"site": "wmd"} | WHO)
    assert site.polls() == [], "a lock-out that was lifted resumed a plan"
    does(site, "resumeplan", plan)
    assert [job["plan"]["step"] for job in site.polls()] == [2]


def test_a_plan_into_somebodys_reservation_is_refused_and_one_that_comes_there_pauses(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    reserve(app, clocks, begin=HOUR, end=2 * HOUR)
    late = asks_for_plan(site, notBefore=iso(clocks, 1.5 * HOUR))
    assert late.status == 401
    assert "wmd is reserved by Tycho until" in late.text
    plan = plans(site)
    (job,) = site.polls()
    clocks.pass_by(HOUR + 1)
    site.reports(job, "COMPLETE")
    paused = shows(site, plan)
    assert paused["state"] == "paused"
    assert "wmd is reserved by Tycho until" in paused["reason"]
    assert asks_for_plan(site).status == 401
    assert does(site, "resumeplan", plan).job["state"] == "paused"
    clocks.pass_by(HOUR)
    assert does(site, "resumeplan", plan).job["state"] == "running"


def test_a_plan_is_cautioned_of_a_reservation_that_it_comes_to(app: Flask, site: Observatory, clocks: Clocks) -> None:
    reserve(app, clocks, begin=HOUR, end=2 * HOUR)
    long = a_step(required_params={"time": 3 * HOUR})
    (caution,) = plans(site, [long], check=True)["cautions"]
    assert caution.startswith("Tycho has reserved the telescope meanwhile")


def test_a_plan_begins_at_its_time_and_not_before_whatever_the_wall_clock_says(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    plan = plans(site, notBefore=iso(clocks, HOUR))
    assert (plan["state"], plan["step"], plan["waitsFor"]) == ("waiting", 0, "its time")
    clocks.set_wall(2 * HOUR)
    assert look(app) == pytest.approx(HOUR)
    assert site.polls() == []
    clocks.set_wall(-2 * HOUR)
    clocks.pass_by(HOUR - 1)
    assert look(app) == pytest.approx(1)
    assert site.polls() == []
    clocks.pass_by(1)
    look(app)
    assert [job["plan"]["step"] for job in site.polls()] == [1]


def test_a_plan_whose_time_came_while_the_machine_was_off_begins_when_it_is_back(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    plans(site, notBefore=iso(clocks, HOUR))
    clocks.reboot(wall_seconds=2 * HOUR)
    look(app)
    assert len(site.polls()) == 1


def test_a_step_expires_with_its_plan_and_does_not_start_after_that(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    plan = plans(site, until=iso(clocks, 60))
    (job,) = site.polls(claimId="c-1")
    assert site.shows(job)["expiresInSeconds"] == 60
    clocks.pass_by(61)
    start = site.starts(job, claimId="c-1")
    assert start.status == 409
    assert "must not start: it is of a plan whose time is over" in start.text
    sweep(app, clocks)
    assert "EXPIRED: was not started before its plan's time was over" in shows(site, plan)["reason"]
    again = does(site, "resumeplan", plan)
    assert again.status == 409
    assert "edit its until first" in again.text
    assert does(site, "editplan", plan, until=None).status == 200
    assert does(site, "resumeplan", plan).job["state"] == "running"


def test_a_step_that_ends_after_the_plans_time_is_followed_by_none(site: Observatory, clocks: Clocks) -> None:
    plan = plans(site, until=iso(clocks, 60))
    (job,) = site.polls()
    clocks.pass_by(61)
    site.reports(job, "COMPLETE")
    assert "step 2 was not released: its time was over at" in shows(site, plan)["reason"]


def test_a_plan_of_which_nothing_has_begun_says_so_when_a_step_is_to_be_done_again(
    site: Observatory, clocks: Clocks
) -> None:
    plan = plans(site, notBefore=iso(clocks, HOUR))
    does(site, "pauseplan", plan)
    refused = does(site, "resumeplan", plan, again=True)
    assert (refused.status, "none has begun; resume it without again" in refused.text) == (409, True)
    assert does(site, "resumeplan", plan).job["state"] == "waiting"


def test_a_plan_that_waits_in_the_queue_past_its_time_is_not_handed_over(site: Observatory, clocks: Clocks) -> None:
    plans(site, until=iso(clocks, 60))
    clocks.pass_by(61)
    assert site.polls() == []


def test_a_plan_whose_site_falls_silent_for_a_night_pauses_and_goes_on_with_the_same_step(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    plan = plans(site)
    carries_out(site)
    clocks.pass_by(10 * HOUR)
    sweep(app, clocks)
    paused = shows(site, plan)
    assert paused["state"] == "paused"
    assert paused["reason"] == "step 2 (expose of camera camera_1_1) is EXPIRED: waited too long to be handed over"
    assert site.polls() == []
    does(site, "resumeplan", plan, again=True)
    assert carries_out(site)["plan"]["step"] == 2
    assert carries_out(site)["plan"]["step"] == 3
    assert shows(site, plan)["state"] == "done"


def test_a_step_that_falls_silent_is_lost_and_its_late_end_releases_nothing(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    plan = plans(site)
    (job,) = site.polls(claimId="c-1")
    site.starts(job, claimId="c-1", secondsUntilComplete=10)
    clocks.pass_by(10 * HOUR)
    service = service_of(app)
    maintenance.sweep(service.database, service.settings, clocks.now._replace(boot_ms=clocks.now.boot_ms - 36_000_000))
    assert "step 1 (go of mount mount1) is LOST" in shows(site, plan)["reason"]
    assert site.reports(job, "COMPLETE").status == 200
    assert (shows(site, plan)["state"], shows(site, plan)["step"]) == ("paused", 1)


def test_a_plan_waits_for_a_site_that_reports_no_ends_and_says_why(
    app: Flask, site: Observatory, clocks: Clocks
) -> None:
    plan = plans(site)
    site.polls()
    clocks.pass_by(HOUR)
    sweep(app, clocks)
    look(app)
    waits = shows(site, plan)
    assert (waits["state"], waits["step"]) == ("running", 1)
    assert waits["waitsFor"] == "the site to say that step 1 (go of mount mount1) has ended"
    assert any('plans = "at_once" in site.toml' in each for each in waits["cautions"])


def test_where_the_sites_profile_says_so_all_steps_are_released_at_once(file_app: Flask, clocks: Clocks) -> None:
    assert clocks
    site, service = inside(file_app), service_of(file_app)
    service.profiles.write(profiles.Profile(code="wmd", plans="at_once"))
    plan = plans(site, SERIES, repeat=20)
    assert (plan["step"], plan["of"]) == (60, 60)
    assert [job["plan"]["step"] for job in site.polls()] == list(range(1, 61))
    assert shows(site, plan)["state"] == "running"
    site.sends("stop", device="all", instance="all")
    assert shows(site, plan)["state"] == "stopped"


def test_a_canceled_step_pauses_its_plan_and_so_does_one_that_is_to_be_canceled(site: Observatory) -> None:
    plan = plans(site)
    (job,) = site.posts("getrecentjobs", {"site": "wmd"}).jobs
    site.asks_to_cancel(job)
    assert "step 1 (go of mount mount1) is CANCELED: canceled" in shows(site, plan)["reason"]
    does(site, "resumeplan", plan)
    (running,) = site.polls()
    site.starts(running)
    site.asks_to_cancel(running)
    assert shows(site, plan)["reason"] == "Vera asked to cancel step 2 (expose of camera camera_1_1)"
    site.reports(running, "COMPLETE")
    assert shows(site, plan)["step"] == 2, "the next step began although somebody asked to end this one"


def test_a_paused_plan_goes_on_from_where_it_is_also_while_a_step_runs(site: Observatory) -> None:
    plan = plans(site)
    (job,) = site.polls()
    assert does(site, "pauseplan", plan, note="clouds").job["reason"] == "paused by Vera: clouds"
    assert does(site, "pauseplan", plan).job["reason"] == "paused by Vera: clouds"
    resumed = does(site, "resumeplan", plan).job
    assert (resumed["state"], resumed["step"]) == ("running", 1)
    site.reports(job, "COMPLETE")
    assert shows(site, plan)["step"] == 2


def test_a_plan_that_is_canceled_cancels_what_of_it_is_not_over_and_releases_no_more(site: Observatory) -> None:
    plan = plans(site)
    (job,) = site.polls(claimId="c-1")
    assert does(site, "cancelplan", plan).job["state"] == "canceled"
    assert does(site, "cancelplan", plan).status == 200
    assert site.starts(job, claimId="c-1").status == 409
    assert site.polls() == []
    for deed in ("pauseplan", "resumeplan", "editplan"):
        assert does(site, deed, plan).status == 409
    assert does(site, "pauseplan", {"id": "01KPR8Z4J6Q3T5V7X9Y0A1B2C3"}).status == 404


def test_a_plan_is_only_looked_at_where_it_is_to_be_checked(site: Observatory) -> None:
    checked = plans(site, check=True)
    assert "id" not in checked
    assert checked["estimated_seconds"] > 0
    assert site.posts("getplans", {"site": "wmd"}).json == []
    site.posts("lockout", {"site": "wmd", "note": "hands"} | WHO)
    assert asks_for_plan(site, check=True).status == 423
    assert asks_for_plan(site).status == 423


def test_a_plan_for_tonight_may_be_sent_while_the_telescope_is_locked_out(site: Observatory, clocks: Clocks) -> None:
    site.posts("lockout", {"site": "wmd", "note": "hands"} | WHO)
    assert plans(site, notBefore=iso(clocks, HOUR))["state"] == "waiting"


def test_the_same_plan_sent_again_with_its_key_is_the_first_one_as_it_stands(site: Observatory) -> None:
    first = asks_for_plan(site, key="k").job
    carries_out(site)
    again = asks_for_plan(site, key="k").job
    assert (again["id"], again["step"]) == (first["id"], 2)
    assert len(site.posts("getplans", {"site": "wmd"}).json) == 1
    other = asks_for_plan(site, title="another", key="k")
    assert other.status == 422
    assert "was sent before with another command" in other.text


def test_numbers_of_any_size_pass_through_a_plan(site: Observatory) -> None:
    params = {"big": 10**30, "small": 1.1e-300, "text": "☄"}
    plans(site, [a_step(required_params=params)])
    (job,) = site.polls()
    assert job["required_params"] == params


def test_a_plan_with_very_short_lives_of_its_steps_is_taken(site: Observatory) -> None:
    """A life of less than a millisecond made an error of the server."""
    plan = plans(site, [a_step(expiresInSeconds=1e-9, notBeforeSeconds=0)])
    assert plan["state"] == "running"


class TestEdits:
    """What was not released yet is changed, moved, left out and added; what was stays."""

    def test_steps_are_moved_changed_left_out_and_added(self, site: Observatory) -> None:
        plan = plans(site, SERIES)
        _, second, third = plan["steps"]
        steps = [
            {"id": third["id"], "optional_params": {"filter": "B"}},
            a_step(optional_params={"filter": "Ha"}),
            {"id": second["id"]},
        ]
        edited = does(site, "editplan", plan, steps=steps, title="M43").job
        assert (edited["title"], edited["of"], edited["revision"]) == ("M43", 4, 1)
        carries_out(site)
        filters = [carries_out(site)["optional_params"].get("filter") for _ in range(3)]
        assert filters == ["B", "Ha", None]
        assert shows(site, plan)["state"] == "done"

    def test_a_step_that_was_released_meanwhile_is_not_edited_and_nothing_else_is(self, site: Observatory) -> None:
        plan = plans(site)
        carries_out(site)
        ids = [{"id": step["id"]} for step in plan["steps"][1:]]
        refused = does(site, "editplan", plan, steps=ids, title="x")
        assert refused.status == 409
        assert "step 2 (expose) was released meanwhile; read the plan again" in refused.text
        assert (shows(site, plan)["title"], shows(site, plan)["of"]) == ("M42", 3)

    def test_an_id_written_as_a_fraction_names_the_same_step_and_none_that_was_released_or_of_another_plan(
        self, site: Observatory
    ) -> None:
        plan, other = plans(site), plans(site)
        first, second, third = (float(step["id"]) for step in plan["steps"])
        for step_id, status in ((first, 409), (float(other["steps"][1]["id"]), 400)):
            refused = does(site, "editplan", plan, steps=[a_step("zap") | {"id": step_id}])
            assert refused.status == status, refused.text
        edited = does(site, "editplan", plan, steps=[{"id": third}, {"id": second}])
        assert edited.status == 200, edited.text
        ids = [step["id"] for step in shows(site, plan)["steps"]]
        assert ids == [first, third, second]

    def test_times_edited_after_the_clock_was_put_right_are_by_the_clock_as_it_is(
        self, app: Flask, site: Observatory, clocks: Clocks
    ) -> None:
        behind = plans(site, notBefore=iso(clocks, HOUR))
        clocks.set_wall(24 * HOUR)
        assert does(site, "editplan", behind, notBefore=iso(clocks, HOUR)).status == 200
        clocks.pass_by(HOUR)
        look(app)
        assert len(site.polls()) == 1
        ahead = plans(site)
        clocks.set_wall(-24 * HOUR)
        assert does(site, "editplan", ahead, until=iso(clocks, 2 * HOUR)).status == 200
        carries_out(site)
        assert (shows(site, ahead)["state"], shows(site, ahead)["step"]) == ("running", 2)
        clocks.pass_by(3 * HOUR)
        look(app)
        assert site.polls() == []

    def test_of_two_who_edit_what_they_read_the_second_is_told(self, site: Observatory) -> None:
        plan = plans(site)
        assert does(site, "editplan", plan, title="a", revision=0).status == 200
        second = does(site, "editplan", plan, title="b", revision=0)
        assert second.status == 409
        assert "was edited since you read it" in second.text

    def test_an_edit_that_comes_again_with_its_key_changes_nothing_twice(self, site: Observatory) -> None:
        plan = plans(site)
        body = {"site": "wmd", "id": plan["id"], "steps": [a_step()]} | WHO
        first = site.posts("editplan", body, {"Idempotency-Key": "e"}).job
        assert site.posts("editplan", body, {"Idempotency-Key": "e"}).job == first
        assert first["revision"] == 1

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"steps": [{"id": 10**6}]}, "this plan has no step with the id"),
            ({"steps": [a_step("stop")]}, "step 1 is a stop command"),
            ({"steps": [a_step()] * 500}, "would have 501"),
            ({"steps": "x"}, "steps must be a list"),
            ({"until": "2001-01-01T00:00:00Z"}, "until is over already"),
        ],
        ids=["of no plan", "a stop", "too many", "no list", "over"],
    )
    def test_what_can_be_no_plan_is_refused(self, site: Observatory, changed: dict[str, Any], words: str) -> None:
        plan = plans(site)
        refused = does(site, "editplan", plan, **changed)
        assert refused.status == 400
        assert words in refused.text
        assert shows(site, plan) == plan | {"waitsFor": plan["waitsFor"]}

    def test_the_same_step_twice_is_refused(self, site: Observatory) -> None:
        plan = plans(site)
        twice = [{"id": plan["steps"][1]["id"]}] * 2
        assert "stands in the list twice" in does(site, "editplan", plan, steps=twice).text

    def test_all_that_is_left_may_be_left_out_but_no_plan_is_empty(self, site: Observatory, clocks: Clocks) -> None:
        later = plans(site, notBefore=iso(clocks, HOUR))
        assert "must have at least one step" in does(site, "editplan", later, steps=[]).text
        plan = plans(site)
        assert does(site, "editplan", plan, steps=[]).job["of"] == 1
        carries_out(site)
        assert shows(site, plan)["state"] == "done"
