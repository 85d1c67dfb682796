"""Dates in the future are told and count for nothing: a day with the clock a year ahead does no harm for a year."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from ulid import ULID

from jobs_server import clock
from jobs_server.service import service_of
from jobs_server.upkeep import backups, checks, clock_checks, maintenance, retention

from ..admin.test_doctor import consult
from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, Clocks
from ..support.commands import run
from ..support.observatory import Observatory
from .test_timekeeping import DAY, YEAR, alerts_of, finish_a_job, jobs, look, sweep


def readiness(app: Flask) -> list[str]:
    """What is said of dates; with PostgreSQL, that its clock is not in the test's hands is said too."""
    found = [finding.public for finding in service_of(app).health.look(service_of(app)) if finding.public]
    return [sentence for sentence in found if "PostgreSQL's" not in sentence]


def sends_a_year_ahead(site: Observatory, clocks: Clocks) -> dict[str, object]:
    clocks.set_wall(YEAR)
    job = site.sends()
    clocks.set_wall(-YEAR)
    return job


@pytest.fixture
def site(file_app: Flask) -> Observatory:
    databases.put_on_duty(file_app)
    return inside(file_app)


def test_a_job_from_a_year_ahead_does_not_stop_the_deletion_of_old_ones(
    file_app: Flask, clocks: Clocks, site: Observatory
) -> None:
    """30 of 60 days are due, and were never deleted: the job had lifted all later ULIDs above the border."""
    sends_a_year_ahead(site, clocks)
    for _ in range(60):
        finish_a_job(site)
        clocks.pass_by(DAY)
    assert retention.prune(service_of(file_app).database, clocks.now.wall_ms - 30 * clock.DAY_MS).jobs == 30
    assert jobs(file_app) == 31


def test_a_job_that_was_heard_of_with_the_clock_a_year_ahead_is_old_all_the_same(
    file_app: Flask, clocks: Clocks, site: Observatory
) -> None:
    job = site.sends()
    site.polls()
    clocks.set_wall(YEAR)
    site.reports(job, "COMPLETE")
    clocks.set_wall(-YEAR)
    clocks.pass_by(60 * DAY)
    assert retention.prune(service_of(file_app).database, clocks.now.wall_ms - 30 * clock.DAY_MS).jobs == 1


def test_a_job_from_a_year_ahead_does_not_lift_all_later_ulids(
    file_app: Flask, clocks: Clocks, site: Observatory
) -> None:
    sweep(file_app)
    before = site.sends()
    ahead = [sends_a_year_ahead(site, clocks) for _ in range(20)]
    after = [site.sends() for _ in range(20)]
    ulids = [str(job["ulid"]) for job in (before, *ahead, *after)]
    assert ulids == sorted(set(ulids))
    assert ULID.from_str(ulids[-1]).milliseconds <= clocks.now.wall_ms + clock.FEW_DAYS_MS
    clocks.pass_by(4 * DAY)
    sweep(file_app)
    assert ULID.from_str(str(site.sends()["ulid"])).milliseconds == clocks.now.wall_ms


def test_a_job_from_a_year_ahead_lifts_no_timestamp_of_those_that_come_while_it_waits(
    clocks: Clocks, site: Observatory
) -> None:
    sends_a_year_ahead(site, clocks)
    assert site.sends()["timestamp_ms"] == clocks.now.wall_ms
    clocks.set_wall(-HOUR)  # a clock set back by hours reorders nothing that waits, as before
    assert site.sends()["timestamp_ms"] == clocks.now.wall_ms + HOUR * 1000


@pytest.mark.parametrize("page", [{}, {"limit": 10}])
def test_a_job_from_a_year_ahead_stands_in_no_list_of_the_last_minute(
    clocks: Clocks, site: Observatory, page: dict[str, int], tmp_path: Path
) -> None:
    ahead = sends_a_year_ahead(site, clocks)
    now = site.sends()
    assert [job["ulid"] for job in site.lists(timeRange=60_000, **page)] == [now["ulid"]]
    if page:
        assert [job["ulid"] for job in site.lists(limit=10, before=ahead["ulid"])] == [now["ulid"]]
    listed = run(tmp_path / "instance", "jobs", "list", "--site", "wmd", "--json").stdout
    assert str(now["ulid"]) in listed
    assert str(ahead["ulid"]) not in listed
    clocks.pass_by(YEAR)
    assert [job["ulid"] for job in site.lists(timeRange=60_000, **page)] == [ahead["ulid"]]


def test_after_the_clock_was_set_back_by_hours_the_last_jobs_are_still_listed(
    clocks: Clocks, site: Observatory
) -> None:
    jobs = [site.sends() for _ in range(3)]
    clocks.set_wall(-5 * HOUR)
    assert [job["ulid"] for job in site.lists(timeRange=60_000)] == [job["ulid"] for job in jobs]


