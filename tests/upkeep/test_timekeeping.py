"""A clock in the wrong year deletes nothing: what cannot be the time is doubted until a person confirms it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.upkeep import alerts, backups, clock_checks, maintenance, retention, startup, timekeeping
from jobs_server.upkeep.findings import Grade

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, Clocks
from ..support.commands import run
from ..support.observatory import Observatory

DAY = 24 * HOUR
YEAR = 365 * DAY


@pytest.fixture
def kept(tmp_path: Path, clocks: Clocks) -> Flask:
    """An app that keeps a year, with a finished job, which has served up to now."""
    app = create_app({"TESTING": True, "KEEP_DAYS": 365} | databases.at(tmp_path / "instance"))
    startup.prepare(app)
    databases.put_on_duty(app)
    finish_a_job(inside(app))
    return app


def finish_a_job(site: Observatory) -> None:
    job = site.sends()
    site.polls()
    site.reports(job, "COMPLETE")


def sweep(app: Flask) -> None:
    """Do what the sweeper does every few seconds."""
    maintenance.sweeper(service_of(app))._work()


def look(app: Flask, clocks: Clocks) -> None:
    """Do the daily work at the time that the clock shows."""
    service_of(app).daily_work._pruned_on = None
    service_of(app).daily_work.look(datetime.fromtimestamp(clocks.now.wall_ms / 1000).astimezone())


def jobs(app: Flask) -> int:
    with service_of(app).database.reading() as connection:
        return retention.count(connection, 2**62)


def alerts_of(app: Flask) -> list[str]:
    watch = alerts.Watch(service_of(app), lambda _: None)
    return [alert.sentence for alert in watch.found() if alert.key in ("clock", "dates")]


@pytest.mark.parametrize("leaves", ["in its sleep", "over a restart"])
@pytest.mark.parametrize("swept", [True, False])
def test_one_day_with_the_clock_twelve_years_ahead_deletes_nothing(
    kept: Flask, clocks: Clocks, leaves: str, swept: bool
) -> None:
    """One day with the clock ahead deleted all history: the first look pruned all, then made its backup of nothing."""
    if swept:
        sweep(kept)
    clocks.reboot(12 * YEAR) if leaves == "over a restart" else clocks.set_wall(12 * YEAR)
    look(kept, clocks)
    sweep(kept)
    clocks.pass_by(DAY)
    look(kept, clocks)
    assert jobs(kept) == 1
    (sentence,) = alerts_of(kept)
    assert "4,3" in sentence
    assert "past the last moment that this service knows of" in sentence
    assert "flask prune --clock-is-right" in sentence


def test_a_job_sent_while_the_clock_is_ahead_vouches_for_nothing(kept: Flask, clocks: Clocks) -> None:
    sweep(kept)
    clocks.reboot(12 * YEAR)
    finish_a_job(inside(kept))
    look(kept, clocks)
    assert jobs(kept) == 2
    assert alerts_of(kept)


@pytest.mark.sqlite("PostgreSQL has backups of its own")
def test_the_backup_goes_before_the_deletion_and_without_it_nothing_is_deleted(
    kept: Flask, clocks: Clocks, tmp_path: Path
) -> None:
    clocks.pass_by(400 * DAY)
    obstacle = tmp_path / "instance" / "backups"
    obstacle.touch()
    look(kept, clocks)
    assert jobs(kept) == 1
    obstacle.unlink()
    service_of(kept).daily_work._not_before = 0.0
    look(kept, clocks)
    assert jobs(kept) == 0
    (made,) = backups.listed(obstacle)
    backups.unpack(made.path, tmp_path / "unpacked.db")
    assert backups.verify(tmp_path / "unpacked.db").jobs == 1


def test_time_that_both_clocks_saw_pass_is_not_in_doubt(kept: Flask, clocks: Clocks) -> None:
    """The machine was on and the service was not: a summer without a job is no leap."""
    sweep(kept)
    clocks.pass_by(400 * DAY)
    assert alerts_of(kept) == []
    look(kept, clocks)
    assert jobs(kept) == 0


def test_a_machine_that_was_off_for_a_night_is_not_in_doubt_and_one_that_was_off_for_a_week_is(
    kept: Flask, clocks: Clocks
) -> None:
    sweep(kept)
    clocks.reboot(2 * DAY)
    assert alerts_of(kept) == []
    clocks.reboot(5 * DAY)
    assert len(alerts_of(kept)) == 1


def test_a_clock_set_back_to_where_it_was_is_trusted_again(kept: Flask, clocks: Clocks) -> None:
    sweep(kept)
    clocks.set_wall(12 * YEAR)
    sweep(kept)
    assert len(alerts_of(kept)) == 1
    clocks.set_wall(-12 * YEAR)
    sweep(kept)
    assert alerts_of(kept) == []


def test_a_start_in_1970_that_ntp_puts_right_raises_no_doubt(kept: Flask, clocks: Clocks) -> None:
    sweep(kept)
    away = clocks.now.wall_ms / 1000
    clocks.set_wall(-away)
    clocks.pass_by(60)
    sweep(kept)
    clocks.set_wall(away)
    sweep(kept)
    assert alerts_of(kept) == []


def test_a_first_start_with_the_clock_ahead_guards_nothing_less_once_it_is_right(
    tmp_path: Path, clocks: Clocks
) -> None:
    app = create_app({"TESTING": True, "KEEP_DAYS": 365} | databases.at(tmp_path / "instance"))
    startup.prepare(app)
    databases.put_on_duty(app)
    clocks.set_wall(12 * YEAR)
    sweep(app)
    clocks.set_wall(-12 * YEAR)
    sweep(app)
    finish_a_job(inside(app))
    clocks.set_wall(11 * YEAR)
    look(app, clocks)
    assert jobs(app) == 1


@pytest.fixture
def prune(kept: Flask, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    def command(*arguments: str) -> tuple[int, str]:
        ended = run(tmp_path / "instance", "prune", *arguments)
        return ended.returncode, ended.stdout + ended.stderr

    return command


def test_the_command_refuses_too_until_a_person_confirms_the_clock(
    kept: Flask, clocks: Clocks, prune: Callable[..., tuple[int, str]]
) -> None:
    sweep(kept)
    clocks.reboot(400 * DAY)
    status, said = prune("--days", "365")
    assert status == 1
    assert said.startswith("Error: nothing was deleted, since this machine's clock is in doubt: it says 2028-02-")
    assert jobs(kept) == 1
    status, said = prune("--days", "365", "--clock-is-right")
    assert (status, said.splitlines()[-1]) == (0, "Deleted 1 jobs older than 365 days, with 3 events.")


def test_what_is_confirmed_holds_for_the_server_once_and_not_for_ever(
    kept: Flask, clocks: Clocks, prune: Callable[..., tuple[int, str]]
) -> None:
    sweep(kept)
    clocks.reboot(20 * DAY)
    assert len(alerts_of(kept)) == 1
    assert prune("--clock-is-right") == (0, "Noted: it is 2027-02-04T08:00:00Z.\n")
    assert alerts_of(kept) == []
    sweep(kept)
    clocks.reboot(380 * DAY)
    assert len(alerts_of(kept)) == 1
    look(kept, clocks)
    assert jobs(kept) == 1


def test_a_wrong_time_that_was_confirmed_guards_nothing_less_once_it_is_right(
    kept: Flask, clocks: Clocks, prune: Callable[..., tuple[int, str]]
) -> None:
    sweep(kept)
    clocks.set_wall(300 * DAY)
    prune("--clock-is-right")
    clocks.set_wall(-300 * DAY)
    sweep(kept)
    clocks.set_wall(250 * DAY)
    assert len(alerts_of(kept)) == 1


def test_the_doctor_says_it_and_the_check_of_readiness_does_not(kept: Flask, clocks: Clocks) -> None:
    """A machine that was off over the holidays serves; only what deletes waits for a person."""
    sweep(kept)
    clocks.reboot(20 * DAY)
    (finding,) = [each for each in clock_checks.clock_of(service_of(kept)) if each.about == "clock"]
    assert (finding.grade, finding.public) == (Grade.BAD, "")
    assert finding.sentence.startswith("it says 2027-02-04 08:00 UTC, 20 days past")


def test_the_time_is_kept_every_few_minutes_and_not_with_each_sweep(kept: Flask, clocks: Clocks) -> None:
    commits: list[str | None] = []
    service_of(kept).database.on_commit.append(commits.append)
    for _ in range(12):
        timekeeping.look(service_of(kept).database, service_of(kept).settings, clocks.now)
        clocks.pass_by(60)
    assert len(commits) == 2
