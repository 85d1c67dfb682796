"""Which stop commands stop the whole site: no narrower one takes such a stop away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JOB = sa.table(
    "job", *map(sa.column, ("id", "device", "instance", "action", "is_stop", "phase", "replica_phase", "covers_site"))
)
OPEN = ("waiting", "received", "claimed", "running", "guarded")


def upgrade() -> None:
    """Add the column, and fill it for what is unfinished; nothing asks of what has ended."""
    op.add_column("job", sa.Column("covers_site", WHOLE, nullable=False, server_default=sa.text("0")))
    connection, stops = (
        op.get_bind(),
        sa.and_(JOB.c.is_stop == 1, sa.or_(JOB.c.phase.in_(OPEN), JOB.c.replica_phase.in_(OPEN))),
    )
    found = connection.execute(sa.select(JOB.c.id, JOB.c.device, JOB.c.instance, JOB.c.action).where(stops)).all()
    for job, device, instance, action in found:
        if _plain(action) == "cancel_all_commands" or "all" in (_plain(device), _plain(instance)):
            connection.execute(sa.update(JOB).where(JOB.c.id == job).values(covers_site=1))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("job", "covers_site")


def _plain(word: str) -> str:
    return word.strip().casefold()
