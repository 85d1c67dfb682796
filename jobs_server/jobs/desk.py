"""The desk: each thing that people ask of jobs, whole: who may, how often, and one operation in one transaction.

Routes, pages and commands all come here, so that none of them forgets a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import clock
from ..config import Settings
from ..domain.actors import Actor
from ..domain.commands import CancelJob, LiftLockout, LockOut, SubmitJob
from ..domain.lifecycle import is_stop
from ..storage.database import Database
from ..storage.statement import Connection
from . import lockouts, operations, remote_calendar
from .lockouts import LockoutRow
from .remote_calendar import RemoteCalendar
from .rows import JobRow

if TYPE_CHECKING:
    from .limits import Limits  # a command loads none of it


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Take what people ask of jobs."""

    settings: Settings
    database: Database
    limits: Limits | None
    """None: nobody is counted, as at the observatory's PC, where a shell's loop may post."""
    calendar: RemoteCalendar | None

    def post(self, command: SubmitJob, actor: Actor, key: str | None = None, address: str | None = None) -> JobRow:
        """Queue a job; see `post_all`."""
        return self.post_all([(command, key)], actor, address)[0]

    def post_all(
        self, keyed: Sequence[tuple[SubmitJob, str | None]], actor: Actor, address: str | None = None
    ) -> list[JobRow]:
        """Queue the jobs of one site, each with its key, one after the other in one transaction.

        `address` is that of somebody who gives no name, to be counted by.
        Raises TooMany, Unauthorized, LockedOut, KeyReused, Unavailable; then none of the jobs is queued.
        """
        for command, key in keyed:
            if self.limits is not None:
                self.limits.job(command, actor, address)
            remote_calendar.check(self.calendar, self.database, command, actor, self.settings, key)
        urgent = any(is_stop(command.action, command.required_params) for command, _ in keyed)

        def submit(connection: Connection) -> list[JobRow]:
            return [
                operations.submit(connection, command, actor, clock.read(), self.settings, key)
                for command, key in keyed
            ]

        return self.database.write(keyed[0][0].site, submit, urgent=urgent)

    def cancel(self, command: CancelJob, actor: Actor) -> JobRow:
        """Cancel a job, or ask the site to end it. Raises NotFound, Conflict, Unauthorized, Unavailable."""
        remote_calendar.check_cancel(self.calendar, self.database, command.site, command.ulid, actor, self.settings)
        with self.database.transaction(command.site, urgent=True) as connection:
            return operations.cancel(connection, command, actor, clock.read(), self.settings)

    def cancel_waiting(self, site: str, actor: Actor) -> int:
        """Cancel what waits at a site, and return how many jobs that were. Raises Unauthorized, Unavailable."""
        remote_calendar.check_cancel(self.calendar, self.database, site, None, actor, self.settings)
        with self.database.transaction(site, urgent=True) as connection:
            return operations.cancel_waiting(connection, site, actor, clock.read(), self.settings)

    def lock_out(self, command: LockOut, actor: Actor) -> LockoutRow:
        """Lock a telescope out. Raises Conflict when it is, and Unavailable."""
        with self.database.transaction(command.site, urgent=True) as connection:
            return lockouts.put_on(connection, command.site, command.note, actor, clock.read())

    def lift(self, command: LiftLockout, actor: Actor) -> tuple[LockoutRow, int]:
        """Lift a lock-out; return it, and how many waiting jobs were canceled.

        Raises Conflict, Forbidden, Unavailable.
        """
        with self.database.transaction(command.site) as connection:
            return operations.lift_lockout(connection, command, actor, clock.read())
