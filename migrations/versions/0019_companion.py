"""What the companion for the public clients keeps: configs of sites, their status, lines of their logs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables; that of the status is unlogged on PostgreSQL, as that of the devices is."""
    op.add_column("reservation", sa.Column("project_priority", TEXT, nullable=False, server_default=""))
    op.create_table(
        "site_config",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("config", TEXT, nullable=True),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_config")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_site_config_site_id", "site_config", ["site", "id"])
    op.create_table(
        "site_status",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("status_type", TEXT, nullable=False),
        sa.Column("entry", TEXT, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.Column("at_boot_ms", WHOLE, nullable=False),
        sa.Column("heard_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", "status_type", name=op.f("pk_site_status")),
        prefixes=["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else [],
    )
    op.create_table(
        "site_log_line",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("level", TEXT, nullable=False),
        sa.Column("timestamp_s", WHOLE, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_log_line")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_site_log_line_site_timestamp_s", "site_log_line", ["site", "timestamp_s"])
    op.create_index("ix_site_log_line_at_ms", "site_log_line", ["at_ms"])


def downgrade() -> None:
    """Drop them."""
    for name in ("site_log_line", "site_status", "site_config"):
        op.drop_table(name)
    op.drop_column("reservation", "project_priority")
