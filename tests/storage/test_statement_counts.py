"""What a request costs in the database, counted exactly: a time would depend on the machine, a count does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from jobs_server import create_app
from jobs_server.jobs import lockouts, queries, statements
from jobs_server.service import service_of
from jobs_server.storage import sqlite
from jobs_server.storage.database import Database
from jobs_server.storage.sqlite_driver import driver
from jobs_server.storage.statement import Connection, Statement
from jobs_server.upkeep import startup

from ..conftest import inside
from ..support import postgres


class Counted:
    """What is run on the database, each statement by its first words."""

    def __init__(self, database: Database) -> None:
        self._run: list[str] = []
        self._on_sqlite = on_sqlite = database.kind.name == sqlite.NAME
        database.close()  # connections made before would not be watched
        event.listen(database.engine, "connect", self._watch_sqlite if on_sqlite else self._watch_postgresql)

    def of(self, deed: Callable[[], object]) -> list[str]:
        """The statements that a deed runs."""
        self._run.clear()
        deed()
        return list(self._run)

    def one_write(self, *steps: str) -> list[str]:
        """One write unit: its begin, the steps, one commit."""
        return ["BEGIN", *steps, "COMMIT"]

    def weighing(self, looks: int) -> list[str]:
        """The looks at how large the jobs are that a reply would hold; on PostgreSQL they are part of the claim."""
        return ["SELECT"] * looks if self._on_sqlite else []

    def claiming(self, jobs: int) -> list[str]:
        """A claim of so many jobs, which notes the newest time handed over; on PostgreSQL in the same statement."""
        claim = ["UPDATE job", "INSERT delivered"] if self._on_sqlite else ["WITH"]
        return [*claim, *["INSERT job_event"] * jobs]

    def _watch_sqlite(self, connection: Any, _record: object) -> None:
        connection.set_trace_callback(lambda sql: self._run.append(in_short(sql)))

    def _watch_postgresql(self, connection: Any, _record: object) -> None:
        """Note what is sent: a string may hold several statements, and goes there and back once."""
        from psycopg import Cursor, sql
        from psycopg.pq import TransactionStatus

        run, undo = self._run, connection.rollback

        def rollback() -> None:
            if connection.info.transaction_status != TransactionStatus.IDLE:  # else nothing is sent
                run.append("ROLLBACK")
            undo()

        class Watched(Cursor[Any]):
            def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
                run.append(in_short(query.as_string() if isinstance(query, sql.Composable) else query))
                return super().execute(query, *arguments, **options)

            def executemany(self, query: Any, params_seq: Any, *, returning: bool = False) -> None:
                run.extend([in_short(query)] * len(params_seq))  # sent together
                super().executemany(query, params_seq, returning=returning)

        connection.cursor_factory = Watched
        connection.rollback = rollback


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An app that is prepared, on each kind of database."""
    url = "" if request.param == "sqlite" else postgres.shared().database()
    app = create_app({"TESTING": True, "INSTANCE": str(tmp_path / "instance"), "DATABASE_URL": url})
    startup.prepare(app)
    yield app
    service_of(app).database.close()


@pytest.fixture
def run(app: Flask) -> Counted:
    return Counted(service_of(app).database)


def in_short(sql: str) -> str:
    """`INSERT INTO job_event (...) VALUES ...` is `INSERT job_event`."""
    found = re.match(r"(INSERT) INTO (\w+)|(DELETE) FROM (\w+)|(UPDATE) (\w+)|(\w+)", sql)
    assert found, sql
    return " ".join(filter(None, found.groups()))


@pytest.mark.parametrize(
    ("options", "reads"),
    [({}, 1), ({"alternateQueue": True}, 1), ({"limit": 3}, 1), ({"claimId": "c-1"}, 2)],
    ids=["plain", "alternate queue", "limit", "claim id"],
)
def test_an_empty_poll_only_reads(app: Flask, run: Counted, options: dict[str, Any], reads: int) -> None:
    observatory = inside(app)
    assert run.of(lambda: observatory.polls(**options)) == ["SELECT"] * reads


@pytest.mark.parametrize(("options", "weighed"), [({}, 0), ({"limit": 5}, 2)], ids=["plain", "limit"])
def test_a_poll_that_gets_jobs_is_one_write(app: Flask, run: Counted, options: dict[str, Any], weighed: int) -> None:
    observatory = inside(app)
    for _ in range(5):
        observatory.sends()
    assert run.of(lambda: observatory.polls(**options)) == [
        "SELECT",
        *run.one_write(*run.weighing(weighed), *run.claiming(5)),
    ]


def test_a_claim_looks_again_inside_its_write_whether_it_was_made_before(app: Flask, run: Counted) -> None:
    observatory = inside(app)
    observatory.sends()
    poll = {"claimId": "c-1"}
    first = run.of(lambda: observatory.polls(**poll))
    assert first == ["SELECT", "SELECT", *run.one_write("SELECT", *run.weighing(2), *run.claiming(1))]
    assert run.of(lambda: observatory.polls(**poll)) == ["SELECT"]


def test_a_new_job_is_one_write(app: Flask, run: Counted) -> None:
    observatory = inside(app)
    assert run.of(observatory.sends) == run.one_write("SELECT", "INSERT job", "INSERT job_event")


