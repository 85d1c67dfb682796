"""What is acknowledged is kept: durable, in one transaction with its event, and found without a search."""

from __future__ import annotations

import re
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from jobs_server import create_app
from jobs_server.domain.lifecycle import Phase, Queue, Report
from jobs_server.errors import Unavailable
from jobs_server.history import night, now, search
from jobs_server.jobs import admission, handover, queries, statements
from jobs_server.service import service_of
from jobs_server.storage import models, sqlite_driver
from jobs_server.storage.database import Database
from jobs_server.storage.fair_lock import FairLock
from jobs_server.storage.flask_extension import db, mapped
from jobs_server.storage.models import Job
from jobs_server.storage.sqlite_driver import driver
from jobs_server.storage.statement import Statement
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import databases


def database(app: Flask) -> Database:
    found = service_of(app).database
    assert isinstance(found, Database)
    return found


def select(app: Flask, sql: str) -> list[tuple[Any, ...]]:
    with database(app).engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


@pytest.mark.sqlite("its pragmas")
def test_every_connection_is_durable_and_checked(file_app: Flask) -> None:
    pragmas = {
        name: select(file_app, f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_each_change_of_a_job_has_its_event(file_app: Flask) -> None:
    observatory = inside(file_app)
    job = observatory.sends()
    observatory.polls()
    observatory.polls(alternateQueue=True)
    observatory.starts(job, secondsUntilComplete=9)
    observatory.reports(job, "COMPLETE")
    observatory.reports(job, "COMPLETE")
    observatory.starts(job)
    waiting = observatory.sends()
    observatory.sends("stop")
    told = select(
        file_app, "SELECT job_id, queue, status, seconds_until_complete, actor_known FROM job_event ORDER BY seq"
    )
    assert told == [
        (1, 0, "UNREAD", None, "said"),
        (1, 0, "RECEIVED", None, "site"),
        (1, 1, "RECEIVED", None, "site"),
        (1, 0, "STARTED", 9, "site"),
        (1, 0, "COMPLETE", -1, "site"),
        (2, 0, "UNREAD", None, "said"),
        (2, 0, "CANCELED", None, "said"),
        (2, 1, "CANCELED", None, "said"),
        (3, 0, "UNREAD", None, "said"),
    ], waiting


@pytest.mark.sqlite("its triggers")
def test_a_job_whose_event_cannot_be_written_is_not_kept(file_app: Flask) -> None:
    with database(file_app).engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no_events BEFORE INSERT ON job_event BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
    file_app.testing = False
    assert inside(file_app).asks().status >= 500
    assert select(file_app, "SELECT count(*) FROM job") == [(0,)]


@pytest.mark.sqlite("its write lock and its log")
def test_an_empty_poll_and_a_replay_write_nothing(file_app: Flask) -> None:
    observatory = inside(file_app)
    log = Path(f"{database(file_app).engine.url.database}-wal")
    ran: list[str] = []

    def watch(connection: Any, *_: object) -> None:
        connection.set_trace_callback(ran.append)

    database(file_app).close()  # connections made before would not be watched
    event.listen(database(file_app).engine, "checkout", watch)
    observatory.sends()
    observatory.polls(claimId="a")
    assert written(ran) == 2, "the count does not count"
    before = (select(file_app, "PRAGMA data_version"), log.stat().st_size)
    ran.clear()
    for options in ({}, {"limit": 1}, {"claimId": "b"}):
        assert observatory.polls(**options) == []
    assert len(observatory.polls(claimId="a")) == 1
    assert ran, "the polls used other connections than those watched"
    assert written(ran) == 0
    assert (select(file_app, "PRAGMA data_version"), log.stat().st_size) == before


def written(statements: list[str]) -> int:
    """Count the write transactions among statements."""
    assert all(each.startswith(("BEGIN", "SELECT", "PRAGMA")) for each in statements) or "BEGIN IMMEDIATE" in statements
    return statements.count("BEGIN IMMEDIATE")


ULID_INDEX = "sqlite_autoindex_job_1"
BY_QUEUE = {Queue.PRIMARY: "ix_job_", Queue.ALTERNATE: "ix_job_replica_"}
HOT: dict[str, tuple[Statement, str]] = {
    "last ulid": (statements.MEET, ULID_INDEX),
    "newest waiting": (statements.MEET, "ix_job_waiting"),
    "recent": (queries._RECENT, "ix_job_recent"),
    "a page of the recent": (queries._PAGE_BEFORE, "ix_job_recent"),
    "one job": (queries._JOB, ULID_INDEX),
    "the end of a page of large jobs": (queries._RECENT_UP_TO, "ix_job_recent"),
    "the places of a page of large jobs": (queries._PLACES_BEFORE, "ix_job_recent"),
    "history": (queries._HISTORY, "ix_job_event_job_id"),
    "running at a site": (now._RUNNING, "ix_job_unfinished"),
    "taken by a site": (now._TAKEN, "ix_job_unfinished"),
    "count what a site has taken": (now._COUNT_TAKEN, "ix_job_unfinished"),
    "a page of a history": (queries._HISTORY_AFTER, "ix_job_event_job_id"),
    "the newest of a history": (queries._NEWEST_EVENTS, "ix_job_event_job_id"),
    "search, for an export": (search._FIND_IDS, "ix_job_recent"),
    "waiting at a site": (now._WAITING, "ix_job_waiting"),
    "count what waits": (now._COUNT_WAITING, "ix_job_waiting"),
    "latest of a site": (now._LATEST, "ix_job_recent"),
    "stops of a site": (now._STOPS, "ix_job_recent"),
    "search": (search._FIND, "ix_job_recent"),
    "end of a search": (search._BUDGET_END, "ix_job_recent"),
    "jobs of a night": (night._JOBS, "ix_job_recent"),
    "events of a night": (night._EVENTS, "ix_job_event_job_id"),
    "find a key": (admission._FIND_KEY, "sqlite_autoindex_idempotency_key_1"),
    "forget old keys": (admission._FORGET_OLD_KEYS, "ix_idempotency_key_created_ms"),
}
for queue, prefix in BY_QUEUE.items():
    HOT |= {
        f"is anything deliverable, {queue.name}": (handover._ANY[queue], f"{prefix}waiting"),
        f"claim, {queue.name}": (statements.CLAIM[queue], f"{prefix}waiting"),
        f"claim some, {queue.name}": (statements.CLAIM_SOME[queue, Phase.CLAIMED], f"{prefix}waiting"),
        f"how large what waits is, {queue.name}": (handover.ALL[queue], f"{prefix}waiting"),
        f"how large the stops are, {queue.name}": (handover.STOPS[queue], f"{prefix}waiting"),
        f"replay, {queue.name}": (queries._CLAIMED[queue], f"{prefix}claim"),
        f"report, {queue.name}": (statements.REPORT[queue, Report.END], ULID_INDEX),
        f"start, {queue.name}": (statements.START_FENCED[queue], ULID_INDEX),
        f"cancel waiting of a site, {queue.name}": (statements.CANCEL_SITE[queue].waiting, f"{prefix}waiting"),
        f"cancel claimed of a site, {queue.name}": (statements.CANCEL_SITE[queue].claimed, f"{prefix}watched"),
        f"ask a site to end the rest, {queue.name}": (statements.CANCEL_SITE[queue].request, f"{prefix}unfinished"),
        f"ask a site to end what began, {queue.name}": (statements.CANCEL_SITE[queue].request, f"{prefix}watched"),
        f"ask a site to end what is lost, {queue.name}": (statements.CANCEL_SITE[queue].request, f"{prefix}lost"),
        f"ask a device to end the rest, {queue.name}": (statements.CANCEL_DEVICE[queue].request, f"{prefix}unfinished"),
        f"cancel one, {queue.name}": (statements.CANCEL_ONE[queue].waiting, ULID_INDEX),
        f"any to expire, {queue.name}": (statements.EXPIRE_WAITING[queue].sites, f"{prefix}waiting"),
        f"any claimed to expire, {queue.name}": (statements.EXPIRE_CLAIMED[queue].sites, f"{prefix}watched"),
        f"lose, {queue.name}": (statements.LOSE[queue].step, f"{prefix}watched"),
    }
MAY_SORT = ("search", "events of a night", "latest of a site")
"""What sorts no more than a budget of jobs, than a night, than the newest jobs."""


def fill_with_history(app: Flask) -> None:
    """Copy one finished job a few thousand times, and let SQLite learn how the values are spread."""
    observatory = inside(app)
    observatory.reports(observatory.sends(), "COMPLETE")
    columns = [column.name for column in Job.__table__.columns if column.name not in ("id", "ulid", "replica_phase")]
    copied = ", ".join(columns)
    with database(app).engine.begin() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 3000)"
            f" INSERT INTO job (ulid, replica_phase, {copied})"
            f" SELECT printf('%026d', number), 'withdrawn', {copied} FROM job, numbers"
        )
        connection.exec_driver_sql("ANALYZE")


