"""When a server last took its clock to be right."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "clock_mark",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("wall_ms", WHOLE, nullable=False),
        sa.Column("boot_ms", WHOLE, nullable=False),
        sa.Column("known_job_id", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_mark")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("clock_mark")
