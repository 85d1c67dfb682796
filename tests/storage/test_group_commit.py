"""Write units that wait for each other share a flush: nobody is answered before it, and each fails by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from jobs_server.errors import DatabaseUnavailable, NotFound
from jobs_server.storage.database import Database, database_with
from jobs_server.storage.sqlite import use_write_ahead_log
from jobs_server.storage.sqlite_driver import driver
from jobs_server.storage.statement import Connection, Statement

from ..support.waiting import until

pytestmark = pytest.mark.sqlite("its one writer, whose commits are shared")

INSERT = Statement(text("INSERT INTO note (number) VALUES (:number)"))
INSERT_OR_ALL_BACK = Statement(text("INSERT OR ROLLBACK INTO note (number) VALUES (:number)"))
NUMBERS = Statement(text("SELECT number FROM note ORDER BY rowid"))
PATIENCE_SECONDS = 60.0
MOST_UNITS = 32


class Notes:
    """A database of numbers, whose commits can be looked at, held up and made to fail."""

    def __init__(self, path: Path) -> None:
        engine = create_engine(f"sqlite:///{path}", module=driver, connect_args={"check_same_thread": False})
        use_write_ahead_log(engine, PATIENCE_SECONDS)
        self.database: Database = database_with(engine, PATIENCE_SECONDS)
        self.database.on_commit.append(lambda _site: self.woken.append(self.commits))
        self.commits = 0
        self.woken: list[int] = []
        self.runs: list[int] = []
        self._commit = self.database.kind.commit
        self.database.kind.commit = self.commit  # type: ignore[method-assign]
        with self.database.transaction() as connection:
            connection.run(Statement(text("CREATE TABLE note (number INTEGER UNIQUE)")))
        self.commits, self.woken = 0, []

    def commit(self, raw: Any, site: str | None) -> None:
        self._commit(raw, site)
        self.commits += 1

    def note(self, number: int, *, urgent: bool = False, statement: Statement = INSERT, refused: bool = False) -> int:
        def work(connection: Connection) -> int:
            self.runs.append(number)
            connection.run(statement, number=number)
            if refused:
                raise NotFound("Error: no such note")
            return number

        return self.database.write("wmd", work, urgent=urgent)

    def numbers(self) -> list[int]:
        with self.database.reading() as connection:
            return [number for (number,) in connection.rows(NUMBERS)]

    @property
    def waiting(self) -> int:
        lock = self.database.write_lock
        return len(lock._urgent) + len(lock._waiting)


class People:
    """Several who write at the same time, in an order that is known."""

    def __init__(self, notes: Notes, pool: ThreadPoolExecutor) -> None:
        self.notes, self.pool = notes, pool

    def write_together(self, *deeds: Callable[[], int]) -> list[Future[int]]:
        """Have a first one hold the lock until all stand in line, one behind the other."""
        asked: list[Future[int]] = []
        with self.notes.database.transaction():
            for deed in deeds:
                asked.append(self.pool.submit(deed))
                until(lambda: self.notes.waiting == len(asked))
        return asked


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    found = Notes(tmp_path / "notes.db")
    yield found
    found.database.close()


@pytest.fixture
def people(notes: Notes) -> Iterator[People]:
    with ThreadPoolExecutor(2 * MOST_UNITS) as pool:
        yield People(notes, pool)


def test_units_that_wait_share_one_commit_and_nobody_is_woken_before_it(notes: Notes, people: People) -> None:
    asked = people.write_together(*(lambda number=number: notes.note(number) for number in range(5)))
    assert [each.result(PATIENCE_SECONDS) for each in asked] == [0, 1, 2, 3, 4]
    assert (notes.commits, notes.numbers()) == (2, [0, 1, 2, 3, 4])  # the first one's who held the lock, and one
    assert notes.woken == [1, *[2] * 5]


def test_while_the_disk_takes_its_time_none_of_those_that_share_it_is_answered(notes: Notes, people: People) -> None:
    began, ended = threading.Event(), threading.Event()

    def slow(raw: Any, site: str | None) -> None:
        if len(notes.runs) == 4:
            began.set()
            assert ended.wait(PATIENCE_SECONDS)
        notes.commit(raw, site)

    notes.database.kind.commit = slow  # type: ignore[method-assign]
    asked = people.write_together(*(lambda number=number: notes.note(number) for number in range(4)))
    assert began.wait(PATIENCE_SECONDS)
    assert ([each.done() for each in asked], notes.numbers()) == ([False] * 4, [])
    assert notes.woken == [1]
    ended.set()
    assert [each.result(PATIENCE_SECONDS) for each in asked] == [0, 1, 2, 3]


def test_what_one_unit_refuses_is_taken_back_alone(notes: Notes, people: People) -> None:
    asked = people.write_together(
        lambda: notes.note(1), lambda: notes.note(2, refused=True), lambda: notes.note(3), lambda: notes.note(2)
    )
    with pytest.raises(NotFound):
        asked[1].result(PATIENCE_SECONDS)
    assert [asked[each].result(PATIENCE_SECONDS) for each in (0, 2, 3)] == [1, 3, 2]
    assert (notes.numbers(), notes.commits, len(notes.woken)) == ([1, 3, 2], 2, 4)


def test_a_first_unit_that_refuses_hurts_nobody_behind_it(notes: Notes, people: People) -> None:
    asked = people.write_together(lambda: notes.note(1, refused=True), lambda: notes.note(2), lambda: notes.note(3))
    with pytest.raises(NotFound):
        asked[0].result(PATIENCE_SECONDS)
    assert [asked[each].result(PATIENCE_SECONDS) for each in (1, 2)] == [2, 3]
    assert notes.numbers() == [2, 3]


@pytest.mark.parametrize("statement", [INSERT, INSERT_OR_ALL_BACK], ids=["one statement", "all that was done before"])
def test_a_statement_that_fails_hurts_its_own_unit_alone_even_where_the_database_takes_all_back(
    notes: Notes, people: People, statement: Statement
) -> None:
    def twice(connection: Connection) -> int:
        connection.run(statement, number=5)
        connection.run(statement, number=5)
        return 5

    asked = people.write_together(
        lambda: notes.note(1), lambda: notes.database.write("wmd", twice), lambda: notes.note(2)
    )
    errors = [type(each.exception(PATIENCE_SECONDS)) for each in asked]
    assert errors == [type(None), driver.IntegrityError, type(None)]
    assert sorted(notes.numbers()) == [1, 2]


def test_where_the_shared_commit_fails_each_unit_runs_again_by_itself(notes: Notes, people: People) -> None:
    def fails_once(raw: Any, site: str | None) -> None:
        if notes.runs == [0, 1, 2]:
            raise driver.OperationalError("disk I/O error")
        notes.commit(raw, site)

    notes.database.kind.commit = fails_once  # type: ignore[method-assign]
    asked = people.write_together(*(lambda number=number: notes.note(number) for number in range(3)))
    assert [each.result(PATIENCE_SECONDS) for each in asked] == [0, 1, 2]
    assert (sorted(notes.numbers()), sorted(notes.runs), notes.commits) == ([0, 1, 2], [0, 0, 1, 1, 2, 2], 4)


def test_whom_a_full_disk_refuses_is_told_so_and_nobody_else(notes: Notes, people: People) -> None:
    """The shared commit fails, and then one of the three by itself again."""
    full = driver.OperationalError("database or disk is full")

    def fails(raw: Any, site: str | None) -> None:
        if notes.runs in ([0, 1, 2], [0, 1, 2, 0], [0, 1, 2, 1], [0, 1, 2, 2]):
            raise full
        notes.commit(raw, site)

    notes.database.kind.commit = fails  # type: ignore[method-assign]
    asked = people.write_together(*(lambda number=number: notes.note(number) for number in range(3)))
    errors = [each.exception(PATIENCE_SECONDS) for each in asked]
    assert [type(error) for error in errors if error] == [DatabaseUnavailable]
    assert sorted(notes.numbers()) == [number for number in range(3) if errors[number] is None]


def test_an_urgent_unit_goes_first_and_waits_for_none_behind_it(notes: Notes, people: People) -> None:
    asked = people.write_together(lambda: notes.note(1), lambda: notes.note(2), lambda: notes.note(9, urgent=True))
    assert [each.result(PATIENCE_SECONDS) for each in asked] == [1, 2, 9]
    assert notes.numbers() == [9, 1, 2]
    assert notes.commits == 3  # the first one's who held the lock, the urgent unit's, and one for two


def test_an_urgent_unit_that_comes_while_others_share_goes_next_and_ends_the_sharing(
    notes: Notes, people: People
) -> None:
    urgent: list[Future[int]] = []

    def first(connection: Connection) -> int:
        connection.run(INSERT, number=1)
        urgent.append(people.pool.submit(lambda: notes.note(9, urgent=True)))
        until(lambda: len(notes.database.write_lock._urgent) == 1)
        return 1

    asked = people.write_together(lambda: notes.database.write("wmd", first), lambda: notes.note(2))
    assert [each.result(PATIENCE_SECONDS) for each in asked] == [1, 2]
    assert [each.result(PATIENCE_SECONDS) for each in urgent] == [9]
    assert (notes.numbers(), notes.commits) == ([1, 9, 2], 3)


def test_a_commit_is_shared_by_so_many_and_no_more(notes: Notes, people: People) -> None:
    asked = people.write_together(*(lambda number=number: notes.note(number) for number in range(MOST_UNITS + 8)))
    assert [each.result(PATIENCE_SECONDS) for each in asked] == list(range(MOST_UNITS + 8))
    assert (notes.numbers(), notes.commits) == (list(range(MOST_UNITS + 8)), 3)


def test_a_transaction_of_its_own_that_waits_is_neither_taken_along_nor_overtaken(notes: Notes, people: People) -> None:
    def alone() -> int:
        with notes.database.transaction() as connection:
            connection.run(INSERT, number=5)
        return 5

    asked = people.write_together(lambda: notes.note(1), alone, lambda: notes.note(2))
    assert [each.result(PATIENCE_SECONDS) for each in asked] == [1, 5, 2]
    assert (notes.numbers(), notes.commits) == ([1, 5, 2], 4)


def test_who_is_taken_along_just_when_its_patience_ends_gets_the_answer(notes: Notes, people: People) -> None:
    lock = notes.database.write_lock
    assert lock.acquire(PATIENCE_SECONDS)
    waits = people.pool.submit(lock.acquire, 0.2, offer="a unit")
    until(lambda: notes.waiting == 1)
    ticket = lock.take()
    assert ticket is not None
    ticket.wait(0.4)  # its patience ends, and it goes on waiting, since what it offered is being done
    assert not waits.done()
    ticket.serve()
    assert waits.result(PATIENCE_SECONDS)
    lock.release()
