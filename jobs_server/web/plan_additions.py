"""Steps that are added at the end of a plan that has not ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .. import clock
from ..domain import commands
from ..domain.plan_commands import EditPlan, check_count
from ..errors import Conflict, KeyReused
from ..history import plan_views
from ..jobs import plan_edits, plan_queries, plans
from ..service import service
from ..storage.statement import Connection
from .context import page

_TRIES = 3
"""A step that is released while its plan is read makes the addition be tried again."""


def beginning(connection: Connection, ulid: str) -> dict[str, str]:
    """Return a form to which steps are added: frames are called as the last ones are, and nothing slews.

    Raises NotFound, and Conflict for a plan that has ended.
    """
    row = plan_queries.found(connection, page().site, ulid)
    plans.check_open(row)
    for each in reversed(plan_queries.steps(connection, row.id)):
        if name := plan_edits.as_sent(each.step)["optional_params"].get("object_name"):
            return {"slew": "", "target": str(name)}
    return {"slew": ""}


def begins_ms(connection: Connection, ulid: str) -> int | None:
    """Return when the plan ends by its estimates, which is when what is added to it begins. Raises NotFound."""
    row = plan_queries.found(connection, page().site, ulid)
    steps, at_once = plan_queries.steps(connection, row.id), service().profiles.is_at_once(row.site)
    public = plan_views.whole(connection, service().plan_times, row, steps, clock.read(), at_once=at_once)
    end_ms: int | None = public.get("estimated_end_ms")
    return end_ms


def add(ulid: str, steps: Sequence[Mapping[str, Any]], key: str | None) -> None:
    """Add steps at the end of a plan; the same steps with the same key again, once. Raises what an edit raises."""
    own_key = key and f"{key}-{hashlib.sha256(json.dumps(steps).encode()).hexdigest()[:16]}"
    for tries_left in reversed(range(_TRIES)):
        try:
            return _add(ulid, steps, own_key)
        except KeyReused:
            return None  # A double click, or a reply that was lost: the plan has these steps, and so is another one.
        except Conflict:
            if not tries_left:
                raise
    return None


def _add(ulid: str, steps: Sequence[Mapping[str, Any]], key: str | None) -> None:
    actor = page().actor
    with page().snapshot() as connection:
        row = plan_queries.found(connection, page().site, ulid)
        plans.check_open(row)
        kept = [{"id": each.step.id} for each in plan_queries.steps(connection, row.id)[row.released :]]
    check_count(row.released + len(kept) + len(steps))
    body = {"site": row.site, "id": row.ulid, "user_id": actor.id, "user_name": actor.name}
    command = commands.checked(EditPlan, body | {"steps": [*kept, *steps], "revision": row.revision})
    service().plans.edit(command, actor, key)
