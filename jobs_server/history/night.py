"""What a night came to: each job with its life, gaps without work, counts. Read-only, and pure sums on top."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import BigInteger, and_, bindparam, func, select

from ..jobs.queries import EVENT, JOB, EventRow, JobRow
from ..jobs.timing import Result, life
from ..storage.models import Job, JobEvent
from ..storage.statement import Connection, Statement
from .now import Told

LONGEST = 20_000
"""Jobs that a report takes in; what is more is said, and the CSV has it."""
GAP_MS = 10 * 60 * 1000
"""From how long on a time without work is called a gap."""

_IN_RANGE = and_(
    Job.site == bindparam("site"),
    Job.timestamp_ms >= bindparam("from_ms", type_=BigInteger),
    Job.timestamp_ms < bindparam("to_ms", type_=BigInteger),
)
_NEWEST_FIRST = (Job.timestamp_ms.desc(), Job.ulid.desc())
_JOBS = Statement(select(*JOB).where(_IN_RANGE).order_by(*_NEWEST_FIRST).limit(bindparam("count")))
_EVENTS = Statement(
    select(JobEvent.job_id, *EVENT)
    .join(Job, Job.id == JobEvent.job_id)
    .where(_IN_RANGE, Job.timestamp_ms >= bindparam("oldest_ms", type_=BigInteger))
    .order_by(JobEvent.seq)
)
_COUNT = Statement(select(func.count()).select_from(Job).where(_IN_RANGE))


class Gap(NamedTuple):
    """A time without work."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        """Give how long it was."""
        return self.to_ms - self.from_ms


@dataclass(frozen=True)
class Report:
    """What happened at a site in a stretch of time; each figure is worked out once, when it is first asked for."""

    jobs: list[Told]
    """Oldest first; the newest `LONGEST` of them."""
    left_out: int
    """How many older ones there are beside."""

    @cached_property
    def by_result(self) -> Counter[str]:
        """Count the jobs by how they came out; what has not ended is `open`."""
        return Counter(told.life.result.value if told.life.result else "open" for told in self.jobs)

    @cached_property
    def exposures(self) -> list[tuple[float, int]]:
        """List the exposures of jobs that were done: seconds each, and how many."""
        done = (told.job for told in self.jobs if told.life.result is Result.DONE)
        return [exposure for job in done if (exposure := _exposure(job))]

    @cached_property
    def open_shutter_seconds(self) -> float:
        """Add up the exposure time of the jobs that were done."""
        return sum(seconds * count for seconds, count in self.exposures)

    @cached_property
    def worked_ms(self) -> int:
        """Add up the time in which at least one job ran."""
        return sum(end - begin for begin, end in self._runs)

    @cached_property
    def gaps(self) -> list[Gap]:
        """List the times without work between the first run and the last."""
        return [Gap(end, begin) for (_, end), (begin, _) in pairwise(self._runs) if begin - end >= GAP_MS]

    @cached_property
    def _runs(self) -> list[tuple[int, int]]:
        lives = (told.life for told in self.jobs)
        return together([(life.started_ms, life.ended_ms) for life in lives if life.started_ms and life.ended_ms])


def report(connection: Connection, site: str, from_ms: int, to_ms: int, count: int = LONGEST) -> Report:
    """Read what was posted to a site from one time up to another."""
    values = {"site": site, "from_ms": from_ms, "to_ms": to_ms}
    jobs = [JobRow._make(row) for row in connection.rows(_JOBS, **values, count=count)][::-1]
    if not jobs:
        return Report([], 0)
    left_out = 0 if len(jobs) < count else connection.rows(_COUNT, **values)[0][0] - len(jobs)
    histories = defaultdict[int, list[EventRow]](list)
    for job_id, *event in connection.rows(_EVENTS, **values, oldest_ms=jobs[0].timestamp_ms):
        histories[job_id].append(EventRow._make(event))
    return Report([Told(job, life(job.timestamp_ms, histories[job.id])) for job in jobs], left_out)


def _exposure(job: JobRow) -> tuple[float, int] | None:
    if (job.device, job.action) != ("camera", "expose"):
        return None
    try:
        seconds = float(json.loads(job.required_params).get("time", 0))
        count = int(float(json.loads(job.optional_params).get("count", 1)))
    except (TypeError, ValueError, OverflowError):
        return None
    return (seconds, count) if 0 < seconds < 1e6 and 0 < count < 1e6 else None


def together(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join runs that touch or overlap."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(runs):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
