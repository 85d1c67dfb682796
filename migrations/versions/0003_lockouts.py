"""Lock-outs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
IN_FORCE = sa.text("lifted_ms IS NULL")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "lockout",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("since_ms", WHOLE, nullable=False),
        sa.Column("by_known", TEXT, nullable=False),
        sa.Column("by_id", TEXT, nullable=False),
        sa.Column("by_name", TEXT, nullable=False),
        sa.Column("lifted_ms", WHOLE, nullable=True),
        sa.Column("lifted_by_known", TEXT, nullable=True),
        sa.Column("lifted_by_id", TEXT, nullable=True),
        sa.Column("lifted_by_name", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lockout")),
    )
    op.create_index(
        "uq_lockout_site_in_force", "lockout", ["site"], unique=True, sqlite_where=IN_FORCE, postgresql_where=IN_FORCE
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("lockout")
