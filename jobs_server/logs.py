"""The log: one line for each request and each change of a job, for people or as JSON; never a token, cookie or body.

It goes to standard error; keeping and rotating it is the system's (journald, the service manager, a container).
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from flask import Flask, Response, g, has_request_context, request

from . import db
from .config import Settings
from .errors import on_one_line
from .jobs import Change
from .lifecycle import Queue

REQUEST_ID = "X-Request-ID"

requests = logging.getLogger("jobs_server.requests")
changes = logging.getLogger("jobs_server.changes")

_GOOD_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,100}")
_FIELDS = "jobs_server_fields"


class Lines(logging.Formatter):
    """Write records for people, one line each, with the request's id at the end."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        at = datetime.fromtimestamp(record.created).astimezone()
        line = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} {record.levelname:7} {record.getMessage()}"
        request_id = _request_id()
        line = on_one_line(line) + (f" [{request_id}]" if request_id else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


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
        if request_id := _request_id():
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
    """Give each request of an app its id and its line, and each change of a job one after its commit."""
    cast(db.Database, app.extensions[db.EXTENSION]).on_changes.append(_tell_changes)
    app.before_request(_note_begin)
    app.after_request(_tell_request)


def _note_begin() -> None:
    given = request.headers.get(REQUEST_ID, "")
    g.request_id = given if _GOOD_ID.fullmatch(given) else secrets.token_hex(8)
    g.began = time.perf_counter()


def _tell_request(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.request_id
    level = logging.WARNING if response.status_code >= 500 else logging.INFO
    if not requests.isEnabledFor(level):
        return response
    ms = round((time.perf_counter() - g.began) * 1000, 1)
    path = _path()
    fields: dict[str, Any] = {
        "method": request.method,
        "path": path,
        "status": response.status_code,
        "ms": ms,
        "client": request.remote_addr,
    }
    line = f"{request.method} {path} {response.status_code} {ms:.1f} ms {request.remote_addr}"
    if told := cast(list[Change], g.get("told", [])):
        fields |= {"actor": told[0].actor.id, "jobs": [change.job.ulid for change in told]}
        more = f" and {len(told) - 1} more" if len(told) > 1 else ""
        line += f" {told[0].actor.name} {told[0].job.ulid}{more}"
    requests.log(level, "%s", line, extra={_FIELDS: fields})
    return response


def _path() -> str:
    """Give the path without its query, where a token may stand, and without the secret of a one-time link."""
    secret = (request.view_args or {}).get("secret")
    return request.path.replace(secret, "...") if secret else request.path


def _tell_changes(told: Sequence[Change]) -> None:
    if has_request_context():
        g.told = [*g.get("told", []), *told]
    if changes.isEnabledFor(logging.INFO):
        for change in told:
            changes.info("%s", _sentence(change), extra={_FIELDS: _fields(change)})


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


def _request_id() -> str | None:
    return g.get("request_id") if has_request_context() else None
