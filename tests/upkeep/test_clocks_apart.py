"""The wall clock and the one that nobody can set are driven apart, by hours and years: whatever counts time holds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from ulid import ULID

from jobs_server import clock, create_app
from jobs_server.auth import console_links
from jobs_server.client.freshness import age_seconds
from jobs_server.domain.lifecycle import Queue
from jobs_server.live.presence import State
from jobs_server.service import service_of
from jobs_server.storage import sqlite
from jobs_server.upkeep import alerts, backups, startup, timekeeping

from ..conftest import inside
from ..support import databases
from ..support.clocks import HOUR, Clocks
from ..support.observatory import Observatory, a_command
from .test_alerts import UNTAKEN
from .test_timekeeping import DAY, YEAR, finish_a_job, look, sweep

KEY = {"Idempotency-Key": "once"}
SHIFTS = [-12 * YEAR, -2 * DAY, -HOUR, HOUR, 2 * DAY, 12 * YEAR]


class Desk:
    """A desk with some weeks of history, in a night in which the clock is set."""

    def __init__(self, app: Flask, clocks: Clocks) -> None:
        self.app, self.clocks, self.site = app, clocks, inside(app)
        self.folder = service_of(app).settings.backups
        self.ulids: list[str] = []
        for _ in range(3):
            clocks.pass_by(7 * DAY)
            finish_a_job(self.site)
            self.goes_on()

    def goes_on(self) -> None:
        """Do what the server does by itself."""
        sweep(self.app)
        look(self.app, self.clocks)

    def sends(self, action: str = "expose", who: str = "vera") -> str:
        self.ulids.append(str(self.site.sends(action, user_id=who)["ulid"]))
        return self.ulids[-1]

    def of_the_last_minute(self) -> list[str]:
        return [str(job["ulid"]) for job in self.site.lists(timeRange=60_000)]

    def jobs(self) -> int:
        with service_of(self.app).database.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT count(*) FROM job").scalar_one())

    def jobs_younger_than(self, days: int) -> int:
        """Count the jobs that are to be kept: those sent since, or dated ahead while the clock was."""
        since_ms = self.clocks.now.wall_ms - days * clock.DAY_MS
        with service_of(self.app).database.engine.connect() as connection:
            rows = connection.exec_driver_sql(f"SELECT count(*) FROM job WHERE accepted_ms >= {since_ms}")
            return int(rows.scalar_one())

    def backups(self) -> set[str]:
        return {each.path.name for each in backups.listed(self.folder)}

    def alerts(self) -> set[str]:
        watch = alerts.Watch(service_of(self.app), lambda _: None)
        return {alert.key.split()[0] for alert in watch.found()}


@pytest.fixture
def desk(tmp_path: Path, clocks: Clocks) -> Iterator[Desk]:
    settings = {"KEEP_DAYS": 30, "NEW_JOBS_PER_SECOND": 3, "DISK_FREE_MB": 0}
    app = create_app({"TESTING": True} | databases.at(tmp_path / "instance") | settings)
    startup.prepare(app)
    databases.put_on_duty(app)
    yield Desk(app, clocks)
    service_of(app).database.close()


def once(site: Observatory) -> str:
    return str(site.posts("newjob", a_command(user_id="key"), KEY).job["ulid"])


@pytest.mark.parametrize("shift", SHIFTS)
def test_clocks_that_are_driven_apart_for_a_night_harm_nothing_that_counts_time(
    desk: Desk, clocks: Clocks, shift: float
) -> None:
    """Limits, keys, recency, ULIDs, expiry, presence, alerts, backups and which are kept, the deletion of old jobs."""
    site = desk.site
    made, there, first, before = desk.backups(), desk.jobs(), once(site), desk.sends()
    waits_for_a_week = site.sends(user_id="patience", expiresInSeconds=7 * 24 * 3600)["ulid"]
    [desk.sends(who="hasty") for _ in range(3)]

    clocks.set_wall(shift)

    refused = site.asks(user_id="hasty")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    clocks.pass_by(1)
    assert once(site) == first
    desk.sends(who="hasty")
    assert desk.ulids[-1] in desk.of_the_last_minute()
    handed_over = [job["ulid"] for job in site.polls()]
    assert (waits_for_a_week in handed_over) == (shift < 7 * DAY)  # too old by one clock is too old
    assert service_of(desk.app).feed.presence.seen("wmd", Queue.PRIMARY).state is State.ONLINE
    desk.sends("stop")
    clocks.pass_by(11)
    told = [alert.sentence for alert in alerts.Watch(service_of(desk.app), lambda _: None).found()]
    assert UNTAKEN in told
    assert ("clock" in desk.alerts()) == (shift > 3 * DAY)
    assert ("dates" in desk.alerts()) == (shift < 0)
    site.polls()
    for _ in range(2):
        desk.goes_on()
        clocks.pass_by(HOUR)
    assert desk.jobs() >= there  # nothing that is kept was deleted
    assert made <= desk.backups()  # nor a backup from before

    clocks.set_wall(-shift)

    after = desk.sends()
    assert desk.of_the_last_minute() == [after]
    assert desk.ulids == sorted(set(desk.ulids))
    assert ULID.from_str(after).milliseconds <= clocks.now.wall_ms + clock.FEW_DAYS_MS
    assert before in [job["ulid"] for job in site.lists(timeRange=4 * HOUR * 1000)]
    site.polls()
    timekeeping.confirm(service_of(desk.app).database, clocks.now)  # a person has seen what is dated ahead
    assert desk.alerts() & {"clock", "dates", "stop"} == set()
    kept = desk.backups()
    clocks.pass_by(DAY)
    desk.goes_on()
    if service_of(desk.app).database.kind.name == sqlite.NAME:
        assert len(desk.backups() - kept) == 1  # the day after has its backup
    clocks.pass_by(12 * DAY)
    desk.goes_on()
    assert desk.jobs() == desk.jobs_younger_than(30)  # and what is old is deleted when it is due
    assert once(site) != first


@pytest.mark.parametrize("shift", SHIFTS)
def test_nobody_stays_signed_in_for_longer_whichever_way_the_clock_is_set(
    tmp_path: Path, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    sign_in = {"OIDC_ISSUER": "https://issuer.example", "OIDC_AUDIENCE": "jobs", "SITES": ("wmd",)}
    app = create_app({"TESTING": True} | databases.at(tmp_path / "instance") | sign_in)
    startup.prepare(app)
    monkeypatch.setattr(time, "time", lambda: clocks.now.wall_ms / 1000)  # what is imported first keeps the right one
    client = app.test_client()

    def opens(secret: str) -> int:
        return client.get(f"/sign-in/link/{secret}").status_code

    def is_in() -> bool:
        body = {key: value for key, value in a_command().items() if not key.startswith("user_")}
        return client.post("/jobs/newjob", json=body | {"user_id": "console|chief"}).status_code == 200

    clocks.set_wall(shift)
    link = console_links.create(tmp_path / "instance", "chief")
    assert opens(console_links.create(tmp_path / "instance", "chief")) == 303
    assert is_in()
    clocks.set_wall(-shift)
    clocks.pass_by(13 * HOUR)
    assert not is_in()
    assert opens(link) == 401
    service_of(app).database.close()


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("apart", SHIFTS)
def test_a_site_whose_clock_is_another_and_is_set_takes_nothing_stale_for_fresh(shift: float, apart: float) -> None:
    """The client's part: each machine's clock is compared with itself alone, and the larger age counts."""
    accepted_ms = 1_800_000_000_000
    received_ms = round(accepted_ms + apart * 1000)
    server_ms, here_ms = accepted_ms + 1_000_000, received_ms + 1_000_000
    assert age_seconds(accepted_ms, server_ms, received_ms, here_ms) == 1000
    set_here = age_seconds(accepted_ms, server_ms, received_ms, round(here_ms + shift * 1000))
    assert set_here == max(1000, 1000 + shift)
    set_there = age_seconds(accepted_ms, round(server_ms + shift * 1000), received_ms, here_ms)
    assert set_there == (None if shift < -1060 else max(1000, 1000 + shift))
