"""The order in which jobs wait, edits of jobs that wait, and pauses of a site's queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
QUEUES = ("", "replica_")
EDITED = sa.text("edit IS NOT NULL")
IN_FORCE = sa.text("resumed_ms IS NULL")


def upgrade() -> None:
    """Add the columns, give what waits its place in the order of acceptance, and make the tables."""
    op.add_column("job", sa.Column("rank", TEXT, nullable=False, server_default=sa.text("''")))
    op.add_column("job", sa.Column("is_next", WHOLE, nullable=False, server_default=sa.text("0")))
    for queue in QUEUES:
        op.add_column("job", sa.Column(f"{queue}carried_ms", WHOLE, nullable=True))
        op.execute(f"UPDATE job SET rank = ulid WHERE {queue}phase = 'waiting'")  # noqa: S608  # words of our own
        _index(queue, "rank")
    op.add_column("job_event", sa.Column("edit", TEXT, nullable=True))
    op.create_index("ix_job_event_edit", "job_event", ["job_id", "seq"], sqlite_where=EDITED, postgresql_where=EDITED)
    _make_delivered()
    _make_pauses()


def downgrade() -> None:
    """Drop them; what waits is in the order of acceptance again."""
    op.drop_table("queue_pause")
    op.drop_table("delivered")
    op.drop_index("ix_job_event_edit", "job_event")
    op.drop_column("job_event", "edit")
    for queue in QUEUES:
        _index(queue, "ulid")
        op.drop_column("job", f"{queue}carried_ms")
    op.drop_column("job", "is_next")
    op.drop_column("job", "rank")


def _index(queue: str, column: str) -> None:
    """Make the index of what waits anew, in another order."""
    waiting = sa.text(f"{queue}phase = 'waiting'")
    op.drop_index(f"ix_job_{queue}waiting", "job")
    op.create_index(f"ix_job_{queue}waiting", "job", ["site", column], sqlite_where=waiting, postgresql_where=waiting)


def _make_delivered() -> None:
    op.create_table(
        "delivered",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("queue", WHOLE, nullable=False),
        sa.Column("newest_ms", WHOLE, nullable=False),
        sa.Column("before_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", "queue", name=op.f("pk_delivered")),
    )


def _make_pauses() -> None:
    op.create_table(
        "queue_pause",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("since_ms", WHOLE, nullable=False),
        sa.Column("by_known", TEXT, nullable=False),
        sa.Column("by_id", TEXT, nullable=False),
        sa.Column("by_name", TEXT, nullable=False),
        sa.Column("resumed_ms", WHOLE, nullable=True),
        sa.Column("resumed_by_known", TEXT, nullable=True),
        sa.Column("resumed_by_id", TEXT, nullable=True),
        sa.Column("resumed_by_name", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_pause")),
    )
    op.create_index(
        "uq_queue_pause_site_in_force",
        "queue_pause",
        ["site"],
        unique=True,
        sqlite_where=IN_FORCE,
        postgresql_where=IN_FORCE,
    )
