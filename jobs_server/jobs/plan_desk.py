"""The desk of plans: each thing that people ask of plans, whole: who may, how often, and one operation.

Routes, pages and commands all come here. What a calendar elsewhere says is asked before the transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import clock
from ..clock import Now
from ..domain.actors import SERVER, Actor
from ..domain.plan_commands import CancelPlan, DeleteTemplate, EditPlan, NewPlan, PausePlan, ResumePlan, SaveTemplate
from ..storage.database import Database
from ..storage.statement import Connection
from . import plan_edits, plan_keys, plan_queries, plan_release, plans, templates
from .plan_hindrances import Releasing
from .plan_rows import PlanRow, StepOfPlan, TemplateRow
from .remote_calendar import RemoteCalendar
from .reservations import Held
from .rows import JobRow

if TYPE_CHECKING:
    from .limits import Limits  # a command loads none of it


@dataclass(kw_only=True)
class PlanDesk:
    """Take what people ask of plans."""

    releasing: Releasing
    database: Database
    limits: Limits | None
    """None: nobody is counted."""
    calendar: RemoteCalendar | None
    wake: Callable[[], None] = field(default=lambda: None)
    """Called when a plan is to be looked at beside: it begins later, or a calendar elsewhere is to be asked first."""

    def check(self, command: NewPlan, actor: Actor) -> tuple[PlanRow, list[StepOfPlan]]:
        """Return the plan that `new` would keep, refused as `new` would, and keep nothing."""
        now = clock.read()
        plan, steps = plans.drafted(command, actor, now)
        held = self._held(command.site, actor)
        with self.database.reading() as connection:
            plans.admit(connection, plan, actor, now, self.releasing.settings, held)
        return plan, steps

    def new(
        self, command: NewPlan, actor: Actor, key: str | None = None, address: str | None = None
    ) -> tuple[PlanRow, list[StepOfPlan]]:
        """Keep a plan, and release its first step where it begins now.

        Raises BadRequest, TooMany, Unauthorized, LockedOut, KeyReused, Unavailable; then nothing is kept.
        """
        now = clock.read()
        draft = plans.drafted(command, actor, now)
        if self.limits is not None:
            self.limits.job(plan_release.command_of(draft[0], draft[1][0].step), actor, address)
        held = [] if self._is_known(command, key) else self._held(command.site, actor)
        with self.database.transaction(command.site) as connection:
            plan, steps = plans.new(connection, command, draft, actor, clock.read(), self.releasing, held, key)
        self.wake()
        return plan, steps

    def edit(self, command: EditPlan, actor: Actor, key: str | None = None) -> tuple[PlanRow, list[StepOfPlan]]:
        """Change what of a plan was not released yet; see `plan_edits.edit`."""
        held = self._held(command.site, actor)
        with self.database.transaction(command.site) as connection:
            plan = plan_edits.edit(connection, command, actor, clock.read(), self.releasing, held, key)
            steps = plan_queries.steps(connection, plan.id)
        self.wake()
        return plan, steps

    def pause(self, command: PausePlan, actor: Actor) -> PlanRow:
        """Release no more of a plan for now. Raises NotFound, Conflict, Forbidden, Unavailable."""
        held, settings = self._known(command.site), self.releasing.settings
        with self.database.transaction(command.site, urgent=True) as connection:
            return plans.pause(connection, command, actor, clock.read(), settings, held)

    def resume(self, command: ResumePlan, actor: Actor) -> PlanRow:
        """Let a paused plan go on. Raises NotFound, Conflict, Forbidden, Unavailable."""
        held = self._held(command.site, actor)
        with self.database.transaction(command.site) as connection:
            plan = plans.resume(connection, command, actor, clock.read(), self.releasing, held)
        self.wake()
        return plan

    def cancel(self, command: CancelPlan, actor: Actor) -> PlanRow:
        """End a plan, and cancel what of it has not ended. Raises NotFound, Conflict, Forbidden, Unavailable."""
        held, settings = self._known(command.site), self.releasing.settings
        with self.database.transaction(command.site, urgent=True) as connection:
            return plans.cancel(connection, command, actor, clock.read(), settings, held)

    def follow(self, connection: Connection, job: JobRow, now: Now) -> None:
        """Let the plan of a job go on after a report, in its transaction; one of no plan costs nothing."""
        if job.plan is None:
            return
        plan_release.follow(connection, job, now, self.releasing)
        if self.calendar is not None:
            self.wake()

    def look(self, site: str, plan_id: int) -> None:
        """Let a plan go on that is due by the time. Raises Unavailable, also where no calendar answers."""
        calendar = self.calendar
        held = None if calendar is None else calendar.holders(site, clock.now_ms())
        with self.database.transaction(site) as connection:
            plan = plan_release.by_id(connection, plan_id)
            plan_release.go_on(connection, plan, SERVER, clock.read(), self.releasing, held)

    def save_template(self, command: SaveTemplate, actor: Actor, key: str | None = None) -> TemplateRow:
        """Keep a plan or a command by its name. Raises BadRequest, Forbidden, TooMany, KeyReused, Unavailable."""
        content = templates.checked_content(command)
        with self.database.transaction(command.site) as connection:
            return templates.save(connection, command, content, actor, clock.read(), key)

    def delete_template(self, command: DeleteTemplate, actor: Actor) -> TemplateRow:
        """Delete a template. Raises NotFound, Forbidden, Unavailable."""
        with self.database.transaction(command.site) as connection:
            return templates.delete_one(connection, command, actor)

    def _held(self, site: str, actor: Actor) -> list[Held] | None:
        """Return who holds a telescope as the calendar elsewhere says; None where there is none.

        Raises Unavailable when nobody knows, but not for admins, whom nobody's reservation holds up.
        """
        if self.calendar is None:
            return None
        return [] if actor.is_admin else self.calendar.holders(site, clock.now_ms())

    def _known(self, site: str) -> list[Held] | None:
        """Return the same without asking: nothing that holds a plan up waits for a calendar."""
        return None if self.calendar is None else self.calendar.known(site, clock.now_ms()) or []

    def _is_known(self, command: NewPlan, key: str | None) -> bool:
        if self.calendar is None or key is None:
            return False
        with self.database.reading() as connection:
            return plan_keys.first_made(connection, command, clock.read(), key) is not None
