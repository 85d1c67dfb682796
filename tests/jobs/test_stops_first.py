"""A stop is not refused while ordinary jobs pass: stops and cancels go to the front of those who wait to write.

On a slow disk a dozen jobs were let in before a stop, which was then refused: first come, first served.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from jobs_server import create_app
from jobs_server.service import service_of
from jobs_server.storage import precedence, sqlite
from jobs_server.storage.database import Database, open_database
from jobs_server.storage.precedence import Precedence
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import postgres
from ..support.waiting import until

BEFORE = 5
EVENTS = Statement(text("SELECT message FROM job_event JOIN job ON job.id = job_id ORDER BY seq"))
WAIT_FOR_LOCKS = "SELECT count(*)::int FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database = (%s)"

Deed = Callable[[Flask, dict[str, Any]], int]


@pytest.fixture(params=["sqlite", "postgresql"])
def slow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An app whose writers wait as long as the test lets them."""
    url = postgres.shared().database() if request.param == "postgresql" else ""
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path), "DATABASE_URL": url, "DATABASE_TIMEOUT_SECONDS": 60})
    startup.prepare(app)
    yield app
    service_of(app).database.close()


def waiting(app: Flask) -> int:
    """Count those who wait to write."""
    database = service_of(app).database
    if database.kind.name == sqlite.NAME:
        return len(database.write_lock._urgent) + len(database.write_lock._waiting)
    name = database.engine.url.database
    of_this = f"SELECT oid FROM pg_database WHERE datname = '{name}'"
    ((count,),) = postgres.shared().run(WAIT_FOR_LOCKS % of_this)
    assert isinstance(count, int)
    return count


def stand_in_line(app: Flask, count: int) -> bool:
    return waiting(app) == count


def posts(path: str, **form: str) -> Deed:
    def press(app: Flask, _job: dict[str, Any]) -> int:
        form.setdefault("site", "wmd")
        return app.test_client().post(path, data=form, headers={"X-Requested-By": "script"}).status_code

    return press


def stops_everything(app: Flask, _job: dict[str, Any]) -> int:
    return inside(app).asks("cancel_all_commands", device="all", instance="all").status


def cancels(app: Flask, job: dict[str, Any]) -> int:
    return inside(app).asks_to_cancel(job).status


def cancels_on_the_page(app: Flask, job: dict[str, Any]) -> int:
    return posts("/act/cancel", ulid=job["ulid"])(app, job)


def cancels_in_a_shell(app: Flask, job: dict[str, Any]) -> int:
    return app.test_cli_runner().invoke(args=["jobs", "cancel", job["ulid"]]).exit_code + 200


def locks_out(app: Flask, _job: dict[str, Any]) -> int:
    body = {"site": "wmd", "user_name": "Ada", "user_id": "ada", "note": "hands on the telescope"}
    return app.test_client().post("/jobs/lockout", json=body).status_code


STOPS: dict[str, Deed] = {
    "stop of one device": lambda app, _: inside(app).asks("stop").status,
    "cancel_all_commands": stops_everything,
    "canceljob": cancels,
    "the page's Stop": posts("/act/stop", how="now"),
    "Stop and park": posts("/act/stop", how="park"),
    "Cancel waiting": posts("/act/stop", how="waiting"),
    "a cancel on the page": cancels_on_the_page,
    "a cancel in a shell": cancels_in_a_shell,
}


@pytest.mark.parametrize("how", STOPS)
def test_stops_and_cancels_go_to_the_front_of_those_who_wait_to_write(slow: Flask, how: str) -> None:
    database, first = service_of(slow).database, inside(slow).sends()
    done = list[int]()
    crowd = [threading.Thread(target=lambda: done.append(inside(slow).asks().status)) for _ in range(BEFORE)]

    def stop_it() -> None:
        done.append(STOPS[how](slow, first))

    stop = threading.Thread(target=stop_it)
    with database.transaction("wmd"):
        for count, each in enumerate(crowd, 1):
            each.start()
            until(partial(stand_in_line, slow, count))
        stop.start()
        until(lambda: waiting(slow) > BEFORE or not stop.is_alive())
    for each in (*crowd, stop):
        each.join(60)
    assert done == [200] * (BEFORE + 1)
    with database.reading() as connection:
        told = connection.rows(EVENTS)
    assert "cancel" in str(told[1]), f"those who waited longer were let in first: {told}"


