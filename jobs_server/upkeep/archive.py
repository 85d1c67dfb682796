"""Jobs as lines of JSON: how pruned history is written, and how it is read back."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from sqlalchemy import bindparam, func, insert, select

from .. import clock, program
from ..domain.lifecycle import EXPIRED, UNFINISHED, Phase, Queue
from ..errors import TaskFailed
from ..storage.database import Database
from ..storage.models import Job, JobEvent
from ..storage.statement import Connection, Statement

FORMAT = 1
BATCH_JOBS = 100
BATCH_CHARACTERS = 2 * 1024 * 1024
NOTE = "imported: what was unfinished is not run"

JOB_NAMES = tuple(column.key for column in Job.__table__.columns if column.key != "id")
EVENT_NAMES = tuple(column.key for column in JobEvent.__table__.columns if column.key not in ("seq", "job_id"))
JOB = tuple(getattr(Job, name) for name in JOB_NAMES)
EVENT = tuple(getattr(JobEvent, name) for name in EVENT_NAMES)

ADDED: Mapping[str, int | str | None] = {
    "covers_site": 0,
    "replica_seconds_until_complete": None,
    "replica_cancel_requested": 0,
    "replica_against_label": 0,
    "plan": None,
    "until_after_ms": None,
    "rank": "",
    "is_next": 0,
    "carried_ms": None,
    "replica_carried_ms": None,
}
"""What was added since lines of this form were first written, and what stands for it where a line lacks it."""
ADDED_TO_EVENTS: Mapping[str, int | str | None] = {"result": None, "edit": None}
"""The same of a line's events."""
_TIMES = ("timestamp_ms", "accepted_ms", "heard_ms", "replica_heard_ms", "at_ms")

_FIND = Statement(select(Job.id).where(Job.ulid == bindparam("ulid")))
_INSERT = Statement(insert(Job).values({name: bindparam(name) for name in JOB_NAMES}).returning(Job.id))
_FIRST_SEQ = Statement(select(func.min(JobEvent.seq)))
_INSERT_EVENT = Statement(insert(JobEvent).values({name: bindparam(name) for name in ("seq", "job_id", *EVENT_NAMES)}))


