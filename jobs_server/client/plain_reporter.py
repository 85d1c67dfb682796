"""The plain way of reporting: each report goes out at once, and what cannot be sent is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from .api import SiteApi
from .errors import SiteClientError
from .job import Job
from .ledger import Entry
from .running_job import ABORT_SECONDS, ClaimedJob

log = logging.getLogger(__name__)


class PlainReporter:
    """Report on jobs that came by a plain poll: for software that keeps no file of claims."""

    def __init__(self, client: SiteApi, abort_seconds: float = ABORT_SECONDS) -> None:
        self._client, self._abort_seconds = client, abort_seconds

    def begin(self, job: Job) -> ClaimedJob:
        """Report that a job begins, and return it to be carried out."""
        run = ClaimedJob(Entry(job, "", time.time_ns() // 1_000_000), self, self._abort_seconds)
        run.report("STARTED")
        return run

    def progress(self, run: ClaimedJob, status: str, seconds: float | None, message: str | None) -> None:
        """Send the status of a job."""
        self._send(run, status, seconds, message)

    def _send(
        self,
        run: ClaimedJob,
        status: str,
        seconds: float | None,
        message: str | None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            answer = self._client.update(
                run.job, status, seconds_until_complete=seconds, message=message, result=result
            )
        except SiteClientError as error:
            log.warning("%s of %s cannot be reported: %s", status, run.job, error)
        else:
            if answer.cancel_requested:
                run.request_cancel()

    def end(self, run: ClaimedJob, status: str, message: str | None) -> None:
        """Send the end of a job."""
        self._send(run, status, None, message, run.result)
        run.acknowledged.set()

    def abandon(self, run: ClaimedJob) -> None:
        """Send nothing."""
