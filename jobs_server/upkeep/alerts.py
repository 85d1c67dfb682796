"""Alerts without Prometheus: a short POST when somebody should look, and one more when it is over.

What is posted works with ntfy (the text), Gotify (`title`, `message`) and chat webhooks (`text`, `content`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..domain.lifecycle import EXPIRED, LOST, Phase
from ..errors import TaskFailed, Unavailable
from ..worker import Worker, within
from . import checks, clock_checks, roof_checks, stop_checks

if TYPE_CHECKING:
    import httpx

    from ..jobs.operations import CommittedChange
    from ..service import Service

TRIES = 4
_ANSWER_SECONDS = 20.0  # in all, so that a receiver that sends a byte now and then holds up no other alert
_MOST_LOST = 20  # more losses that wait to be sent are no news
_DATABASE = "database"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AlertTimes:
    """Times of the alerts, all in seconds."""

    look_seconds: float = 2.0
    again_seconds: float = 3600.0
    """The same alert is sent again no sooner, however often it comes and goes."""
    roof_seconds: float = 60.0
    """So often it is said that a roof is open although it is not safe, until the roof is closed."""
    pause_seconds: float = 1.0
    """The pause after the first try; each further pause is twice as long."""
    retry_seconds: float = 30.0
    """What could not be sent with all tries is due again after so long, for as long as it takes."""


TIMES = AlertTimes()


class Alert(NamedTuple):
    """Something that somebody should look at; no two have the same key."""

    key: str
    sentence: str


def post(url: str, sentence: str, transport: httpx.BaseTransport | None = None, times: AlertTimes = TIMES) -> None:
    """Send one sentence, tried again when it does not arrive. Raises TaskFailed when it cannot be sent."""
    import httpx

    path = httpx.URL(url).path.strip("/")
    text_alone = "/" not in path and path != "message"  # as https://ntfy.example.org/topic is
    reason = ""
    with httpx.Client(timeout=10, transport=transport) as client:
        for attempt in range(TRIES):
            if attempt:
                time.sleep(times.pause_seconds * 2 ** (attempt - 1))
            try:
                if text_alone:
                    headers = {"Title": "jobs_server", "Content-Type": "text/plain; charset=utf-8"}
                    send = partial(client.post, url, content=sentence.encode(), headers=headers)
                else:
                    names = ("message", "text", "content")
                    send = partial(client.post, url, json={"title": "jobs_server"} | dict.fromkeys(names, sentence))
                answer = within(_ANSWER_SECONDS, send)
            except (httpx.HTTPError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                continue
            if answer.is_success:
                return
            reason = f"it answered {answer.status_code}"
    raise TaskFailed(f"the alert could not be sent to {httpx.URL(url).host}: {reason}")


class Watch:
    """Look at one installation every few seconds, and send what begins and what is over."""

    def __init__(self, service: Service, send: Callable[[str], None], times: AlertTimes = TIMES) -> None:
        self._service = service
        self._times = times
        self._send = send
        self._sent_at: dict[str, float] = {}
        self._begun: dict[str, str] = {}
        self._lost: list[Alert] = []
        self._expired: dict[str, str] = {}
        """Stops that expired and were never taken, since the last look."""
        self._due: dict[str, str] = {}
        """What is to be sent: of one thing only the newest, since what is over before it could be sent says both."""
        self._not_before = -times.retry_seconds

    def changed(self, changes: Sequence[CommittedChange]) -> None:
        """Note the jobs that were lost, and the stops that expired before they were looked at."""
        for change in changes:
            job = change.job
            if change.event.status == EXPIRED and job.is_stop and job.phase == Phase.WITHDRAWN:
                sentence = f"{job.site}: {job.action} was not taken, and has expired. Use the hard stop."
                self._expired[stop_checks.stop_key(job.site, job.ulid)] = sentence
            if change.event.status == LOST and len(self._lost) < _MOST_LOST:
                sentence = f"{job.site}: {job.action} for {job.device} {job.instance} is lost: no word from the site."
                self._lost.append(Alert(f"lost {job.ulid}", sentence))

    def look(self, now: float) -> None:
        """Send what is new and what is over; what cannot be sent now stays due."""
        self._note(now)
        if now >= self._not_before:
            self._send_due(now)

    def _note(self, now: float) -> None:
        """Note what is new, and what is over as far as this server can see now."""
        found = {alert.key: alert.sentence for alert in self.found()}
        found |= self._untaken()
        for key, sentence in found.items():
            is_roof = key.startswith(roof_checks.KEY)
            again_seconds = self._times.roof_seconds if is_roof else self._times.again_seconds
            is_new = is_roof or key not in self._begun
            if is_new and now - self._sent_at.get(key, -math.inf) >= again_seconds:
                self._begun[key] = self._due[key] = sentence
        over = self._begun.keys() - found.keys()
        if _DATABASE in found or not self._service.is_on_duty:
            over &= {_DATABASE}
        for key in over:
            self._due[key] = f"Over: {self._begun.pop(key)}"
            if key.startswith(stop_checks.KEY):
                self._sent_at.pop(key, None)  # it never comes again
        while self._lost and len(self._due) < _MOST_LOST:
            lost = self._lost.pop(0)
            self._due[lost.key] = lost.sentence

    def _untaken(self) -> dict[str, str]:
        """Return the stops that have expired untold, and those that were told and are not over."""
        untold = {key: sentence for key, sentence in self._expired.items() if key not in self._begun}
        self._expired.clear()
        told = {key: sentence for key, sentence in self._begun.items() if key.startswith(stop_checks.KEY)}
        try:
            left = stop_checks.untaken(self._service, told)
        except Unavailable:
            left = set(told)
        return untold | {key: told[key] for key in left}

    def _send_due(self, now: float) -> None:
        """Send one alert after another; the first that cannot be sent is tried again later, behind the others."""
        for key in list(self._due):
            self._due[key] = sentence = self._due.pop(key)
            if not self._deliver(sentence):
                self._not_before = now + self._times.retry_seconds
                return
            del self._due[key]
            if key in self._begun:
                self._sent_at[key] = now

    def found(self) -> Iterator[Alert]:
        """List what somebody should look at now."""
        service = self._service
        try:
            waits = [*stop_checks.what_waits(service), *checks.refusals_of(service), *clock_checks.clock_of(service)]
        except Unavailable as error:
            known = (finding.alert for finding in checks.file(service))
            yield Alert(_DATABASE, next(known, error.sentence.removeprefix("Error: ")))
            return
        if not service.is_on_duty:
            return  # another server sends them
        of_all = (
            *(*waits, *roof_checks.open_roofs(service), *checks.file(service)),
            *(*checks.last_backup(service.daily_work), *checks.disk_of_the_jobs(service)),
        )
        yield from (Alert(finding.about, finding.alert) for finding in of_all if finding.alert)

    def _deliver(self, sentence: str) -> bool:
        """Send one sentence; return whether it was taken."""
        log.warning("alert: %s", sentence)
        try:
            self._send(sentence)
        except TaskFailed as failure:
            log.error("%s", failure.message)  # noqa: TRY400
            return False
        return True


def watcher(service: Service) -> Worker | None:
    """Return what watches a service in the background; none when it is not set where alerts go."""
    url = service.settings.alert_url
    if not url:
        return None
    watch = Watch(service, lambda sentence: post(url, sentence))
    service.database.on_changes.append(watch.changed)
    return Worker(
        "alerts",
        TIMES.look_seconds,
        lambda: watch.look(time.monotonic()),
        does="sends alerts",
        failure="alerts could not be looked for",
    )
