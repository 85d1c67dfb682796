"""Try all that a new job needs of the database, and take it back: rights, tables, triggers and numbers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import clock
from ..domain import actors
from ..domain.commands import SubmitJob
from ..jobs import operations
from ..storage import migrations

if TYPE_CHECKING:
    from ..service import Service

_NOWHERE = "  "  # It stands in the place of a site, and no site is blank.
_STOP = SubmitJob(
    site="nowhere",
    device="all",
    instance="all",
    action="cancel_all_commands",  # A stop does what any job does, and cancels what it covers: it needs the most.
    user_name=actors.SERVER.name,
    user_id=actors.SERVER.id,
    required_params={},
    optional_params={},
).model_copy(update={"site": _NOWHERE})


class _TakenBack(Exception):
    """The rehearsal went well, and nothing of it is to be kept."""


def rehearse(service: Service, write_seconds: float) -> str | None:
    """Post a stop and take it back before the commit; return the migration that the database is at.

    At another migration than this version's nothing is posted: its tables may be others. Raises Unavailable when a job
    could not be kept.
    """
    # Nothing is committed, so that nobody is woken and no commit is counted.
    unheard = replace(service.database, timeout_seconds=write_seconds, on_commit=[], on_commit_seconds=[])
    found: str | None = None
    with suppress(_TakenBack), unheard.transaction(_NOWHERE) as connection:
        found = migrations.revision(connection)
        if found == migrations.newest():
            operations.submit(connection, _STOP, actors.SERVER, clock.read(), service.settings, key=_NOWHERE)
        raise _TakenBack
    return found
