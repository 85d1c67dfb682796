"""What a command meets before it is taken: a lock-out, a reservation, too many jobs that wait, or a key that it had.

With an idempotency key, a command that is sent again makes no second job.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    insert,
    literal_column,
    not_,
    or_,
    select,
)

from ..clock import AHEAD_MS, BOOT_BITS, DAY_MS, Now
from ..config import Settings
from ..domain.actors import Actor, Known
from ..domain.commands import HOUR_MS, SubmitJob
from ..errors import BadRequest, Fault, KeyReused, TooMany, shown
from ..storage.models import IdempotencyKey, Job
from ..storage.statement import Connection, Statement
from . import lockouts, reservations, statements
from .rows import JobRow
from .sql import JOB, age_by_boot, at_most

KEY_LIFE_MS = DAY_MS
"""How long an idempotency key is remembered."""

MOST_STOP_BYTES = 4096
"""How large the parameters of a stop command may be together."""
_LONGEST_NAME = 500
ADDED = ("goes_next", "not_before_ms")
"""Fields of a new job's command that earlier versions did not know."""

_KEY_IS = and_(
    IdempotencyKey.site == bindparam("site"),
    IdempotencyKey.user_id == bindparam("user_id"),
    IdempotencyKey.key == bindparam("key"),
)


_WALL, _BOOT = (bindparam(name, type_=BigInteger) for name in ("wall_ms", "boot_ms"))
_LIFE: ColumnElement[int] = literal_column(str(KEY_LIFE_MS))


