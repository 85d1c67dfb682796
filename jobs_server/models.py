"""The tables. Queries are elsewhere; this says what is kept and what must always hold."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from .db import Base
from .lifecycle import Phase

_PHASES = ", ".join(f"'{phase}'" for phase in Phase)


def _waiting_index(name: str, column: str) -> Index:
    condition = text(f"{column} = '{Phase.WAITING}'")
    return Index(name, "site", "ulid", sqlite_where=condition, postgresql_where=condition)


class Job(Base):
    """One command for a telescope, and how far it has come on both queues."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(f"phase IN ({_PHASES})", name="phase"),
        CheckConstraint(f"replica_phase IN ({_PHASES})", name="replica_phase"),
        # Partial: the cost of a poll must not grow with history.
        _waiting_index("ix_job_waiting", "phase"),
        _waiting_index("ix_job_replica_waiting", "replica_phase"),
        Index("ix_job_recent", "site", "timestamp_ms", "ulid"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ulid: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    device: Mapped[str]
    instance: Mapped[str]
    action: Mapped[str]
    required_params: Mapped[str]  # JSON, as accepted: passed through untouched
    optional_params: Mapped[str]  # JSON
    user_name: Mapped[str]
    user_id: Mapped[str]
    user_roles: Mapped[str]  # JSON, a list of texts
    timestamp_ms: Mapped[int]  # when it was accepted, never less than that of the newest job still waiting at the site
    status: Mapped[str]  # as the site wrote it
    phase: Mapped[str]
    replica_status: Mapped[str]
    replica_phase: Mapped[str]
    seconds_until_complete: Mapped[int | None]  # -1: no estimate; none until a report has said


class JobEvent(Base):
    """One change of a job, written in the transaction that made it: audit trail, history and live feed in one."""

    __tablename__ = "job_event"
    __table_args__ = (
        Index("ix_job_event_job_id", "job_id"),
        {"sqlite_autoincrement": True},  # seq is the feed's cursor: a pruned number must not return
    )

    seq: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    site: Mapped[str]
    at_ms: Mapped[int]
    queue: Mapped[int]  # lifecycle.Queue
    status: Mapped[str]
    seconds_until_complete: Mapped[int | None]
    actor_known: Mapped[str]  # actors.Known
    actor_id: Mapped[str]
    message: Mapped[str | None]
