"""Plans and their steps, templates, and the keys with which they were sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
OPEN = sa.text("state IN ('running', 'paused')")
ENDED = sa.text("ended_ms IS NOT NULL")
RELEASED = sa.text("job_ulid IS NOT NULL")


def upgrade() -> None:
    """Make the tables, and the two columns of a job that is a step of a plan; older jobs are of none."""
    op.add_column("job", sa.Column("plan", TEXT, nullable=True))
    op.add_column("job", sa.Column("until_after_ms", WHOLE, nullable=True))
    _make_plans()
    _make_steps()
    op.create_table(
        "template",
        sa.Column("id", WHOLE, nullable=False),
        *_texts("site", "owner_id", "name", "kind", "content", "by_id", "by_name"),
        sa.Column("saved_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template")),
        sa.UniqueConstraint("site", "owner_id", "name", name=op.f("uq_template_site_owner_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "plan_key",
        sa.Column("id", WHOLE, nullable=False),
        *_texts("site", "user_id", "key", "command_hash"),
        *_numbers("made_id", "created_ms", "created_boot_ms"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_key")),
        sa.UniqueConstraint("site", "user_id", "key", name=op.f("uq_plan_key_site_user_id_key")),
    )
    op.create_index("ix_plan_key_created_ms", "plan_key", ["created_ms"])


def _make_plans() -> None:
    op.create_table(
        "plan",
        sa.Column("id", WHOLE, nullable=False),
        *_texts("ulid", "site", "title", "user_id", "user_name", "user_roles", "by_known"),
        *_numbers("by_admin"),
        *_texts("on_failure"),
        *_numbers("repeated", "created_ms", "created_boot_ms"),
        sa.Column("not_before_ms", WHOLE, nullable=True),
        sa.Column("until_ms", WHOLE, nullable=True),
        *_texts("state"),
        sa.Column("reason", TEXT, nullable=True),
        *_numbers("at_once", "steps", "released"),
        sa.Column("current_ulid", TEXT, nullable=True),
        *_numbers("revision", "number", "changed_ms"),
        sa.Column("ended_ms", WHOLE, nullable=True),
        sa.CheckConstraint("state IN ('running', 'paused', 'done', 'canceled', 'stopped')", name=op.f("ck_plan_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
        sa.UniqueConstraint("ulid", name=op.f("uq_plan_ulid")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_plan_open", "plan", ["site", "id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("ix_plan_ended", "plan", ["site", "ended_ms"], sqlite_where=ENDED, postgresql_where=ENDED)
    op.create_index("ix_plan_number", "plan", ["number", "site"])
    op.create_table(
        "plan_mark",
        *_texts("site"),
        *_numbers("number"),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_plan_mark")),
    )


def _make_steps() -> None:
    op.create_table(
        "plan_step",
        sa.Column("id", WHOLE, nullable=False),
        *_numbers("plan_id", "position"),
        *_texts("device", "instance", "action", "required_params", "optional_params"),
        *_numbers("hold_ms"),
        sa.Column("life_ms", WHOLE, nullable=True),
        sa.Column("job_ulid", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_plan_step_plan_id_plan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_step")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_plan_step_plan_id", "plan_step", ["plan_id", "position", "device", "instance"])
    op.create_index(
        "uq_plan_step_job_ulid",
        "plan_step",
        ["job_ulid"],
        unique=True,
        sqlite_where=RELEASED,
        postgresql_where=RELEASED,
    )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, WHOLE, nullable=False) for name in names]


def downgrade() -> None:
    """Drop them."""
    for name in ("plan_key", "template", "plan_step", "plan_mark", "plan"):
        op.drop_table(name)
    op.drop_column("job", "until_after_ms")
    op.drop_column("job", "plan")
