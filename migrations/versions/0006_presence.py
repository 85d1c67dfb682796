"""When each site's software was last heard, for several servers on one database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "site_presence",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("queue", WHOLE, nullable=False),
        sa.Column("client", TEXT, nullable=False),
        sa.Column("last_poll_ms", WHOLE, nullable=False),
        sa.Column("heard_ms", WHOLE, nullable=False),
        sa.Column("waiting", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", "queue", name=op.f("pk_site_presence")),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("site_presence")
