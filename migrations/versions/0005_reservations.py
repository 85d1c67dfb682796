"""Reservations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "reservation",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("start_ms", WHOLE, nullable=False),
        sa.Column("end_ms", WHOLE, nullable=False),
        sa.Column("creator_id", TEXT, nullable=False),
        sa.Column("creator", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("reservation_type", TEXT, nullable=False),
        sa.Column("resource_id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("last_modified_ms", WHOLE, nullable=False),
        sa.CheckConstraint("end_ms > start_ms", name=op.f("ck_reservation_ends_after_start")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("event_id", name=op.f("uq_reservation_event_id")),
    )
    op.create_index("ix_reservation_site_end_ms", "reservation", ["site", "end_ms"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("reservation")
