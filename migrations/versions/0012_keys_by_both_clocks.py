"""How old an idempotency key is, by a clock that nobody can set."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column; a key of an earlier version is of no boot."""
    op.add_column("idempotency_key", sa.Column("created_boot_ms", WHOLE, nullable=False, server_default="-1"))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("idempotency_key", "created_boot_ms")
