"""The log: one line for each request and each change of a job, for people or as JSON; never a token, cookie or body.

It goes to standard error; keeping and rotating it is the system's (journald, the service manager, a container).
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import orjson
from flask import Flask, has_request_context, request

from . import answers, db
from .answers import Answer
from .config import Settings
from .errors import on_one_line
from .jobs import Change
from .lifecycle import Queue

requests = logging.getLogger("jobs_server.requests")
changes = logging.getLogger("jobs_server.changes")

_FIELDS = "jobs_server_fields"
_TOLD = "jobs_server.told"


class Lines(logging.Formatter):
    """Write records for people, one line each, with the request's id at the end."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        seconds, ms = divmod(int(record.created * 1000), 1000)
        line = f"{_clock_face(seconds)}.{ms:03} {record.levelname:7} {record.getMessage()}"
        request_id = answers.request_id()
        line = on_one_line(line) + (f" [{request_id}]" if request_id else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


@lru_cache(maxsize=2)
def _clock_face(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


class Objects(logging.Formatter):
    """Write records as JSON, one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := answers.request_id():
            told["request_id"] = request_id
        told |= getattr(record, _FIELDS, {})
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(told, default=str).decode()


def begin(settings: Settings) -> None:
    """Send the log to standard error, in the form that is set. Called when serving begins."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Objects() if settings.log_format == "json" else Lines())
    ours = logging.getLogger("jobs_server")
    for old in ours.handlers[:]:
        ours.removeHandler(old)
    ours.addHandler(handler)
    ours.setLevel(settings.log_level.upper())
    ours.propagate = False
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its line for each request would be a second one


def register(app: Flask) -> None:
    """Give each request of an app its line, and each change of a job one after its commit."""
    cast(db.Database, app.extensions[db.EXTENSION]).on_changes.append(_tell_changes)
    answers.tell(app, _tell_request)


def _tell_request(answer: Answer) -> None:
    level = logging.WARNING if answer.status >= 500 else logging.INFO
    if not requests.isEnabledFor(level):
        return
    environ, ms = answer.environ, round(answer.seconds * 1000, 1)
    method, path, client = environ["REQUEST_METHOD"], _path(answer), environ.get("REMOTE_ADDR")
    fields = {"method": method, "path": path, "status": answer.status, "ms": ms, "client": client}
    line = f"{method} {path} {answer.status} {ms:.1f} ms {client}"
    if told := cast(list[Change], environ.get(_TOLD, [])):
        fields |= {"actor": told[0].actor.id, "jobs": [change.job.ulid for change in told]}
        more = f" and {len(told) - 1} more" if len(told) > 1 else ""
        line += f" {told[0].actor.name} {told[0].job.ulid}{more}"
    _write(requests, level, line, fields)


def _path(answer: Answer) -> str:
    """Give the path without its query, where a token may stand, and without the secret of a one-time link."""
    asked = answer.request
    secret = (asked.view_args or {}).get("secret")
    return asked.path.replace(secret, "...") if secret else asked.path


def _write(logger: logging.Logger, level: int, line: str, fields: dict[str, Any]) -> None:
    """Write a line, without the search through the stack for its place in the code that costs more than the line."""
    record = logging.LogRecord(logger.name, level, "", 0, line, None, None)
    setattr(record, _FIELDS, fields)
    logger.handle(record)


def _tell_changes(told: Sequence[Change]) -> None:
    if has_request_context():
        request.environ.setdefault(_TOLD, []).extend(told)
    if changes.isEnabledFor(logging.INFO):
        for change in told:
            _write(changes, logging.INFO, _sentence(change), _fields(change))


def _sentence(change: Change) -> str:
    job, event, actor = change
    queue = " on the alternate queue" if event.queue is Queue.ALTERNATE else ""
    remark = "".join(f", {part}" for part in (event.mark, event.message) if part)
    return (
        f"job {job.ulid} at {job.site}: {job.action} {job.device} {job.instance} is {event.status}{queue}"
        f" by {actor.known} {actor.name}{remark}"
    )


def _fields(change: Change) -> dict[str, Any]:
    job, event, actor = change
    fields: dict[str, Any] = {
        "job": job.ulid,
        "site": job.site,
        "device": job.device,
        "instance": job.instance,
        "action": job.action,
        "status": event.status,
        "alternate_queue": event.queue is Queue.ALTERNATE,
        "actor": actor.id,
        "actor_name": actor.name,
        "actor_known": actor.known.value,
    }
    if event.mark:
        fields["mark"] = event.mark.value
    if event.message:
        fields["remark"] = event.message
    return fields
