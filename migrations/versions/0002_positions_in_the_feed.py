"""Which positions in the feed of events are still good."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER job_event_pruned AFTER DELETE ON job_event"
        " BEGIN UPDATE feed_record SET pruned_seq = max(pruned_seq, OLD.seq); END",
    ),
    "postgresql": (
        "CREATE FUNCTION job_event_pruned() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE feed_record SET pruned_seq = greatest(pruned_seq, (SELECT max(seq) FROM deleted));"
        " RETURN NULL; END $$",
        "CREATE TRIGGER job_event_pruned AFTER DELETE ON job_event REFERENCING OLD TABLE AS deleted"
        " FOR EACH STATEMENT EXECUTE FUNCTION job_event_pruned()",
    ),
}


def upgrade() -> None:
    """Make the table and its one row."""
    op.create_table(
        "feed_record",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("epoch", TEXT, nullable=False),
        sa.Column("pruned_seq", WHOLE, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_record_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_record")),
    )
    op.execute(f"INSERT INTO feed_record (id, epoch, pruned_seq) VALUES (1, '{secrets.token_hex(4)}', 0)")  # noqa: S608
    for trigger in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(trigger)


def downgrade() -> None:
    """Drop the table and the trigger that keeps it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER job_event_pruned ON job_event")
        op.execute("DROP FUNCTION job_event_pruned()")
    else:
        op.execute("DROP TRIGGER job_event_pruned")
    op.drop_table("feed_record")
