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

from .. import clock
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
    to_ms: int
    """The end of the stretch of time."""
    now_ms: int

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
        runs, next_begins = list[tuple[int, int]](), dict[tuple[str, str], int]()
        begun = [(begin_ms, each) for each in self.jobs if (begin_ms := _begin_ms(each.timing))]
        for begin_ms, (job, timing) in sorted(begun, key=itemgetter(0), reverse=True):
            device = (job.device, job.instance)
            end_ms = timing.ended_ms or min(self._open_end_ms(timing), next_begins.get(device, self.to_ms))
            runs.append((begin_ms, max(begin_ms, end_ms)))
            next_begins[device] = begin_ms
        return together(runs)

    def _open_end_ms(self, timing: JobTiming) -> int:
        """Return until when a job that nobody ended ran: until now, and in a night that is over until its last sign."""
        if self.now_ms < self.to_ms:
            return self.now_ms
        return max(timing.word_ms or 0, timing.due_ms or 0)


def report(connection: Connection, site: str, from_ms: int, to_ms: int, count: int = LONGEST) -> Report:
    """Read what was posted to a site from one time up to another."""
    values = {"site": site, "from_ms": from_ms, "to_ms": to_ms}
    jobs = listed(connection, _JOBS, **values, count=count)[::-1]
    if not jobs:
        return Report([], 0, to_ms, clock.now_ms())
    left_out = 0 if len(jobs) < count else connection.rows(_COUNT, **values)[0][0] - len(jobs)
    posted = {job.id: (job.timestamp_ms, job.hold_ms) for job in jobs}
    timings = {
        job_id: timing_of(posted[job_id][0], (EventRow._make(row[1:]) for row in rows), posted[job_id][1])
        for job_id, rows in groupby(
            connection.stream(_EVENTS, **values, oldest_ms=jobs[0].timestamp_ms), key=itemgetter(0)
        )
        if job_id in posted
    }
    timed = [JobWithTiming(job, timings.get(job.id) or JobTiming(job.timestamp_ms)) for job in jobs]
    return Report(timed, left_out, to_ms, clock.now_ms())


def _begin_ms(timing: JobTiming) -> int | None:
    """Return when a job began; of one that the site carried out without a word in between, when the site took it."""
    if timing.started_ms or timing.result not in (Result.DONE, Result.FAILED):
        return timing.started_ms
    return timing.seen_ms


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
