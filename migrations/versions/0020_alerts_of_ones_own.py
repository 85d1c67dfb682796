"""Where people have alerts of their own sent, what is due there, and how far each site was looked through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_TEXTS = ("person_id", "person_name", "site", "kind", "url")
_NUMBERS = (
    *("on_failed", "on_done", "on_stopped", "on_plan", "may_reach_all"),
    *("made_ms", "since_seq", "tries", "not_before_ms", "left_out"),
)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alert_address",
        sa.Column("id", WHOLE, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in _TEXTS),
        *(sa.Column(name, WHOLE, nullable=False) for name in _NUMBERS),
        sa.Column("taken_ms", WHOLE, nullable=True),
        sa.Column("failing_since_ms", WHOLE, nullable=True),
        sa.Column("failure", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_address")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_address_person_id", "alert_address", ["person_id"])
    op.create_table(
        "alert_due",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("address_id", WHOLE, nullable=False),
        sa.Column("sentence", TEXT, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(
            ["address_id"], ["alert_address.id"], name=op.f("fk_alert_due_address_id_alert_address")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_due")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_due_address_id", "alert_due", ["address_id", "id"])
    op.create_table(
        "alert_mark",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("seq", WHOLE, nullable=False),
        sa.Column("plan_number", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_alert_mark")),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("alert_mark", "alert_due", "alert_address"):
        op.drop_table(name)
