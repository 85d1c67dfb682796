"""Jobs and their events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PHASES = "'waiting', 'received', 'running', 'ended', 'withdrawn', 'labelled'"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "job",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("ulid", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("required_params", sa.Text(), nullable=False),
        sa.Column("optional_params", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("user_roles", sa.Text(), nullable=False),
        sa.Column("timestamp_ms", WHOLE, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("replica_status", sa.Text(), nullable=False),
        sa.Column("replica_phase", sa.Text(), nullable=False),
        sa.Column("seconds_until_complete", WHOLE, nullable=True),
        sa.CheckConstraint(f"phase IN ({PHASES})", name=op.f("ck_job_phase")),
        sa.CheckConstraint(f"replica_phase IN ({PHASES})", name=op.f("ck_job_replica_phase")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("ulid", name=op.f("uq_job_ulid")),
    )
    op.create_index("ix_job_recent", "job", ["site", "timestamp_ms", "ulid"])
    for name, column in (("ix_job_waiting", "phase"), ("ix_job_replica_waiting", "replica_phase")):
        condition = sa.text(f"{column} = 'waiting'")
        op.create_index(name, "job", ["site", "ulid"], sqlite_where=condition, postgresql_where=condition)
    op.create_table(
        "job_event",
        sa.Column("seq", WHOLE, nullable=False),
        sa.Column("job_id", WHOLE, nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.Column("queue", WHOLE, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("seconds_until_complete", WHOLE, nullable=True),
        sa.Column("actor_known", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_event_job_id_job")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_job_event")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_event_job_id", "job_event", ["job_id"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("job_event")
    op.drop_table("job")
