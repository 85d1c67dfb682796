"""The lines of the log: what is logged of a request and of a change of a job, as text for people or as JSON."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from ..domain.actors import called
from ..domain.lifecycle import Queue
from ..errors import on_one_line

if TYPE_CHECKING:
    from ..jobs.operations import CommittedChange  # the site agent, which logs alike, loads none of it

REQUEST_ID = "jobs_server_request_id"
"""The attribute of a record that holds the id of the request that it is about."""


class RequestLine(NamedTuple):
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
        """Return what the line holds, for a log as JSON."""
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


class ChangeLine(NamedTuple):
    """A change of a job."""

    change: CommittedChange

    def __str__(self) -> str:
        return _sentence(self.change)

    def fields(self) -> dict[str, Any]:
        """Return what the line holds, for a log as JSON."""
        return _fields(self.change)


class Entry(NamedTuple):
    """A line of the log, before anybody wants a record of it."""

    created: float
    name: str
    level: int
    line: RequestLine | ChangeLine
    request_id: str | None

    def record(self) -> logging.LogRecord:
        """Make the record, without the search through the stack for its place in the code."""
        record = logging.LogRecord(self.name, self.level, "", 0, self.line, None, None)
        record.created = self.created
        setattr(record, REQUEST_ID, self.request_id)
        return record


class Lines(logging.Formatter):
    """Write records for people, one line each, with the request's id at the end."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line = self.line(record.created, record.levelno, record.getMessage(), getattr(record, REQUEST_ID, None))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def line(self, created: float, level: int, message: str, request_id: str | None) -> str:
        """Write one line; a record would cost more than the line."""
        seconds, ms = divmod(int(created * 1000), 1000)
        line = on_one_line(f"{_utc(seconds)}.{ms:03}Z {logging.getLevelName(level):7} {message}")
        return f"{line} [{request_id}]" if request_id else line


@lru_cache(maxsize=2)
def _utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


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
        if request_id := getattr(record, REQUEST_ID, None):
            fields["request_id"] = request_id
        if isinstance(record.msg, RequestLine | ChangeLine):
            fields |= record.msg.fields()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(fields, default=str).decode()


def _sentence(change: CommittedChange) -> str:
    job, event, actor = change
    queue = " on the alternate queue" if event.queue is Queue.ALTERNATE else ""
    remark = "".join(f", {part}" for part in (event.mark, event.message) if part)
    return (
        f"job {job.ulid} at {job.site}: {job.action} {job.device} {job.instance} is {event.status}{queue}"
        f" by {actor.known} {called(actor.name)}{remark}"
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
