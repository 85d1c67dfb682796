"""The results of a job as they are kept: each with the step of the history by which it came."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from ..domain import results
from ..storage.models import JobEvent
from ..storage.statement import Connection, Statement

_OF_JOB = Statement(
    select(JobEvent.result)
    .where(JobEvent.job_id == bindparam("job_id"), JobEvent.result.is_not(None))
    .order_by(JobEvent.seq)
)


def of_job(connection: Connection, job_id: int) -> str | None:
    """Return all that came of a job, merged, as JSON; None when the site said nothing."""
    return results.merged(_texts(connection, job_id))


def check_whole(connection: Connection, job_id: int, result: str) -> None:
    """Raise BadRequest when a job's results would be too large with one more."""
    results.merged([*_texts(connection, job_id), result])


def adds(connection: Connection, job_id: int, result: str) -> bool:
    """Whether a result says anything that is not known of a job. Raises BadRequest when all would be too large."""
    known = _texts(connection, job_id)
    return results.merged([*known, result]) != results.merged(known)


def _texts(connection: Connection, job_id: int) -> Iterable[str]:
    return [text for (text,) in connection.rows(_OF_JOB, job_id=job_id)]
