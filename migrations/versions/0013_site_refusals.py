"""Whose software is refused for want of a site token."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "site_refusal",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("since_ms", WHOLE, nullable=False),
        sa.Column("last_ms", WHOLE, nullable=False),
        sa.Column("client", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site_refusal")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("site_refusal")
