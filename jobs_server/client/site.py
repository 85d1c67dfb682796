"""The client of one site: the calls, the loop that takes jobs, and the stream of what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .api import SiteApi
from .job import Job
from .job_loop import Claims
from .rules import Rules
from .running_job import ABORT_SECONDS, ClaimedJob
from .stream import Change, ChangeOfSite, DevicesChange, PreviewChange, follow

MAX_AGE_SECONDS = 15 * 60.0


class SiteClient(SiteApi):
    """Take jobs with `claims`, follow what happens with `follow`, and make each call of `SiteApi`."""

    def claims(
        self,
        path: str | Path,
        *,
        on_stop: Callable[[ClaimedJob], object] | None = None,
        on_lost: Callable[[list[Job]], object] | None = None,
        beside: Callable[[Job, Job], bool] | None = None,
        max_age_seconds: float | None = MAX_AGE_SECONDS,
        abort_seconds: float = ABORT_SECONDS,
        wait_seconds: float = 20,
        poll_seconds: float = 1,
        look_seconds: float = 1,
        heartbeat_seconds: float = 60,
        alternate_queue: bool = False,
        stops_apart: bool = True,
    ) -> Claims:
        """Iterate over the jobs of this site, each begun through the fence; carry each out inside `with job:`.

        What is in the site's hands is kept in the file `path`. After a crash the last claim is asked for again; what
        had begun is reported LOST, since nobody knows what became of it, and is never begun twice; what had not begun
        begins now, unless it is older than `max_age_seconds` (None: however old): then it is reported EXPIRED, as is a
        job that the service was asked for so long in vain whether it may begin. A stop is obeyed however old it is.
        A second program on the same file is refused.

        After a crash the telescope may still move: `on_lost` is called with the jobs that had begun, in a thread of its
        own, and may halt what moves or wait until it stands. Until `on_lost` returns nothing begins but a stop, and the
        program that ends in between calls `on_lost` again when it starts. What `on_lost` raises, the iteration raises.

        Jobs are taken while others run, so that a stop acts at once: the jobs it covers get `cancel_requested`, and
        `on_stop` is called with the stop in a thread of its own; without `on_stop` the stop is the next job yielded.
        One job at a time begins, in order, unless `beside(job, other)` says that it may run beside the other, which
        came earlier: then hand the jobs to threads. The end of a job that was canceled waits, `abort_seconds` at most,
        until what the job gave to `when_canceled` has returned, and nothing begins before that may not run beside the
        job. Closing, or leaving the loop, takes no more jobs.

        Jobs are claimed one by one, each when it can begin, and in the order of the service; so what cannot begin stays
        there, where people can move, change and cancel it. With `beside` a job that can begin beside what runs is not
        held up by an earlier one that cannot, unless it may not run beside that one either. A second poll hears of
        stops at any time. `hold(why)` of what is returned claims and begins stops alone, until `go_on()`. An older
        service that knows of no poll for stops alone answers that poll with any job: what comes is kept unbegun, in
        order, and passes the fence as ever. With `stops_apart=False` one poll takes all that waits, in one go.

        A poll waits up to `wait_seconds` at the service; one that cannot wait is asked every `poll_seconds`. Running
        jobs are asked after every `look_seconds`, and their estimates refreshed every `heartbeat_seconds`.
        Raises SiteClientError when the file cannot be used.
        """
        rules = Rules(
            on_stop=on_stop,
            on_lost=on_lost,
            beside=beside,
            max_age_seconds=max_age_seconds,
            abort_seconds=abort_seconds,
            wait_seconds=wait_seconds,
            poll_seconds=poll_seconds,
            look_seconds=look_seconds,
            heartbeat_seconds=heartbeat_seconds,
            alternate_queue=alternate_queue,
            stops_apart=stops_apart,
        )
        return Claims(self, Path(path), rules)

    def follow(self, last_event_id: str | None = None, *, patience_seconds: float | None = None) -> Iterator[Change]:
        """Iterate over what happens at the site, as it happens, for ever: `JobChange`, `PresenceChange`, `Reset`.

        Begins now, or after the `position` of a change that was had before. A stream that breaks off, or is silent for
        longer than the service ever is, is taken up again where it was: nothing is missed and nothing comes twice. With
        `patience_seconds` it raises Unreachable when nothing is heard for so long: any byte is a sign of life, also of
        a comment, and so is that the service closes the stream. Raises Refused as `poll` does.
        """
        changes = follow(self._calls.connections, self.site, last_event_id, patience_seconds)
        return (change for change in changes if not isinstance(change, DevicesChange | PreviewChange))

    def follow_all(
        self, last_event_id: str | None = None, *, patience_seconds: float | None = None
    ) -> Iterator[Change | ChangeOfSite]:
        """Iterate as `follow` does, and over what the site says of itself too: `DevicesChange`, `PreviewChange`."""
        return follow(self._calls.connections, self.site, last_event_id, patience_seconds)
