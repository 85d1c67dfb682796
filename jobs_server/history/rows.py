"""Jobs as pages list them: without what is too long to be shown, so that a list is bounded by bytes as well as by rows.

A job's own page, its exports and the wire have all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..jobs.rows import JobRow
from ..observatory import describe
from ..storage.statement import Connection, Statement

_LONGEST_NAME = 200
_REPEATED = frozenset(
    number
    for number, name in enumerate(JobRow._fields)
    if name
    not in ("id", "ulid", "required_params", "optional_params", "timestamp_ms", "accepted_ms", "claim_id", "rank")
)
_SHORT = 1000
"""Up to so many characters in all a job is left as it is."""


def listed(connection: Connection, statement: Statement, **values: Any) -> list[JobRow]:
    """Read the jobs of a statement for a list: each is shortened before the next one is read."""
    return list(_listed(connection, statement, **values))


def _listed(connection: Connection, statement: Statement, **values: Any) -> Iterator[JobRow]:
    known: dict[object, object] = {}
    once = known.setdefault  # Names and statuses are the same in most jobs of a night.
    for row in connection.stream(statement, **values):
        yield shortened(JobRow._make(once(each, each) if i in _REPEATED else each for i, each in enumerate(row)))


def shortened(job: JobRow) -> JobRow:
    """Return a job as lists show it."""
    if len(job.required_params) + len(job.optional_params) + len(job.user_name) + len(job.user_id) <= _SHORT:
        return job
    return job._replace(
        required_params=describe.shortened(job.required_params),
        optional_params=describe.shortened(job.optional_params),
        user_name=describe.shorten(job.user_name, _LONGEST_NAME),
        user_id=describe.shorten(job.user_id, _LONGEST_NAME),
    )
