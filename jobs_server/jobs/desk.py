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
from ..domain.queue_commands import EditJob, MoveJob, PauseQueue, ResumeQueue
from ..storage.database import Database
from ..storage.statement import Connection
from . import lockouts, operations, pauses, queue, remote_calendar
from .lockouts import LockoutRow
from .pauses import PauseRow
from .remote_calendar import RemoteCalendar
from .reservations import Held
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

    def move(self, command: MoveJob, actor: Actor) -> JobRow:
        """Move a job that waits in the order; see `queue.move`. Raises Unavailable too."""
        held = self._held(command.site, actor)
        with self.database.transaction(command.site) as connection:
            return queue.move(connection, command, actor, clock.read(), held)

    def edit(self, command: EditJob, actor: Actor) -> JobRow:
        """Change what a job asks for that waits; see `queue.edit`. Raises Unavailable too."""
        held = self._held(command.site, actor)
        with self.database.transaction(command.site) as connection:
            return queue.edit(connection, command, actor, clock.read(), held)

    def pause(self, command: PauseQueue, actor: Actor) -> PauseRow:
        """Pause the queue of a site. Raises Conflict when it is, Unauthorized, Unavailable."""
        held = self._known(command.site)
        with self.database.transaction(command.site, urgent=True) as connection:
            return pauses.pause(connection, command.site, command.note, actor, clock.read(), held)

    def resume(self, command: ResumeQueue, actor: Actor) -> PauseRow:
        """Let the queue of a site go on. Raises Conflict when it is not paused, Unauthorized, Unavailable."""
        held = self._held(command.site, actor)
        with self.database.transaction(command.site) as connection:
            return pauses.resume(connection, command.site, actor, clock.read(), held)

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

    def _held(self, site: str, actor: Actor) -> list[Held] | None:
        """Return who holds a telescope as the calendar elsewhere says; None where there is none.

        Raises Unavailable when nobody knows, but not for admins, whom nobody's reservation holds up.
        """
        if self.calendar is None:
            return None
        return [] if actor.is_admin else self.calendar.holders(site, clock.now_ms())

    def _known(self, site: str) -> list[Held] | None:
        """Return the same without asking: nothing that holds work up waits for a calendar."""
        return None if self.calendar is None else self.calendar.known(site, clock.now_ms()) or []
