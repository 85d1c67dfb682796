"""What a site says of a job on the alternate queue: its estimate there, and the request to cancel it there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAMES = (
    *("id", "phase", "seconds_until_complete", "cancel_requested"),
    *("replica_phase", "replica_seconds_until_complete", "replica_cancel_requested"),
)
JOB = sa.table("job", *map(sa.column, NAMES))
EVENT = sa.table("job_event", *map(sa.column, ("seq", "job_id", "queue", "seconds_until_complete")))
UNFINISHED = ("received", "claimed", "running", "guarded")
LABELLED_AMONG = (
    100_000  # so many of the newest jobs: no index finds them, and what ended long ago is not heard of again
)


def upgrade() -> None:
    """Add the columns, and fill them for what is unfinished: so far both queues had one of each."""
    op.add_column("job", sa.Column("replica_seconds_until_complete", WHOLE, nullable=True))
    for name in ("replica_cancel_requested", "replica_against_label"):
        op.add_column("job", sa.Column(name, WHOLE, nullable=False, server_default=sa.text("0")))
    newest = sa.select(sa.func.max(JOB.c.id)).scalar_subquery()
    for there in (
        _in(JOB.c.replica_phase, *UNFINISHED),
        _in(JOB.c.replica_phase, "lost"),
        sa.and_(_in(JOB.c.replica_phase, "labelled"), JOB.c.id > newest - LABELLED_AMONG),
    ):
        op.execute(sa.update(JOB).where(there, JOB.c.cancel_requested == 1).values(replica_cancel_requested=1))
    said_there = _last_estimate(1)
    op.execute(
        sa.update(JOB)
        .where(_in(JOB.c.replica_phase, *UNFINISHED), JOB.c.seconds_until_complete.is_not(None))
        .values(replica_seconds_until_complete=said_there.scalar_subquery())
    )
    op.execute(  # by which a job that is silent is called lost
        sa.update(JOB)
        .where(_in(JOB.c.phase, "claimed", "guarded"), said_there.exists())
        .values(seconds_until_complete=_last_estimate(0).scalar_subquery())
    )


def downgrade() -> None:
    """Drop the columns."""
    for name in ("replica_against_label", "replica_cancel_requested", "replica_seconds_until_complete"):
        op.drop_column("job", name)


def _in(phase: sa.ColumnElement[Any], *phases: str) -> sa.ColumnElement[bool]:
    """Write a condition on a phase in the words of the partial indexes, by which the rows are found."""
    words: list[sa.ColumnElement[Any]] = [sa.literal_column(f"'{each}'") for each in phases]
    return phase == words[0] if len(words) == 1 else phase.in_(words)


def _last_estimate(queue: int) -> sa.Select[tuple[int]]:
    said = sa.select(EVENT.c.seconds_until_complete).where(
        EVENT.c.job_id == JOB.c.id, EVENT.c.queue == queue, EVENT.c.seconds_until_complete.is_not(None)
    )
    return said.order_by(EVENT.c.seq.desc()).limit(1).correlate(JOB)