def test_a_report_is_one_write(app: Flask, run: Counted) -> None:
    observatory = inside(app)
    job = observatory.sends()
    step = run.one_write("UPDATE job", "INSERT job_event")
    assert run.of(lambda: observatory.starts(job)) == step
    assert run.of(lambda: observatory.reports(job, "EXPOSING")) == step
    assert run.of(lambda: observatory.reports(job, "COMPLETE")) == step


def test_a_start_through_the_fence_is_one_write(app: Flask, run: Counted) -> None:
    observatory = inside(app)
    observatory.sends()
    (job,) = observatory.polls(claimId="c-1")
    assert run.of(lambda: observatory.starts(job, claimId="c-1")) == run.one_write("UPDATE job", "INSERT job_event")


def test_looking_only_reads(app: Flask, run: Counted) -> None:
    observatory = inside(app)
    job = observatory.sends()
    assert run.of(lambda: observatory.shows(job)) == ["SELECT", "SELECT"]
    assert run.of(observatory.lists) == ["SELECT"]


PAGES = (
    *("/", "/part/frame", "/send", "/send?raw=", "/send?again={}", "/send?device=mount&action=go&edit={}", "/jobs-log"),
    *("/job/{}", "/night", "/night/2026-11-23", "/insights", "/reservations", "/settings", "/settings/profile"),
    *("/docs", "/sign-in", "/timeline.json", "/timeline.json?since=0-0", "/job/none", "/send?again=none"),
    "/reservations?from=none&edit=none",
)


@pytest.mark.parametrize("by", ["the address", "a cookie"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_one_read_transaction(app: Flask, run: Counted, path: str, by: str) -> None:
    browser = app.test_client()
    path = path.format(inside(app).sends()["ulid"])
    assert browser.get("/?site=wmd").status_code == 200
    if by == "the address":
        path += ("&" if "?" in path else "?") + "site=wmd"
    begin, *reads, end = run.of(lambda: browser.get(path))
    assert (begin, end) == ("BEGIN", "ROLLBACK")
    assert reads
    assert set(reads) <= {"SELECT", "WITH"}


@pytest.mark.parametrize("path", ["/act/reserve", "/send", "/settings/profile"])
def test_a_form_that_is_shown_again_is_one_read_transaction(app: Flask, run: Counted, path: str) -> None:
    browser = app.test_client()
    inside(app).sends()
    begin, *reads, end = run.of(
        lambda: browser.post(path, data={"site": "wmd", "device": "camera", "latitude_deg": "x"})
    )
    assert (begin, end) == ("BEGIN", "ROLLBACK")
    assert set(reads) <= {"SELECT", "WITH"}


def test_the_commonest_pages_have_a_bound(app: Flask, run: Counted) -> None:
    browser = app.test_client()
    inside(app).sends()
    bounds = {"/": 20, "/reservations": 9, "/send": 14, "/jobs-log": 12}
    counts = {path: run.of(lambda: browser.get(f"{path}?site=wmd")).count("SELECT") for path in bounds}  # noqa: B023
    assert {path: count for path, count in counts.items() if count > bounds[path]} == {}


def test_what_is_committed_while_a_page_is_read_is_not_in_its_half(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    observatory, browser = inside(app), app.test_client()
    observatory.sends()
    read, sent = lockouts.in_force, list[dict[str, Any]]()

    def and_then_a_job_comes(connection: Connection, site: str) -> lockouts.LockoutRow | None:
        found = read(connection, site)
        sent.append(observatory.sends())
        return found

    monkeypatch.setattr(lockouts, "in_force", and_then_a_job_comes)
    during = browser.get("/?site=wmd").text
    monkeypatch.undo()
    after = browser.get("/?site=wmd").text
    (ulid,) = [job["ulid"] for job in sent]
    assert ulid not in during
    assert ulid in after
    before_it, behind_it = (int(re.findall(r'data-position="[0-9a-z]+-([0-9]+)"', page)[0]) for page in (during, after))
    assert before_it < behind_it  # whoever follows from the first page is told of the job by the stream


@pytest.mark.sqlite("how it prepares")
def test_each_statement_is_prepared_once(file_app: Flask) -> None:
    """SQLite asks its authorizer while it prepares a statement, and not while it runs one."""
    asked: list[object] = []

    def allow(*what: object) -> int:
        asked.append(what)
        return 0

    with service_of(file_app).database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.set_authorizer(allow)
        counts = {name: [asks(raw, asked, statement, 1), asks(raw, asked, statement, 2)] for name, statement in EVERY}
    assert all(first for first, _ in counts.values())
    assert {name: again for name, (_, again) in counts.items() if again} == {}


def asks(raw: Any, asked: list[object], statement: Statement, value: int) -> int:
    """How often SQLite asks while it runs a statement with a value for all that it needs."""
    sql, fixed = statement.compiled("sqlite")
    asked.clear()
    try:
        raw.execute(sql, {key: fixed.get(key, value) for key in re.findall(r":(\w+)", sql)}).fetchall()
    except driver.IntegrityError:
        raw.rollback()  # such values make no job; it was prepared all the same
    return len(asked)


def statements_in(held: object, name: str) -> Iterator[tuple[str, Statement]]:
    if isinstance(held, Statement):
        yield name, held
    elif isinstance(held, Mapping):
        for key, each in held.items():
            yield from statements_in(each, f"{name} {key}")
    elif is_dataclass(held) and not isinstance(held, type):
        for part in fields(held):
            yield from statements_in(getattr(held, part.name), f"{name} {part.name}")


EVERY = [*statements_in(vars(queries), "queries"), *statements_in(vars(statements), "statements")]
