"""An index of what is lost: a stop command reaches it, since the site may speak again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    for queue in ("", "replica_"):
        lost = sa.text(f"{queue}phase = 'lost'")
        op.create_index(
            f"ix_job_{queue}lost", "job", ["site", f"{queue}heard_ms"], sqlite_where=lost, postgresql_where=lost
        )


def downgrade() -> None:
    """Drop the indexes."""
    for queue in ("", "replica_"):
        op.drop_index(f"ix_job_{queue}lost", "job")
