"""Which sessions of the pages have been signed out of before their time was over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "session_end",
        sa.Column("session", TEXT, nullable=False),
        sa.Column("until_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_session_end")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("session_end")