def _model(name: str, columns: Any, names: Sequence[str], added: Mapping[str, int | str | None]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for each in names:
        kind = columns[each].type.python_type
        fields[each] = (kind | None if columns[each].nullable else kind, added.get(each, ...))
    return create_model(name, __config__=ConfigDict(strict=True, extra="forbid", defer_build=True), **fields)


_JobLine = _model("JobLine", Job.__table__.columns, JOB_NAMES, ADDED)
_EventLine = _model("EventLine", JobEvent.__table__.columns, EVENT_NAMES, ADDED_TO_EVENTS)


@dataclass(slots=True)
class Imported:
    """What came of reading a file."""

    added: int = 0
    known: int = 0
    """How many jobs were there already."""
    ended: int = 0
    """How many of the added jobs were unfinished in the file, and are ended."""
    faults: list[str] = field(default_factory=list)
    """Why a line is not in, for each such line."""


def record(row: Sequence[Any], events: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return one job and its history as the object of one line."""
    return {
        "format": FORMAT,
        "job": dict(zip(JOB_NAMES, row, strict=True)),
        "events": [dict(zip(EVENT_NAMES, event, strict=True)) for event in events],
    }


def read_back(database: Database, path: Path, now_ms: int, progress: Any = lambda _done, _total: None) -> Imported:
    """Put the jobs of a file into the history; those that are there already are left alone.

    Each line is put in whole or not at all, and lines that are no good are listed as faults. May be run again.
    """
    imported = Imported()
    batch: list[Mapping[str, Any]] = []
    size = 0
    for content in _lines(path, imported, progress):
        batch.append(content)
        size += len(content["job"]["required_params"]) + len(content["job"]["optional_params"])
        if len(batch) == BATCH_JOBS or size > BATCH_CHARACTERS:
            _put_in(database, batch, now_ms, imported)
            batch, size = [], 0
    _put_in(database, batch, now_ms, imported)
    return imported


def _lines(path: Path, imported: Imported, progress: Any) -> Iterator[Mapping[str, Any]]:
    size, number = path.stat().st_size, 0
    try:
        with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as lines:
            for number, line in enumerate(lines, 1):
                progress(raw.tell(), size)
                try:
                    yield _checked(line)
                except (ValueError, ValidationError) as error:
                    imported.faults.append(f"line {number}: {_reason(error)}")
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise TaskFailed(f"{path} cannot be read: {error.strerror}") from None
        imported.faults.append(f"the file breaks off after line {number}")


def _checked(line: bytes) -> Mapping[str, Any]:
    content = orjson.loads(line)
    written = content.get("format") if isinstance(content, dict) else None
    if type(written) is int and written > FORMAT:
        raise ValueError(
            f"is of format {written}, which a newer version of this service writes; this one reads up to {FORMAT}:"
            " import it with that version"
        )
    if written != FORMAT:
        raise ValueError(f"is no job in the form that `{program.command('prune --archive')}` writes")
    job = _JobLine.model_validate(content.get("job")).model_dump()
    events = [_EventLine.model_validate(event).model_dump() for event in content.get("events", [])]
    for name in ("required_params", "optional_params", "user_roles"):
        orjson.loads(job[name])
    for event in events:
        if event["result"] is not None and not isinstance(orjson.loads(event["result"]), dict):
            raise ValueError("result: is no object")
    if not {job["phase"], job["replica_phase"]} <= set(Phase):
        raise ValueError("is in a phase that there is not")
    for name, value in [pair for each in (job, *events) for pair in each.items()]:
        if name in _TIMES and value is not None and not 0 <= value < clock.END_MS:
            raise ValueError(f"{name}: is no time of the years 1970 to 9000")
    return {"job": job, "events": events}


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        if fault["type"] == "extra_forbidden":
            return (
                f"{fault['loc'][-1]} is not known to this version: a newer one may have written it; import it with that"
            )
        return f"{'.'.join(map(str, fault['loc'])) or 'the job'}: {fault['msg'].lower()}"
    return "is not JSON" if isinstance(error, orjson.JSONDecodeError) else str(error)


def _put_in(database: Database, batch: Sequence[Mapping[str, Any]], now_ms: int, imported: Imported) -> None:
    if not batch:
        return
    with database.transaction() as connection:
        for content in batch:
            if connection.row(_FIND, ulid=content["job"]["ulid"]):
                imported.known += 1
                continue
            job, events = dict(content["job"]), list(content["events"])
            imported.ended += _end(job, events, now_ms)
            _add(connection, job, events)
            imported.added += 1


def _add(connection: Connection, job: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> None:
    """Add a job and its events, numbered below all there are: streams send what happens from now on."""
    job_id = connection.rows(_INSERT, **job)[0][0]
    first = min(connection.rows(_FIRST_SEQ)[0][0] or 0, 0) - len(events)
    numbered = [{**event, "seq": seq, "job_id": job_id} for seq, event in enumerate(events, first)]
    if numbered:
        connection.run_many(_INSERT_EVENT, numbered)


def _end(job: dict[str, Any], events: list[dict[str, Any]], now_ms: int) -> int:
    """End a job that comes in unfinished, with an event that says why; return 1 when it was unfinished, else 0."""
    unfinished = [queue for queue in Queue if job[_key(queue, "phase")] in (Phase.WAITING, *UNFINISHED)]
    for queue in unfinished:
        waited = job[_key(queue, "phase")] == Phase.WAITING
        job[_key(queue, "phase")] = (Phase.WITHDRAWN if waited else Phase.LABELLED).value
        job[_key(queue, "status")] = EXPIRED
        if queue is Queue.PRIMARY or not waited:  # on the alternate queue what waited ends in silence
            events.append(_ended(job, queue, now_ms))
    return int(Queue.PRIMARY in unfinished)


def _ended(job: Mapping[str, Any], queue: Queue, now_ms: int) -> dict[str, Any]:
    by = {"actor_known": "server", "actor_id": "server", "actor_name": "server"}
    what = {
        "queue": queue.value,
        "status": EXPIRED,
        "seconds_until_complete": None,
        "message": NOTE,
        "mark": None,
        "result": None,
        "edit": None,
    }
    return {"site": job["site"], "at_ms": now_ms, **what, **by}


def _key(queue: Queue, name: str) -> str:
    return name if queue is Queue.PRIMARY else f"replica_{name}"
