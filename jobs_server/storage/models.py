"""The tables. Queries are elsewhere; this says what is kept and what must always hold."""

from __future__ import annotations

from sqlalchemy import DDL, CheckConstraint, Double, ForeignKey, Index, UniqueConstraint, event, text

from ..domain.lifecycle import UNFINISHED, WATCHED, Phase
from .base import Base, Mapped, mapped_column

_ZERO = text("0")
OPEN_PLAN = "state IN ('running', 'paused')"
"""That a plan has not ended, in the words of the partial index."""


def _partial_index(name: str, columns: tuple[str, ...], condition: str, *, unique: bool = False) -> Index:
    where = text(condition)
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


def phase_in(queue: str, *phases: Phase) -> str:
    """Write a condition on a queue's phase; a partial index is used only by statements with the same words."""
    listed = ", ".join(f"'{phase}'" for phase in phases)
    return f"{queue}phase IN ({listed})"


def _queue_indexes(queue: str) -> tuple[Index, ...]:
    """Index one queue; all but the claims' are partial, so that the cost of a poll does not grow with history."""
    return (
        _partial_index(f"ix_job_{queue}waiting", ("site", "rank"), f"{queue}phase = '{Phase.WAITING}'"),
        _partial_index(f"ix_job_{queue}claim", ("site", f"{queue}claim_id", "ulid"), f"{queue}claim_id IS NOT NULL"),
        _partial_index(f"ix_job_{queue}unfinished", ("site", f"{queue}heard_ms"), phase_in(queue, *UNFINISHED)),
        _partial_index(f"ix_job_{queue}watched", ("ulid",), phase_in(queue, *WATCHED)),
        _partial_index(f"ix_job_{queue}lost", ("site", f"{queue}heard_ms"), f"{queue}phase = '{Phase.LOST}'"),
    )


