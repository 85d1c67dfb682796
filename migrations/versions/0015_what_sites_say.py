"""What sites say of themselves: results of jobs, the state of devices and its curves, abilities, pictures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WITH_RESULT = sa.text("result IS NOT NULL")


def upgrade() -> None:
    """Make the tables; that of the devices is unlogged on PostgreSQL, where each report is written at once."""
    op.add_column("job_event", sa.Column("result", TEXT, nullable=True))
    op.create_index(
        "ix_job_event_result",
        "job_event",
        ["job_id", "seq"],
        sqlite_where=WITH_RESULT,
        postgresql_where=WITH_RESULT,
    )
    unlogged = ["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else []
    op.create_table(
        "device_state",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("device", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=True),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.Column("at_boot_ms", WHOLE, nullable=False),
        sa.Column("heard_ms", WHOLE, nullable=False),
        sa.Column("grey_after_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", "device", name=op.f("pk_device_state")),
        prefixes=unlogged,
    )
    op.create_table(
        "device_sample",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.Column("readings", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("site", "at_ms", name=op.f("pk_device_sample")),
    )
    op.create_table(
        "site_capabilities",
        sa.Column("site", TEXT, nullable=False),
        sa.Column("devices", TEXT, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site_capabilities")),
    )
    _make_previews()


def _make_previews() -> None:
    op.create_table(
        "preview",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("job_id", WHOLE, nullable=False),
        sa.Column("site", TEXT, nullable=False),
        sa.Column("ulid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("file", TEXT, nullable=False),
        sa.Column("width", WHOLE, nullable=False),
        sa.Column("height", WHOLE, nullable=False),
        sa.Column("size_bytes", WHOLE, nullable=False),
        sa.Column("at_ms", WHOLE, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_preview_job_id_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preview")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_preview_site_id", "preview", ["site", "id"])
    op.create_index("ix_preview_job_id", "preview", ["job_id", "name"])
    op.create_index("ix_preview_ulid", "preview", ["ulid"])


def downgrade() -> None:
    """Drop them."""
    for name in ("preview", "site_capabilities", "device_sample", "device_state"):
        op.drop_table(name)
    op.drop_index("ix_job_event_result", "job_event")
    op.drop_column("job_event", "result")
