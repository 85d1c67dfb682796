"""Finding jobs in the log: newest first, by pages, each at a bounded cost however long the log is. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.sql.elements import SQLCoreOperations

from ..domain.lifecycle import END_WORDS, UNFINISHED, Phase, Result
from ..jobs.pages import PAGE_BYTES, Page
from ..jobs.rows import JobRow
from ..jobs.sql import JOB, NEWEST_FIRST, THIS_SITE, literal
from ..storage.database import Database
from ..storage.models import Job
from ..storage.statement import Connection, Statement
from .now import JobWithTiming, with_timing
from .rows import listed

PAGE = 50
_END_OF_TIME_MS = 2**62
_EXPORT_PAGE = 500
_RESULTS = (Result.DONE, Result.FAILED, Result.CANCELED)
_IN_PHASES = {"waiting": (Phase.WAITING,), "unfinished": UNFINISHED}


class Place(NamedTuple):
    """A place in the log: what is older than this job comes next."""

    timestamp_ms: int
    ulid: str

    def __str__(self) -> str:
        return f"{self.timestamp_ms}-{self.ulid}"


START = Place(_END_OF_TIME_MS, "~")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is looked for; a blank field means anything."""

    text: str = ""
    """A text anywhere in names, parameters, status or ULID, whatever the case of the letters a to z."""
    device: str = ""
    action: str = ""
    user: str = ""
    status: str = ""
    """A status as the site writes it, or `waiting`, `unfinished`, `done`, `failed`, `canceled`."""
    from_ms: int = 0
    to_ms: int = _END_OF_TIME_MS
    """Exclusive."""


@dataclass(frozen=True, kw_only=True)
class SearchBudget:
    """How many jobs one page looks through."""

    first: int = 500
    """At the first try: most pages are filled by the newest few."""
    all: int = 20_000
    """In all: a rare word in a long log takes several pages, and each says how far it came."""


BUDGET = SearchBudget()


class Found(NamedTuple):
    """A page of the log."""

    jobs: list[JobRow]
    next: Place | None
    """Where the next page begins; None at the log's end."""
    gave_up_at: Place | None
    """How far the search came when it ran out of budget before the page was full."""


def place(text: str) -> Place | None:
    """Read a place as it is written in an address; None when the text is no place."""
    timestamp, dash, ulid = text.partition("-")
    is_place = dash and timestamp.isdecimal() and len(timestamp) < 19 and "\0" not in ulid
    return Place(int(timestamp), ulid) if is_place else None


def find(
    connection: Connection,
    site: str,
    wanted: Filter,
    before: Place = START,
    count: int = PAGE,
    budget: SearchBudget = BUDGET,
) -> Found:
    """Look for a page of jobs, newest first, as lists show them."""
    return _find(connection, _values(site, wanted, before), count, budget, _read_listed)


def everything(database: Database, site: str, wanted: Filter) -> Iterator[list[JobWithTiming]]:
    """Yield all jobs that are looked for with their timing, newest first, in pages, each on a connection of its own."""
    before: Place | None = START
    while before is not None:
        with database.reading() as connection:
            found = _find(connection, _values(site, wanted, before), _EXPORT_PAGE, BUDGET, _read_whole)
            page = with_timing(connection, found.jobs)
        before = found.next
        del found  # Whoever saves the file may take any time over the page.
        yield page
        page = []


_Read = Callable[[Connection, dict[str, object], int], Page[JobRow]]


def _find(connection: Connection, values: dict[str, object], count: int, budget: SearchBudget, read: _Read) -> Found:
    jobs: list[JobRow] = []
    for most in (budget.first, budget.all):
        jobs, more = read(connection, values | {"budget": max(most, count + 1)}, count + 1)
        if more and jobs:
            jobs = jobs[:count]
            return Found(jobs, Place(jobs[-1].timestamp_ms, jobs[-1].ulid), None)
    end = connection.row(_BUDGET_END, **{name: values[name] for name in _RANGE_NAMES}, skipped=budget.all - 1)
    stopped = Place(*end) if end else None
    return Found(jobs, stopped, stopped)


def _read_listed(connection: Connection, values: dict[str, object], count: int) -> Page[JobRow]:
    jobs = listed(connection, _FIND, **values, count=count)
    return Page(jobs, len(jobs) == count)


