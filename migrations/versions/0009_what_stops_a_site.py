"""Which stop commands stop the whole site: no narrower one takes such a stop away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = "('waiting', 'received', 'claimed', 'running', 'guarded')"


def upgrade() -> None:
    """Add the column, and fill it for what is unfinished; nothing asks of what has ended."""
    op.add_column("job", sa.Column("covers_site", WHOLE, nullable=False, server_default=sa.text("0")))
    found = op.get_bind().execute(
        sa.text(
            "SELECT id, device, instance, action FROM job"
            f" WHERE is_stop = 1 AND (phase IN {OPEN} OR replica_phase IN {OPEN})"
        )
    )
    for job, device, instance, action in found.all():
        if _plain(action) == "cancel_all_commands" or "all" in (_plain(device), _plain(instance)):
            op.get_bind().execute(sa.text("UPDATE job SET covers_site = 1 WHERE id = :job"), {"job": job})


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("job", "covers_site")


def _plain(word: str) -> str:
    return word.strip().casefold()
