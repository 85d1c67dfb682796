"""Site tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "site_token",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("token_hash", TEXT, nullable=False),
        sa.Column("created_ms", WHOLE, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("used_ms", WHOLE, nullable=True),
        sa.Column("revoked_ms", WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_site_token_token_hash")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("site_token")
