"""The floor: bare Flask views that run the service's SQL by hand, the least that its promises can cost in Flask.

No checks, no settings, no refusals, no claim ids. What is promised is kept: the same driver, pragmas and statements,
the events in the transaction of their change, one writer at a time, and an answer only after the commit.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from flask import Flask, Response, request
from ulid import ULID

from jobs_server import clock
from jobs_server.domain.lifecycle import Queue, Report
from jobs_server.jobs import handover, queries, statements
from jobs_server.jobs.rows import EventRow, JobRow, ListedJob
from jobs_server.storage.sqlite_driver import driver
from jobs_server.storage.statement import Statement

_RECENT_MS = 24 * 60 * 60 * 1000
_LIFE_MS = 15 * 60 * 1000

app = Flask(__name__)
_path = os.environ["FLOOR_DATABASE"]
_thread = threading.local()
_writer = threading.Lock()


class _Sql:
    """A statement's text and the values that are fixed in it."""

    def __init__(self, statement: Statement) -> None:
        self.text, self.fixed = statement.compiled("sqlite")

    def rows(self, connection: Any, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        return connection.execute(self.text, {**self.fixed, **values}).fetchall()  # type: ignore[no-any-return]


_MEET, _INSERT, _EVENT = _Sql(statements.MEET), _Sql(statements.INSERT), _Sql(statements.EVENT)
_LOOK = _Sql(handover.ALL[Queue.PRIMARY])
_CLAIM = _Sql(statements.CLAIM[Queue.PRIMARY])
_REPORT = _Sql(statements.REPORT[Queue.PRIMARY, Report.RUNNING])
_JOB, _HISTORY, _RECENT = _Sql(queries._JOB), _Sql(queries._HISTORY), _Sql(queries._RECENT)
_NAMES = JobRow._fields
_ID, _ULID, _SITE, _STATUS = (_NAMES.index(name) for name in ("id", "ulid", "site", "status"))


def _connection() -> Any:
    if not hasattr(_thread, "connection"):
        connection = driver.connect(_path, timeout=5, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        _thread.connection = connection
    return _thread.connection


@contextmanager
def _transaction() -> Iterator[Any]:
    connection = _connection()
    with _writer:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


@app.post("/jobs/newjob")
def new_job() -> Response:
    body = orjson.loads(request.get_data())
    now = clock.read()
    job: dict[str, Any] = {
        **dict.fromkeys(_NAMES),
        "site": body["site"],
        "device": body["device"],
        "instance": body["instance"],
        "action": body["action"],
        "required_params": orjson.dumps(body["required_params"]).decode(),
        "optional_params": orjson.dumps(body["optional_params"]).decode(),
        "user_name": body["user_name"],
        "user_id": body["user_id"],
        "user_roles": "[]",
        "is_stop": 0,
        "covers_site": 0,
        "accepted_ms": now.wall_ms,
        "accepted_boot_ms": now.boot_ms,
        "hold_ms": 0,
        "expires_after_ms": _LIFE_MS,
        "cancel_requested": 0,
        "against_label": 0,
        "replica_cancel_requested": 0,
        "replica_against_label": 0,
        "status": "UNREAD",
        "phase": "waiting",
        "replica_status": "UNREAD",
        "replica_phase": "waiting",
    }
    with _transaction() as connection:
        last, newest_ms, *_ = _MEET.rows(connection, {**body, "cap": 0, "wall_ms": now.wall_ms})[0]
        ulid = str(ULID())
        job["rank"] = job["ulid"] = ulid if ulid > (last or "") else str(ULID.from_int(int(ULID.from_str(last)) + 1))
        job["timestamp_ms"] = max(now.wall_ms, newest_ms or 0)
        job["id"] = _INSERT.rows(connection, job)[0][0]
        _event(connection, job["id"], body["site"], now, "UNREAD", None, "said", body["user_id"], body["user_name"])
    return _json(_public(tuple(job[name] for name in _NAMES)))


@app.post("/jobs/getnewjobs")
def get_new_jobs() -> Response:
    site = orjson.loads(request.get_data())["site"]
    now = clock.read()
    values = {"site": site, "claim_id": None, "wall_ms": now.wall_ms, "boot_ms": now.boot_ms}
    if not _LOOK.rows(_connection(), values):
        return _json([])
    with _transaction() as connection:
        rows = sorted(_CLAIM.rows(connection, values), key=lambda row: str(row[_ULID]))
        for row in rows:
            _event(connection, row[_ID], site, now, "RECEIVED", None, "site", site, site)
    return _json([_public(row) | {"statusId": f"UNREAD#{row[_ULID]}"} for row in rows])


@app.post("/jobs/updatejobstatus")
def update_job_status() -> Response:
    return _reported(**orjson.loads(request.get_data()))


@app.post("/jobs/startjob")
def start_job() -> Response:
    return _reported(**orjson.loads(request.get_data()), newStatus="STARTED")


def _reported(site: str, ulid: str, newStatus: str, secondsUntilComplete: int) -> Response:  # noqa: N803
    now = clock.read()
    values = {"site": site, "ulid": ulid, "new_status": newStatus, "seconds": secondsUntilComplete}
    values |= {"wall_ms": now.wall_ms, "boot_ms": now.boot_ms}
    with _transaction() as connection:
        row = _REPORT.rows(connection, values)[0]
        _event(connection, row[_ID], site, now, newStatus, secondsUntilComplete, "site", site, site)
    return _json(_public(row))


@app.post("/jobs/getjob")
def get_job() -> Response:
    connection = _connection()
    row = _JOB.rows(connection, orjson.loads(request.get_data()))[0]
    history, before = [], None
    for event in map(EventRow._make, _HISTORY.rows(connection, {"job_id": row[_ID]})):
        told: dict[str, Any] = {
            "timestamp_ms": event.at_ms,
            "from": before,
            "to": event.status,
            "by": {"id": event.actor_id, "name": event.actor_name, "known": event.actor_known},
            "alternateQueue": event.queue == 1,
        }
        if event.seconds_until_complete is not None:
            told["secondsUntilComplete"] = event.seconds_until_complete
        history.append(told)
        before = event.status
    return _json(_public(row) | {"history": history})


@app.post("/jobs/getrecentjobs")
def get_recent_jobs() -> Response:
    site = orjson.loads(request.get_data())["site"]
    now_ms = time.time_ns() // 1_000_000
    since_ms = now_ms - _RECENT_MS
    values = {"site": site, "from_ms": since_ms, "after_ms": since_ms, "after": "", "until_ms": now_ms, "count": 500}
    return _json([_public(row, ListedJob._fields) for row in _RECENT.rows(_connection(), values)])


def _event(
    connection: Any,
    job_id: int,
    site: str,
    now: clock.Now,
    status: str,
    seconds: int | None,
    known: str,
    actor_id: str,
    actor_name: str,
) -> None:
    values = {"job_id": job_id, "site": site, "at_ms": now.wall_ms, "queue": 0, "status": status}
    values |= {"seconds_until_complete": seconds, "actor_known": known, "actor_id": actor_id, "actor_name": actor_name}
    _EVENT.rows(connection, values | {"message": None, "mark": None, "result": None})


def _public(row: tuple[Any, ...], names: tuple[str, ...] = _NAMES) -> dict[str, Any]:
    job = dict(zip(names, row, strict=True))
    public = {
        "site": job["site"],
        "ulid": job["ulid"],
        "statusId": f"{job['status']}#{job['ulid']}",
        "replicaStatusId": f"{job['replica_status']}#{job['ulid']}",
        "user_name": job["user_name"],
        "user_id": job["user_id"],
        "user_roles": orjson.Fragment(job["user_roles"]),
        "timestamp_ms": job["timestamp_ms"],
        "deviceType": job["device"],
        "deviceInstance": job["instance"],
        "action": job["action"],
        "required_params": orjson.Fragment(job["required_params"]),
        "optional_params": orjson.Fragment(job["optional_params"]),
    }
    if job["seconds_until_complete"] is not None:
        public["secondsUntilComplete"] = job["seconds_until_complete"]
    return public


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), mimetype="application/json")
