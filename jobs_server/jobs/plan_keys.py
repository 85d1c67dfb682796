"""Idempotency keys of plans, edits and templates: the same sent again within a day does nothing twice."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, not_, select

from ..clock import Now
from ..domain.commands import ByPerson
from ..errors import KeyReused
from ..storage.models import PlanKey
from ..storage.statement import Connection, Statement
from .admission import key_is_old
from .sql import at_most

_NAMES = ("site", "user_id", "key", "command_hash", "made_id", "created_ms", "created_boot_ms")
_KEY_IS = and_(
    PlanKey.site == bindparam("site"), PlanKey.user_id == bindparam("user_id"), PlanKey.key == bindparam("key")
)
_FORGOTTEN, _SWEPT = key_is_old(PlanKey.created_ms, PlanKey.created_boot_ms)
_FIND = Statement(select(PlanKey.command_hash, PlanKey.made_id).where(_KEY_IS, not_(_FORGOTTEN)))
_FORGET = Statement(delete(PlanKey).where(_KEY_IS))
_KEEP = Statement(insert(PlanKey).values({name: bindparam(name) for name in _NAMES}))
_ANY_OLD = Statement(select(PlanKey.id).where(_SWEPT).limit(at_most(1)))
_FORGET_OLD = Statement(delete(PlanKey).where(_SWEPT))


def first_made(connection: Connection, command: ByPerson, now: Now, key: str | None) -> int | None:
    """Find the id of what this key made or changed within a day. Raises KeyReused when it came with another command."""
    if key is None:
        return None
    names = {"site": command.site, "user_id": command.user_id, "key": key}
    row = connection.row(_FIND, **names, **now._asdict())
    if row is None:
        connection.run(_FORGET, **names)
        return None
    command_hash, made_id = row
    if command_hash != _hash(command):
        raise KeyReused(f"Error: the Idempotency-Key {key} was sent before with another command")
    return int(made_id)


def remember(connection: Connection, command: ByPerson, now: Now, key: str | None, made_id: int) -> None:
    """Keep what a key made or changed; no key, nothing to keep."""
    if key is not None:
        names = {"site": command.site, "user_id": command.user_id, "key": key, "command_hash": _hash(command)}
        connection.run(_KEEP, **names, made_id=made_id, created_ms=now.wall_ms, created_boot_ms=now.boot_ms)


def any_old_keys(connection: Connection, now: Now) -> bool:
    """Whether there are keys that are too old to count."""
    return connection.row(_ANY_OLD, **now._asdict()) is not None


def forget_old_keys(connection: Connection, now: Now) -> None:
    """Forget keys that are too old to count."""
    connection.run(_FORGET_OLD, **now._asdict())


def _hash(command: ByPerson) -> str:
    """Return what tells one command from another: its kind, and its checked fields that were sent."""
    said: dict[str, Any] = {"": type(command).__name__} | command.model_dump(exclude={"check"}, exclude_unset=True)
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
