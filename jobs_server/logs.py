"""The log: one line for each request and each change of a job, for people or as JSON; never a token, cookie or body.

It goes to standard error; keeping and rotating it is the system's (journald, the service manager, a container).
A process that is killed may lose its last lines; the history of the jobs is in the database.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO, cast

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
_GATHER_SECONDS = 0.02  # what is logged in this time is written at once


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


class Gathered(logging.Handler):
    """Write records to a stream from a thread of its own, many at once; warnings and errors at once.

    No request waits for the disk or the terminal, nor gives way to other threads while it has its turn.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines = deque[str]()
        self._due = threading.Event()
        self._closed = False
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; called by one thread at a time."""
        self._lines.append(self.format(record) + "\n")
        if record.levelno >= logging.WARNING or self._closed:
            self.flush()
        elif not self._due.is_set():
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._due.set()

    def flush(self) -> None:
        """Write what was taken. May be called in a signal handler, whose thread may be writing already."""
        if not self._writing.acquire(timeout=1):
            return
        try:
            self._due.clear()
            self._stream.write("".join(self._lines.popleft() for _ in range(len(self._lines))))
            self._stream.flush()
        except (OSError, ValueError, RuntimeError):  # nobody reads it any more, which is no reason to stop a telescope
            return
        finally:
            self._writing.release()

    def close(self) -> None:
        """Write the rest, and end the thread: at the end of the process it may not hold the stream."""
        self._closed = True
        self._due.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(1)
        self.flush()
        super().close()

    def _run(self) -> None:
        while not self._closed:
            self._due.wait()
            if not self._closed:
                time.sleep(_GATHER_SECONDS)
            self.flush()


def begin(settings: Settings) -> None:
    """Send the log to standard error, in the form that is set. Called when serving begins."""
    handler = Gathered(sys.stderr)
    handler.setFormatter(Objects() if settings.log_format == "json" else Lines())
    ours = logging.getLogger("jobs_server")
    for old in ours.handlers[:]:
        ours.removeHandler(old)
        old.close()
    ours.addHandler(handler)
    ours.setLevel(settings.log_level.upper())
    ours.propagate = False
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its line for each request would be a second one


def finish() -> None:
    """Write what is not written yet: the process is about to be ended from outside."""
    for handler in logging.getLogger("jobs_server").handlers:
        handler.flush()


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