def test_stops_of_a_day_with_the_clock_ahead_do_not_hide_the_stop_of_today(
    file_app: Flask, clocks: Clocks, site: Observatory
) -> None:
    clocks.set_wall(YEAR)
    for _ in range(250):
        site.sends()
    site.polls()
    clocks.set_wall(-YEAR)
    stop = site.sends("stop")
    page = file_app.test_client().get("/", query_string={"site": "wmd"}).text
    assert re.search(rf'class="receipt[^>]*data-key="{stop["ulid"]}"', page)


def test_a_job_from_a_year_ahead_is_told_by_readiness_alert_doctor_and_page_until_a_person_has_seen_it(
    file_app: Flask, clocks: Clocks, site: Observatory, tmp_path: Path
) -> None:
    finish_a_job(site)
    assert (readiness(file_app), alerts_of(file_app)) == ([], [])
    sends_a_year_ahead(site, clocks)
    what = "newest job is 365 days, 0:00:00 in the future: this clock was set back, or was ahead when the job came"
    assert readiness(file_app) == [f"the {what}"]
    assert alerts_of(file_app) == [f"The {what}."]
    assert consult(file_app)[1]["clock"]["sentence"].startswith(f"the {what}. Set it right")
    settings = file_app.test_client().get("/settings", query_string={"site": "wmd"}).text
    assert f"The {what}." in settings
    run(tmp_path / "instance", "prune", "--clock-is-right")
    assert (readiness(file_app), alerts_of(file_app)) == ([], [])
    sends_a_year_ahead(site, clocks)  # what is known is known once
    assert readiness(file_app) == [f"the {what}"]


def test_a_few_minutes_are_the_doctors_business_alone(file_app: Flask, clocks: Clocks, site: Observatory) -> None:
    site.sends()
    clocks.set_wall(-300)
    assert (readiness(file_app), alerts_of(file_app)) == ([], [])
    assert "0:05:00 in the future" in consult(file_app)[1]["clock"]["sentence"]


@pytest.mark.sqlite("PostgreSQL has backups of its own")
class TestBackups:
    """A backup that is dated ahead stands for no day."""

    @pytest.fixture
    def folder(self, file_app: Flask, clocks: Clocks, tmp_path: Path) -> Path:
        look(file_app, clocks)
        clocks.set_wall(YEAR)
        backups.make(tmp_path / "instance" / "jobs.db", tmp_path / "instance" / "backups")
        clocks.set_wall(-YEAR)
        return tmp_path / "instance" / "backups"

    def test_the_daily_ones_go_on(self, file_app: Flask, clocks: Clocks, folder: Path) -> None:
        """For a year no daily backup was made, and nothing said so."""
        for _ in range(2):
            clocks.pass_by(DAY)
            look(file_app, clocks)
        assert len(backups.listed(folder)) == 4

    def test_it_is_told(self, file_app: Flask, folder: Path) -> None:
        ahead = backups.listed(folder)[0].path.name
        what = f"he backup {ahead} is dated in the future and counts for nothing"
        assert readiness(file_app) == [f"t{what}"]
        told = [each.alert for each in clock_checks.clock_of(service_of(file_app))]
        assert told == [f"T{what}: the clock was ahead when it was made. Delete it in {folder}, or rename it."]
        (folder / ahead).unlink()
        assert readiness(file_app) == []

    def test_it_is_not_the_last_one(self, file_app: Flask, clocks: Clocks, folder: Path) -> None:
        """Neither by its age in the figures nor for the check that misses one after two days."""
        metrics = file_app.test_client().get("/metrics").text
        assert "jobs_backup_age_seconds 0.0" in metrics
        clocks.pass_by(3 * DAY)
        (missed,) = checks.newest_backup(service_of(file_app).settings, timedelta(days=3))
        assert missed.public == "the last backup is 3 days old"

    def test_it_takes_no_other_ones_place(self, folder: Path) -> None:
        now = datetime.fromtimestamp(clock.now_ms() / 1000).astimezone()
        good = [backups.Backup(Path(f"{day}"), now - timedelta(days=day)) for day in range(7)]
        ahead = [backups.Backup(Path(f"ahead-{day}"), now + timedelta(days=day + 2)) for day in range(30)]
        assert backups.kept([*good, *ahead], now=now) == {each.path for each in [*good, *ahead]}

    def test_one_is_due_although_it_is_there(self, file_app: Flask, clocks: Clocks, folder: Path) -> None:
        assert backups.newest(backups.listed(folder), clock.utc_now()) == backups.listed(folder)[1]
        assert maintenance.is_due(backups.listed(folder)[1].made, clock.utc_now() + timedelta(days=1))
