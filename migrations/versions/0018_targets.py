"""Each site's own list of targets, and the secrets of calendars' addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "site_target",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("ra_hours", sa.Double(), nullable=True),
        sa.Column("dec_degrees", sa.Double(), nullable=True),
        sa.Column("magnitude", sa.Double(), nullable=True),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("by_name", TEXT, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", "key", name=op.f("pk_site_target")),
    )
    op.create_table(
        "calendar_key",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("secret", TEXT, nullable=False),
        sa.Column("made_ms", WHOLE, nullable=False),
        sa.Column("made_by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_calendar_key")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("calendar_key")
    op.drop_table("site_target")
