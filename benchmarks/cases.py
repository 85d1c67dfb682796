"""What is asked of each route, and how the database is prepared for it."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Protocol

from .contenders import COMMAND, Sent
from .load import Run, drive, get, post

_RECENT = 100
_WAITING = 5


class Desk(Protocol):
    """A server that is measured, and how its database is filled."""

    @property
    def port(self) -> int:
        """Return where it listens."""

    def send(self, sites: list[str], each: int) -> Sequence[Sent]:
        """Queue a number of jobs at each site."""

    def take(self, site: str) -> None:
        """Hand over all that waits at a site."""

    def report(self, job: Sent, status: str) -> None:
        """Report on a job, as its site would."""

    def knows(self, site: str) -> bool:
        """Whether a site has any job."""


@dataclass(frozen=True)
class Case:
    """A route with what is posted to it."""

    name: str
    jobs: int
    """How many jobs a reply holds."""
    bodies: Callable[[Desk, int], Sequence[dict[str, Any]]]
    """Prepares the database for so many requests, and gives their bodies."""
    slow_to_prepare: int = 1
    """By what the number of requests is divided where each is prepared over HTTP."""
    loader: Callable[[int, Sequence[bytes], int], Run] = drive
    """Sends requests to a port over a number of connections."""

    @property
    def route(self) -> str:
        """Return the address."""
        return f"/jobs/{self.name.split(',')[0]}"

    def run(self, desk: Desk, requests: int, connections: int) -> Run:
        """Measure one round."""
        return self.drive(desk, self.prepare(desk, requests), connections)

    def prepare(self, desk: Desk, requests: int) -> list[bytes]:
        """Prepare the database for so many requests, and write them."""
        return [post(self.route, json.dumps(body).encode()) for body in self.bodies(desk, requests)]

    def drive(self, desk: Desk, written: Sequence[bytes], connections: int) -> Run:
        """Send the requests; also checks that the last reply holds what it should."""
        gc.collect()
        run = self.loader(desk.port, written, connections)
        assert run.body.count(b'"statusId"') == self.jobs, run.body
        return run


@dataclass(frozen=True)
class Page(Case):
    """A page that is opened."""

    address: str = "/"

    def prepare(self, desk: Desk, requests: int) -> list[bytes]:
        """Write so many requests, to a site at which jobs wait."""
        if not desk.knows("pages"):
            desk.send(["pages"], _WAITING)
        return [get(self.address)] * requests

    def drive(self, desk: Desk, written: Sequence[bytes], connections: int) -> Run:
        """Send the requests; also checks that the last reply is a whole page."""
        gc.collect()
        run = drive(desk.port, written, connections)
        assert run.body.rstrip().endswith(b"</html>"), run.body[-200:]
        return run


def _new(desk: Desk, requests: int) -> Sequence[dict[str, Any]]:
    desk.take("new")  # what waits does not pile up from round to round
    return [COMMAND | {"site": "new"}] * requests


def _nothing(_desk: Desk, requests: int) -> Sequence[dict[str, Any]]:
    return [{"site": "nothing"}] * requests


def _some_wait(desk: Desk, requests: int) -> Sequence[dict[str, Any]]:
    sites = [f"site-{number}" for number in range(requests)]
    desk.send(sites, _WAITING)
    return [{"site": site} for site in sites]


def _reports(status: str | None) -> Callable[[Desk, int], Sequence[dict[str, Any]]]:
    said: dict[str, Any] = {"secondsUntilComplete": 60} | ({"newStatus": status} if status else {})

    def bodies(desk: Desk, requests: int) -> Sequence[dict[str, Any]]:
        sent = desk.send(["running"], _RECENT)
        desk.take("running")
        return [{"site": "running", "ulid": job.ulid} | said for job in islice(cycle(sent), requests)]

    return bodies


def _one(desk: Desk, requests: int) -> Sequence[dict[str, Any]]:
    (job,) = desk.send(["one"], 1)
    desk.take("one")
    for status in ("STARTED", "COMPLETE"):
        desk.report(job, status)
    return [{"site": "one", "ulid": job.ulid}] * requests


def _recent(desk: Desk, requests: int) -> Sequence[dict[str, Any]]:
    if not desk.knows("recent"):
        desk.send(["recent"], _RECENT)
        desk.take("recent")
    return [{"site": "recent"}] * requests


CASES = (
    Case("newjob", 1, _new),
    Case("getnewjobs, empty", 0, _nothing),
    Case(f"getnewjobs, {_WAITING} jobs", _WAITING, _some_wait, slow_to_prepare=3),
    Case("updatejobstatus", 1, _reports("EXPOSING")),
    Case("startjob", 1, _reports(None)),
    Case("getjob", 1, _one),
    Case(f"getrecentjobs, {_RECENT} jobs", _RECENT, _recent),
)
PAGES = (
    Page("Send", 0, _nothing, address="/send?site=pages"),
    Page("Send, a slew", 0, _nothing, address="/send?site=pages&device=mount&action=go"),
    Page("Now", 0, _nothing, address="/?site=pages"),
)
"""Pages that editions have in common, for a look beside another checkout."""
