"""What a night came to: each job with its timing, gaps without work, counts. Read-only, and pure sums on top."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import BigInteger, and_, bindparam, func, select

from ..domain.lifecycle import Result
from ..jobs.rows import EventRow, JobRow
from ..jobs.sql import EVENT, JOB, NEWEST_FIRST, THIS_SITE
from ..jobs.timing import JobTiming, timing_of
from ..storage.models import Job, JobEvent
from ..storage.statement import Connection, Statement
from .now import JobWithTiming
from .rows import listed

LONGEST = 20_000
"""How many jobs a report takes in; it says how many more there are, and the CSV has them all."""
GAP_MS = 10 * 60 * 1000
"""A time without work is called a gap from this length on."""

_IN_RANGE = and_(
    THIS_SITE,
    Job.timestamp_ms >= bindparam("from_ms", type_=BigInteger),
    Job.timestamp_ms < bindparam("to_ms", type_=BigInteger),
)
_JOBS = Statement(select(*JOB).where(_IN_RANGE).order_by(*NEWEST_FIRST).limit(bindparam("count")))
_EVENTS = Statement(
    select(JobEvent.job_id, *EVENT)
    .join(Job, Job.id == JobEvent.job_id)
    .where(_IN_RANGE, Job.timestamp_ms >= bindparam("oldest_ms", type_=BigInteger))
    .order_by(JobEvent.job_id, JobEvent.seq)
)
_COUNT = Statement(select(func.count()).select_from(Job).where(_IN_RANGE))


class Gap(NamedTuple):
    """A time without work."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        """Return for how long nothing ran."""
        return self.to_ms - self.from_ms


@dataclass(frozen=True)
class Report:
    """What happened at a site in a stretch of time; each figure is worked out once, when it is first asked for."""

    jobs: list[JobWithTiming]
    """Oldest first; the newest `LONGEST` of them."""
    left_out: int
    """How many older jobs there are beside."""

    @cached_property
    def by_result(self) -> Counter[str]:
        """Count the jobs by how they came out; a job that has not ended is `open`."""
        return Counter(each.timing.result.value if each.timing.result else "open" for each in self.jobs)

    @cached_property
    def exposures(self) -> list[tuple[float, int]]:
        """Return the exposures of jobs that were done: seconds each, and how many."""
        done = (each.job for each in self.jobs if each.timing.result is Result.DONE)
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
        """Return the times without work between the first run and the last."""
        return [Gap(end, begin) for (_, end), (begin, _) in pairwise(self._runs) if begin - end >= GAP_MS]

    @cached_property
    def _runs(self) -> list[tuple[int, int]]:
        timings = (each.timing for each in self.jobs)
        return together([(each.started_ms, each.ended_ms) for each in timings if each.started_ms and each.ended_ms])


def report(connection: Connection, site: str, from_ms: int, to_ms: int, count: int = LONGEST) -> Report:
    """Read what was posted to a site from one time up to another."""
    values = {"site": site, "from_ms": from_ms, "to_ms": to_ms}
    jobs = listed(connection, _JOBS, **values, count=count)[::-1]
    if not jobs:
        return Report([], 0)
    left_out = 0 if len(jobs) < count else connection.rows(_COUNT, **values)[0][0] - len(jobs)
    posted_ms = {job.id: job.timestamp_ms for job in jobs}
    timings = {
        job_id: timing_of(posted_ms[job_id], (EventRow._make(row[1:]) for row in rows))
        for job_id, rows in groupby(
            connection.stream(_EVENTS, **values, oldest_ms=jobs[0].timestamp_ms), key=itemgetter(0)
        )
        if job_id in posted_ms
    }
    return Report([JobWithTiming(job, timings.get(job.id) or JobTiming(job.timestamp_ms)) for job in jobs], left_out)


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
