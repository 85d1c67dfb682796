"""How long a plan takes: by the catalogue, and where a site has enough of its own past, by what its jobs took longer.

An action's own past is how much longer than by the catalogue its jobs ran: so it holds for other exposures as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from threading import Lock
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import bindparam, func, literal_column, select

from .. import clock
from ..domain.lifecycle import END_WORDS, Phase, Result
from ..jobs import queries
from ..jobs.plan_rows import StepRow
from ..jobs.rows import JobRow
from ..jobs.sql import NEWEST_FIRST, THIS_SITE, at_most, literal
from ..jobs.timing import timing_of
from ..observatory import durations
from ..observatory.durations import BadParameter
from ..observatory.poses import Pose
from ..storage.models import Job
from ..storage.statement import Connection, Statement

ENOUGH = 5
"""So many jobs of an action are a past of its own."""
AMONG = 300
"""Among so many of a site's newest jobs they are sought."""
KEPT_SECONDS = 600.0
"""How long what was read of a site's past is kept."""
LONGEST_SECONDS = 100 * 365.25 * 86_400
"""No plan is estimated to take longer: of a sum of absurd exposures no calendar has the year."""
_MOST_SITES = 100
_TURNS_WITH_TIME = "mount"
"""How long its slews take depends on when; a series of frames is worked out once."""
# Of a job that ended well the site has said both when it began and when it ended.
_newest = (
    select(Job.id)
    .where(THIS_SITE, Job.timestamp_ms <= bindparam("until_ms"))
    .order_by(*NEWEST_FIRST)
    .limit(at_most("count"))
    .subquery()
)
_WELL = func.lower(Job.status).in_([literal_column(f"'{word}'") for word in END_WORDS[Result.DONE]])
_NEWEST = Statement(
    select(Job.id, Job.device, Job.action, Job.required_params, Job.optional_params, Job.timestamp_ms).where(
        Job.id.in_(select(_newest.c.id)), Job.phase == literal(Phase.ENDED), _WELL
    )
)

Delays = Mapping[tuple[str, str], float]
"""By device and action, how many seconds longer than by the catalogue a site's jobs ran; the median."""


class Estimate(NamedTuple):
    """How long a plan takes, in seconds."""

    each: list[float]
    """By step."""
    from_past: int
    """For how many steps this site's own past was heeded."""

    @property
    def seconds(self) -> float:
        """Return how long all steps take together."""
        return sum(self.each)


@dataclass(slots=True)
class PlanTimes:
    """Estimate plans, and keep for a while what was read of each site's past."""

    _lock: Lock = field(default_factory=Lock)
    _kept: dict[str, tuple[float, Delays]] = field(default_factory=dict)

    def estimate(self, connection: Connection, site: str, steps: Sequence[StepRow]) -> Estimate:
        """Estimate steps that are done one after the other at a site, each with what it is held back first.

        All together they take `LONGEST_SECONDS` at most.
        """
        delays = self._delays(connection, site)
        pose, now, each, from_past = Pose(), clock.now_ms() / 1000, list[float](), 0
        longest = now + LONGEST_SECONDS
        known: dict[tuple[object, ...], tuple[float, Pose]] = {}
        for step in steps:
            same = (step.device, step.action, step.required_params, step.optional_params, pose)
            if step.device == _TURNS_WITH_TIME or (planned := known.get(same)) is None:
                params = from_json(step.required_params), from_json(step.optional_params)
                planned = known[same] = _planned(step.device, step.action, *params, pose, now)
            seconds, pose = planned
            delay = delays.get((step.device, step.action))
            from_past += delay is not None
            takes = step.hold_ms / 1000 + max(0.0, seconds + (delay or 0.0))
            each.append(max(0.0, min(takes, longest - now)))
            now += each[-1]
        return Estimate(each, from_past)

    def of_jobs(self, connection: Connection, site: str) -> JobTimes:
        """Return what estimates a site's jobs one by one, in the order in which they are done."""
        return JobTimes(self._delays(connection, site))

    def _delays(self, connection: Connection, site: str) -> Delays:
        found = self._kept.get(site)
        if found is not None and clock.steady_seconds() - found[0] < KEPT_SECONDS:
            return found[1]
        delays = delays_of(connection, site)
        with self._lock:
            if len(self._kept) >= _MOST_SITES:
                self._kept.clear()  # Anybody can make up site codes.
            self._kept[site] = (clock.steady_seconds(), delays)
        return delays


class JobTimes:
    """Estimate jobs one by one, in the order in which they are done: how long each takes hangs on the one before."""

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._pose = Pose()
        self._now = clock.now_ms() / 1000

    def seconds(self, job: JobRow) -> float | None:
        """Return how long a job takes once it has begun; None where nothing is known of its action."""
        required, optional = from_json(job.required_params), from_json(job.optional_params)
        delay = self._delays.get((job.device, job.action), 0.0)
        try:
            planned = durations.plan(job.device, job.action, required, optional, self._pose, self._now)
        except BadParameter:
            return None
        self._pose = planned.pose
        seconds = max(0.0, planned.seconds + delay)
        self._now += seconds
        return seconds


def delays_of(connection: Connection, site: str) -> Delays:
    """Read how much longer than by the catalogue a site's newest jobs ran, where there are enough of an action."""
    longer = defaultdict[tuple[str, str], list[float]](list)
    for job_id, device, action, required, optional, posted_ms in connection.rows(
        _NEWEST, site=site, until_ms=clock.now_ms() + clock.AHEAD_MS, count=AMONG
    ):
        ran_ms = timing_of(posted_ms, queries.each_event(connection, job_id)).ran_ms
        if ran_ms is not None:
            params = from_json(required), from_json(optional)
            planned, _ = _planned(device, action, *params, Pose(), posted_ms / 1000)
            longer[device, action].append(ran_ms / 1000 - planned)
    return {key: median(seconds) for key, seconds in longer.items() if len(seconds) >= ENOUGH}


def _planned(
    device: str, action: str, required: dict[str, Any], optional: dict[str, Any], pose: Pose, now: float
) -> tuple[float, Pose]:
    """Return how long an action takes by the catalogue, and how the devices stand then; 0 s where it knows none."""
    try:
        planned = durations.plan(device, action, required, optional, pose, now)
    except BadParameter:
        return 0.0, pose
    return planned.seconds, planned.pose
