"""The stops that came, for jobs of which the service alone says that they are to end."""

from __future__ import annotations

import logging
import threading
from collections import deque

from .api import SiteApi
from .errors import BadReply, NotFound, SiteClientError
from .halts import Halt
from .job import Job, stopped_ms
from .running_job import ClaimedJob

log = logging.getLogger(__name__)

_REMEMBERED = 50


class Stops:
    """The stops that came last, and what carries each of them out."""

    def __init__(self, client: SiteApi, lock: threading.Condition, *, are_handled: bool, alternate_queue: bool) -> None:
        """Take the lock under which stops arrive, and whether the site has a function that carries them out."""
        self._client, self._lock = client, lock
        self._are_handled, self._alternate_queue = are_handled, alternate_queue
        self._came: deque[tuple[Job, Halt]] = deque(maxlen=_REMEMBERED)

    def remember(self, stop: Job, halt: Halt) -> None:
        """Keep what carries a stop out (called with the lock held)."""
        self._came.append((stop, halt))

    def cancel(self, run: ClaimedJob, known: Job) -> None:
        """Ask a job to end since the service says so (called by the reporter).

        Somebody canceled this job alone, or sent a stop, which is maybe still on its way: then the stop has to halt it.
        """
        if run.cancel_requested and not run.awaits_stop:
            return
        run.request_cancel(awaits_stop=self._are_handled)
        if run.awaits_stop:
            try:
                known = known if known.history else self._client.get(known, alternate_queue=self._alternate_queue)
            except (NotFound, BadReply):  # an older service does not know the route
                pass
            except SiteClientError as error:
                log.warning("cannot ask whether a stop ends %s, trying again: %s", run.job, error)
                return
            self._await(run, stopped_ms(known))

    def _await(self, run: ClaimedJob, since_ms: int | None) -> None:
        with self._lock:
            if since_ms is None:
                run.await_no_stop()
            for stop, halt in self._came:
                if since_ms is not None and stop.timestamp_ms >= since_ms and stop.ulid > run.ulid:
                    run.request_cancel(halt)  # the service is set to let it cover more