@pytest.mark.sqlite("its plans; see test_postgresql_plans")
@pytest.mark.parametrize("analyzed", [False, True], ids=["fresh", "after ANALYZE"])
@pytest.mark.parametrize("hot", HOT)
def test_hot_statements_use_their_index(file_app: Flask, hot: str, analyzed: bool) -> None:
    statement, index = HOT[hot]
    if analyzed:
        fill_with_history(file_app)
    sql, fixed = statement.compiled("sqlite")
    values = {name: fixed.get(name, 1) for name in re.findall(r":(\w+)", sql)}
    with database(file_app).engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any(index in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN job") and "USING" not in step], plan
    assert hot.startswith(MAY_SORT) or not [step for step in plan if "TEMP B-TREE" in step], plan


def test_writers_are_served_in_the_order_they_came() -> None:
    lock, served = FairLock(), list[int]()
    assert lock.acquire(1)

    def wait(number: int) -> None:
        assert lock.acquire(10)
        served.append(number)
        lock.release()

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        while len(lock._waiting) <= number:
            pass  # until it stands in line
    lock.release()
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def test_who_waits_too_long_leaves_the_line() -> None:
    lock = FairLock()
    assert lock.acquire(1)
    assert not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0)


@pytest.mark.sqlite("a database in memory")
def test_a_database_in_memory_is_not_closed_under_a_statement(app: Flask) -> None:
    memory, order = database(app), list[str]()

    def close() -> None:
        memory.close()
        order.append("closed")

    closer = threading.Thread(target=close)
    with memory.reading():
        closer.start()
        while not memory.write_lock._waiting:
            assert closer.is_alive(), order
        order.append("read")
    closer.join()
    assert order == ["read", "closed"]