def test_a_lock_out_goes_to_the_front_too(slow: Flask) -> None:
    refused = list[int]()
    post = threading.Thread(target=lambda: refused.append(inside(slow).asks().status))
    lock_out = threading.Thread(target=lambda: locks_out(slow, {}))
    with service_of(slow).database.transaction("wmd"):
        post.start()
        until(lambda: waiting(slow) == 1)
        lock_out.start()
        until(lambda: waiting(slow) == 2)
    for each in (post, lock_out):
        each.join(60)
    assert refused == [423]


def test_the_poll_that_gets_a_stop_goes_to_the_front_as_well(slow: Flask) -> None:
    """Else the stop is taken at once, and reaches the site behind all that were posted."""
    site, got = inside(slow), list[list[str]]()
    stop = site.sends("stop")
    post = threading.Thread(target=site.sends)
    poll = threading.Thread(target=lambda: got.append([job["ulid"] for job in inside(slow).polls()]))
    with service_of(slow).database.transaction("wmd"):
        post.start()
        until(lambda: waiting(slow) == 1)
        poll.start()
        until(lambda: waiting(slow) == 2)
    for each in (post, poll):
        each.join(60)
    assert got == [[stop["ulid"]]], "the job was posted before the stop was handed over"


@pytest.mark.sqlite("several processes on its file")
class TestSeveralProcesses:
    """Two `Database` objects on one file are to each other as two processes: each has handles and a line of its own."""

    @pytest.fixture(autouse=True)
    def _as_long_as_it_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(precedence, "_LONGEST_SECONDS", 60)

    @pytest.fixture
    def two(self, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
        app = create_app({"INSTANCE": str(tmp_path), "DATABASE_TIMEOUT_SECONDS": 60})
        startup.prepare(app)
        settings = service_of(app).settings
        pair = service_of(app).database, open_database(settings.url, settings)
        yield pair
        for each in pair:
            each.close()

    def test_the_stop_of_one_goes_before_the_jobs_of_the_other(self, two: tuple[Database, Database]) -> None:
        one, other = two
        order = list[str]()

        def write(database: Database, name: str, *, urgent: bool) -> None:
            with database.transaction("wmd", urgent=urgent):
                order.append(name)

        stop = threading.Thread(target=write, args=(one, "stop"), kwargs={"urgent": True})
        job = threading.Thread(target=write, args=(other, "job"), kwargs={"urgent": False})
        third = Precedence(Path(str(one.engine.url.database)).parent)
        with one.transaction("wmd"):
            stop.start()
            until(lambda: not third._is_free())
            job.start()
            until(lambda: other.write_lock._held)
        for each in (stop, job):
            each.join(60)
        assert order == ["stop", "job"]

    def test_a_stop_that_has_begun_holds_nobody_back(self, two: tuple[Database, Database], tmp_path: Path) -> None:
        third = Precedence(tmp_path)
        with two[0].transaction("wmd", urgent=True):
            assert third._is_free()

    def test_a_writer_for_whom_a_stop_of_its_own_process_waits_goes_on(self, tmp_path: Path) -> None:
        one, other = Precedence(tmp_path), Precedence(tmp_path)
        with other.announced():
            writer = threading.Thread(target=one.give_way)
            writer.start()
            assert writer.is_alive()
            with one.announced():
                writer.join(60)
                assert not writer.is_alive()

    def test_a_process_that_stands_still_with_its_stop_holds_others_for_a_moment_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(precedence, "_LONGEST_SECONDS", 0.01)
        with Precedence(tmp_path).announced():
            Precedence(tmp_path).give_way()

    def test_a_process_that_was_forked_has_locks_of_its_own(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A lock that is inherited would be one lock with that of the other process."""
        forked = Precedence(tmp_path)
        forked.give_way()
        before = forked._look.opened_after
        monkeypatch.setattr(precedence, "_forks", before + 1)
        forked.give_way()
        assert forked._look.opened_after == before + 1

    def test_where_no_such_lock_can_be_had_all_go_on(self, tmp_path: Path) -> None:
        gone = Precedence(tmp_path / "gone")
        with gone.announced():
            gone.give_way()
        assert gone._is_free()


def test_readyz_says_once_that_the_database_is_busy(tmp_path: Path) -> None:
    """/readyz doubled its sentence: "cannot be used: error: the database cannot be used now: ..."."""
    app = create_app({"INSTANCE": str(tmp_path), "DISK_FREE_MB": 0})
    startup.prepare(app)
    with service_of(app).database.transaction("wmd"):
        told = app.test_client().get("/readyz")
    assert (told.status_code, told.text) == (503, "the database cannot be used: it is busy\n")
    service_of(app).database.close()