class Job(Base):
    """One command for a telescope, and how far it has come on both queues."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(phase_in("", *Phase), name="phase"),
        CheckConstraint(phase_in("replica_", *Phase), name="replica_phase"),
        *_queue_indexes(""),
        *_queue_indexes("replica_"),
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
    is_stop: Mapped[int]  # 1: a stop command, which goes before all others
    timestamp_ms: Mapped[int]  # when it was accepted, or up to a day later: not below the newest job waiting there
    accepted_ms: Mapped[int]  # when it was accepted, as both clocks said (clock.Now): what its age is counted from
    accepted_boot_ms: Mapped[int]
    hold_ms: Mapped[int]  # not handed over before this age
    expires_after_ms: Mapped[int]  # not handed over from this age on

    # Once for each queue:
    seconds_until_complete: Mapped[int | None]  # -1: no estimate; none until a report has said
    cancel_requested: Mapped[int]  # 1: somebody asked to cancel what had been handed over already
    against_label: Mapped[int]  # 1: the last report came against an end that the server had put on the job
    status: Mapped[str]  # as the site wrote it
    phase: Mapped[str]
    claim_id: Mapped[str | None]  # with which it was handed over; none: by a poll that cannot be repeated
    heard_ms: Mapped[int | None]  # when it was handed over or last reported on, as both clocks said
    heard_boot_ms: Mapped[int | None]
    replica_status: Mapped[str]
    replica_phase: Mapped[str]
    replica_claim_id: Mapped[str | None]
    replica_heard_ms: Mapped[int | None]
    replica_heard_boot_ms: Mapped[int | None]

    # Added to tables that have rows, so each has a default:
    covers_site: Mapped[int] = mapped_column(
        server_default=_ZERO
    )  # 1: a stop command that stops the whole site, and not its own device alone
    replica_seconds_until_complete: Mapped[int | None]
    replica_cancel_requested: Mapped[int] = mapped_column(server_default=_ZERO)
    replica_against_label: Mapped[int] = mapped_column(server_default=_ZERO)
    rank: Mapped[str] = mapped_column(
        server_default=text("''")
    )  # what waits is in this order: the ULID, until the job is moved; blank: handed over before there were ranks
    is_next: Mapped[int] = mapped_column(server_default=_ZERO)  # 1: sent to go before what waited, and not moved since
    carried_ms: Mapped[int | None]  # the time that the copy shows which a poll got; none: `timestamp_ms`
    replica_carried_ms: Mapped[int | None]
    plan: Mapped[str | None]  # JSON, an object: the step of a plan that this job is; none: it is of no plan
    until_after_ms: Mapped[int | None]  # does not start from this age on, since its plan is over then


class JobEvent(Base):
    """One change of a job, written in the transaction that made it: audit trail, history and live feed in one.

    Append-only: triggers refuse what would change it.
    """

    __tablename__ = "job_event"
    __table_args__ = (
        Index("ix_job_event_job_id", "job_id"),
        Index("ix_job_event_site_seq", "site", "seq", info={"only_on": "postgresql"}).ddl_if(dialect="postgresql"),
        _partial_index("ix_job_event_result", ("job_id", "seq"), "result IS NOT NULL"),
        _partial_index("ix_job_event_edit", ("job_id", "seq"), "edit IS NOT NULL"),
        {"sqlite_autoincrement": True},  # `seq` is the feed's cursor: a pruned number must not return.
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
    actor_name: Mapped[str]
    message: Mapped[str | None]
    mark: Mapped[str | None]  # lifecycle.Mark: what is special about this event
    result: Mapped[str | None]  # JSON, an object: what the site said came of the job, with this report
    edit: Mapped[str | None]  # JSON: what an edit of the job changed, `from` and `to` by the names of the columns


class Plan(Base):
    """Steps for a telescope as one thing: each becomes a job when the step before it has ended well."""

    __tablename__ = "plan"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'paused', 'done', 'canceled', 'stopped')", name="state"),
        _partial_index("ix_plan_open", ("site", "id"), OPEN_PLAN),
        _partial_index("ix_plan_ended", ("site", "ended_ms"), "ended_ms IS NOT NULL"),
        Index("ix_plan_number", "number", "site"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ulid: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    title: Mapped[str]
    user_id: Mapped[str]
    user_name: Mapped[str]
    user_roles: Mapped[str]  # JSON, a list of texts
    by_known: Mapped[str]  # actors.Known
    by_admin: Mapped[int]  # 1: whoever sent it was an admin, whom no reservation holds up
    on_failure: Mapped[str]  # stop, next
    repeated: Mapped[int]  # how often the steps as they were sent stand in it
    created_ms: Mapped[int]  # as both clocks said (clock.Now)
    created_boot_ms: Mapped[int]
    not_before_ms: Mapped[int | None]  # no step is released earlier
    until_ms: Mapped[int | None]  # no step is released or begins from then on
    state: Mapped[str]
    reason: Mapped[str | None]  # in words, why it is paused or has ended
    at_once: Mapped[int]  # 1: all steps are released at once, for a site that reports no ends
    steps: Mapped[int]
    released: Mapped[int]  # how many of them were released
    current_ulid: Mapped[str | None]  # that of the job of the last step that was released
    revision: Mapped[int]  # counts the edits by people
    number: Mapped[int]  # that of its last change among all changes of plans at its site
    changed_ms: Mapped[int]
    ended_ms: Mapped[int | None]


class PlanStep(Base):
    """One step of a plan; its job is made when it is released."""

    __tablename__ = "plan_step"
    __table_args__ = (
        Index("ix_plan_step_plan_id", "plan_id", "position", "device", "instance"),  # The devices are for stops.
        _partial_index("uq_plan_step_job_ulid", ("job_ulid",), "job_ulid IS NOT NULL", unique=True),
        {"sqlite_autoincrement": True},  # A step that was left out must not be taken for a later one.
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"))
    position: Mapped[int]  # from 1
    device: Mapped[str]
    instance: Mapped[str]
    action: Mapped[str]
    required_params: Mapped[str]  # JSON, as accepted
    optional_params: Mapped[str]  # JSON
    hold_ms: Mapped[int]  # as those of the job that it becomes
    life_ms: Mapped[int | None]  # none: as the settings say when it is released
    job_ulid: Mapped[str | None]  # none: it was not released; the job itself may be pruned


class PlanMark(Base):
    """The number of the last change of a plan at a site; one row a site that ever had a plan."""

    __tablename__ = "plan_mark"

    site: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


class Template(Base):
    """A plan or a command to use again."""

    __tablename__ = "template"
    __table_args__ = (UniqueConstraint("site", "owner_id", "name"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    owner_id: Mapped[str]  # blank: it is the site's
    name: Mapped[str]
    kind: Mapped[str]  # plan, command
    content: Mapped[str]  # JSON, an object
    by_id: Mapped[str]
    by_name: Mapped[str]
    saved_ms: Mapped[int]


class PlanKey(Base):
    """A key that a client sent with a plan, an edit or a template, so that the same sent again does nothing twice."""

    __tablename__ = "plan_key"
    __table_args__ = (UniqueConstraint("site", "user_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    user_id: Mapped[str]
    key: Mapped[str]
    command_hash: Mapped[str]
    made_id: Mapped[int]  # that of the plan or the template
    created_ms: Mapped[int] = mapped_column(index=True)  # as both clocks said (clock.Now)
    created_boot_ms: Mapped[int]


class Lockout(Base):
    """One time that a telescope was locked out: nothing but stop commands reaches it, because of hands on it.

    Kept when it is lifted: who worked when is part of the history.
    """

    __tablename__ = "lockout"
    __table_args__ = (_partial_index("uq_lockout_site_in_force", ("site",), "lifted_ms IS NULL", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    note: Mapped[str]
    since_ms: Mapped[int]
    by_known: Mapped[str]  # actors.Known
    by_id: Mapped[str]
    by_name: Mapped[str]
    lifted_ms: Mapped[int | None]  # none: in force
    lifted_by_known: Mapped[str | None]
    lifted_by_id: Mapped[str | None]
    lifted_by_name: Mapped[str | None]


class QueuePause(Base):
    """One time that the queue of a site was paused: stop commands alone were handed over, or began.

    Kept when it is over: who paused the queue when is part of the history.
    """

    __tablename__ = "queue_pause"
    __table_args__ = (_partial_index("uq_queue_pause_site_in_force", ("site",), "resumed_ms IS NULL", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    note: Mapped[str]
    since_ms: Mapped[int]
    by_known: Mapped[str]  # actors.Known
    by_id: Mapped[str]
    by_name: Mapped[str]
    resumed_ms: Mapped[int | None]  # none: in force
    resumed_by_known: Mapped[str | None]
    resumed_by_id: Mapped[str | None]
    resumed_by_name: Mapped[str | None]


class Delivered(Base):
    """The newest time that a copy carried which polls of one queue of a site got; later copies carry none before it."""

    __tablename__ = "delivered"

    site: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # lifecycle.Queue
    newest_ms: Mapped[int]
    before_ms: Mapped[int]  # the newest before the last reply; 0: none


class SiteToken(Base):
    """What the software of a site shows to be believed; the token itself is not kept."""

    __tablename__ = "site_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    name: Mapped[str]  # who uses it
    token_hash: Mapped[str] = mapped_column(unique=True)  # SHA-256, hexadecimal
    created_ms: Mapped[int]
    created_by: Mapped[str]
    used_ms: Mapped[int | None]  # when it was last used, to a minute; none: never
    revoked_ms: Mapped[int | None]  # none: it works


class SiteRefusal(Base):
    """When the software of a site was refused for want of a valid site token; one row a site, while that is news."""

    __tablename__ = "site_refusal"

    site: Mapped[str] = mapped_column(primary_key=True)
    since_ms: Mapped[int]
    last_ms: Mapped[int]  # to a minute
    client: Mapped[str]  # which software, by its User-Agent


class SessionEnd(Base):
    """A session of the pages that somebody signed out of; kept until the session would have ended by itself."""

    __tablename__ = "session_end"

    session: Mapped[str] = mapped_column(primary_key=True)  # SHA-256 of what names it in the cookie, hexadecimal
    until_ms: Mapped[int]


class Reservation(Base):
    """A time for which somebody has reserved a telescope."""

    __tablename__ = "reservation"
    __table_args__ = (
        CheckConstraint("end_ms > start_ms", name="ends_after_start"),
        Index("ix_reservation_site_end_ms", "site", "end_ms"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    site: Mapped[str]
    start_ms: Mapped[int]
    end_ms: Mapped[int]
    creator_id: Mapped[str]
    creator: Mapped[str]
    title: Mapped[str]
    reservation_type: Mapped[str]
    resource_id: Mapped[str]
    project_id: Mapped[str]
    note: Mapped[str]
    origin: Mapped[str]
    last_modified_ms: Mapped[int]
    project_priority: Mapped[str] = mapped_column(server_default="")  # as the public UI says; blank: nothing said


class PrunePermit(Base):
    """The way through for pruning: while a row is in here, history may be deleted. It never outlives a transaction."""

    __tablename__ = "prune_permit"

    id: Mapped[int] = mapped_column(primary_key=True)


class SitePresence(Base):
    """When one queue of a site was last polled, as the servers on one PostgreSQL tell each other; empty on SQLite."""

    __tablename__ = "site_presence"

    site: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # lifecycle.Queue
    client: Mapped[str]
    last_poll_ms: Mapped[int]  # by the clock of the server that was asked
    heard_ms: Mapped[int]  # by the clock of the database
    waiting: Mapped[int]  # 1: the poll waits


class DeviceState(Base):
    """How a device is, as its site said last: for servers beside this one and for after a restart, not for ever."""

    __tablename__ = "device_state"
    site: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)  # type/instance
    state: Mapped[str | None]  # JSON, an object; none: the site had it forgotten
    at_ms: Mapped[int]  # when a server heard it, as its two clocks said (clock.Now)
    at_boot_ms: Mapped[int]
    heard_ms: Mapped[int]  # the same by the clock of the database, where there are several servers
    grey_after_ms: Mapped[int]  # from this age on it is no news


class DeviceSample(Base):
    """What the devices of a site measured in one minute; for curves."""

    __tablename__ = "device_sample"

    site: Mapped[str] = mapped_column(primary_key=True)
    at_ms: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # the beginning of the minute
    readings: Mapped[str]  # JSON: by device, numbers by name


class SiteCapabilities(Base):
    """What a site has and can do, as the site said last."""

    __tablename__ = "site_capabilities"

    site: Mapped[str] = mapped_column(primary_key=True)
    devices: Mapped[str]  # JSON: by device, an object
    at_ms: Mapped[int]


class SiteConfig(Base):
    """A config that a site's public software, or a person, put; the newest of a site is in force, ten are kept."""

    __tablename__ = "site_config"
    __table_args__ = (
        Index("ix_site_config_site_id", "site", "id"),
        {"sqlite_autoincrement": True},  # The highest `id` tells whether anything has changed.
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    config: Mapped[str | None]  # JSON, an object; none: it was deleted
    at_ms: Mapped[int]
    by: Mapped[str]  # who put it, for people to read


class SiteStatus(Base):
    """The status of a site, as its public software posts it: as fleeting as `DeviceState`."""

    __tablename__ = "site_status"

    site: Mapped[str] = mapped_column(primary_key=True)
    status_type: Mapped[str] = mapped_column(primary_key=True)
    entry: Mapped[str]  # JSON, an object: merged, each leaf with its time
    at_ms: Mapped[int]  # when a server heard it, as its two clocks said (clock.Now)
    at_boot_ms: Mapped[int]
    heard_ms: Mapped[int]  # the same by the clock of the database, where there are several servers


class SiteLogLine(Base):
    """A line of the log of a site's public software; kept for a week."""

    __tablename__ = "site_log_line"
    __table_args__ = (
        Index("ix_site_log_line_site_timestamp_s", "site", "timestamp_s"),
        Index("ix_site_log_line_at_ms", "at_ms"),
        {"sqlite_autoincrement": True},  # `id` tells other servers what is new.
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    message: Mapped[str]
    level: Mapped[str]
    timestamp_s: Mapped[int]  # as the site says, in seconds since 1970 UTC
    at_ms: Mapped[int]


class Preview(Base):
    """A picture of what came of a job; the picture itself is a file in the folder of the previews."""

    __tablename__ = "preview"
    __table_args__ = (
        Index("ix_preview_site_id", "site", "id"),
        Index("ix_preview_job_id", "job_id", "name"),
        Index("ix_preview_ulid", "ulid"),
        {"sqlite_autoincrement": True},  # `id` tells a stream what is new.
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    site: Mapped[str]
    ulid: Mapped[str]  # that of the job
    name: Mapped[str]  # as the site calls it
    file: Mapped[str]  # below the folder of the previews
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int]
    at_ms: Mapped[int]


class SiteTarget(Base):
    """One target of a site's own list."""

    __tablename__ = "site_target"

    site: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)  # the name as names are compared (observatory.targets.key_of)
    name: Mapped[str]
    kind: Mapped[str]
    ra_hours: Mapped[float | None] = mapped_column(Double)  # ICRS; none of both: it is looked up by its name
    dec_degrees: Mapped[float | None] = mapped_column(Double)
    magnitude: Mapped[float | None] = mapped_column(Double)
    note: Mapped[str]
    by_name: Mapped[str]  # who saved it
    at_ms: Mapped[int]


class CalendarKey(Base):
    """The secret in the address of a site's calendar; no row: none was made."""

    __tablename__ = "calendar_key"

    site: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[str]
    made_ms: Mapped[int]
    made_by: Mapped[str]


class AlertAddress(Base):
    """Where a person has alerts of their own sent; `url` may hold secrets, and is shown to nobody."""

    __tablename__ = "alert_address"
    __table_args__ = (
        Index("ix_alert_address_person_id", "person_id"),
        {"sqlite_autoincrement": True},  # What is due must not go to a later address.
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str]  # blank: the operator of a service without sign-in, whose alerts are of everybody's jobs
    person_name: Mapped[str]
    site: Mapped[str]  # of whose stops alerts are sent
    kind: Mapped[str]  # ntfy, gotify, webhook
    url: Mapped[str]
    on_failed: Mapped[int]  # 1: when a job of the person failed, was lost or expired
    on_done: Mapped[int]
    on_stopped: Mapped[int]
    on_plan: Mapped[int]
    may_reach_all: Mapped[int]  # 1: named by whoever looks after the server, so that private networks are reached too
    made_ms: Mapped[int]
    since_seq: Mapped[int]  # events up to here were before it
    tries: Mapped[int]  # that failed since an alert was last taken
    not_before_ms: Mapped[int]  # the next is tried no sooner
    left_out: Mapped[int]  # alerts that found no place among those that are due
    taken_ms: Mapped[int | None]  # when an alert was last taken; none: never
    failing_since_ms: Mapped[int | None]  # none: the last try did not fail
    failure: Mapped[str | None]  # why, without what is secret in the address


class AlertDue(Base):
    """An alert that is to be sent to an address; gone when it was taken, or is too old."""

    __tablename__ = "alert_due"
    __table_args__ = (Index("ix_alert_due_address_id", "address_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    address_id: Mapped[int] = mapped_column(ForeignKey("alert_address.id"))
    sentence: Mapped[str]
    at_ms: Mapped[int]  # when it happened


class AlertMark(Base):
    """Up to where the history of a site was looked through for alerts of people's own."""

    __tablename__ = "alert_mark"

    site: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]
    plan_number: Mapped[int]  # that of a change of plans


class Silence(Base):
    """One time in which a site's software did not ask for jobs."""

    __tablename__ = "silence"
    __table_args__ = (
        Index("ix_silence_site_from_ms", "site", "from_ms"),
        _partial_index("uq_silence_site_lasts", ("site",), "until_ms IS NULL", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    from_ms: Mapped[int]  # the last poll before it, or when the server that missed it began to listen
    until_ms: Mapped[int | None]  # the next poll; none: it lasts


class ClockMark(Base):
    """A moment at which a server took its clock to be right; what a clock that leaps later is held against.

    Usually one row, which follows the time. A clock that goes back by days begins a row of its own, and the row that is
    ahead of it waits for its time.
    """

    __tablename__ = "clock_mark"

    id: Mapped[int] = mapped_column(primary_key=True)
    wall_ms: Mapped[int]  # as both clocks said (clock.Now)
    boot_ms: Mapped[int]
    known_job_id: Mapped[int]  # dates in the future of jobs up to this id are known to a person; 0: of none


class FeedRecord(Base):
    """The one row that says which positions in the feed of events are still good."""

    __tablename__ = "feed_record"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[str]  # changes when the numbers of events count anew: a restored backup
    pruned_seq: Mapped[int]  # the highest number of an event that was deleted; a trigger keeps it


class IdempotencyKey(Base):
    """A key that a client sent with a job, so that the same job sent again makes no second one."""

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("site", "user_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str]
    user_id: Mapped[str]
    key: Mapped[str]
    command_hash: Mapped[str]
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    created_ms: Mapped[int] = mapped_column(index=True)  # as both clocks said (clock.Now)
    created_boot_ms: Mapped[int] = mapped_column(server_default="-1")  # -1: of an earlier version, of no boot


for _trigger in (
    "CREATE TRIGGER job_event_no_update BEFORE UPDATE ON job_event"
    " BEGIN SELECT RAISE(ABORT, 'history is append-only'); END",
    "CREATE TRIGGER job_event_no_delete BEFORE DELETE ON job_event WHEN NOT EXISTS (SELECT 1 FROM prune_permit)"
    " BEGIN SELECT RAISE(ABORT, 'history is append-only'); END",
    "CREATE TRIGGER job_event_pruned AFTER DELETE ON job_event"
    " BEGIN UPDATE feed_record SET pruned_seq = max(pruned_seq, OLD.seq); END",
):
    event.listen(JobEvent.__table__, "after_create", DDL(_trigger).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