def key_is_old(created_ms: Any, created_boot_ms: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Write that a key counts no more, and that it is to be deleted; binds `wall_ms` and `boot_ms`.

    Both clocks must say that a key's time is over, since a second job does more harm than a late one; the wall's clock
    has no say on a key from its future. Such a key is not swept, but overwritten, or deleted with its job.
    """
    since_boot, same_boot = age_by_boot(created_boot_ms)
    old_by_wall = created_ms <= _WALL - _LIFE
    # Of a key of an earlier boot the other clock knows that it is older than the machine has been up.
    old_by_boot = case((same_boot, since_boot), else_=_BOOT % literal_column(str(1 << BOOT_BITS))) >= _LIFE
    ahead = created_ms > _WALL + literal_column(str(AHEAD_MS))
    return and_(or_(old_by_wall, ahead), old_by_boot), and_(old_by_wall, old_by_boot)


_FORGOTTEN, _SWEPT = key_is_old(IdempotencyKey.created_ms, IdempotencyKey.created_boot_ms)
_FIND_KEY = Statement(
    select(IdempotencyKey.command_hash, *JOB)
    .join(Job, Job.id == IdempotencyKey.job_id)
    .where(_KEY_IS, not_(_FORGOTTEN))
)
_FORGET_KEY = Statement(delete(IdempotencyKey).where(_KEY_IS))
_KEY_NAMES = ("site", "user_id", "key", "command_hash", "job_id", "created_ms", "created_boot_ms")
_KEEP_KEY = Statement(insert(IdempotencyKey).values({name: bindparam(name) for name in _KEY_NAMES}))
_ANY_OLD_KEY = Statement(select(IdempotencyKey.id).where(_SWEPT).limit(at_most(1)))
_FORGET_OLD_KEYS = Statement(delete(IdempotencyKey).where(_SWEPT))


class Met(NamedTuple):
    """What a new job meets at a site; see `statements.MEET`."""

    last_ulid: str | None
    newest_waiting_ms: int | None
    lockout: int | None
    full: int | None
    reserved: int | None
    sure_ms: int | None


def meet(connection: Connection, site: str, now: Now, settings: Settings) -> Met:
    """Return what a new job meets, at the cost of one statement."""
    rows = connection.rows(statements.MEET, site=site, cap=settings.max_waiting_jobs, wall_ms=now.wall_ms)
    return Met._make(rows[0])


def admit(connection: Connection, site: str, met: Met, actor: Actor, now: Now, settings: Settings) -> None:
    """Refuse what is no stop command while the telescope is locked out or held by others, or too many jobs wait."""
    if met.lockout is not None:
        lockouts.refuse(connection, site)
    if met.reserved is not None and not settings.calendar_url:  # A calendar elsewhere was asked before.
        reservations.refuse_others(reservations.holders(connection, site, now), site, actor)
    if met.full is not None:
        raise TooMany(
            f"Error: {settings.max_waiting_jobs} jobs wait at {shown(site)} already, as many as may;"
            " cancel some, or see why its site software does not take them"
        )


def admit_held(connection: Connection, command: SubmitJob, actor: Actor, now: Now, settings: Settings) -> None:
    """Refuse what would go out while somebody else holds the telescope, as far as that is known. Raises Unauthorized.

    What is held back for some minutes, as a park after a stop, is refused for what holds now alone.
    """
    hold_ms = command.hold_ms(now.wall_ms)
    if (command.not_before_ms is None and hold_ms <= HOUR_MS) or hold_ms <= 0 or settings.calendar_url:
        return
    held = reservations.at(connection, command.site, now.wall_ms + hold_ms)
    reservations.refuse_others(held, command.site, actor)


def admit_stop(connection: Connection, site: str, actor: Actor, now: Now, settings: Settings) -> None:
    """Refuse a stop by somebody who is no holder, where only holders may stop; nothing else holds a stop up.

    Whoever sits at the observatory's PC may stop always. A calendar elsewhere was asked before.
    """
    if not (settings.strangers_may_stop or settings.calendar_url or actor.known is Known.CONSOLE):
        reservations.refuse_others(reservations.holders(connection, site, now), site, actor)


def check_size(command: SubmitJob, required_params: str, optional_params: str) -> None:
    """Refuse a stop command that is too large, since nothing limits how many come. Raises BadRequest.

    The parameters are JSON as it is kept.
    """
    check_stop_bytes(required_params, optional_params)
    for key in ("device", "instance", "action", "user_name", "user_id"):
        if len(getattr(command, key)) > _LONGEST_NAME:
            sentence = f"{key} of a stop command must be at most {_LONGEST_NAME} characters"
            raise BadRequest(f"Error: {sentence}", [Fault(key, sentence)])


def check_stop_bytes(required_params: str, optional_params: str) -> None:
    """Refuse parameters of a stop command that are too large; they are JSON as it is kept. Raises BadRequest."""
    if len(required_params.encode()) + len(optional_params.encode()) > MOST_STOP_BYTES:
        sentence = (
            f"required_params and optional_params of a stop command must be at most {MOST_STOP_BYTES} bytes of JSON"
        )
        raise BadRequest(f"Error: {sentence}", [Fault("required_params", sentence), Fault("optional_params", sentence)])


def is_known_key(connection: Connection, command: SubmitJob, now: Now, key: str) -> bool:
    """Whether a key came within a day, with whatever command."""
    names = {"site": command.site, "user_id": command.user_id, "key": key}
    return connection.row(_FIND_KEY, **names, **now._asdict()) is not None


def first_job(connection: Connection, command: SubmitJob, now: Now, key: str) -> JobRow | None:
    """Find the job that this key made within a day; a key older than that is forgotten.

    Raises KeyReused when it came with another command.
    """
    names = {"site": command.site, "user_id": command.user_id, "key": key}
    row = connection.row(_FIND_KEY, **names, **now._asdict())
    if row is None:
        connection.run(_FORGET_KEY, **names)
        return None
    command_hash, *job = row
    if command_hash != _hash(command):
        raise KeyReused(f"Error: the Idempotency-Key {key} was sent before with another command")
    return JobRow._make(job)


def remember_key(connection: Connection, command: SubmitJob, now: Now, key: str, job: JobRow) -> None:
    """Keep which job a key made."""
    connection.run(
        _KEEP_KEY,
        site=command.site,
        user_id=command.user_id,
        key=key,
        command_hash=_hash(command),
        job_id=job.id,
        created_ms=now.wall_ms,
        created_boot_ms=now.boot_ms,
    )


def any_old_keys(connection: Connection, now: Now) -> bool:
    """Whether there are idempotency keys that are too old to count."""
    return connection.row(_ANY_OLD_KEY, **now._asdict()) is not None


def forget_old_keys(connection: Connection, now: Now) -> None:
    """Forget idempotency keys that are too old to count."""
    connection.run(_FORGET_OLD_KEYS, **now._asdict())


def _hash(command: SubmitJob) -> str:
    """Return what tells one command from another: its checked fields, in whatever order they came.

    What was added since stands in it only where it is said: the key of an earlier version's command holds on.
    """
    fields = command.model_dump()
    for name in ADDED:
        if not fields[name]:
            del fields[name]
    text = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
