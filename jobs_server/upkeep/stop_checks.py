"""What waits in vain: jobs at a site that is silent, and stop commands that nobody takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select

from .. import clock
from ..clock import Now
from ..domain.actors import Known
from ..domain.lifecycle import END_WORDS, RECEIVED, Phase, Queue
from ..jobs.sql import in_phase
from ..live.presence import State
from ..storage.base import aliased
from ..storage.models import Job, JobEvent
from ..storage.statement import Statement
from .findings import Finding, Grade

if TYPE_CHECKING:
    from ..service import Service

STOP_SECONDS = 10
KEY = "stop "
"""What the name of an alert of one stop command begins with."""

WAITING = Statement(
    select(Job.site, func.count(), func.min(Job.accepted_ms))
    .where(in_phase(Queue.PRIMARY, Phase.WAITING))
    .group_by(Job.site)
)
STOPS = Statement(
    select(Job.site, Job.action, Job.ulid, Job.hold_ms, Job.accepted_ms, Job.accepted_boot_ms).where(
        in_phase(Queue.PRIMARY, Phase.WAITING), Job.is_stop == 1
    )
)
_ACTS: list[ColumnElement[str]] = [
    literal_column(f"'{word}'") for word in (RECEIVED.lower(), *chain.from_iterable(END_WORDS.values()))
]
_own_event = aliased(JobEvent)
_last_of_its_own = select(func.max(_own_event.seq)).where(_own_event.job_id == Job.id).correlate(Job).scalar_subquery()
_UNTAKEN = Statement(
    select(Job.ulid).where(
        Job.ulid == bindparam("ulid"),
        in_phase(Queue.PRIMARY, Phase.WAITING, Phase.WITHDRAWN),
        ~select(JobEvent.seq)
        .where(
            *(JobEvent.site == Job.site, JobEvent.seq > _last_of_its_own),
            *(JobEvent.queue == Queue.PRIMARY.value, JobEvent.actor_known == Known.SITE.value),
            func.lower(JobEvent.status).in_(_ACTS),
        )
        .exists(),
    )
)
"""A stop that nobody took, where the site has taken no job since the stop was given up, nor said that one ended."""


def what_waits(service: Service) -> Iterator[Finding]:
    """Look what waits in vain, at each site. Raises Unavailable when the jobs cannot be read."""
    with service.database.reading() as connection:
        waiting, stops = connection.rows(WAITING), connection.rows(STOPS)
    for site, count, _ in waiting:
        if service.feed.presence.seen(site, Queue.PRIMARY).state is State.SILENT:
            sentence = f"its software is silent, and {count} jobs wait."
            yield Finding(f"silent {site}", Grade.NOTE, sentence, alert=f"{site}: {sentence}")
    now = clock.read()
    for site, action, ulid, hold_ms, *accepted in stops:
        if clock.age_ms(now, Now(*accepted)) - hold_ms > STOP_SECONDS * 1000:
            sentence = f"{action} was not taken within {STOP_SECONDS} s. Use the hard stop."
            yield Finding(stop_key(site, ulid), Grade.BAD, sentence, alert=f"{site}: {sentence}")


def stop_key(site: str, ulid: str) -> str:
    """Return what an alert of one stop command is known by."""
    return f"{KEY}{site} {ulid}"


def untaken(service: Service, keys: Iterable[str]) -> set[str]:
    """Return those of these alerts of stops that are not over: an end that the server put on a stop is none.

    Raises Unavailable.
    """
    ulids = {key: key.rpartition(" ")[2] for key in keys}
    if not ulids:
        return set()
    with service.database.reading() as connection:
        return {key for key, ulid in ulids.items() if connection.row(_UNTAKEN, ulid=ulid)}
