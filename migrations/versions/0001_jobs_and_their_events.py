"""Jobs, their events, and keys against double sends."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PHASES = "'waiting', 'received', 'claimed', 'running', 'guarded', 'ended', 'withdrawn', 'labelled', 'lost'"

TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER job_event_no_update BEFORE UPDATE ON job_event"
        " BEGIN SELECT RAISE(ABORT, 'history is append-only'); END",
        "CREATE TRIGGER job_event_no_delete BEFORE DELETE ON job_event WHEN NOT EXISTS (SELECT 1 FROM prune_permit)"
        " BEGIN SELECT RAISE(ABORT, 'history is append-only'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION job_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM prune_permit) THEN RETURN NULL; END IF;"
        " RAISE EXCEPTION 'history is append-only'; END $$",
        "CREATE TRIGGER job_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON job_event"
        " FOR EACH STATEMENT EXECUTE FUNCTION job_event_append_only()",
    ),
}


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "job",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("ulid", TEXT, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("device", TEXT, nullable=False),
        sa.Column("instance", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("required_params", TEXT, nullable=False),
        sa.Column("optional_params", TEXT, nullable=False),
        sa.Column("user_name", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("user_roles", TEXT, nullable=False),
        sa.Column("is_stop", WHOLE, nullable=False),
        sa.Column("timestamp_ms", WHOLE, nullable=False),
        sa.Column("accepted_ms", WHOLE, nullable=False),
        sa.Column("accepted_boot_ms", WHOLE, nullable=False),
        sa.Column("hold_ms", WHOLE, nullable=False),
        sa.Column("expires_after_ms", WHOLE, nullable=False),
        sa.Column("seconds_until_complete", WHOLE, nullable=True),
        sa.Column("cancel_requested", WHOLE, nullable=False),
        sa.Column("against_label", WHOLE, nullable=False),
        *_queue_columns(""),
        *_queue_columns("replica_"),
        sa.CheckConstraint(f"phase IN ({PHASES})", name=op.f("ck_job_phase")),
        sa.CheckConstraint(f"replica_phase IN ({PHASES})", name=op.f("ck_job_replica_phase")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("ulid", name=op.f("uq_job_ulid")),
    )
    op.create_index("ix_job_recent", "job", ["site", "timestamp_ms", "ulid"])
    for queue in ("", "replica_"):
        _partial_index(f"ix_job_{queue}waiting", ["site", "ulid"], f"{queue}phase = 'waiting'")
        _partial_index(f"ix_job_{queue}claim", ["site", f"{queue}claim_id", "ulid"], f"{queue}claim_id IS NOT NULL")
        unfinished = f"{queue}phase IN ('received', 'claimed', 'running', 'guarded')"
        _partial_index(f"ix_job_{queue}unfinished", ["site", f"{queue}heard_ms"], unfinished)
        _partial_index(f"ix_job_{queue}watched", ["ulid"], f"{queue}phase IN ('claimed', 'guarded')")
    op.create_table(
        "job_event",
        sa.Column("seq", WHOLE, nullable=False),
        sa.Column("job_id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.Column("queue", WHOLE, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("seconds_until_complete", WHOLE, nullable=True),
        sa.Column("actor_known", TEXT, nullable=False),
        sa.Column("actor_id", TEXT, nullable=False),
        sa.Column("actor_name", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=True),
        sa.Column("mark", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_event_job_id_job")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_job_event")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_event_job_id", "job_event", ["job_id"])
    op.create_table(
        "prune_permit",
        sa.Column("id", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prune_permit")),
    )
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:  # there a stream reads site by site
        op.create_index("ix_job_event_site_seq", "job_event", ["site", "seq"])
    for trigger in TRIGGERS["postgresql" if on_postgresql else "sqlite"]:
        op.execute(trigger)
    op.create_table(
        "idempotency_key",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("command_hash", TEXT, nullable=False),
        sa.Column("job_id", WHOLE, nullable=False),
        sa.Column("created_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_key")),
        sa.UniqueConstraint("site", "user_id", "key", name=op.f("uq_idempotency_key_site_user_id_key")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_idempotency_key_job_id_job")),
    )
    op.create_index("ix_idempotency_key_created_ms", "idempotency_key", ["created_ms"])
    op.create_index("ix_idempotency_key_job_id", "idempotency_key", ["job_id"])


def _queue_columns(queue: str) -> list[sa.Column[Any]]:
    """Return what is kept once for each of the two queues."""
    return [
        sa.Column(f"{queue}status", TEXT, nullable=False),
        sa.Column(f"{queue}phase", TEXT, nullable=False),
        sa.Column(f"{queue}claim_id", TEXT, nullable=True),
        sa.Column(f"{queue}heard_ms", WHOLE, nullable=True),
        sa.Column(f"{queue}heard_boot_ms", WHOLE, nullable=True),
    ]


def _partial_index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "job", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop the tables, and with them their indexes and triggers."""
    op.drop_table("idempotency_key")
    op.drop_table("prune_permit")
    op.drop_table("job_event")
    op.drop_table("job")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION job_event_append_only()")