def _read_whole(connection: Connection, values: dict[str, object], count: int) -> Page[JobRow]:
    """Read whole jobs one by one, by their numbers: to put large ones in order takes long."""
    jobs: list[JobRow] = []
    left = PAGE_BYTES
    for (job_id,) in connection.rows(_FIND_IDS, **values, count=count):
        if (row := connection.row(_ROW, job_id=job_id)) is None:
            continue  # pruned since
        jobs.append(JobRow._make(row))
        left -= sum(map(len, (jobs[-1].required_params, jobs[-1].optional_params, jobs[-1].user_name)))
        if left < 0:
            return Page(jobs, more=True)
    return Page(jobs, len(jobs) >= count)


def within(wanted: Filter, from_ms: int, to_ms: int) -> Filter:
    """Narrow a filter to a stretch of time."""
    return replace(wanted, from_ms=from_ms, to_ms=to_ms)


_RANGE_NAMES = ("site", "from_ms", "to_ms", "before_ms", "before")


def _range() -> ColumnElement[bool]:
    """Write the stretch of `ix_job_recent` that is looked through."""
    before_ms = bindparam("before_ms", type_=BigInteger)
    return and_(
        THIS_SITE,
        Job.timestamp_ms >= bindparam("from_ms", type_=BigInteger),
        Job.timestamp_ms < bindparam("to_ms", type_=BigInteger),
        Job.timestamp_ms <= before_ms,
        or_(Job.timestamp_ms < before_ms, Job.ulid < bindparam("before")),
    )


def _is(column: object, name: str) -> ColumnElement[bool]:
    asked = bindparam(name, type_=Text)
    return or_(asked == literal_column("''"), column == asked)


_SEARCHED: tuple[SQLCoreOperations[str], ...] = (
    *(Job.user_name, Job.device, Job.instance, Job.action, Job.status),
    *(Job.required_params, Job.optional_params, Job.ulid),
)


def _wanted(*columns: Any, folds_case: bool) -> Select[tuple[object, ...]]:
    """Write the statement for a database whose LIKE does not look at the case of letters, or for one that has ILIKE."""
    looked_through = select(Job.id).where(_range()).order_by(*NEWEST_FIRST).limit(bindparam("budget")).subquery()
    words: SQLCoreOperations[str] = reduce(lambda text, column: text + " " + column, _SEARCHED)

    def is_like(column: SQLCoreOperations[str], name: str) -> ColumnElement[bool]:
        pattern = bindparam(name, type_=Text)
        return column.like(pattern, escape="!") if folds_case else column.ilike(pattern, escape="!")

    status = func.lower(bindparam("status", type_=Text))
    groups = [
        and_(
            status == literal_column(f"'{result}'"),
            func.lower(Job.status).in_([literal_column(f"'{word}'") for word in END_WORDS[result]]),
        )
        for result in _RESULTS
    ]
    phases = [
        and_(status == literal_column(f"'{name}'"), or_(*(Job.phase == literal(phase) for phase in listed)))
        for name, listed in _IN_PHASES.items()
    ]
    return (
        select(*columns)
        .select_from(Job)
        .join(looked_through, looked_through.c.id == Job.id)
        .where(
            _is(Job.device, "device"),
            _is(Job.action, "action"),
            or_(bindparam("user", type_=Text) == literal_column("''"), is_like(Job.user_name, "user")),
            or_(status == literal_column("''"), is_like(Job.status, "like_status"), *groups, *phases),
            or_(bindparam("text", type_=Text) == literal_column("''"), is_like(words, "like_text")),
        )
        .order_by(*NEWEST_FIRST)
        .limit(bindparam("count"))
    )


_FIND = Statement(_wanted(*JOB, folds_case=True), on_postgresql=_wanted(*JOB, folds_case=False))
_FIND_IDS = Statement(_wanted(Job.id, folds_case=True), on_postgresql=_wanted(Job.id, folds_case=False))
_ROW = Statement(select(*JOB).where(Job.id == bindparam("job_id")))
_BUDGET_END = Statement(
    select(Job.timestamp_ms, Job.ulid).where(_range()).order_by(*NEWEST_FIRST).limit(1).offset(bindparam("skipped"))
)


def _values(site: str, wanted: Filter, before: Place) -> dict[str, object]:
    text = _literally(wanted.text)
    return {
        "site": site,
        "from_ms": wanted.from_ms,
        "to_ms": wanted.to_ms,
        "before_ms": before.timestamp_ms,
        "before": before.ulid,
        "text": text,
        "like_text": f"%{text}%",
        "device": wanted.device,
        "action": wanted.action,
        "user": _literally(wanted.user),
        "status": wanted.status,
        "like_status": _literally(wanted.status),
    }


def _literally(text: str) -> str:
    """Write a text so that LIKE takes none of its characters for anything else."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
