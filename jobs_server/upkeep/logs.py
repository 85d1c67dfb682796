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
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TextIO, cast

import orjson
from flask import has_request_context, request

from ..config import Settings
from ..domain.lifecycle import Queue
from ..errors import on_one_line
from ..jobs.operations import CommittedChange
from ..service import Service
from . import request_ids
from .request_ids import Answer

ours = logging.getLogger("jobs_server")
requests = logging.getLogger("jobs_server.requests")
changes = logging.getLogger("jobs_server.changes")

_REQUEST_ID = "jobs_server_request_id"
_CHANGES = "jobs_server.changes"
_GATHER_SECONDS = 0.1  # what is logged in this time is written at once


class Lines(logging.Formatter):
    """Write records for people, one line each, with the request's id at the end."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line = self.line(record.created, record.levelno, record.getMessage(), getattr(record, _REQUEST_ID, None))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def line(self, created: float, level: int, message: str, request_id: str | None) -> str:
        """Write one line; a record would cost more than the line."""
        seconds, ms = divmod(int(created * 1000), 1000)
        line = on_one_line(f"{_clock_face(seconds)}.{ms:03} {logging.getLevelName(level):7} {message}")
        return f"{line} [{request_id}]" if request_id else line


@lru_cache(maxsize=2)
def _clock_face(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


class Objects(logging.Formatter):
    """Write records as JSON, one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := getattr(record, _REQUEST_ID, None):
            fields["request_id"] = request_id
        if isinstance(record.msg, _RequestLine | _ChangeLine):
            fields |= record.msg.fields()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(fields, default=str).decode()


