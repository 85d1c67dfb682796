"""Plans that ended go with the jobs of their time; after a restore none goes on by itself; a released step is asked
of a calendar elsewhere before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import backups, plan_work, retention, startup

from ..conftest import inside
from ..jobs.test_remote_calendar import Elsewhere, a_calendar
from ..support import databases
from ..support.clocks import HOUR, Clocks
from ..support.commands import run
from ..support.observatory import Observatory
from ..support.plans import asks_for_plan, carries_out, does, plans, shows

DAY = 24 * HOUR
AT_ONCE = retention.PruneRules(pause_seconds=0.0)


def rows(app: Flask, table: str) -> int:
    with service_of(app).database.engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def ids(site: Observatory) -> list[str]:
    return [plan["id"] for plan in site.posts("getplans", {"site": "wmd"}).json]


def test_plans_that_ended_are_deleted_with_the_jobs_of_their_time_and_open_ones_stay(
    file_app: Flask, clocks: Clocks
) -> None:
    site = inside(file_app)
    ended, paused = plans(site), plans(site)
    for _ in range(6):
        for job in site.polls():
            site.reports(job, "COMPLETE" if job["plan"]["id"] == ended["id"] else "FAILED")
    assert shows(site, ended)["state"] == "done"
    clocks.pass_by(31 * DAY)
    before_ms = clocks.now.wall_ms - 30 * retention.DAY_MS
    retention.prune(service_of(file_app).database, before_ms, rules=AT_ONCE)
    assert (ids(site), rows(file_app, "job"), rows(file_app, "plan_step")) == ([paused["id"]], 0, 3)
    still = shows(site, paused)
    assert (still["state"], still["step"], "status" in still["steps"][0]) == ("paused", 1, False)
    does(site, "resumeplan", paused)
    assert carries_out(site)["plan"]["step"] == 2


@pytest.mark.sqlite("PostgreSQL has backups of its own")
def test_after_a_restore_no_plan_goes_on_before_a_person_says_so(file_app: Flask, tmp_path: Path) -> None:
    site = inside(file_app)
    begun, later = plans(site), plans(site, notBefore="2127-01-01T00:00:00Z")
    service_of(file_app).database.close()
    archive = backups.make(Path(str(service_of(file_app).database.engine.url.database)), tmp_path).path
    assert run(tmp_path / "instance", "restore", str(archive), "--yes").returncode == 0
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path / "instance")})
    startup.prepare(app)
    restored = inside(app)
    for plan in (begun, later):
        found = shows(restored, plan)
        assert found["state"] == "paused"
        assert found["reason"].startswith("restored from the backup")
    plan_work.release_due(service_of(app))
    assert restored.polls() == []
    does(restored, "resumeplan", begun, again=True)
    assert carries_out(restored)["plan"]["step"] == 1
    service_of(app).database.close()


def test_a_step_is_released_when_the_calendar_elsewhere_lets_it_pass_and_else_the_plan_pauses(tmp_path: Path) -> None:
    with a_calendar() as elsewhere:
        app = create_app({"TESTING": True, "CALENDAR_URL": elsewhere.url} | databases.at(tmp_path))
        startup.prepare(app)
        site, service = inside(app), service_of(app)
        looks_while_elsewhere_answers(app, site, elsewhere)
        service.database.close()
        assert service.calendar is not None
        service.calendar.close()


def looks_while_elsewhere_answers(app: Flask, site: Observatory, elsewhere: Elsewhere) -> None:
    elsewhere.reserves("auth0|tycho")
    assert asks_for_plan(site).status == 401
    elsewhere.events = []
    plan = plans(site)
    (job,) = site.polls()
    site.reports(job, "COMPLETE")
    assert shows(site, plan)["step"] == 1, "a step was released before the calendar was asked"
    plan_work.release_due(service_of(app))
    assert shows(site, plan)["step"] == 2
    (job,) = site.polls()
    elsewhere.reserves("auth0|tycho")
    site.reports(job, "COMPLETE")
    plan_work.release_due(service_of(app))
    assert "wmd is reserved by Tycho until" in shows(site, plan)["reason"]


def test_a_servers_worker_begins_a_plan_at_its_time(live: str, people: Observatory) -> None:
    assert live
    at = datetime.now(UTC).timestamp() + 0.7
    begin = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    plan = plans(people, notBefore=begin)
    assert plan["state"] == "waiting"
    (job,) = people.polls(waitSeconds=60)
    assert job["plan"]["step"] == 1
    assert datetime.now(UTC).timestamp() >= at
