"""The reads of `flask jobs list` and `show` in SQL for SQLite, by the driver alone.

They return what the reads of the same names in `jobs.queries` do, without SQLAlchemy; a test holds them to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from .. import clock
from ..domain.lifecycle import OVER
from ..errors import Unavailable
from ..jobs.rows import EventRow, JobRow, ListedJob
from ..storage import sqlite
from ..storage.sqlite_driver import driver, open_file

_JOB = f"SELECT {', '.join(JobRow._fields)} FROM job"  # noqa: S608  # names of our own
_RECENT = (
    f"SELECT {', '.join(ListedJob._fields)} FROM job"  # noqa: S608
    " WHERE site = :site AND timestamp_ms BETWEEN :since_ms AND :until_ms"
    " AND (timestamp_ms > :since_ms OR ulid > :after) ORDER BY timestamp_ms, ulid LIMIT 500"
)
_PAGE_BYTES = 256 * 1024
_OVER = ", ".join(f"'{phase}'" for phase in OVER)
_REASONS = (
    "SELECT job_event.job_id, message FROM job JOIN job_event ON job_event.job_id = job.id"  # noqa: S608
    " WHERE job.site = :site AND timestamp_ms BETWEEN :since_ms AND :until_ms AND message IS NOT NULL AND queue = 0"
    f" AND phase IN ({_OVER}) AND job_event.status = job.status ORDER BY seq"
)
_BY_ULID = f"{_JOB} WHERE ulid = :ulid"
_HISTORY = f"SELECT {', '.join(EventRow._fields)} FROM job_event WHERE job_id = :job_id ORDER BY seq"  # noqa: S608

_PICTURES = "SELECT name FROM preview WHERE job_id = :job_id ORDER BY id DESC LIMIT 100"


class SQLiteReads:
    """Read one file, open for the length of a block. Raises Unavailable when it cannot be read."""

    def __init__(self, file: Path, timeout_seconds: float) -> None:
        with _failures():
            self._connection = open_file(file, "rwc", timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def recent(self, site: str, since_ms: int) -> Iterator[list[ListedJob]]:
        """Yield a site's jobs accepted since a time, oldest first, in pages; between two pages nothing is held open."""
        values = _since(site, since_ms) | {"after": ""}
        while page := self._page(values):
            values |= {"since_ms": page[-1].timestamp_ms, "after": page[-1].ulid}
            yield page

    def _page(self, values: Mapping[str, Any]) -> list[ListedJob]:
        page: list[ListedJob] = []
        left = _PAGE_BYTES
        with _failures(), closing(self._connection.execute(_RECENT, values)) as cursor:
            for job in map(ListedJob._make, cursor):
                page.append(job)
                left -= len(job.required_params) + len(job.optional_params) + len(job.user_name)
                if left < 0:
                    break
        return page

    def reasons(self, site: str, since_ms: int) -> dict[int, str]:
        """Return by job what was said of its end, of a site's jobs accepted since a time."""
        return dict(self._rows(_REASONS, _since(site, since_ms)))

    def job_with_history(self, ulid: str) -> tuple[JobRow, list[EventRow]] | None:
        """Find one job, whichever site's it is, with what happened to it, oldest first."""
        for row in map(JobRow._make, self._rows(_BY_ULID, {"ulid": ulid})):
            return row, list(map(EventRow._make, self._rows(_HISTORY, {"job_id": row.id})))
        return None

    def pictures(self, job_id: int) -> list[str]:
        """Return the names of the pictures of a job, newest first."""
        return [name for (name,) in self._rows(_PICTURES, {"job_id": job_id})]

    def _rows(self, sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with _failures():
            return self._connection.execute(sql, values).fetchall()  # type: ignore[no-any-return]


def _since(site: str, since_ms: int) -> dict[str, object]:
    return {"site": site, "since_ms": since_ms, "until_ms": clock.now_ms() + clock.AHEAD_MS}


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except driver.Error as error:
        raise Unavailable(sqlite.refusal(sqlite.reason(error))) from error