@pytest.mark.sqlite("its connections, which are kept at hand")
def test_a_connection_that_was_in_use_when_the_others_were_closed_ends_when_it_is_given_back(file_app: Flask) -> None:
    """As long as it were open, SQLite would share with new ones what it once knew of the file."""
    with database(file_app).reading() as reader:
        database(file_app).close()
        assert reader.rows(Statement(text("SELECT 1"))) == [(1,)]
    with pytest.raises(driver.ProgrammingError, match="closed"):
        reader.rows(Statement(text("SELECT 1")))


@pytest.mark.sqlite("a lock on the whole file")
def test_a_database_locked_by_another_process_is_a_503_that_changes_nothing(tmp_path: Path) -> None:
    app = create_app(databases.at(tmp_path) | {"DATABASE_TIMEOUT_SECONDS": 0.1})
    startup.prepare(app)
    with database(app).reading() as connection:  # the one that was migrated with, which waits longer for other servers
        assert connection._raw.execute("PRAGMA busy_timeout").fetchall() == [(95,)]
    other = driver.connect(database(app).engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="busy"), database(app).transaction():
        raise AssertionError("the transaction opened")
    refusal = inside(app).asks()
    assert (refusal.status, refusal.headers["Retry-After"]) == (503, "2")
    assert refusal.text.startswith("Error: the database cannot be used now: it is busy.")
    other.execute("ROLLBACK")
    other.close()
    assert inside(app).sends()
    database(app).close()


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 4), False),
    ],
)
def test_the_versions_with_the_wal_bug_are_known(version: tuple[int, ...], affected: bool) -> None:
    assert sqlite_driver.has_wal_bug(version) is affected


def test_the_orm_sees_the_same_tables(file_app: Flask) -> None:
    sent = inside(file_app).sends()
    with file_app.app_context():
        job = db.session.execute(db.select(mapped(models.Job))).scalar_one()
        told = db.session.execute(db.select(mapped(models.JobEvent).status)).scalars().all()
    assert (job.ulid, job.phase, told) == (sent["ulid"], "waiting", ["UNREAD"])


def test_a_list_of_any_length_is_complete_and_in_order(file_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "recent", partial(queries.recent, page_jobs=3))
    observatory = inside(file_app)
    sent = [observatory.sends()["ulid"] for _ in range(10)]
    assert [job["ulid"] for job in observatory.lists()] == sent
    assert observatory.lists(timeRange=0) == []
