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
from typing import TextIO, cast

from flask import has_request_context, request

from ..config import Settings
from ..jobs.operations import CommittedChange
from ..service import Service
from . import request_ids
from .log_lines import REQUEST_ID, ChangeLine, Entry, Lines, Objects, RequestLine
from .request_ids import Answer

ours = logging.getLogger("jobs_server")
requests = logging.getLogger("jobs_server.requests")
changes = logging.getLogger("jobs_server.changes")

_CHANGES = "jobs_server.changes"
_GATHER_SECONDS = 0.1  # what is logged in this time is written at once


class Gathered(logging.Handler):
    """Write records to a stream from a thread of its own, many at once; warnings and errors at once.

    No request waits for the disk or the terminal, nor for the text: that thread formats the records too.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._records = deque[logging.LogRecord | Entry]()
        self._due = threading.Event()
        self._closed = False
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        if not hasattr(record, REQUEST_ID):
            setattr(record, REQUEST_ID, request_ids.request_id())
        self._records.append(record)
        self._write_soon(record.levelno)

    def take(self, entries: Sequence[Entry]) -> None:
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
            if not isinstance(taken, Entry):
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
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # their lines hold whole addresses, with what is secret there


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


def _log_request(answer: Answer) -> None:
    level = logging.WARNING if answer.status >= 500 else logging.INFO
    if requests.isEnabledFor(level):
        environ, asked = answer.environ, answer.request
        line = RequestLine(
            environ["REQUEST_METHOD"],
            asked.path,
            asked.view_args,
            answer.status,
            answer.seconds,
            environ.get("REMOTE_ADDR"),
            environ.get(_CHANGES, ()),
        )
        _write(requests, [Entry(time.time(), requests.name, level, line, answer.request_id)])


def _write(logger: logging.Logger, entries: Sequence[Entry]) -> None:
    """Write entries of one level; the log's thread makes the records, unless other handlers are to have them."""
    match ours.handlers:
        case [Gathered() as alone] if not (logger.handlers or ours.propagate):
            alone.take(entries)
        case _:
            for each in entries:
                logger.handle(each.record())


def _log_changes(made: Sequence[CommittedChange]) -> None:
    environ = request.environ if has_request_context() else {}
    environ.setdefault(_CHANGES, []).extend(made)
    if changes.isEnabledFor(logging.INFO):
        now, request_id = time.time(), request_ids.request_id_of(environ)
        _write(changes, [Entry(now, changes.name, logging.INFO, ChangeLine(change), request_id) for change in made])
