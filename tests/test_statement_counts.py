"""What a request costs in the database, counted exactly: a time would depend on the machine, a count does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from jobs_server import db, queries, statements

from .conftest import inside


@pytest.fixture
def run(file_app: Flask) -> list[str]:
    """What is run on the database from now on, each statement by its first words."""
    database: db.Database = file_app.extensions[db.EXTENSION]
    run: list[str] = []

    def watch(connection: Any, _record: object) -> None:
        connection.set_trace_callback(lambda sql: run.append(in_short(sql)))

    database.close()  # connections made before would not be watched
    event.listen(database.engine, "connect", watch)
    return run


def in_short(sql: str) -> str:
    """`INSERT INTO job_event (...) VALUES ...` is `INSERT job_event`."""
    found = re.match(r"(INSERT) INTO (\w+)|(DELETE) FROM (\w+)|(UPDATE) (\w+)|(\w+)", sql)
    assert found, sql
    return " ".join(filter(None, found.groups()))


def cost(run: list[str], deed: Callable[[], object]) -> list[str]:
    """The statements that a deed runs."""
    run.clear()
    deed()
    return list(run)


def one_write(*steps: str) -> list[str]:
    """One write unit: how long to wait for other processes, the lock, the steps, one commit."""
    return ["PRAGMA", "BEGIN", *steps, "COMMIT"]


@pytest.mark.parametrize(
    ("options", "reads"),
    [({}, 1), ({"alternateQueue": True}, 1), ({"limit": 3}, 1), ({"claimId": "c-1"}, 2)],
    ids=["plain", "alternate queue", "limit", "claim id"],
)
def test_an_empty_poll_only_reads(file_app: Flask, run: list[str], options: dict[str, Any], reads: int) -> None:
    observatory = inside(file_app)
    assert cost(run, lambda: observatory.polls(**options)) == ["SELECT"] * reads


@pytest.mark.parametrize("options", [{}, {"limit": 5}], ids=["plain", "limit"])
def test_a_poll_that_gets_jobs_is_one_write(file_app: Flask, run: list[str], options: dict[str, Any]) -> None:
    observatory = inside(file_app)
    for _ in range(5):
        observatory.sends()
    assert cost(run, lambda: observatory.polls(**options)) == [
        "SELECT",
        *one_write("UPDATE job", *["INSERT job_event"] * 5),
    ]


def test_a_claim_looks_again_inside_its_write_whether_it_was_made_before(file_app: Flask, run: list[str]) -> None:
    observatory = inside(file_app)
    observatory.sends()
    poll = {"claimId": "c-1"}
    first = cost(run, lambda: observatory.polls(**poll))
    assert first == ["SELECT", "SELECT", *one_write("SELECT", "UPDATE job", "INSERT job_event")]
    assert cost(run, lambda: observatory.polls(**poll)) == ["SELECT"]


def test_a_new_job_is_one_write(file_app: Flask, run: list[str]) -> None:
    observatory = inside(file_app)
    assert cost(run, observatory.sends) == one_write("SELECT", "INSERT job", "INSERT job_event")


def test_a_report_is_one_write(file_app: Flask, run: list[str]) -> None:
    observatory = inside(file_app)
    job = observatory.sends()
    step = one_write("UPDATE job", "INSERT job_event")
    assert cost(run, lambda: observatory.starts(job)) == step
    assert cost(run, lambda: observatory.reports(job, "EXPOSING")) == step
    assert cost(run, lambda: observatory.reports(job, "COMPLETE")) == step


def test_a_start_through_the_fence_is_one_write(file_app: Flask, run: list[str]) -> None:
    observatory = inside(file_app)
    observatory.sends()
    (job,) = observatory.polls(claimId="c-1")
    assert cost(run, lambda: observatory.starts(job, claimId="c-1")) == one_write("UPDATE job", "INSERT job_event")


def test_looking_only_reads(file_app: Flask, run: list[str]) -> None:
    observatory = inside(file_app)
    job = observatory.sends()
    assert cost(run, lambda: observatory.shows(job)) == ["SELECT", "SELECT"]
    assert cost(run, observatory.lists) == ["SELECT"]


def test_each_statement_is_prepared_once(file_app: Flask) -> None:
    """SQLite asks its authorizer while it prepares a statement, and not while it runs one."""
    asked: list[object] = []

    def allow(*what: object) -> int:
        asked.append(what)
        return 0

    with file_app.extensions[db.EXTENSION].engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.set_authorizer(allow)
        counts = {name: [asks(raw, asked, statement, 1), asks(raw, asked, statement, 2)] for name, statement in EVERY}
    assert all(first for first, _ in counts.values())
    assert {name: again for name, (_, again) in counts.items() if again} == {}


def asks(raw: Any, asked: list[object], statement: db.Statement, value: int) -> int:
    """How often SQLite asks while it runs a statement with a value for all that it needs."""
    sql, fixed = statement.compiled("sqlite")
    asked.clear()
    try:
        raw.execute(sql, {key: fixed.get(key, value) for key in re.findall(r":(\w+)", sql)}).fetchall()
    except db.driver.IntegrityError:
        raw.rollback()  # such values make no job; it was prepared all the same
    return len(asked)


def statements_in(held: object, name: str) -> Iterator[tuple[str, db.Statement]]:
    if isinstance(held, db.Statement):
        yield name, held
    elif isinstance(held, Mapping):
        for key, each in held.items():
            yield from statements_in(each, f"{name} {key}")
    elif is_dataclass(held) and not isinstance(held, type):
        for part in fields(held):
            yield from statements_in(getattr(held, part.name), f"{name} {part.name}")


EVERY = [*statements_in(vars(queries), "queries"), *statements_in(vars(statements), "statements")]
