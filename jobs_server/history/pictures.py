"""The pictures of a night, each with the job that it is of."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, and_, bindparam, func, select

from ..jobs.rows import JobRow
from ..jobs.sql import JOB, at_most
from ..state.previews import PreviewRow
from ..storage.models import Job, Preview
from ..storage.statement import Connection, Statement
from .rows import shortened

_PICTURE = tuple(getattr(Preview, name) for name in PreviewRow._fields)
_IN_NIGHT = and_(
    Preview.site == bindparam("of_site"),
    Preview.at_ms >= bindparam("from_ms", type_=BigInteger),
    Preview.at_ms < bindparam("to_ms", type_=BigInteger),
)
_NEWEST = Statement(
    select(*_PICTURE, *JOB)
    .join(Job, Job.id == Preview.job_id)
    .where(_IN_NIGHT)
    .order_by(Preview.id.desc())
    .limit(at_most("count"))
)
_COUNT = Statement(select(func.count()).select_from(Preview).where(_IN_NIGHT))


class JobPicture(NamedTuple):
    """A picture, and the job that it is of."""

    picture: PreviewRow
    job: JobRow


class ContactSheet(NamedTuple):
    """The pictures of a night."""

    pictures: list[JobPicture]
    """The last of them, in the order in which they came."""
    left_out: int
    """How many came before those."""


def contact_sheet(connection: Connection, site: str, from_ms: int, to_ms: int, count: int) -> ContactSheet:
    """Read the last pictures of a site that came within a span of time."""
    values = {"of_site": site, "from_ms": from_ms, "to_ms": to_ms}
    width = len(_PICTURE)
    rows = connection.rows(_NEWEST, **values, count=count)
    found = [JobPicture(PreviewRow._make(row[:width]), shortened(JobRow._make(row[width:]))) for row in reversed(rows)]
    left_out = 0 if len(found) < count else connection.rows(_COUNT, **values)[0][0] - len(found)
    return ContactSheet(found, left_out)
