"""Take jobs so that none is run twice, none is lost in silence, none runs stale, and a stop wins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .api import SiteApi
from .backoff import Backoff
from .claimer import Claimer, StopClaimer, WorkClaimer
from .errors import BadReply, Conflict, NotFound, Refused, Unreachable
from .freshness import Doubt, Freshness
from .halts import Halt
from .job import Job
from .ledger import Entry, Ledger, Stage
from .lost_jobs import LOST, NOT_KNOWN, LostJobs
from .reporter import Report, Reporter
from .room import Hold, Room
from .rules import Rules
from .running_job import CANCELED, FAILED, ClaimedJob
from .stops import Stops
from .waiting_jobs import WaitingJobs

log = logging.getLogger(__name__)

EXPIRED = "EXPIRED"
STARTED = "STARTED"
_ACKNOWLEDGE_SECONDS = 5.0  # how long an end that the service does not know yet holds up the next job
_CLOSE_SECONDS = 5.0


class Claims:
    """Iterate over the jobs of a site, each begun through the fence; see `SiteClient.claims`.

    One thread claims, also while jobs run, so that a stop arrives at once; another reports. Nothing is yielded before
    the file says that it begins.
    """

    def __init__(self, client: SiteApi, path: Path, rules: Rules) -> None:
        self._client = client.with_patience(0)
        self._rules = rules
        self._ledger = Ledger(path, client.site, alternate_queue=rules.alternate_queue, with_stop_ids=rules.stops_apart)
        self._changed = threading.Condition()
        self._stops = Stops(
            self._client,
            self._changed,
            are_handled=rules.on_stop is not None,
            alternate_queue=rules.alternate_queue,
        )
        self._reporter = Reporter(
            client,
            self._acknowledged,
            self._stops.cancel,
            look_seconds=rules.look_seconds,
            heartbeat_seconds=rules.heartbeat_seconds,
            alternate_queue=rules.alternate_queue,
        )
        self._waiting = WaitingJobs(rules.beside)
        self._room = Room(side_by_side=rules.beside is not None)
        self._runs: dict[str, ClaimedJob] = {}
        self._doubts: dict[str, Doubt] = {}
        """Why a job may be too old; it is looked at when the job's turn comes."""
        self._first_tried: dict[str, float] = {}
        """When the service was first asked in vain whether a job may begin, by the monotonic clock."""
        self._obeyed: set[str] = set()
        """Stops that were obeyed although they could not be kept."""
        self._refused: dict[str, str] = {}
        """Why a job may not run although the service would let it begin."""
        self._ending: dict[str, ClaimedJob] = {}
        self._failure: BaseException | None = None
        self._lost: LostJobs | None = None
        """What an earlier run of the program left moving, for `on_lost` to see to."""
        self._closing = self._released = False
        self._left = self._ledger.entries()  # by an earlier run of the program
        self._threads = [
            threading.Thread(target=work, args=(self,), name=name, daemon=True) for name, work in self._claimers()
        ]

    def __iter__(self) -> Iterator[ClaimedJob]:
        with self:
            while (run := self.next()) is not None:
                yield run

    def _claimers(self) -> Iterator[tuple[str, Callable[[Self], None]]]:
        """Yield what asks for jobs, each with the name of its thread."""
        options: dict[str, Any] = {
            "wait_seconds": self._rules.wait_seconds,
            "poll_seconds": self._rules.poll_seconds,
            "alternate_queue": self._rules.alternate_queue,
        }
        if self._ledger.stop_ids is None:
            yield "claims", Claimer[Self](self._client, self._ledger.ids, **options).work
            return
        yield "claims of stops", StopClaimer(self._client, self._ledger.stop_ids, **options).work
        yield "claims", WorkClaimer(self._client, self._ledger.ids, limit=1, **options).work

    def __enter__(self) -> Self:
        if not any(thread.is_alive() for thread in self._threads):
            self._account_for_what_ran()
            self._reporter.start()
            for thread in self._threads:
                thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def next(self) -> ClaimedJob | None:
        """Wait for the next job that may begin, begin it and return it; None once closed.

        Raises Refused when the service does not let this site claim, such as for a wrong site code.
        """
        backoff = Backoff()
        while (run := self._next_run()) is not None:
            try:
                if self._may_run(run) and self._is_worth_asking(run) and self._is_fresh(run) and self._begin(run):
                    return run
                backoff.reset()
            except (Unreachable, BadReply, Refused, OSError) as error:
                log.warning("cannot ask whether %s may begin, trying again: %s", run.job, error)
                self._put_back(run)
                time.sleep(backoff.pause() or 0.0)
        self._release_when_idle()
        return None

    def hold(self, why: str) -> None:
        """Begin nothing but stops until `go_on`; with `stops_apart` nothing else is claimed either.

        What is in the site's hands and has not begun waits; after `max_age_seconds` of a hold it ends FAILED with why.
        """
        with self._changed:
            before = self._room.hold
            self._room.hold = Hold(why, before.since) if before else Hold(why)

    def go_on(self) -> None:
        """End a hold: what waits may begin, through the fence."""
        with self._changed:
            self._room.hold = None
            self._changed.notify_all()

    @property
    def held(self) -> str | None:
        """Return why nothing but stops begins for now; None when anything may."""
        hold = self._room.hold
        return None if hold is None else hold.why

    def close(self) -> None:
        """Take no more jobs; what runs may go on to its end, and then the file is released.

        A job that has not begun, and an end that cannot be sent within a few seconds, wait for the next start.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._release_when_idle()

    def progress(self, run: ClaimedJob, status: str, seconds: float | None, message: str | None) -> None:
        """Send the status of a job (called by the job)."""
        self._reporter.send(Report(run.job, status, seconds, message, made=time.monotonic()))

    def end(self, run: ClaimedJob, status: str, message: str | None) -> None:
        """Keep and send the end of a job (called by the job); wait a little until the service knows."""
        with self._changed:
            self._ending[run.ulid] = run
        self._report_end(run.entry, status, message, run.result)
        run.acknowledged.wait(_ACKNOWLEDGE_SECONDS)
        self.abandon(run)

    def abandon(self, run: ClaimedJob) -> None:
        """Make room for the next job (called by the job)."""
        self._reporter.unwatch(run)
        with self._changed:
            self._runs.pop(run.ulid, None)
            self._first_tried.pop(run.ulid, None)
            self._doubts.pop(run.ulid, None)
            self._waiting.forget(run.ulid)
            self._changed.notify_all()
        self._release_when_idle()

    def _release_when_idle(self) -> None:
        with self._changed:
            if not self._closing or self._runs or self._released or (self._lost and not self._lost.is_over):
                return
            self._released = True
        self._reporter.close(_CLOSE_SECONDS)
        self._ledger.close()

    def _acknowledged(self, ulid: str) -> None:
        if self._lost is None or not self._lost.acknowledge(ulid):
            self._ledger.forget(ulid)
        with self._changed:
            run = self._ending.pop(ulid, None)
        if run is not None:
            run.acknowledged.set()

    def _account_for_what_ran(self) -> None:
        """Send the ends that an earlier run of the program did not; of a job that ran then nobody knows the end."""
        for entry in self._left:
            if entry.stage is Stage.ENDED:
                self._reporter.send(
                    Report(entry.job, entry.status, message=entry.message, is_end=True, result=entry.result)
                )
        begun = [entry for entry in self._left if entry.stage is Stage.STARTED]
        if begun and self._rules.on_lost is not None:
            self._lost = LostJobs(begun, self._ledger, self._rules.on_lost)
            for entry in begun:
                self._reporter.send(Report(entry.job, LOST, message=NOT_KNOWN, is_end=True))
            threading.Thread(target=self._see_to, args=(self._lost,), name="lost", daemon=True).start()
        else:
            for entry in begun:
                self._report_end(entry, LOST, NOT_KNOWN)

    def _see_to(self, lost: LostJobs) -> None:
        """Let the site see to what an earlier run left moving; until then stops alone begin."""
        failure = None
        try:
            lost.see_to()
        except BaseException as error:  # nothing may begin: whoever waits for the next job gets it
            log.exception("what an earlier run of the program left moving was not seen to")
            failure = error
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()
        self._release_when_idle()

    def _report_end(
        self, entry: Entry, status: str, message: str | None, result: Mapping[str, Any] | None = None
    ) -> None:
        try:
            self._ledger.ended(entry, status, message, result)
        except OSError as error:
            log.error("the end of %s (%s) cannot be kept: %s", entry.job, status, error)  # noqa: TRY400
        self._reporter.send(Report(entry.job, status, message=message, is_end=True, result=result))

    def take(self, jobs: list[Job], claim_id: str, *, retire: bool, unseen_seconds: float | None) -> bool:
        """Keep what a claim brought; stops act before anything else. Return False once closed."""
        with self._changed:
            if self._closing:
                return False  # these jobs come again at the next start, by the same claim id
            try:
                entries = self._keep(jobs, claim_id, retire=retire, unseen_seconds=unseen_seconds)
            except OSError:
                for stop in self._new_stops(Entry(job, claim_id, time.time_ns() // 1_000_000) for job in jobs):
                    self._obeyed.add(stop.job.ulid)  # now, although it cannot be kept: it comes again, to be kept then
                    self._stop(stop)
                raise
            for stop in self._new_stops(entries):
                self._stop(stop)
            self._enqueue([entry for entry in entries if not (entry.job.is_stop and self._rules.on_stop)])
        return True

    def _keep(self, jobs: list[Job], claim_id: str, *, retire: bool, unseen_seconds: float | None) -> list[Entry]:
        if retire:
            self._ledger.retire(claim_id)
        entries = self._ledger.take(jobs, claim_id) if jobs else []
        if unseen_seconds is None or unseen_seconds > (self._rules.max_age_seconds or 0.0):
            self._doubts.update((entry.job.ulid, Doubt(left=False)) for entry in entries)
        left = self._what_was_left()
        self._doubts.update((entry.job.ulid, Doubt(left=True)) for entry in left)
        return left + entries

    def _new_stops(self, entries: Iterable[Entry]) -> list[Entry]:
        return [entry for entry in entries if entry.job.is_stop and entry.job.ulid not in self._obeyed]

    def _what_was_left(self) -> list[Entry]:
        left, self._left = self._left, []
        return [entry for entry in left if entry.stage is Stage.RECEIVED]

    def _is_fresh(self, run: ClaimedJob) -> bool:
        """Whether a job of which the site lost sight for a while may still begin; if not, report it. A stop may."""
        doubt, limit = self._doubts.get(run.ulid), self._rules.max_age_seconds
        if doubt is None or limit is None or run.job.is_stop:
            return True
        freshness = Freshness(self._client, limit, alternate_queue=self._rules.alternate_queue)
        why = freshness.why_too_old(run.entry, doubt)
        if why is not None:
            run.end_before_begin(EXPIRED, why)
        return why is None

    def _stop(self, stop: Entry) -> None:
        """Ask running jobs that a stop covers to end, here and now, before any call to the service.

        Called with the lock held, so that nothing begins or ends between.
        """
        covered = [run for run in self._runs.values() if stop.job.covers(run.job) or run.awaits_stop]
        halt = None
        if self._rules.on_stop is not None:
            # Until the stop is obeyed nothing begins that may not run beside it.
            run = self._runs[stop.job.ulid] = ClaimedJob(stop, self, self._rules.abort_seconds)
            halt = Halt(partial(self._rules.on_stop, run), lambda: run.failure)
            self._stops.remember(stop.job, halt)
            threading.Thread(target=self._run_stop, args=(run, halt), name="stop", daemon=True).start()
        for each in covered:
            each.request_cancel(halt)
        self._reporter.look_now()  # the service may be set to let it cover more

    def _run_stop(self, run: ClaimedJob, halt: Halt) -> None:
        try:
            self._ledger.started(run.entry)
        except OSError as error:
            log.error("%s cannot be kept, it is obeyed all the same: %s", run.job, error)  # noqa: TRY400
        with run:
            run.report(STARTED)
            halt.call()

    def _enqueue(self, entries: list[Entry]) -> None:
        with self._changed:
            self._waiting.add(entries)
            self._changed.notify_all()

    def _put_back(self, run: ClaimedJob) -> None:
        with self._changed:
            self._first_tried.setdefault(run.ulid, time.monotonic())
            self._runs.pop(run.ulid, None)
        self._enqueue([run.entry])

    def _may_run(self, run: ClaimedJob) -> bool:
        """Whether a job that waited for the end of a hold may run; if not, report it."""
        why = self._refused.pop(run.ulid, None)
        if why is not None:
            run.end_before_begin(FAILED, why)
        return why is None

    def _is_worth_asking(self, run: ClaimedJob) -> bool:
        """Whether to ask again if a job may begin; after an outage as long as the greatest age not: report it."""
        limit, first = self._rules.max_age_seconds, self._first_tried.get(run.ulid)
        if limit is None or first is None or run.job.is_stop or time.monotonic() - first <= limit:
            return True
        run.end_before_begin(
            EXPIRED, f"not begun: for {time.monotonic() - first:.0f} s the service did not say that it may"
        )
        return False

    def _next_run(self) -> ClaimedJob | None:
        """Wait for the job that may be next, and return it; a stop reaches the job from now on."""
        with self._changed:
            while not self._closing:
                if self._failure is not None:
                    raise self._failure
                entry = self._first_waiting()
                if entry is not None:
                    run = self._runs[entry.job.ulid] = ClaimedJob(entry, self, self._rules.abort_seconds)
                    self._changed.notify_all()  # there may be room for another
                    return run
                self._changed.wait(0.5)  # not for ever: on Windows, Ctrl-C is not heard in a wait without end
        return None

    def _first_waiting(self) -> Entry | None:
        hold, lost = self._room.hold, self._lost
        running = [run.job for run in self._runs.values()]
        holds = hold is not None or (lost is not None and not lost.are_seen_to)
        entry = self._waiting.take_first(running, stops_only=holds)
        if entry is None and hold and (why := hold.sentence(self._rules.max_age_seconds)):
            entry = self._waiting.take_work()
            if entry is not None:
                self._refused[entry.job.ulid] = why
        return entry

    def _begin(self, run: ClaimedJob) -> bool:
        """Pass the fence; return False when the job must not begin any more."""
        claim_id = run.entry.claim_id
        try:
            answer = self._client.start(run.job, claim_id=claim_id, alternate_queue=self._rules.alternate_queue)
        except (Conflict, NotFound) as refusal:
            log.info("%s does not begin: %s", run.job, refusal)
            self._ledger.forget(run.ulid)
            self.abandon(run)
            return False
        if answer.cancel_requested:
            run.request_cancel()
        if run.cancel_requested:  # a stop was quicker than the answer, and has been obeyed already
            run.end_before_begin(CANCELED, "not begun: it was canceled first")
            return False
        self._ledger.started(run.entry)
        self._reporter.watch(run)
        return True

    def fail(self, error: Exception) -> bool:
        """End the iteration: this site may not claim. Return False while jobs run, since a stop may come."""
        with self._changed:
            if self._runs:
                return False
            self._failure = error
            self._changed.notify_all()
            return True

    def rest(self, seconds: float) -> bool:
        """Wait so long; return False once closed (called by the claimer)."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._closing and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._closing

    def has_room(self) -> bool:
        """Whether a job that is claimed now can begin (called by the claimer)."""
        with self._changed:
            seen_to = self._lost is None or self._lost.are_seen_to
            return seen_to and self._room.for_work(waiting=self._waiting.are_there, running=bool(self._runs))

    def await_room(self, seconds: float) -> None:
        """Wait for room for work, at most so long (called by the claimer)."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._closing and not self.has_room() and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def is_idle(self) -> bool:
        """Whether any job can begin, since nothing runs or waits here (called by the claimer)."""
        with self._changed:
            return not self._runs and not self._waiting.are_there

    def choose(self, offered: list[Job]) -> Job | None:
        """Return the first of the jobs at the service that can begin now (called by the claimer)."""
        with self._changed:
            return self._waiting.choose([run.job for run in self._runs.values()], offered)

    def await_change(self, seconds: float) -> None:
        """Wait until a job has ended or come, at most so long (called by the claimer)."""
        with self._changed:
            if not self._closing:
                self._changed.wait(seconds)

    def note_choice(self, possible: bool) -> None:
        """Note whether the service shows what waits (called by the claimer)."""
        with self._changed:
            self._room.can_choose = possible

    def note_stops_alone(self, known: bool) -> None:
        """Note whether the service hands over stops alone when it is asked to (called by the claimer)."""
        with self._changed:
            self._room.knows_stops_alone = known
            self._changed.notify_all()
