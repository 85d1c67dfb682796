"""History that is older than one wants to keep: written to a file if asked, then deleted, a little at a time."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count as count_from
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
)

from .. import clock
from ..domain.lifecycle import Phase
from ..errors import TaskFailed
from ..jobs import queries
from ..jobs.sql import THIS_SITE, at_most, literal
from ..storage.database import Database
from ..storage.models import IdempotencyKey, Job, JobEvent, Plan, PlanStep, Preview, PrunePermit, Silence
from ..storage.statement import Connection, Statement
from . import archive

_PIECE_BYTES = 2 * 1024 * 1024
DAY_MS = clock.DAY_MS
_JOB = archive.JOB
_EVENT = archive.EVENT

_BEFORE = bindparam("before_ms", type_=BigInteger)
_AHEAD = bindparam("ahead_ms", type_=BigInteger)


def _not_heard_since(heard_ms: Column[int | None]) -> ColumnElement[bool]:
    """Write that nothing was heard of a job since; what was heard while the clock was ahead is no word of today."""
    return or_(func.coalesce(heard_ms, literal_column("0")) < _BEFORE, heard_ms > _AHEAD)


# Found by the index of a site's times, which are at most `AHEAD_MS` later than the acceptance. Not by the ULID: a clock
# that was once a year ahead has lifted all that came after.
_OLD = and_(
    THIS_SITE,
    Job.timestamp_ms < bindparam("until_ms", type_=BigInteger),
    Job.accepted_ms < _BEFORE,
    Job.phase != literal(Phase.WAITING),
    or_(Job.replica_phase != literal(Phase.WAITING), Job.accepted_ms + Job.expires_after_ms < _BEFORE),
    _not_heard_since(Job.heard_ms),
    _not_heard_since(Job.replica_heard_ms),
)
_EVENTS_OF = select(func.count()).where(JobEvent.job_id == Job.id).scalar_subquery()
_OLDEST = Statement(select(Job.id, _EVENTS_OF).where(_OLD).order_by(Job.timestamp_ms, Job.ulid).limit(at_most("count")))
_COUNT = Statement(select(func.count()).select_from(Job).where(_OLD))
_ROW = Statement(select(*_JOB).where(Job.id == bindparam("job_id")))
_HISTORY = Statement(select(*_EVENT).where(JobEvent.job_id == bindparam("job_id")).order_by(JobEvent.seq))
_PERMIT = Statement(insert(PrunePermit).values(id=1))
_NO_PERMIT = Statement(delete(PrunePermit))
_OLDEST_EVENTS = (
    select(JobEvent.seq).where(JobEvent.job_id == bindparam("job_id")).order_by(JobEvent.seq).limit(at_most("count"))
)
_PIECE = Statement(delete(JobEvent).where(JobEvent.seq.in_(_OLDEST_EVENTS)))
_DELETIONS = (
    Statement(delete(JobEvent).where(JobEvent.job_id == bindparam("job_id"))),
    Statement(delete(Preview).where(Preview.job_id == bindparam("job_id"))),  # The files follow with the daily work.
    Statement(delete(IdempotencyKey).where(IdempotencyKey.job_id == bindparam("job_id"))),
    Statement(delete(Job).where(Job.id == bindparam("job_id"))),
)
# A plan is deleted whole. Of one that has not ended the jobs may go before it: its steps only name them.
_OLD_PLANS = Statement(select(Plan.id).where(Plan.ended_ms < _BEFORE, Plan.created_ms < _BEFORE).limit(at_most(1)))
_PLAN_DELETIONS = (
    Statement(delete(PlanStep).where(PlanStep.plan_id == bindparam("id"))),
    Statement(delete(Plan).where(Plan.id == bindparam("id"))),
)
_SILENCES = Statement(delete(Silence).where(Silence.until_ms < _BEFORE))


@dataclass(frozen=True, kw_only=True)
class PruneRules:
    """How much is deleted at once, and how long others are let in between."""

    most_rows: int = 500
    """How many rows one transaction deletes at most: a few milliseconds, so that nobody waits."""
    pause_seconds: float = 0.01


RULES = PruneRules()


@dataclass(frozen=True, slots=True)
class Pruned:
    """What came of pruning."""

    jobs: int
    events: int
    file: Path | None
    """Where the jobs were written before; none when they were only deleted."""


def count(connection: Connection, before_ms: int) -> int:
    """Count the jobs that pruning would delete."""
    values = _values(before_ms)
    return sum(connection.rows(_COUNT, site=site, **values)[0][0] for site in queries.sites(connection))


def prune(
    database: Database,
    before_ms: int,
    folder: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
    rules: PruneRules = RULES,
) -> Pruned:
    """Delete the jobs of before a time that wait for nothing, with their history; first write them to a new file.

    The plans and the silences of the sites that had ended by then go too.

    What is written is on the disk before it is deleted. Raises TaskFailed when it cannot be written, Unavailable when
    the database cannot be used; what was deleted up to then is written whole.
    """
    file: Path | None = None
    if folder:
        _make(folder)
    jobs = events = 0
    for batch in _batches(database, before_ms, rules.most_rows):
        if folder:
            file = file or _new_file(folder)
            _write(database, file, batch)
        _delete(database, batch, rules)
        jobs, events = jobs + len(batch), events + sum(batch.values())
        progress(jobs)
        time.sleep(rules.pause_seconds)
    _prune_plans(database, before_ms, rules)
    with database.transaction() as connection:
        connection.run(_SILENCES, before_ms=before_ms)
    return Pruned(jobs, events, file)


def _prune_plans(database: Database, before_ms: int, rules: PruneRules) -> None:
    """Delete the plans that had ended before a time, one after the other: each has at most as many rows as steps."""
    while True:
        with database.transaction() as connection:
            row = connection.row(_OLD_PLANS, before_ms=before_ms)
            if row is not None:
                for deletion in _PLAN_DELETIONS:
                    connection.run(deletion, id=row[0])
        if row is None:
            return
        time.sleep(rules.pause_seconds)


def _batches(database: Database, before_ms: int, most_rows: int) -> Iterator[dict[int, int]]:
    """Yield what is to be deleted, site by site; each batch is gone when the next is asked for."""
    with database.reading() as connection:
        sites = list(queries.sites(connection))
    for site in sites:
        while batch := _batch(database, site, before_ms, most_rows):
            yield batch


def _batch(database: Database, site: str, before_ms: int, most_rows: int) -> dict[int, int]:
    """Choose the oldest jobs of a site, with the number of their events, up to a batch of rows but at least one job."""
    batch: dict[int, int] = {}
    rows = 0
    with database.reading() as connection:
        for job_id, events in connection.rows(_OLDEST, site=site, **_values(before_ms), count=most_rows // 2):
            rows += events + 1
            if batch and rows > most_rows:
                break
            batch[job_id] = events
    return batch


def _write(database: Database, file: Path, batch: dict[int, int]) -> None:
    """Append jobs to a file as pieces that are whole by themselves, and have the disk keep them."""
    lines: list[bytes] = []
    for job_id in batch:
        lines += _line(database, job_id)
        if sum(map(len, lines)) > _PIECE_BYTES:
            _append(file, lines)
            lines = []
    if lines:
        _append(file, lines)


def _line(database: Database, job_id: int) -> list[bytes]:
    with database.reading() as connection:
        row = connection.row(_ROW, job_id=job_id)
        if row is None:  # another process may prune at the same time
            return []
        events = connection.rows(_HISTORY, job_id=job_id)
    return [orjson.dumps(archive.record(row, events), option=orjson.OPT_APPEND_NEWLINE)]


def _append(file: Path, lines: list[bytes]) -> None:
    try:
        with file.open("ab") as raw:
            raw.write(gzip.compress(b"".join(lines)))
            raw.flush()
            os.fsync(raw.fileno())
    except OSError as error:
        raise TaskFailed(f"nothing more is deleted: {file} cannot be written: {error.strerror}") from None


def _delete(database: Database, batch: dict[int, int], rules: PruneRules) -> None:
    """Delete jobs with their events; of one that has too many for a transaction, the oldest go before in pieces."""
    for job_id, events in batch.items():
        for _ in range(events // rules.most_rows):
            with database.transaction() as connection:
                connection.run(_PERMIT)
                connection.run(_PIECE, job_id=job_id, count=rules.most_rows)
                connection.run(_NO_PERMIT)
            time.sleep(rules.pause_seconds)
    ids = [{"job_id": job_id} for job_id in batch]
    with database.transaction() as connection:
        connection.run(_PERMIT)
        for deletion in _DELETIONS:
            connection.run_many(deletion, ids)
        connection.run(_NO_PERMIT)


def _values(before_ms: int) -> dict[str, Any]:
    return {
        "before_ms": before_ms,
        "until_ms": before_ms + clock.AHEAD_MS,
        "ahead_ms": max(clock.now_ms(), before_ms) + clock.AHEAD_MS,
    }


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TaskFailed(f"nothing was deleted: {folder} cannot be made: {error.strerror}") from None


def _new_file(folder: Path) -> Path:
    """Make a file that nobody has, whoever else prunes in the same second."""
    name = f"jobs-{clock.utc_now():%Y%m%dT%H%M%SZ}"
    try:
        for number in count_from(1):
            file = folder / (f"{name}.jsonl.gz" if number == 1 else f"{name}-{number}.jsonl.gz")
            with suppress(FileExistsError):
                file.touch(exist_ok=False)
                return file
    except OSError as error:
        raise TaskFailed(f"nothing was deleted: no file can be made in {folder}: {error.strerror}") from None
    raise AssertionError  # the numbers do not end
