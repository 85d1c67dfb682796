"""When each site's software was silent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
LASTS = sa.text("until_ms IS NULL")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "silence",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("from_ms", WHOLE, nullable=False),
        sa.Column("until_ms", WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silence")),
    )
    op.create_index("ix_silence_site_from_ms", "silence", ["site", "from_ms"])
    op.create_index(
        "uq_silence_site_lasts", "silence", ["site"], unique=True, sqlite_where=LASTS, postgresql_where=LASTS
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("silence")
