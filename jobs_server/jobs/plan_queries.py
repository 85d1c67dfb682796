"""The reads of plans: each a function of a connection, which writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import NotFound, shown
from ..storage.statement import Connection
from . import plan_sql
from .plan_rows import PlanRow, StepOfPlan, StepRow

_WIDTH = len(StepRow._fields)
NEWS = 50
"""How many plans a message of the stream tells of at most: those that changed last."""


def find(connection: Connection, site: str, ulid: str) -> PlanRow | None:
    """Find a plan of a site by its id."""
    row = connection.row(plan_sql.FIND, site=site, ulid=ulid)
    return PlanRow._make(row) if row else None


def found(connection: Connection, site: str, ulid: str) -> PlanRow:
    """Find a plan of a site. Raises NotFound."""
    plan = find(connection, site, ulid)
    if plan is None:
        raise NotFound(f"Error: site {shown(site)} has no plan {shown(ulid)}")
    return plan


def anywhere(connection: Connection, ulid: str) -> PlanRow | None:
    """Find a plan by its id, whichever site's it is."""
    row = connection.row(plan_sql.FIND_ANYWHERE, ulid=ulid)
    return PlanRow._make(row) if row else None


def steps(connection: Connection, plan_id: int) -> list[StepOfPlan]:
    """List the steps of a plan in their order, each with how its job stands."""
    rows = connection.rows(plan_sql.STEPS, id=plan_id)
    return [StepOfPlan(StepRow._make(row[:_WIDTH]), *row[_WIDTH:]) for row in rows]


def last_released(connection: Connection, plan: PlanRow) -> StepOfPlan | None:
    """Return the last step of a plan that was released; None where none was."""
    row = connection.row(plan_sql.LAST_STEP, id=plan.id, released=plan.released)
    return StepOfPlan(StepRow._make(row[:_WIDTH]), *row[_WIDTH:]) if row else None


def of_site(connection: Connection, site: str, ended: int) -> list[PlanRow]:
    """List the plans of a site that have not ended, oldest first, and then the last so many that have, newest first."""
    return open_at(connection, site) + [
        PlanRow._make(row) for row in connection.rows(plan_sql.ENDED_AT_SITE, site=site, count=ended)
    ]


def under_way(connection: Connection, site: str, beside: int) -> PlanRow | None:
    """Return a plan of a site that has begun and runs, other than the one with the id `beside`; None for none."""
    row = connection.row(plan_sql.UNDER_WAY, site=site, id=beside)
    return PlanRow._make(row) if row else None


def open_at(connection: Connection, site: str) -> list[PlanRow]:
    """List the plans of a site that have not ended, oldest first."""
    return [PlanRow._make(row) for row in connection.rows(plan_sql.OPEN_AT_SITE, site=site)]


def since(connection: Connection, site: str, number: int) -> list[PlanRow]:
    """List the plans of a site that changed after a number, the last change first, at most `NEWS`."""
    return [PlanRow._make(row) for row in connection.rows(plan_sql.SINCE, site=site, after=number, count=NEWS)]


class DuePlan(NamedTuple):
    """A running plan of which no job is unfinished: it begins later, or is to be looked at."""

    site: str
    id: int
    not_before_ms: int | None
    created_ms: int
    created_boot_ms: int
    current_ulid: str | None

    @property
    def begins(self) -> bool:
        """Whether no step was released yet."""
        return self.current_ulid is None


def due(connection: Connection) -> list[DuePlan]:
    """List the plans of all sites that go on by the time and not by a report."""
    return [DuePlan._make(row) for row in connection.rows(plan_sql.DUE)]


def marks(connection: Connection) -> Iterator[tuple[str, int]]:
    """Yield each site that ever had a plan, with the number of the last change there."""
    yield from connection.rows(plan_sql.MARKS)