class Gathered(logging.Handler):
    """Write records to a stream from a thread of its own, many at once; warnings and errors at once.

    No request waits for the disk or the terminal, nor for the text: that thread formats the records too.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._records = deque[logging.LogRecord | _Entry]()
        self._due = threading.Event()
        self._closed = False
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        if not hasattr(record, _REQUEST_ID):
            setattr(record, _REQUEST_ID, request_ids.request_id())
        self._records.append(record)
        self._write_soon(record.levelno)

    def take(self, entries: Sequence[_Entry]) -> None:
        """Take entries of one level; the thread makes lines of them."""
        self._records.extend(entries)
        self._write_soon(entries[0].level)

    def flush(self) -> None:
        """Write what was taken. May be called in a signal handler, whose thread may be writing already."""
        if not self._writing.acquire(timeout=1):
            return
        try:
            self._due.clear()
            self._stream.write("".join(self._next_line() for _ in range(len(self._records))))
            self._stream.flush()
        except (
            OSError,
            ValueError,
            RuntimeError,
        ):  # a log that nobody reads any more stops no telescope
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

    @property
    def has_died(self) -> bool:
        """Whether the thread has ended though nobody closed the handler."""
        return self._thread is not None and not self._thread.is_alive() and not self._closed

    def _write_soon(self, level: int) -> None:
        if level >= logging.WARNING or self._closed:
            self.flush()
        elif not self._due.is_set():
            with cast(threading.RLock, self.lock):
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                    self._thread.start()
            self._due.set()

    def _next_line(self) -> str:
        taken = self._records.popleft()
        try:
            if not isinstance(taken, _Entry):
                return self.format(taken) + "\n"
            if not isinstance(self.formatter, Lines):
                return self.format(taken.record()) + "\n"
            return self.formatter.line(taken.created, taken.level, str(taken.line), taken.request_id) + "\n"
        except Exception as error:  # one line that cannot be formatted must not take the others with it
            return f"a line of {taken.name} could not be written: {error!r}\n"

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
    for old in ours.handlers[:]:
        ours.removeHandler(old)
        old.close()
    ours.addHandler(handler)
    ours.setLevel(settings.log_level.upper())
    ours.propagate = False
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # its line for each request would be a second one


def finish() -> None:
    """Write what is not written yet: the process is about to end."""
    for handler in ours.handlers:
        handler.flush()


def has_died() -> bool:
    """Whether the thread that writes the log has ended, so that only warnings and errors are still written."""
    return any(handler.has_died for handler in ours.handlers if isinstance(handler, Gathered))


def register(service: Service) -> None:
    """Log a line for each request, and one for each change of a job after its commit."""
    service.database.on_changes.append(_log_changes)
    service.answer_listeners.append(_log_request)


class _RequestLine(NamedTuple):
    """What is logged of a request and its answer, and nothing that would keep the rest of both alive."""

    method: str
    url_path: str
    """Without the query, where a token may stand."""
    view_args: Mapping[str, Any] | None
    status: int
    seconds: float
    client: str | None
    changes: Sequence[CommittedChange]

    def __str__(self) -> str:
        line = f"{self.method} {self._path} {self.status} {self.seconds * 1000:.1f} ms {self.client}"
        if not self.changes:
            return line
        more = f" and {len(self.changes) - 1} more" if len(self.changes) > 1 else ""
        return f"{line} {self.changes[0].actor.name} {self.changes[0].job.ulid}{more}"

    def fields(self) -> dict[str, Any]:
        fields = {
            "method": self.method,
            "path": self._path,
            "status": self.status,
            "ms": round(self.seconds * 1000, 1),
            "client": self.client,
        }
        if not self.changes:
            return fields
        return fields | {"actor": self.changes[0].actor.id, "jobs": [change.job.ulid for change in self.changes]}

    @property
    def _path(self) -> str:
        """Return the path without the secret of a one-time link."""
        secret = (self.view_args or {}).get("secret")
        return self.url_path.replace(secret, "...") if secret else self.url_path


class _ChangeLine(NamedTuple):
    """A change of a job."""

    change: CommittedChange

    def __str__(self) -> str:
        return _sentence(self.change)

    def fields(self) -> dict[str, Any]:
        return _fields(self.change)


class _Entry(NamedTuple):
    """A line of the log, before anybody wants a record of it."""

    created: float
    name: str
    level: int
    line: _RequestLine | _ChangeLine
    request_id: str | None

    def record(self) -> logging.LogRecord:
        """Make the record, without the search through the stack for its place in the code."""
        record = logging.LogRecord(self.name, self.level, "", 0, self.line, None, None)
        record.created = self.created
        setattr(record, _REQUEST_ID, self.request_id)
        return record


def _log_request(answer: Answer) -> None:
    level = logging.WARNING if answer.status >= 500 else logging.INFO
    if requests.isEnabledFor(level):
        environ, asked = answer.environ, answer.request
        line = _RequestLine(
            environ["REQUEST_METHOD"],
            asked.path,
            asked.view_args,
            answer.status,
            answer.seconds,
            environ.get("REMOTE_ADDR"),
            environ.get(_CHANGES, ()),
        )
        _write(requests, [_Entry(time.time(), requests.name, level, line, answer.request_id)])


def _write(logger: logging.Logger, entries: Sequence[_Entry]) -> None:
    """Write entries of one level; the log's thread makes the records, unless other handlers are to have them."""
    match ours.handlers:
        case [Gathered() as alone] if not (logger.handlers or ours.propagate):
            alone.take(entries)
        case _:
            for each in entries:
                logger.handle(each.record())


def _log_changes(made: Sequence[CommittedChange]) -> None:
    if has_request_context():
        request.environ.setdefault(_CHANGES, []).extend(made)
    if changes.isEnabledFor(logging.INFO):
        now, request_id = time.time(), request_ids.request_id()
        _write(changes, [_Entry(now, changes.name, logging.INFO, _ChangeLine(change), request_id) for change in made])


def _sentence(change: CommittedChange) -> str:
    job, event, actor = change
    queue = " on the alternate queue" if event.queue is Queue.ALTERNATE else ""
    remark = "".join(f", {part}" for part in (event.mark, event.message) if part)
    return (
        f"job {job.ulid} at {job.site}: {job.action} {job.device} {job.instance} is {event.status}{queue}"
        f" by {actor.known} {actor.name}{remark}"
    )


def _fields(change: CommittedChange) -> dict[str, Any]:
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
